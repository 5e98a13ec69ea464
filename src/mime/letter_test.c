/* Messages as trees of parts: odd shapes, words and charsets, limits, and every octet back. */
#include "lm_test.h"

#include "base/buf.h"
#include "mime/letter.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Rig ---- */

static struct lm_letter *load(struct lm_bytes octets)
{
	struct lm_letter *l;
	struct lm_error why = { 0 };

	if (lm_letter_of_bytes(octets, &l, &why))
		fail_msg("%s", why.text);
	return l;
}

static void add(struct lm_buf *b, const char *text)
{
	assert_err(lm_buf_add_str(b, text), 0);
}

/* One part as "type", or "type(child,child)". */
static void describe(const struct lm_letter *l, uint32_t index, struct lm_buf *out)
{
	const struct lm_letter_part *p = lm_letter_part(l, index);

	add(out, p->type);
	if (!p->multipart)
		return;
	add(out, "(");
	for (uint32_t c = p->child; c != LM_LETTER_NO_PART; c = lm_letter_part(l, c)->next) {
		assert_true(c > index && lm_letter_part(l, c)->parent == index);
		if (c != p->child)
			add(out, ",");
		describe(l, c, out);
	}
	add(out, ")");
}

static void check_tree(const char *message, const char *want)
{
	struct lm_letter *l = load(lm_str(message));
	struct lm_buf got = { .max = 1 << 20 };

	describe(l, 0, &got);
	assert_bytes(lm_buf_bytes(&got), lm_str(want));
	lm_buf_done(&got);
	lm_letter_unref(l);
}

static void check_text(const char *message, uint32_t part, struct lm_bytes want)
{
	struct lm_letter *l = load(lm_str(message));
	struct lm_buf got = { .max = 64 << 20 };

	assert_true(part < lm_letter_part_count(l));
	assert_err(lm_letter_text(l, part, &got), 0);
	assert_bytes(lm_buf_bytes(&got), want);
	lm_buf_done(&got);
	lm_letter_unref(l);
}

static void check_same(struct lm_letter *l, struct lm_bytes want)
{
	struct lm_source *s = lm_letter_source(l);
	struct lm_buf got = { .max = 64 << 20 };
	bool last = false;

	assert_non_null(s);
	assert_int_equal(lm_letter_size(l), want.len);
	lm_letter_unref(l); /* the source has a reference */
	while (!last) {
		struct lm_bytes chunk;

		assert_err(s->ops->read(s, 5000, &chunk, &last), 0);
		assert_err(lm_buf_add(&got, chunk), 0);
	}
	s->ops->close(s);
	assert_bytes(lm_buf_bytes(&got), want);
	lm_buf_done(&got);
}

static void check_value(const char *body, const char *want)
{
	struct lm_buf got = { .max = 16 << 20 };

	assert_err(lm_letter_decode_text(lm_str(body), &got), 0);
	assert_bytes(lm_buf_bytes(&got), lm_str(want));
	lm_buf_done(&got);
}

static struct lm_buf many(const char *piece, size_t times)
{
	struct lm_buf b = { .max = 256 << 20 };

	for (size_t i = 0; i < times; i++)
		add(&b, piece);
	return b;
}

/* ---- Shapes ---- */

static void plain_messages(void **state)
{
	(void)state;
	check_tree("", "text/plain");
	check_tree("Subject: x\n", "text/plain");
	check_tree("Subject: x\r\n\r\nbody", "text/plain");
	check_tree("Content-Type: TEXT/Html; charset=x\n\n<p>", "text/html");
	check_tree("Content-Type: text\n\n", "text/plain");
	check_tree("Content-Type:\n\n", "text/plain");
	check_tree("Content-Type: a/b/c\n\n", "application/octet-stream");
	check_tree("content-type : image/png (really)\n\n", "image/png");
	check_text("no header at all\nline two\n", 0, lm_str("no header at all\nline two\n"));
	check_text("A: b\nno field\n\nx", 0, lm_str("no field\n\nx"));
	check_text("From joe Mon Jan 1\nA: b\n\nx", 0, lm_str("x"));
	check_text("A: b\r\n\r\n", 0, lm_str(""));
	check_text("A: b\rC: d\r\rone\rtwo", 0, lm_str("one\rtwo"));
}

#define MIXED "Content-Type: multipart/mixed; boundary=b\n\n"

static void multiparts(void **state)
{
	(void)state;
	check_tree(MIXED "pre\n--b\n\none\n--b\nContent-Type: a/b\n\ntwo\n--b--\nepi\n--b\n",
	           "multipart/mixed(text/plain,a/b)");
	check_text(MIXED "pre\n--b\n\none\n\n--b--\n", 1, lm_str("one\n"));
	check_text(MIXED "--b\r\n\r\none\r\n--b--", 1, lm_str("one"));
	check_text(MIXED "--b\n\none", 1, lm_str("one"));
	check_text(MIXED "--b  \t\r\n\r\none\r\n--b-- \n", 1, lm_str("one"));
	check_text(MIXED "--b\n\none\n--bb\n--b-\n--b--", 1, lm_str("one\n--bb\n--b-"));
	check_text(MIXED "--b\nContent-Type: text/plain\n--b--", 1, lm_str(""));
	check_text(MIXED "--b\nstraight away\n--b--", 1, lm_str("straight away"));
	check_tree(MIXED "--b\n--b\n--b\n--b--",
	           "multipart/mixed(text/plain,text/plain,text/plain)");
	check_tree("Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\ny\n--b--",
	           "multipart/digest(message/rfc822)");
	check_tree(MIXED "--b\nContent-Type: message/rfc822\n\n" MIXED "--c\n\nx\n--c--\n--b--",
	           "multipart/mixed(message/rfc822)");
	check_tree(MIXED "--b\nContent-Type: text/calendar; method=REQUEST\n\nx\n--b--",
	           "multipart/mixed(text/calendar)");
}

static void nested_multiparts(void **state)
{
	static const char inner[] = MIXED
	        "--b\nContent-Type: multipart/alternative; boundary=\"c d\"\n"
	        "\n--c d\n\none\n--c d\nContent-Type: text/html\n\ntwo\n";
	char text[1000];

	(void)state;
	snprintf(text, sizeof(text), "%s--c d--\n--b\nContent-Type: a/b\n\nx\n--b--\n", inner);
	check_tree(text, "multipart/mixed(multipart/alternative(text/plain,text/html),a/b)");
	snprintf(text, sizeof(text), "%s--b\nContent-Type: a/b\n\nx\n--b--\n", inner);
	check_tree(text, "multipart/mixed(multipart/alternative(text/plain,text/html),a/b)");
	check_text(text, 3, lm_str("two"));
	check_tree(inner, "multipart/mixed(multipart/alternative(text/plain,text/html))");
}

static void missing_boundaries(void **state)
{
	(void)state;
	check_tree("Content-Type: multipart/mixed\n\n--xyz\n\none\n--xyz\n\ntwo\n--xyz--\n",
	           "multipart/mixed(text/plain,text/plain)");
	check_tree("Content-Type: multipart/mixed\n\nonly text\n", "multipart/mixed");
	check_text("Content-Type: multipart/mixed\n\nonly text\n", 0, lm_str("only text\n"));
	check_tree(MIXED "it never comes\n", "multipart/mixed");
	check_tree("Content-Type: multipart/mixed; boundary=\"\"\n\n--\n--x\n\ny\n",
	           "multipart/mixed(text/plain)");
	check_tree("Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\n\n--ab\n\ny\n",
	           "multipart/mixed(text/plain)");
}

/* ---- Content ---- */

#define QP     "Content-Transfer-Encoding: quoted-printable\n"
#define BASE64 "Content-Transfer-Encoding: BASE64 \n"

static void transfer_encodings(void **state)
{
	(void)state;
	check_text(QP "\na=3Db=\n c=\r\nd =E4=zz=", 0,
	           lm_str("a=b c"
	                  "d \xC3\xA4=zz"));
	check_text(BASE64 "\nSGVs\r\nbG8=\n", 0, lm_str("Hello"));
	check_text(BASE64 "\nSGVsbG8", 0, lm_str("Hello"));
	check_text(BASE64 "\nSGVsb", 0, lm_str("Hel"));
	check_text(BASE64 "\nSG!V*s bG8=", 0, lm_str("Hello"));
	check_text(BASE64 "\n", 0, lm_str(""));
	check_text("Content-Transfer-Encoding: x-uuencode\n\nsome words\nbegin 644 a.txt\n"
	           "%2&5L;&\\`\n`\nend\n",
	           0, lm_str("Hello"));
	check_text("Content-Transfer-Encoding: x-uuencode\n\nnothing of that kind\n", 0,
	           lm_str(""));
	check_text("Content-Transfer-Encoding: made-up\n\nas it is", 0, lm_str("as it is"));
}

#define CHARSET(name) "Content-Type: text/plain; charset=" name "\n\n"

static void charsets(void **state)
{
	(void)state;
	check_text(CHARSET("iso-8859-1") "\xE4\x80", 0, lm_str("\xC3\xA4\xE2\x82\xAC"));
	check_text(CHARSET("utf-8") "\xC3\xA4", 0, lm_str("\xC3\xA4"));
	check_text(CHARSET("utf-8") "\xE4", 0, lm_str("\xC3\xA4"));
	check_text(CHARSET("utf-8") "\xC3\xA4\xE4", 0, lm_str("\xC3\xA4\xEF\xBF\xBD"));
	check_text(CHARSET("us-ascii") "\xC3\xA4", 0, lm_str("\xC3\xA4"));
	check_text(CHARSET("us-ascii") "\xE4", 0, lm_str("\xC3\xA4"));
	check_text(CHARSET("no-such-charset") "\xE4", 0, lm_str("\xC3\xA4"));
	check_text(CHARSET("\"utf-8//TRANSLIT\"") "\xE4", 0, lm_str("\xC3\xA4"));
	check_text(CHARSET("koi8-r") "\xC1", 0, lm_str("\xD0\xB0"));
	check_text(CHARSET("iso-2022-jp") "\x1B$B$\"\x1B(B", 0, lm_str("\xE3\x81\x82"));
	check_text(CHARSET("gb2312") "\xC4\xE3", 0, lm_str("\xE4\xBD\xA0"));
	check_text(CHARSET("utf-16le") "a", 0, lm_str("\xEF\xBF\xBD"));
	check_text("Content-Type: text/plain; charset\n\n\xE4", 0, lm_str("\xC3\xA4"));
}

static void text_with_nul(void **state)
{
	static const char message[] = "A: b\n\nx\0\xC3\xA4";
	struct lm_letter *l = load(lm_bytes(message, sizeof(message) - 1));
	struct lm_buf got = { .max = 100 };

	(void)state;
	assert_err(lm_letter_text(l, 0, &got), 0);
	assert_bytes(lm_buf_bytes(&got), lm_bytes("x\0\xC3\xA4", 4));
	lm_buf_done(&got);
	lm_letter_unref(l);
}

/* ---- Header ---- */

static void field_texts(void **state)
{
	(void)state;
	check_value(" plain text \r\n", "plain text");
	check_value(" folded\r\n text\n\tmore", "folded text\tmore");
	check_value("=?utf-8?Q?a=C3=A4?= b =?ISO-8859-1?q?=E4_x?=", "a\xC3\xA4 b \xC3\xA4 x");
	check_value("=?utf-8?Q?=C3?= =?utf-8?Q?=A4?=", "\xC3\xA4");
	check_value("=?utf-8?B?w6Q=?=\r\n =?utf-8?B?w6Q?=", "\xC3\xA4\xC3\xA4");
	check_value("=?utf-8*de?Q?=C3=A4?=", "\xC3\xA4");
	check_value("x=?utf-8?B?w6Q=?=y \"=?utf-8?Q?q?=\"", "x\xC3\xA4y \"q\"");
	check_value("=?utf-8?Q?a b?=", "a b");
	check_value("=?nonsense?Q?=E4?= =?x?Z?y?= =?utf-8?Q?open",
	            "\xC3\xA4 =?x?Z?y?= =?utf-8?Q?open");
	check_value("=?utf-8?Q?open =?utf-8?Q?b?=", "=?utf-8?Q?open b");
	check_value("raw \xE4 octet", "raw \xC3\xA4 octet");
	check_value("raw \xC3\xA4 octet", "raw \xC3\xA4 octet");
	check_value("=?utf-8?Q?a=0D=0ABcc:_x=00?=", "a  Bcc: x ");
	check_value("", "");
	check_value("=?", "=?");
	check_value("=?=?=?==?", "=?=?=?==?");
}

static int note_address(void *ctx, struct lm_bytes name, struct lm_bytes address)
{
	struct lm_buf *b = ctx;

	return lm_buf_printf(b, "%.*s<%.*s>|", LM_FMT(name), LM_FMT(address));
}

static void check_addresses(const char *body, const char *want)
{
	struct lm_buf got = { .max = 1 << 20 };

	assert_err(lm_letter_decode_addresses(lm_str(body), note_address, &got), 0);
	assert_bytes(lm_buf_bytes(&got), lm_str(want));
	lm_buf_done(&got);
}

static void addresses(void **state)
{
	(void)state;
	check_addresses(" a@b", "<a@b>|");
	check_addresses("a@b, Joe <c@d>,\r\n \"Doe, J\\\"oe\" <e@f>",
	                "<a@b>|Joe<c@d>|Doe, J\"oe<e@f>|");
	check_addresses("=?utf-8?Q?J=C3=B6rg?= M. <a@b>", "J\xC3\xB6rg M.<a@b>|");
	check_addresses("\"=?utf-8?Q?J=C3=B6rg?=\" <a@b>", "J\xC3\xB6rg<a@b>|");
	check_addresses("J\xF6rg <a@b>", "J\xC3\xB6rg<a@b>|");
	check_addresses("a@b (Joe (the) Doe)", "Joe (the) Doe<a@b>|");
	check_addresses("(note) a@b", "note<a@b>|");
	check_addresses("group: a@b, Joe <c@d>; e@f", "<a@b>|Joe<c@d>|<e@f>|");
	check_addresses("undisclosed-recipients:;", "");
	check_addresses("<>", "<>|");
	check_addresses("<@r1,@r2:a@b>", "<a@b>|");
	check_addresses("< a@b >", "<a@b>|");
	check_addresses("Joe a@b", "Joe<a@b>|");
	check_addresses("\"a b\"@c", "<\"a b\"@c>|");
	check_addresses("<\"a b>,\"@c>", "<\"a b>,\"@c>|");
	check_addresses("a@[IPv6:::1]", "<a@[IPv6:::1]>|");
	check_addresses("just a name", "just a name<>|");
	check_addresses("root", "<root>|");
	check_addresses(",,;, ", "");
	check_addresses("Joe <a@b", "Joe<a@b>|");
	check_addresses("\"open", "open<>|");
	check_addresses("a@b <c@d>", "a@b<c@d>|");
}

static void dates(void **state)
{
	int64_t ms;

	(void)state;
	assert_true(lm_letter_decode_date(lm_str(" Sat, 21 Nov 2026 02:33:14 +0000\r\n"), &ms));
	assert_int_equal(ms, 1795228394000);
	assert_true(lm_letter_decode_date(lm_str("21 Nov 26 03:33:14 +0100 (CET)"), &ms));
	assert_int_equal(ms, 1795228394000);
	assert_false(lm_letter_decode_date(lm_str("soon"), &ms));
	assert_false(lm_letter_decode_date(lm_str(""), &ms));
	assert_false(lm_letter_decode_date(lm_str("\n\n"), &ms));
}

static void fields(void **state)
{
	struct lm_letter *l = load(lm_str("A: 1\nb : 2\n 3\na:4\n\nA: no\n"));
	struct lm_bytes name, body;

	(void)state;
	assert_int_equal(lm_letter_field_count(l), 3);
	lm_letter_field(l, 1, &name, &body);
	assert_bytes(name, lm_str("b"));
	assert_bytes(body, lm_str(" 2\n 3\n"));
	assert_int_equal(lm_letter_find(l, "A", 0), 0);
	assert_int_equal(lm_letter_find(l, "A", 1), 2);
	assert_int_equal(lm_letter_find(l, "A", 3), LM_LETTER_NO_FIELD);
	assert_int_equal(lm_letter_find(l, "C", 0), LM_LETTER_NO_FIELD);
	lm_letter_unref(l);
}

/* ---- Info ---- */

static void check_info(const char *header, const char *want)
{
	char message[2000], got[2000];
	struct lm_letter_info info;
	struct lm_letter *l;

	snprintf(message, sizeof(message), "%s\n\n", header);
	l = load(lm_str(message));
	assert_err(lm_letter_info(l, 0, &info), 0);
	snprintf(got, sizeof(got), "%s|%s|%s|%s|%s", info.charset, info.id, info.disposition,
	         info.name, info.parameters);
	assert_string_equal(got, want);
	lm_letter_info_done(&info);
	lm_letter_unref(l);
}

static void infos(void **state)
{
	(void)state;
	check_info("A: b", "||||");
	check_info("Content-Type: a/b; charset=x; name=n; y=z\nContent-ID: <i@d>\n"
	           "Content-Disposition: Attachment; filename=f",
	           "x|i@d|attachment|f|; y=\"z\"");
	check_info("Content-Type: a/b; name=\"=?utf-8?Q?=C3=A4?=.txt\"", "|||\xC3\xA4.txt|");
	check_info("Content-Type: a/b; name*0*=utf-8''%c3; name*1*=%a4; name*2=x", "|||\xC3\xA4x|");
	check_info("Content-Type: a/b; name=\"\xE4\"", "|||\xC3\xA4|");
	check_info("Content-Type: a/b; name=two words; x=y", "|||two words|; x=\"y\"");
	check_info("Content-Disposition: inline; filename=\"a\n b\"", "||inline|a b|");
	check_info("Content-ID: bare@id ", "|bare@id|||");
	check_info("Content-Type: text/calendar; method=REQUEST", "||||; method=\"REQUEST\"");
}

static void check_name(const char *name, const char *want)
{
	struct lm_buf got = { .max = 1000 };

	assert_err(lm_letter_safe_name(name, &got), 0);
	assert_bytes(lm_buf_bytes(&got), lm_str(want));
	assert_false(memchr(want, '/', strlen(want)));
	lm_buf_done(&got);
}

static void safe_names(void **state)
{
	char longest[400] = "", want[124] = "";

	(void)state;
	check_name("a.txt", "a.txt");
	check_name("../../etc/passwd", "passwd");
	check_name("/etc/passwd", "passwd");
	check_name("C:\\dir\\x.txt", "x.txt");
	check_name("..", "");
	check_name(".", "");
	check_name("...", "");
	check_name("a/..", "");
	check_name(".bashrc", "bashrc");
	check_name("", "");
	check_name("nul", "_nul");
	check_name("COM1.txt", "_COM1.txt");
	check_name("compact", "compact");
	check_name("a\x01"
	           "b:c\"d",
	           "a_b_c_d");
	check_name("x. . ", "x");
	check_name("\xC3\xA4.txt", "\xC3\xA4.txt");
	check_name("\xE4", "");
	for (size_t i = 0; i < 300; i++)
		longest[i] = i % 2 ? '\xA4' : '\xC3';
	memcpy(longest + 300, ".txt", 4);
	longest[116] = longest[117] = 0;
	memcpy(longest + 116, ".txt", 4);
	memcpy(want, longest, 120);
	memcpy(longest + 116, "\xC3\xA4\xC3\xA4", 4);
	check_name(longest, want);
}

/* ---- Limits ---- */

static void depth(void **state)
{
	struct lm_buf b = { .max = 1 << 20 };
	struct lm_letter *l;

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_err(lm_buf_printf(&b,
		                         "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n",
		                         i, i),
		           0);
	add(&b, "\nthe end\n");
	l = load(lm_buf_bytes(&b));
	assert_int_equal(lm_letter_part_count(l), LM_LETTER_DEPTH + 1);
	assert_true(lm_letter_part(l, LM_LETTER_DEPTH - 1)->multipart);
	assert_false(lm_letter_part(l, LM_LETTER_DEPTH)->multipart);
	lm_letter_unref(l);
	lm_buf_done(&b);
}

static void parts(void **state)
{
	struct lm_buf b = many("\n--b\n\nx", LM_LETTER_PARTS - 1), all = { .max = 16 << 20 };
	struct lm_error why = { 0 };
	struct lm_letter *l;

	(void)state;
	add(&all, MIXED);
	assert_err(lm_buf_add(&all, lm_buf_bytes(&b)), 0);
	l = load(lm_buf_bytes(&all));
	assert_int_equal(lm_letter_part_count(l), LM_LETTER_PARTS);
	lm_letter_unref(l);
	add(&all, "\n--b\n\nx");
	assert_err(lm_letter_of_bytes(lm_buf_bytes(&all), &l, &why), LM_E_LIMIT);
	assert_non_null(strstr(why.text, "more than 100000 parts"));
	lm_buf_done(&b);
	lm_buf_done(&all);
}

static void headers(void **state)
{
	struct lm_buf lines = many("X: y\n", LM_LETTER_FIELDS), bytes;
	struct lm_error why = { 0 };
	struct lm_letter *l;

	(void)state;
	l = load(lm_buf_bytes(&lines));
	assert_int_equal(lm_letter_field_count(l), LM_LETTER_FIELDS);
	lm_letter_unref(l);
	add(&lines, "X: y\n");
	assert_err(lm_letter_of_bytes(lm_buf_bytes(&lines), &l, &why), LM_E_LIMIT);
	assert_non_null(strstr(why.text, "more than 1000000 fields"));
	lm_buf_done(&lines);
	bytes = many("X: 0123456789012345678901234567890123456789012345678901234567\n",
	             LM_LETTER_HEADER / 60);
	assert_err(lm_letter_of_bytes(lm_buf_bytes(&bytes), &l, &why), LM_E_LIMIT);
	assert_non_null(strstr(why.text, "larger than 16777216 octets"));
	lm_buf_done(&bytes);
	bytes = many("no field, and never a line end ", 700000); /* none of it is a header */
	l = load(lm_buf_bytes(&bytes));
	assert_int_equal(lm_letter_field_count(l), 0);
	lm_letter_unref(l);
	lm_buf_done(&bytes);
}

/* Nothing takes time that grows faster than what is read: this is 1 MB each, and done at once. */
static void bombs(void **state)
{
	static const char *const pieces[] = {
		"=?utf-8?q?a?= ", "=?",    "\xE4 ", "=?utf-8?q?",     "=?x", "(", "<", "\"\\",
		"=?utf-8?b?=?=",  "a@b, ", ": ",    "=?utf-8?q?=C3?="
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		struct lm_buf b = many(pieces[i], (1 << 20) / strlen(pieces[i]));
		struct lm_buf out = { .max = 64 << 20 };

		assert_err(lm_letter_decode_text(lm_buf_bytes(&b), &out), 0);
		lm_buf_clear(&out);
		assert_err(lm_letter_decode_addresses(lm_buf_bytes(&b), note_address, &out), 0);
		lm_buf_done(&b);
		lm_buf_done(&out);
	}
}

/* ---- Octets ---- */

static void every_octet(void **state)
{
	uint8_t all[256 * 3];

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)(i * 7);
	check_same(load(lm_bytes(all, sizeof(all))), lm_bytes(all, sizeof(all)));
	for (unsigned c = 0; c < 256; c++) {
		char text[] = "Subject: x\r\n\r\ny";

		text[9] = text[14] = (char)c;
		check_same(load(lm_bytes(text, sizeof(text) - 1)),
		           lm_bytes(text, sizeof(text) - 1));
	}
}

static void large_from_file(void **state)
{
	char path[] = "/tmp/lm-letter-XXXXXX";
	struct lm_buf b = many("0123456789\xC3\xA4 \r\n", 5 << 16);
	struct lm_error why = { 0 };
	struct lm_letter *l;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	memcpy(b.data, "Subject: x\r\n\r\n", 14);
	assert_int_equal(write(fd, b.data, lm_buf_len(&b)), lm_buf_len(&b));
	assert_err(lm_letter_of_file(path, &l, &why), 0);
	assert_int_equal(unlink(path), 0); /* what was opened stays */
	assert_int_equal(lm_letter_field_count(l), 1);
	assert_int_equal(lm_letter_part(l, 0)->body, 14);
	check_same(l, lm_buf_bytes(&b));
	assert_err(lm_letter_of_file(path, &l, &why), LM_E_NOT_FOUND);
	assert_err(lm_letter_of_file("/tmp", &l, &why), LM_E_UNSUPPORTED);
	assert_err(lm_letter_of_file("/dev/zero", &l, &why), LM_E_UNSUPPORTED);
	close(fd);
	lm_buf_done(&b);
}

/* A line across windows of the file, and a file that someone cuts. */
static void windows(void **state)
{
	char path[] = "/tmp/lm-letter-XXXXXX";
	struct lm_buf b = { .max = 64 << 20 }, line = many("x", 65530);
	struct lm_letter_reader *r;
	struct lm_bytes piece;
	struct lm_letter *l;
	int fd = mkstemp(path), err;

	(void)state;
	add(&b, MIXED);
	for (int i = 0; i < 40; i++) {
		assert_err(lm_buf_add(&b, lm_buf_bytes(&line)), 0);
		for (int k = 0; k < i; k++)
			add(&b, "y");
		add(&b, "\r\n--b\r\n\r\n");
	}
	assert_int_equal(write(fd, b.data, lm_buf_len(&b)), lm_buf_len(&b));
	assert_err(lm_letter_of_file(path, &l, NULL), 0);
	assert_int_equal(lm_letter_part_count(l), 41);
	for (uint32_t i = 1; i < 40; i++)
		assert_int_equal(lm_letter_part(l, i)->end - lm_letter_part(l, i)->body, 65530 + i);
	assert_int_equal(ftruncate(fd, 70000), 0);
	assert_err(lm_letter_reader_new(l, 0, &r), 0);
	do
		err = lm_letter_reader_next(r, &piece);
	while (err == 0 && piece.len);
	assert_err(err, LM_E_IO);
	lm_letter_reader_free(r);
	lm_letter_unref(l);
	unlink(path);
	close(fd);
	lm_buf_done(&b);
	lm_buf_done(&line);
}

static void memory_fails(void **state)
{
	static const char message[] = MIXED
	        "--b\nContent-Type: text/plain; charset=latin1; name=x\n"
	        "Content-Transfer-Encoding: base64\n\n5A==\n--b--\n";

	(void)state;
	for (unsigned long n = 1; n < 200; n++) {
		struct lm_buf text = { .max = 1000 };
		struct lm_letter *l = NULL;
		int err;

		lm_alloc_fail_at(n);
		err = lm_letter_of_bytes(lm_str(message), &l, NULL);
		if (err == 0)
			err = lm_letter_text(l, 1, &text);
		lm_alloc_fail_at(0);
		assert_true(err == 0 || err == LM_E_NOMEM);
		if (err == 0)
			assert_bytes(lm_buf_bytes(&text), lm_str("\xC3\xA4"));
		lm_buf_done(&text);
		lm_letter_unref(l);
	}
}

static void *parse_often(void *ctx)
{
	struct lm_letter *shared = ctx;

	for (int i = 0; i < 200; i++) {
		struct lm_letter *l = load(lm_str(MIXED "--b\n" BASE64 "\n5A==\n--b--"));
		struct lm_buf text = { .max = 1000 };
		int64_t ms;

		assert_err(lm_letter_text(l, 1, &text), 0);
		assert_err(lm_letter_text(shared, 0, &text), 0);
		assert_err(lm_letter_decode_text(lm_str("=?koi8-r?Q?=C1?="), &text), 0);
		assert_true(lm_letter_decode_date(lm_str("1 Jan 2026 00:00 +0000"), &ms));
		lm_buf_done(&text);
		lm_letter_unref(l);
	}
	lm_letter_unref(shared);
	return NULL;
}

static void threads(void **state)
{
	struct lm_letter *l = load(lm_str(CHARSET("latin1") "\xE4"));
	pthread_t thread[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, parse_often, lm_letter_ref(l)),
		                 0);
	lm_letter_unref(l);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_messages),
		cmocka_unit_test(multiparts),
		cmocka_unit_test(nested_multiparts),
		cmocka_unit_test(missing_boundaries),
		cmocka_unit_test(transfer_encodings),
		cmocka_unit_test(charsets),
		cmocka_unit_test(text_with_nul),
		cmocka_unit_test(field_texts),
		cmocka_unit_test(addresses),
		cmocka_unit_test(dates),
		cmocka_unit_test(fields),
		cmocka_unit_test(infos),
		cmocka_unit_test(safe_names),
		cmocka_unit_test(depth),
		cmocka_unit_test(parts),
		cmocka_unit_test(headers),
		cmocka_unit_test(bombs),
		cmocka_unit_test(every_octet),
		cmocka_unit_test(large_from_file),
		cmocka_unit_test(windows),
		cmocka_unit_test(memory_fails),
		cmocka_unit_test(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
