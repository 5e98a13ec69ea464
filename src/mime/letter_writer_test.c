/* Messages written anew: fields folded and encoded, texts in the encoding they need, files, and
 * letters of which nothing changes but what is named. */
#include "lm_test.h"

#include "base/buf.h"
#include "mime/letter.h"
#include "mime/letter_compose.h"
#include "mime/letter_writer.h"

/* ---- Rig ---- */

static struct lm_letter *load(const char *octets)
{
	struct lm_letter *l;

	assert_err(lm_letter_of_bytes(lm_str(octets), &l, NULL), 0);
	return l;
}

static struct lm_letter_writer *start(const char *base)
{
	struct lm_letter *l = base ? load(base) : NULL;
	struct lm_letter_writer *w;

	assert_err(lm_letter_writer_new(l, &w), 0);
	lm_letter_unref(l);
	return w;
}

static struct lm_letter *finish(struct lm_letter_writer *w)
{
	struct lm_letter *l;
	struct lm_stash stash;
	struct lm_error why = { 0 };

	if (lm_letter_writer_end(w, &stash, &why))
		fail_msg("%s", why.text);
	lm_letter_writer_free(w);
	assert_err(lm_letter_of_stash(&stash, &l, &why), 0);
	return l;
}

static struct lm_buf octets_of(struct lm_letter *l)
{
	struct lm_buf b = { .max = 64 << 20 };
	uint8_t *room;
	size_t got = 1;

	while (got) {
		assert_err(lm_buf_room(&b, 65536, &room), 0);
		assert_err(lm_letter_read_at(l, lm_buf_len(&b), room, 65536, &got), 0);
		lm_buf_grew(&b, got);
	}
	lm_letter_unref(l);
	return b;
}

static void check_octets(struct lm_letter *l, const char *want)
{
	struct lm_buf got = octets_of(l);

	assert_bytes(lm_buf_bytes(&got), lm_str(want));
	lm_buf_done(&got);
}

static void check_text(const struct lm_letter *l, uint32_t part, const char *want)
{
	struct lm_buf got = { .max = 64 << 20 };

	assert_true(part < lm_letter_part_count(l));
	assert_err(lm_letter_text(l, part, &got), 0);
	assert_bytes(lm_buf_bytes(&got), lm_str(want));
	lm_buf_done(&got);
}

static void add_text(struct lm_letter_writer *w, const char *type, int transfer, const char *text)
{
	const struct lm_letter_writer_text t = {
		.type = type, .charset = "", .transfer = transfer, .text = lm_str(text)
	};

	assert_err(lm_letter_writer_text(w, &t, NULL), 0);
}

struct memory {
	struct lm_bytes rest;
};

static int read_memory(void *ctx, uint8_t *out, size_t room, size_t *out_len,
                       struct lm_error *out_error)
{
	struct memory *m = ctx;

	(void)out_error;
	*out_len = m->rest.len < room ? m->rest.len : room;
	if (*out_len)
		memcpy(out, m->rest.data, *out_len);
	m->rest = lm_bytes_from(m->rest, *out_len);
	return 0;
}

static int add_file(struct lm_letter_writer *w, struct lm_letter_writer_file file,
                    struct lm_bytes content)
{
	struct memory m = { content };

	file.type = file.type ? file.type : "";
	file.name = file.name ? file.name : "";
	file.id = file.id ? file.id : "";
	file.disposition = file.disposition ? file.disposition : "";
	file.read = read_memory;
	file.ctx = &m;
	return lm_letter_writer_file(w, &file, NULL);
}

/* ---- Fields ---- */

static void check_field(const char *text, const char *want)
{
	struct lm_buf got = { .max = 1 << 20 }, back = { .max = 1 << 20 };

	assert_err(lm_compose_text(lm_str(text), 9, "\r\n", &got), 0);
	if (want)
		assert_bytes(lm_buf_bytes(&got), lm_str(want));
	for (size_t i = 0, line = 9; i < got.len; i++) {
		line = got.data[i] == '\n' ? 0 : line + 1;
		assert_true(line <= 77 || !memchr(text, ' ', strlen(text)) || want);
		assert_true(got.data[i] < 0x80);
	}
	assert_err(lm_letter_decode_text(lm_buf_bytes(&got), &back), 0);
	assert_bytes(lm_buf_bytes(&back), lm_str(text));
	lm_buf_done(&got);
	lm_buf_done(&back);
}

static void texts_of_fields(void **state)
{
	struct lm_buf out = { .max = 1000 };
	char text[3000] = "";

	(void)state;
	check_field("plain", "plain");
	check_field("", "");
	check_field("caf\xC3\xA9", "=?utf-8?Q?caf=C3=A9?=");
	check_field("\xE3\x81\x82\xE3\x81\x84", "=?utf-8?B?44GC44GE?=");
	check_field("=?utf-8?Q?x?=", NULL);
	check_field(" blanks around ", NULL);
	check_field("tab\there", NULL);
	check_field("0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789",
	            "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789\r\n"
	            " 0123456789");
	for (size_t i = 0; i < 2998; i += 2)
		memcpy(text + i, "\xC3\xA4", 3);
	check_field(text, NULL);
	memset(text, 'x', 2998);
	check_field(text, NULL);
	assert_err(lm_compose_text(lm_str("a\r\nBcc: x"), 9, "\r\n", &out), LM_E_SYNTAX);
	assert_err(lm_compose_text(lm_str("a\nb"), 9, "\r\n", &out), LM_E_SYNTAX);
	assert_err(lm_compose_text(lm_bytes("a\0b", 3), 9, "\r\n", &out), LM_E_SYNTAX);
	lm_buf_done(&out);
}

static void check_parameter(const char *value, const char *want)
{
	struct lm_buf got = { .max = 1 << 20 };
	struct lm_letter_info info;
	struct lm_letter *l;

	assert_err(lm_buf_add_str(&got, "Content-Type: a/b"), 0);
	assert_err(lm_compose_parameter("name", lm_str(value), " ", &got), 0);
	if (want)
		assert_bytes(lm_bytes_from(lm_buf_bytes(&got), 17), lm_str(want));
	assert_err(lm_buf_add(&got, lm_bytes("\r\n\r\n", 5)), 0);
	l = load((const char *)got.data);
	assert_err(lm_letter_info(l, 0, &info), 0);
	assert_string_equal(info.name, value);
	lm_letter_info_done(&info);
	lm_letter_unref(l);
	lm_buf_done(&got);
}

static void parameters(void **state)
{
	struct lm_buf out = { .max = 1000 };
	char text[602] = "";

	(void)state;
	check_parameter("a.txt", "; name=\"a.txt\"");
	check_parameter("a \"b\" \\c", "; name=\"a \\\"b\\\" \\\\c\"");
	check_parameter("\xC3\xA4.txt", "; name*=utf-8''%C3%A4.txt");
	check_parameter("100%'*;", "; name=\"100%'*;\"");
	for (size_t i = 0; i < 600; i += 2)
		memcpy(text + i, "\xC3\xA4", 3);
	check_parameter(text, NULL);
	memset(text, 'x', 600);
	check_parameter(text, NULL);
	assert_err(lm_compose_parameter("name", lm_str("a\nb"), " ", &out), LM_E_SYNTAX);
	assert_err(lm_compose_parameter("na me", lm_str("a"), " ", &out), LM_E_SYNTAX);
	assert_err(lm_compose_parameter("", lm_str("a"), " ", &out), LM_E_SYNTAX);
	lm_buf_done(&out);
}

static void check_addresses(const char *list, const char *want)
{
	struct lm_buf got = { .max = 1 << 20 };
	struct lm_error why = { 0 };
	int err = lm_compose_addresses(lm_str(list), 4, "\r\n", &got, &why);

	if (err)
		assert_string_equal(why.text, want);
	else
		assert_bytes(lm_buf_bytes(&got), lm_str(want));
	lm_buf_done(&got);
}

static void addresses(void **state)
{
	(void)state;
	check_addresses("a@b", "<a@b>");
	check_addresses("a@b, Joe <c@d>", "<a@b>,\r\n\tJoe <c@d>");
	check_addresses("\"Doe, Joe\" <a@b>", "\"Doe, Joe\" <a@b>");
	check_addresses("J\xC3\xB6rg <a@b>", "=?utf-8?Q?J=C3=B6rg?= <a@b>");
	check_addresses("a@b\xC3\xBC"
	                "cher.de",
	                "<a@xn--bcher-kva.de>");
	check_addresses("j\xC3\xB6@b\xC3\xBC.de", "<j\xC3\xB6@b\xC3\xBC.de>");
	check_addresses("<>", "<>");
	check_addresses("", "");
	check_addresses("two words", "\"two words\" is not an address");
	check_addresses("<a b@c>, <d\\@e>", "\"d\\@e\" is not an address");
	check_addresses("a@b\r\nBcc: c@d", "CR, LF and NUL cannot stand in a header");
}

/* ---- New messages ---- */

static void new_text(void **state)
{
	struct lm_letter_writer *w = start(NULL);

	(void)state;
	assert_err(lm_letter_writer_field(w, LM_LETTER_NO_FIELD, "Subject", lm_str("hi"),
	                                  LM_FORM_TEXT, NULL),
	           0);
	assert_err(lm_letter_writer_field(w, LM_LETTER_NO_FIELD, "To", lm_str("a@b"),
	                                  LM_FORM_ADDRESSES, NULL),
	           0);
	add_text(w, "", -1, "one\ntwo");
	check_octets(finish(w), "Subject: hi\r\nTo: <a@b>\r\nMIME-Version: 1.0\r\n"
	                        "Content-Type: text/plain; charset=\"utf-8\"\r\n"
	                        "Content-Transfer-Encoding: 7bit\r\n\r\none\r\ntwo\r\n");
}

static void wrong_fields(void **state)
{
	static const char *const names[] = { "", "a b", "a:", "a\r\nb", "\xC3\xA4" };
	struct lm_error why = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct lm_letter_writer *w = start(NULL);

		assert_err(lm_letter_writer_field(w, LM_LETTER_NO_FIELD, names[i], lm_str("x"),
		                                  LM_FORM_TEXT, &why),
		           LM_E_SYNTAX);
		assert_non_null(strstr(why.text, "header's name"));
		assert_err(lm_letter_writer_field(w, LM_LETTER_NO_FIELD, "X", lm_str("x\r\ny"),
		                                  LM_FORM_TEXT, &why),
		           LM_E_SYNTAX);
		lm_letter_writer_free(w);
	}
}

/* What is in `text` comes back, whatever was asked for; `want` is the encoding it got. */
static void check_encoding(const char *text, int asked, enum lm_transfer want)
{
	struct lm_letter_writer *w = start(NULL);
	struct lm_letter_info info;
	struct lm_letter *l;
	struct lm_buf all;

	assert_err(lm_letter_writer_open(w, "multipart/mixed", "", NULL), 0);
	add_text(w, "", asked, text);
	l = finish(w);
	check_text(l, 1, text);
	assert_err(lm_letter_info(l, 1, &info), 0);
	assert_int_equal(info.transfer, want);
	lm_letter_info_done(&info);
	all = octets_of(l);
	for (size_t i = 0, line = 0; i < lm_buf_len(&all); i++) {
		line = all.data[i] == '\n' ? 0 : line + 1;
		assert_true(line <= 999 && (want < LM_TRANSFER_QP || line <= 77));
	}
	lm_buf_done(&all);
}

static void encodings(void **state)
{
	char text[2001];

	(void)state;
	check_encoding("plain\r\ntext\r\n", -1, LM_TRANSFER_7BIT);
	check_encoding("", -1, LM_TRANSFER_7BIT);
	check_encoding("caf\xC3\xA9 au lait, s'il vous pla\xC3\xAEt", -1, LM_TRANSFER_QP);
	check_encoding("\xE3\x81\x82\xE3\x81\x84", -1, LM_TRANSFER_BASE64);
	check_encoding("caf\xC3\xA9", LM_TRANSFER_8BIT, LM_TRANSFER_8BIT);
	check_encoding("caf\xC3\xA9 au lait, s'il vous plait", LM_TRANSFER_7BIT, LM_TRANSFER_QP);
	check_encoding("plain", LM_TRANSFER_QP, LM_TRANSFER_QP);
	check_encoding("plain", LM_TRANSFER_BASE64, LM_TRANSFER_BASE64);
	check_encoding("one\r\n.\r\ntwo", -1, LM_TRANSFER_QP);
	check_encoding(".", -1, LM_TRANSFER_QP);
	check_encoding("From me\r\n--x\r\n.dot \r\nend ", LM_TRANSFER_QP, LM_TRANSFER_QP);
	check_encoding("lone\rCR", -1, LM_TRANSFER_QP);
	check_encoding("lone\rCR", LM_TRANSFER_BINARY, LM_TRANSFER_QP);
	memset(text, 'x', 2000);
	text[2000] = 0;
	check_encoding(text, -1, LM_TRANSFER_QP);
	check_encoding(text, LM_TRANSFER_8BIT, LM_TRANSFER_QP);
}

static void safe_lines(void **state)
{
	struct lm_letter_writer *w = start(NULL);
	struct lm_buf all;

	(void)state;
	add_text(w, "", LM_TRANSFER_QP, "From me\r\n--x\r\n.dot\r\nend \r\n");
	all = octets_of(finish(w));
	assert_non_null(memmem(all.data, lm_buf_len(&all),
	                       "\r\n\r\n=46rom me\r\n=2D-x\r\n=2Edot\r\n"
	                       "end=20\r\n",
	                       38));
	lm_buf_done(&all);
}

static void other_charsets(void **state)
{
	struct lm_letter_writer_text t = { .type = "text/html; x=y; charset=z",
		                           .charset = "iso-8859-1",
		                           .transfer = LM_TRANSFER_8BIT,
		                           .text = lm_str("\xC3\xA4") };
	struct lm_letter_writer *w = start(NULL);

	(void)state;
	assert_err(lm_letter_writer_text(w, &t, NULL), 0);
	check_octets(finish(w), "MIME-Version: 1.0\r\n"
	                        "Content-Type: text/html; charset=\"iso-8859-1\"; x=\"y\"\r\n"
	                        "Content-Transfer-Encoding: 8bit\r\n\r\n\xE4\r\n");
	t.text = lm_str("\xE2\x82\xAC"); /* not in it */
	w = start(NULL);
	assert_err(lm_letter_writer_text(w, &t, NULL), 0);
	check_octets(finish(w), "MIME-Version: 1.0\r\n"
	                        "Content-Type: text/html; charset=\"utf-8\"; x=\"y\"\r\n"
	                        "Content-Transfer-Encoding: 8bit\r\n\r\n\xE2\x82\xAC\r\n");
}

static void multiparts(void **state)
{
	struct lm_letter_writer *w = start(NULL);

	(void)state;
	assert_err(lm_letter_writer_open(w, "multipart/mixed", "b", NULL), 0);
	assert_err(lm_letter_writer_open(w, "multipart/alternative", "c", NULL), 0);
	add_text(w, "text/plain", -1, "x --c y");
	add_text(w, "text/html", -1, "<p>");
	assert_err(lm_letter_writer_close(w, NULL), 0);
	assert_err(add_file(w,
	                    (struct lm_letter_writer_file){ .name = "a.txt",
	                                                    .type = "a/b",
	                                                    .id = "i",
	                                                    .disposition = "inline",
	                                                    .transfer = -1 },
	                    lm_str("Hello")),
	           0);
	check_octets(
	        finish(w),
	        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n\tboundary=\"b\"\r\n\r\n"
	        "This is a message of several parts (MIME).\r\n"
	        "\r\n--b\r\nContent-Type: multipart/alternative;\r\n\tboundary=\"c\"\r\n\r\n"
	        "\r\n--c\r\nContent-Type: text/plain; charset=\"utf-8\"\r\n"
	        "Content-Transfer-Encoding: quoted-printable\r\n\r\nx --c y"
	        "\r\n--c\r\nContent-Type: text/html; charset=\"utf-8\"\r\n"
	        "Content-Transfer-Encoding: 7bit\r\n\r\n<p>\r\n--c--\r\n"
	        "\r\n--b\r\nContent-Type: a/b;\r\n\tname=\"a.txt\"\r\n"
	        "Content-Transfer-Encoding: base64\r\n"
	        "Content-Disposition: inline;\r\n\tfilename=\"a.txt\"\r\nContent-ID: <i>\r\n\r\n"
	        "SGVsbG8=\r\n\r\n--b--\r\n");
}

static void wrong_multiparts(void **state)
{
	static const char *const wrong[] = { "a\"b", "a\r\nb", "ends in blank ", "\xC3\xA4" };
	struct lm_letter_writer *w;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		w = start(NULL);
		assert_err(lm_letter_writer_open(w, "multipart/mixed", wrong[i], NULL),
		           LM_E_SYNTAX);
		lm_letter_writer_free(w);
	}
	w = start(NULL);
	for (int i = 0; i < LM_LETTER_DEPTH; i++)
		assert_err(lm_letter_writer_open(w, "multipart/mixed", "", NULL), 0);
	assert_err(lm_letter_writer_open(w, "multipart/mixed", "", NULL), LM_E_LIMIT);
	lm_letter_writer_free(w);
	w = start(NULL);
	assert_err(lm_letter_writer_close(w, NULL), LM_E_MISUSE);
	lm_letter_writer_free(w);
	w = start(NULL);
	add_text(w, "", -1, "one");
	assert_err(add_file(w, (struct lm_letter_writer_file){ .transfer = -1 }, lm_str("x")),
	           LM_E_MISUSE);
	lm_letter_writer_free(w);
}

/* ---- Files ---- */

static void check_file(const char *type, int asked, struct lm_bytes content, const char *want_type)
{
	struct lm_letter_writer *w = start(NULL);
	struct lm_buf got = { .max = 64 << 20 };
	struct lm_letter_reader *r;
	struct lm_bytes piece;
	struct lm_letter *l;

	assert_err(lm_letter_writer_open(w, "multipart/mixed", "", NULL), 0);
	assert_err(add_file(w, (struct lm_letter_writer_file){ .type = type, .transfer = asked },
	                    content),
	           0);
	l = finish(w);
	assert_string_equal(lm_letter_part(l, 1)->type, want_type);
	assert_err(lm_letter_reader_new(l, 1, &r), 0);
	do {
		assert_err(lm_letter_reader_next(r, &piece), 0);
		assert_err(lm_buf_add(&got, piece), 0);
	} while (piece.len);
	assert_bytes(lm_buf_bytes(&got), content);
	lm_letter_reader_free(r);
	lm_letter_unref(l);
	lm_buf_done(&got);
}

static void files(void **state)
{
	struct lm_buf large = { .max = 16 << 20 };
	uint8_t *room, all[256];

	(void)state;
	for (int i = 0; i < 256; i++)
		all[i] = (uint8_t)(i * 3);
	for (int asked = -1; asked <= LM_TRANSFER_BASE64; asked++) {
		check_file("", asked, lm_bytes(all, 256), "application/octet-stream");
		check_file("a/b", asked, lm_str("lines\r\nof text\r\n"), "a/b");
		check_file("a/b", asked, lm_str("LF\nonly\n"), "a/b");
		check_file("a/b", asked, lm_str("\r"), "a/b");
		check_file("a/b", asked, lm_str(""), "a/b");
	}
	assert_err(lm_buf_room(&large, 5 << 20, &room), 0);
	for (size_t i = 0; i < 5 << 20; i++)
		room[i] = (uint8_t)(i * 2654435761u >> 13);
	lm_buf_grew(&large, 5 << 20);
	check_file("", -1, lm_buf_bytes(&large), "application/octet-stream");
	check_file("", LM_TRANSFER_QP, lm_buf_bytes(&large), "application/octet-stream");
	lm_buf_done(&large);
}

static void attached_messages(void **state)
{
	(void)state;
	check_file("message/rfc822", -1, lm_str("A: b\r\n\r\nx"), "message/rfc822");
	check_file("message/rfc822", LM_TRANSFER_BASE64, lm_str("A: b\r\n\r\n\xE4"),
	           "message/rfc822");
	check_file("message/rfc822", -1, lm_str("A: b\n\nx"), "application/octet-stream");
}

static void wrong_files(void **state)
{
	struct lm_letter_writer *w = start(NULL);

	(void)state;
	assert_err(lm_letter_writer_open(w, "", "", NULL), 0);
	assert_err(add_file(w, (struct lm_letter_writer_file){ .type = "multipart/mixed" },
	                    lm_str("")),
	           LM_E_SYNTAX);
	assert_err(add_file(w, (struct lm_letter_writer_file){ .id = "a>\r\nX: y" }, lm_str("")),
	           LM_E_SYNTAX);
	assert_err(add_file(w, (struct lm_letter_writer_file){ .disposition = "a b" }, lm_str("")),
	           LM_E_SYNTAX);
	assert_err(add_file(w, (struct lm_letter_writer_file){ .name = "a\r\nb" }, lm_str("")),
	           LM_E_SYNTAX);
	lm_letter_writer_free(w);
}

/* ---- Letters with something else ---- */

static void unchanged(void **state)
{
	static const char *const messages[] = { "", "A: b", "A: b\n\n\xE4\r\r\n",
		                                "From x\nA: b\r\n\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++) {
		struct lm_letter_writer *w = start(messages[i]);

		assert_err(lm_letter_writer_keep(w, NULL), 0);
		check_octets(finish(w), messages[i]);
	}
}

static void check_changed(const char *message, const char *want)
{
	struct lm_letter_writer *w = start(message);

	assert_err(lm_letter_writer_field(w, 1, "B", lm_str("new"), LM_FORM_TEXT, NULL), 0);
	lm_letter_writer_drop(w, 2);
	assert_err(lm_letter_writer_field(w, LM_LETTER_NO_FIELD, "Z", lm_str("last"), LM_FORM_TEXT,
	                                  NULL),
	           0);
	assert_err(lm_letter_writer_keep(w, NULL), 0);
	check_octets(finish(w), want);
}

static void changed_fields(void **state)
{
	(void)state;
	check_changed("A:  1 \nb: 2\n 2\nC: 3\nD:4\n\nbody\n",
	              "A:  1 \nB: new\nD:4\nZ: last\n\nbody\n");
	check_changed("A: 1\r\nb: 2\r\nC: 3", "A: 1\r\nB: new\r\nZ: last\r\n\r\n");
	check_changed("A: 1\nb: 2\nC: 3\nbody", "A: 1\nB: new\nZ: last\n\nbody");
	check_changed("From x\nA: 1\nb: 2\nC: 3\n\nbody", "From x\nA: 1\nB: new\nZ: last\n\nbody");
	check_changed("A: 1\rb: 2\rC: 3\r\rbody", "A: 1\rB: new\rZ: last\r\rbody");
}

static void field_for_none(void **state)
{
	struct lm_letter_writer *w = start("no header");

	(void)state;
	assert_err(
	        lm_letter_writer_field(w, LM_LETTER_NO_FIELD, "A", lm_str("b"), LM_FORM_TEXT, NULL),
	        0);
	assert_err(lm_letter_writer_keep(w, NULL), 0);
	check_octets(finish(w), "A: b\r\n\r\nno header");
}

static void more_parts(void **state)
{
	static const char mixed[] = "Content-Type: multipart/mixed; boundary=b\n\npre\n--b\n\none\n"
	                            "--b--\nepi\n";
	struct lm_letter_writer *w = start(mixed);
	struct lm_letter *l;

	(void)state;
	assert_err(lm_letter_writer_append(w, NULL), 0);
	add_text(w, "", -1, "two");
	check_octets(finish(w),
	             "Content-Type: multipart/mixed; boundary=b\n\npre\n--b\n\none\n--b\n"
	             "Content-Type: text/plain; charset=\"utf-8\"\n"
	             "Content-Transfer-Encoding: 7bit\n\ntwo\n--b--\nepi\n");
	w = start("A: b\nContent-Type: text/html\nMIME-Version: 1.0\n\n<p>\n");
	assert_err(lm_letter_writer_append(w, NULL), 0);
	add_text(w, "", -1, "two");
	l = finish(w);
	assert_int_equal(lm_letter_part_count(l), 3);
	assert_string_equal(lm_letter_part(l, 1)->type, "text/html");
	check_text(l, 1, "<p>\n");
	check_text(l, 2, "two");
	lm_letter_unref(l);
}

static void parts_of_another(void **state)
{
	struct lm_letter_writer *w = start(
	        "A: b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
	        "X: y\nContent-Type: text/html\n\n<p>\n--b\n\ntwo\n--b--\n");
	struct lm_letter *l;

	(void)state;
	assert_err(lm_letter_writer_part(w, 1, NULL), 0);
	check_octets(finish(w), "A: b\nMIME-Version: 1.0\nContent-Type: text/html\n\n<p>");
	w = start("A: b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
	          "X: y\nContent-Type: text/html\n\n<p>\n--b\n\ntwo\n--b--\n");
	assert_err(lm_letter_writer_open(w, "multipart/alternative", "", NULL), 0);
	assert_err(lm_letter_writer_part(w, 2, NULL), 0);
	assert_err(lm_letter_writer_part(w, 1, NULL), 0);
	assert_err(lm_letter_writer_part(w, 3, NULL), LM_E_MISUSE);
	l = finish(w);
	assert_string_equal(lm_letter_part(l, 0)->type, "multipart/alternative");
	check_text(l, 1, "two");
	check_text(l, 2, "<p>");
	lm_letter_unref(l);
}

static int write_some(unsigned long fail_at)
{
	struct lm_letter *base = load("A: b\n\nx");
	struct lm_letter_writer_text t = { .type = "text/plain; a=b",
		                           .charset = "latin1",
		                           .transfer = -1,
		                           .text = lm_str("\xC3\xA4") };
	struct lm_letter_writer *w = NULL;
	struct lm_stash stash;
	int err;

	lm_alloc_fail_at(fail_at);
	err = lm_letter_writer_new(base, &w);
	if (err == 0)
		err = lm_letter_writer_field(w, 0, "To", lm_str("J\xC3\xB6 <a@b>"),
		                             LM_FORM_ADDRESSES, NULL);
	if (err == 0)
		err = lm_letter_writer_append(w, NULL);
	if (err == 0)
		err = lm_letter_writer_text(w, &t, NULL);
	if (err == 0)
		err = lm_letter_writer_end(w, &stash, NULL);
	lm_alloc_fail_at(0);
	if (err == 0)
		lm_stash_done(&stash);
	lm_letter_writer_free(w);
	lm_letter_unref(base);
	return err;
}

static void memory_fails(void **state)
{
	unsigned long n = 1;

	(void)state;
	while (write_some(n) == LM_E_NOMEM)
		n++;
	assert_true(n > 20);
	assert_err(write_some(n), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_of_fields), cmocka_unit_test(parameters),
		cmocka_unit_test(addresses),       cmocka_unit_test(new_text),
		cmocka_unit_test(wrong_fields),    cmocka_unit_test(encodings),
		cmocka_unit_test(safe_lines),      cmocka_unit_test(other_charsets),
		cmocka_unit_test(multiparts),      cmocka_unit_test(wrong_multiparts),
		cmocka_unit_test(files),           cmocka_unit_test(attached_messages),
		cmocka_unit_test(wrong_files),     cmocka_unit_test(unchanged),
		cmocka_unit_test(changed_fields),  cmocka_unit_test(field_for_none),
		cmocka_unit_test(more_parts),      cmocka_unit_test(parts_of_another),
		cmocka_unit_test(memory_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
