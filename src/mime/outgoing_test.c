/* Messages made ready for sending: line ends, header shapes, Bcc, limits, the file behind. */
#include "lm_test.h"

#include "base/buf.h"

#include <lettermill/outgoing.h>

#include <time.h>

/* ---- Rig ---- */

static struct lm_buf got;

static int feed(struct lm_outgoing *o, struct lm_bytes in, size_t step, struct lm_error *why)
{
	while (in.len) {
		struct lm_bytes piece = lm_bytes(in.data, in.len < step ? in.len : step);
		int err = lm_outgoing_write(o, piece, why);

		if (err)
			return err;
		in = lm_bytes_from(in, piece.len);
	}
	return lm_outgoing_end(o, why);
}

static void read_all(struct lm_outgoing *o, size_t max)
{
	struct lm_source *s = lm_outgoing_source(o);
	bool last = false;

	assert_non_null(s);
	lm_buf_done(&got);
	lm_buf_init(&got, 64 << 20);
	while (!last) {
		struct lm_bytes chunk;

		assert_err(s->ops->read(s, max, &chunk, &last), 0);
		assert_true(chunk.len <= max);
		assert_err(lm_buf_add(&got, chunk), 0);
	}
	s->ops->close(s);
	assert_int_equal(lm_outgoing_envelope(o)->size, lm_buf_len(&got));
}

static struct lm_outgoing *make(const char *text, unsigned flags, size_t step)
{
	struct lm_outgoing *o;
	struct lm_error why = { 0 };

	assert_err(lm_outgoing_new(flags, 0, &o), 0);
	if (feed(o, lm_str(text), step, &why))
		fail_msg("%s", why.text);
	return o;
}

/* What is sent and the envelope, as "sender>a,b"; however the input is split. */
static void check(const char *in, unsigned flags, const char *out, const char *envelope)
{
	for (size_t step = 1; step < 70; step += step < 8 ? 1 : 60) {
		struct lm_outgoing *o = make(in, flags, step);
		const struct lm_envelope *e = lm_outgoing_envelope(o);
		struct lm_buf names;

		lm_buf_init(&names, 1 << 20);
		assert_err(lm_buf_add_str(&names, e->sender.data ? "" : "-"), 0);
		assert_err(lm_buf_add(&names, e->sender), 0);
		for (size_t i = 0; i < e->recipient_count; i++)
			assert_err(lm_buf_printf(&names, "%s%.*s", i ? "," : ">",
			                         LM_FMT(e->recipients[i].address)),
			           0);
		assert_bytes(lm_buf_bytes(&names), lm_str(envelope));
		read_all(o, step);
		assert_bytes(lm_buf_bytes(&got), lm_str(out));
		lm_buf_done(&names);
		lm_outgoing_free(o);
	}
}

/* The recipients of one To field. */
static void check_to(const char *body, const char *recipients)
{
	char in[512], out[512], envelope[512];

	snprintf(in, sizeof(in), "To: %s\n\nx\n", body);
	snprintf(out, sizeof(out), "To: %s\r\n\r\nx\r\n", body);
	snprintf(envelope, sizeof(envelope), "-%s%s", *recipients ? ">" : "", recipients);
	check(in, 0, out, envelope);
}

static void check_error(const char *in, unsigned flags, int want, const char *text)
{
	for (size_t step = 1; step < 5; step++) {
		struct lm_outgoing *o;
		struct lm_error why = { 0 };

		assert_err(lm_outgoing_new(flags, 0, &o), 0);
		assert_err(feed(o, lm_str(in), step, &why), want);
		if (!strstr(why.text, text))
			fail_msg("\"%s\" is not in \"%s\"", text, why.text);
		assert_err(lm_outgoing_write(o, lm_str("x"), NULL), LM_E_MISUSE);
		assert_err(lm_outgoing_end(o, NULL), LM_E_MISUSE);
		lm_outgoing_free(o);
	}
}

static void wrong_to(const char *body, const char *text)
{
	char in[512];

	snprintf(in, sizeof(in), "From: a@b\nTo: %s\n\nx\n", body);
	check_error(in, 0, LM_E_SYNTAX, text);
}

/* ---- Line ends ---- */

static void line_ends(void **state)
{
	(void)state;
	check("A: b\n\nx\ny", 0, "A: b\r\n\r\nx\r\ny\r\n", "-");
	check("A: b\r\n\r\nx\r\n\r\n", 0, "A: b\r\n\r\nx\r\n\r\n", "-");
	check("A: b\r\n\nx\n\n", 0, "A: b\r\n\r\nx\r\n\r\n", "-");
	check("A: b\r\n\r\nx\r\n", LM_OUTGOING_STRICT, "A: b\r\n\r\nx\r\n", "-");
	check("A: b\n\nx\ry\rz", LM_OUTGOING_BINARY, "A: b\n\nx\ry\rz", "-");
	check("A: b\r\n\r\n\rx\n\n.\n", LM_OUTGOING_BINARY, "A: b\r\n\r\n\rx\n\n.\n", "-");
}

static void bare_line_ends_name_their_line(void **state)
{
	(void)state;
	check_error("A: b\n\nx\ny\rz\n", 0, LM_E_SYNTAX, "line 4 holds a CR without LF");
	check_error("A: b\n\nx\r\r\n", 0, LM_E_SYNTAX, "line 3 holds a CR");
	check_error("A: b\n\nx\r", 0, LM_E_SYNTAX, "line 3 holds a CR");
	check_error("A: b\rC: d\n", 0, LM_E_SYNTAX, "line 1 holds a CR");
	check_error("A: b\r\n\r\nx\ny\r\n", LM_OUTGOING_STRICT, LM_E_SYNTAX,
	            "line 3 holds a LF without CR");
	check_error("A: b\n", LM_OUTGOING_STRICT, LM_E_SYNTAX, "line 1 holds a LF");
}

static void dot_ends(void **state)
{
	(void)state;
	check("A: b\n\nx\n.\ny\n", LM_OUTGOING_DOT_ENDS, "A: b\r\n\r\nx\r\n", "-");
	check("A: b\n\nx\n.\ny\r", LM_OUTGOING_DOT_ENDS, "A: b\r\n\r\nx\r\n", "-");
	check("A: b\n\nx\n.", LM_OUTGOING_DOT_ENDS, "A: b\r\n\r\nx\r\n", "-");
	check("A: b\r\n\r\n.\r\n", LM_OUTGOING_DOT_ENDS, "A: b\r\n\r\n", "-");
	check("A: b\n.\n\nx\n", LM_OUTGOING_DOT_ENDS, "A: b\r\n", "-");
	check("A: b\n\n..\n.x\n. \nz.\n.", LM_OUTGOING_DOT_ENDS,
	      "A: b\r\n\r\n..\r\n.x\r\n. \r\nz.\r\n", "-");
	check("A: b\n\nx\n.\ny\n", 0, "A: b\r\n\r\nx\r\n.\r\ny\r\n", "-");
}

/* ---- The end of the header ---- */

static void header_ends(void **state)
{
	(void)state;
	check("", 0, "\r\n", "-");
	check("\n", 0, "\r\n", "-");
	check("\nTo: a@b\n", 0, "\r\nTo: a@b\r\n", "-");
	check("hello\nTo: a@b\n", 0, "\r\nhello\r\nTo: a@b\r\n", "-");
	check(" A: b\n", 0, "\r\n A: b\r\n", "-");
	check("To: a@b\nhello\nBcc: c@d\n", 0, "To: a@b\r\n\r\nhello\r\nBcc: c@d\r\n", "->a@b");
	check("To: a@b", 0, "To: a@b\r\n", "->a@b");
	check("To: a@b", LM_OUTGOING_BINARY, "To: a@b", "->a@b");
	check("To : a@b\nBCC\t: c@d\n\nx", 0, "To : a@b\r\n\r\nx\r\n", "->a@b,c@d");
	check("From a@b Sat Nov 21 05:00:00 2026\nTo: c@d\n\nx\n", 0, "To: c@d\r\n\r\nx\r\n",
	      "->c@d");
	check("From x\nFrom y\n", 0, "\r\nFrom y\r\n", "-");
	check("To: a@b\n \n c@d (no comma)\n\n", LM_OUTGOING_NO_RECIPIENTS,
	      "To: a@b\r\n \r\n c@d (no comma)\r\n\r\n", "-");
}

static void bcc_goes_and_nothing_else(void **state)
{
	(void)state;
	check("To: a@b\nBcc: c@d,\n  e@f,\n\tg@h\nSubject: Bcc: x\n y\n\nBcc: z@z\n", 0,
	      "To: a@b\r\nSubject: Bcc: x\r\n y\r\n\r\nBcc: z@z\r\n", "->a@b,c@d,e@f,g@h");
	check("bCC: c@d\n\nx\n", 0, "\r\nx\r\n", "->c@d");
	check("Bcc: c@d", 0, "\r\n", "->c@d");
	check("Bcc: c@d\nX-Bcc: e@f\nBcc-X: g\n", 0, "X-Bcc: e@f\r\nBcc-X: g\r\n", "->c@d");
	check("Bcc: c@d\nTo: a@b\n\n", LM_OUTGOING_KEEP_BCC, "Bcc: c@d\r\nTo: a@b\r\n\r\n",
	      "->c@d,a@b");
	check("Resent-Bcc: r@s\nBcc: c@d\nTo: a@b\n\n", 0, "To: a@b\r\n\r\n", "->r@s");
}

/* ---- The envelope ---- */

static void senders(void **state)
{
	(void)state;
	check("From: Anna <a@b>\n\n", 0, "From: Anna <a@b>\r\n\r\n", "a@b");
	check("From: a@b, c@d\nSender: e@f\n\n", 0, "From: a@b, c@d\r\nSender: e@f\r\n\r\n", "e@f");
	check("From: a@b, c@d\n\n", 0, "From: a@b, c@d\r\n\r\n", "a@b");
	check("From: Staff:;\n\n", 0, "From: Staff:;\r\n\r\n", "-");
	check("From: Staff: a@b;\n\n", 0, "From: Staff: a@b;\r\n\r\n", "a@b");
	check("From: <>\n\n", 0, "From: <>\r\n\r\n", "");
	check("Resent-From: r@s\nFrom: a@b\n\n", 0, "Resent-From: r@s\r\nFrom: a@b\r\n\r\n", "r@s");
	check("Resent-From: r@s\nResent-Sender: t@u\nFrom: a@b\n\n", 0,
	      "Resent-From: r@s\r\nResent-Sender: t@u\r\nFrom: a@b\r\n\r\n", "t@u");
	check("From: a b c\n\n", LM_OUTGOING_NO_SENDER, "From: a b c\r\n\r\n", "-");
	check_error("To: a@b\nFrom: a b c\n\n", 0, LM_E_SYNTAX, "line 2, From: \"a b c\" is not");
}

static void resent_fields_win(void **state)
{
	(void)state;
	check("Resent-To: r@s\nResent-Cc: t@u\nTo: a@b\n\n", 0,
	      "Resent-To: r@s\r\nResent-Cc: t@u\r\nTo: a@b\r\n\r\n", "->r@s,t@u");
	/* The topmost block is the latest resending; those of older ones have theirs. */
	check("Resent-From: r@s\nResent-To: t@u\nResent-From: v@w\nResent-To: x@y\nTo: a@b\n\n", 0,
	      "Resent-From: r@s\r\nResent-To: t@u\r\nResent-From: v@w\r\nResent-To: x@y\r\n"
	      "To: a@b\r\n\r\n",
	      "r@s>t@u");
	check("Resent-From: r@s\nResent-To: t@u\nReceived: x\nResent-Cc: v@w\n\n", 0,
	      "Resent-From: r@s\r\nResent-To: t@u\r\nReceived: x\r\nResent-Cc: v@w\r\n\r\n",
	      "r@s>t@u");
	check("Resent-Date: x\nTo: a@b\n\n", 0, "Resent-Date: x\r\nTo: a@b\r\n\r\n", "-");
}

static void address_shapes(void **state)
{
	(void)state;
	check_to("a@b", "a@b");
	check_to("Anna B <a@b>, c@d", "a@b,c@d");
	check_to("\"x, y\" <a@b>, \"p <q@r>\" <c@d>", "a@b,c@d");
	check_to("\"q l\"@b", "\"q l\"@b");
	check_to("<\"a\\\"b>\"@c.d>", "\"a\\\"b>\"@c.d");
	check_to("a (c (d) \\) e@f,) @ b (e)", "a@b");
	check_to("grp: a@b, Q <c@d>;, e@f", "a@b,c@d,e@f");
	check_to("undisclosed-recipients:;", "");
	check_to("one:;, two: a@b;", "a@b");
	check_to("a@b; c@d", "a@b,c@d");
	check_to(", ,a@b,,", "a@b");
	check_to("", "");
	check_to("postmaster", "postmaster");
	check_to("a@[127.0.0.1], b@[IPv6:::1]", "a@[127.0.0.1],b@[IPv6:::1]");
	check_to("<@x,@y:a@b>, < c@d >", "a@b,c@d");
	check_to("a @ b . c", "a@b.c");
	check_to("foo@bar <a@b>", "a@b");
	check_to("x > y <a@b>, c@d", "a@b,c@d");
	check_to("a%b@c, d!e@f", "a%b@c,d!e@f");
	check_to("=?utf-8?q?=C3=A9_=40?= <e@f>", "e@f");
}

static void addresses_beyond_ascii(void **state)
{
	(void)state;
	check_to("\xc3\xa9 <a@b>", "a@b");
	check_to("\xe9 <a@b>, (\xe9) c@d", "a@b,c@d");
	check_to("\xc3\xa9@b.de", "\xc3\xa9@b.de");
	check_to("a@\xc3\xbc.de", "a@xn--tda.de");
	check_to("a@xn--bcher-kva.ch", "a@xn--bcher-kva.ch");
	check_to("\xc3\xa9@\xc3\xbc.de", "\xc3\xa9@\xc3\xbc.de");
}

static void folded_addresses(void **state)
{
	(void)state;
	check("To: Anna\n\t(of\n the) <a@\n b>\n ,\n c@d\n\n", 0,
	      "To: Anna\r\n\t(of\r\n the) <a@\r\n b>\r\n ,\r\n c@d\r\n\r\n", "->a@b,c@d");
}

static void doubles_go(void **state)
{
	(void)state;
	check("To: a@B.c, A@b.c\nCc: a@b.C,\"a\"@b.c\nBcc: a@b.c\n\n", 0,
	      "To: a@B.c, A@b.c\r\nCc: a@b.C,\"a\"@b.c\r\n\r\n", "->a@B.c,A@b.c,\"a\"@b.c");
}

/* What is not understood is said, never left out. */
static void wrong_addresses(void **state)
{
	(void)state;
	wrong_to("a@b c@d", "line 2, To: \"a@b c@d\" is not an address");
	wrong_to("e@f, foo@bar@baz", "\"foo@bar@baz\" is not");
	wrong_to("a@", "\"a@\" is not");
	wrong_to("@b", "\"@b\" is not");
	wrong_to("Anna Bell", "\"Anna Bell\" is not");
	wrong_to("<a@b", "lacks its closing");
	wrong_to("\"a@b", "lacks its closing");
	wrong_to("a@b (c", "lacks its closing");
	wrong_to("a@[1", "lacks its closing");
	wrong_to("a@b>", "is not an address");
	wrong_to("<a@b> c@d", "is followed by");
	wrong_to("<a@b> \"c\"", "is followed by");
	wrong_to("<a b@c>", "is not an address");
	wrong_to("<a<b@c>", "is followed by");
	wrong_to("<a@b, c@d>", "is not an address");
	wrong_to("<a@b c>", "is not an address");
	wrong_to("<g:a@b;>", "is not an address");
	wrong_to("<@x:>", "is not an address");
	wrong_to("\xe9@b", "is not UTF-8");
	wrong_to("a@b\xe9", "is not UTF-8");
	wrong_to("<a\001@b>", "is not an address");
	wrong_to("<>", "\"<>\" is nobody");
	wrong_to("a..b@c", "\"a..b@c\" is not");
	check_error("Bcc: a@b\n c d\n\n", LM_OUTGOING_NO_SENDER, LM_E_SYNTAX, "line 1, Bcc: ");
	check("To: a@b c@d\n\n", LM_OUTGOING_NO_RECIPIENTS, "To: a@b c@d\r\n\r\n", "-");
}

static void nul_in_an_address(void **state)
{
	struct lm_outgoing *o;
	struct lm_error why = { 0 };

	(void)state;
	assert_err(lm_outgoing_new(0, 0, &o), 0);
	assert_err(feed(o, lm_bytes("To: a@b\0, c@d\n\n", 15), 99, &why), LM_E_SYNTAX);
	assert_non_null(strstr(why.text, "NUL"));
	lm_outgoing_free(o);
}

/* ---- Changing the envelope ---- */

static void own_envelope(void **state)
{
	struct lm_outgoing *o = make("From: a@b\nTo: c@d\n\nx\n", 0, 99);
	const struct lm_envelope *e = lm_outgoing_envelope(o);
	struct lm_error why = { 0 };

	(void)state;
	lm_outgoing_clear_recipients(o);
	assert_int_equal(e->recipient_count, 0);
	assert_err(lm_outgoing_add_recipient(o, lm_str("x@y"), &why), 0);
	assert_err(lm_outgoing_add_recipient(o, lm_str("x@Y"), &why), 0);
	assert_err(lm_outgoing_add_recipient(o, lm_str("\"a b\"@y"), &why), 0);
	assert_int_equal(e->recipient_count, 2);
	assert_bytes(e->recipients[1].address, lm_str("\"a b\"@y"));
	assert_err(lm_outgoing_set_sender(o, lm_str("q@r"), &why), 0);
	assert_bytes(e->sender, lm_str("q@r"));
	assert_false(e->smtputf8);
	assert_err(lm_outgoing_set_sender(o, lm_str("\xc3\xa9@r"), &why), 0);
	assert_true(e->smtputf8);
	assert_false(e->eight_bit);
	assert_err(lm_outgoing_set_sender(o, lm_str(""), &why), 0);
	assert_true(e->sender.data && e->sender.len == 0);
	assert_false(e->smtputf8);
	lm_outgoing_free(o);
}

static void own_envelope_refuses(void **state)
{
	static const char *const wrong[] = {
		"a b@c", "a@b\r\nRCPT TO:<x@y>", "<a@b>", "a@b>", "\"a@b", "a\\b@c", "a@b\n"
	};
	struct lm_outgoing *o = make("To: c@d\n\nx\n", 0, 99);
	struct lm_error why = { 0 };
	char text[1002];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_err(lm_outgoing_add_recipient(o, lm_str(wrong[i]), &why), LM_E_SYNTAX);
		assert_err(lm_outgoing_set_sender(o, lm_str(wrong[i]), &why), LM_E_SYNTAX);
	}
	assert_err(lm_outgoing_add_recipient(o, lm_bytes("a\0b@c", 5), &why), LM_E_SYNTAX);
	assert_err(lm_outgoing_add_recipient(o, lm_str(""), &why), LM_E_SYNTAX);
	memset(text, 'a', 1001);
	assert_err(lm_outgoing_set_sender(o, lm_bytes(text, 1001), &why), LM_E_SYNTAX);
	assert_int_equal(lm_outgoing_envelope(o)->recipient_count, 1);
	lm_outgoing_free(o);
}

static void eight_bit(const char *in, unsigned flags, bool eight, bool utf8, bool binary)
{
	struct lm_outgoing *o = make(in, flags, 3);
	const struct lm_envelope *e = lm_outgoing_envelope(o);

	assert_int_equal(e->eight_bit, eight);
	assert_int_equal(e->smtputf8, utf8);
	assert_int_equal(e->binary, binary);
	lm_outgoing_free(o);
}

/* Of what is sent, not of what came. */
static void eight_bit_and_utf8(void **state)
{
	(void)state;
	eight_bit("To: a@b\n\nx\n", 0, false, false, false);
	eight_bit("To: a@b\n\n\xe9\n", 0, true, false, false);
	eight_bit("Subject: \xc3\xa9\n\nx\n", 0, true, true, false);
	eight_bit("Subject: \xe9\n\nx\n", 0, true, false, false);
	eight_bit("Bcc: \xc3\xa9 <a@b>\n\nx\n", 0, false, false, false);
	eight_bit("Bcc: \xc3\xa9 <a@b>\n\nx\n", LM_OUTGOING_KEEP_BCC, true, true, false);
	eight_bit("Bcc: \xc3\xa9@b\n\nx\n", 0, false, true, false);
	eight_bit("A: b\n\nx\n.\n\xe9\n", LM_OUTGOING_DOT_ENDS, false, false, false);
	eight_bit("A: b\n\n\xff\n", LM_OUTGOING_BINARY, true, false, true);
}

/* ---- What is missing ---- */

static void missing_fields(void **state)
{
	struct lm_outgoing *o;
	struct lm_bytes text;
	struct lm_error why = { 0 };

	(void)state;
	assert_err(lm_outgoing_new(LM_OUTGOING_ADD_MISSING, 0, &o), 0);
	assert_err(lm_outgoing_set_name(o, lm_str("Ren\xc3\xa9, me"), &why), 0);
	assert_err(feed(o, lm_str("To: a@b\n\nx\n"), 99, &why), 0);
	assert_err(lm_outgoing_set_sender(o, lm_str("old@b"), &why), 0);
	assert_err(lm_outgoing_set_sender(o, lm_str("me@b"), &why), 0);
	read_all(o, 7);
	assert_err(lm_buf_add(&got, lm_bytes("", 1)), 0);
	text = lm_buf_bytes(&got);
	LM_ASSERT(text.data);
	assert_int_equal(memcmp(text.data, "To: a@b\r\nDate: ", 15), 0);
	assert_non_null(strstr((const char *)text.data, "\r\nMessage-ID: <"));
	assert_non_null(strstr((const char *)text.data, "\r\nFrom: =?iso-8859-1?"));
	assert_non_null(strstr((const char *)text.data, "?= me <me@b>\r\n\r\nx\r\n"));
	assert_null(strstr((const char *)text.data, "old@b"));
	lm_outgoing_free(o);
}

static void nothing_is_missing(void **state)
{
	static const char all[] = "from: a@b\r\nDATE: x\r\nMessage-Id: y\r\n\r\n";

	(void)state;
	check(all, LM_OUTGOING_ADD_MISSING, all, "a@b");
}

static void names_are_checked(void **state)
{
	struct lm_outgoing *o;
	struct lm_error why = { 0 };

	(void)state;
	assert_err(lm_outgoing_new(LM_OUTGOING_ADD_MISSING, 0, &o), 0);
	assert_err(lm_outgoing_set_name(o, lm_str("a\r\nBcc: x@y"), &why), LM_E_SYNTAX);
	assert_err(lm_outgoing_set_name(o, lm_str("\xff"), &why), LM_E_SYNTAX);
	lm_outgoing_free(o);
	assert_err(lm_outgoing_new(1u << 20, 0, &o), LM_E_MISUSE);
}

/* ---- Limits ---- */

static void limits(void **state)
{
	struct lm_outgoing *o;
	struct lm_error why = { 0 };

	(void)state;
	assert_err(lm_outgoing_new(0, 16, &o), 0);
	assert_err(feed(o, lm_str("A: b\n\n12345678\n"), 1, &why), LM_E_LIMIT);
	lm_outgoing_free(o);
	assert_err(lm_outgoing_new(0, 16, &o), 0);
	assert_err(feed(o, lm_str("A: b\n\n123456\n"), 1, &why), 0);
	lm_outgoing_free(o);
	assert_err(lm_outgoing_new(0, 16, &o), 0); /* what is taken out does not count */
	assert_err(feed(o, lm_str("Bcc: aaaaaaaaaaaaa@bbbbbbbbbbbb\n\n123456\n"), 1, &why), 0);
	lm_outgoing_free(o);
}

static void repeat(struct lm_buf *b, const char *what, size_t octets)
{
	while (lm_buf_len(b) < octets)
		assert_err(lm_buf_add_str(b, what), 0);
}

/* Time: a second is a hundred times what it takes, and a hundredth of a quadratic one. */
static void bomb(const char *head, const char *what, size_t octets, int want)
{
	struct lm_outgoing *o;
	struct lm_error why = { 0 };
	struct timespec begin, end;
	struct lm_buf b;

	lm_buf_init(&b, 64 << 20);
	assert_err(lm_buf_add_str(&b, head), 0);
	repeat(&b, what, octets);
	assert_err(lm_buf_add_str(&b, "\n\nbody\n"), 0);
	assert_err(lm_outgoing_new(0, 0, &o), 0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	if (feed(o, lm_buf_bytes(&b), 4096, &why) != want)
		fail_msg("%s: %s", what, why.text);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	if (end.tv_sec - begin.tv_sec > 20)
		fail_msg("\"%s\" takes too long", what);
	lm_outgoing_free(o);
	lm_buf_done(&b);
}

static void header_bombs(void **state)
{
	static const char *const lists[] = { "(", "g:", "<",  "\"", "\"\"", "[", "=?utf-8?q?", "a@",
		                             "@", "a.", "\\", "()", "g:;",  ",", "<a@b>" };

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		bool good = strcmp(lists[i], "()") == 0 || strcmp(lists[i], "g:;") == 0 ||
		            strcmp(lists[i], ",") == 0 || strcmp(lists[i], "g:") == 0;

		bomb("To: ", lists[i], 1000000, good ? 0 : LM_E_SYNTAX);
	}
	bomb("To: a@b", ",\n a@b", 800000, 0);
	bomb("", "Bcc: a@b\n", 900000, 0);
	bomb("", "Resent-To: a@b\n", 900000, 0);
	bomb("", "A: b\n", 2000000, LM_E_LIMIT);
	bomb("A: b\n", " c\n", 2000000, LM_E_LIMIT);
	bomb("A:", "x", 2000000, LM_E_LIMIT);
	bomb("", "x", 3000000, 0);
	bomb("x ", "x: ", 3000000, 0);
}

static void many_recipients(void **state)
{
	struct lm_outgoing *o;
	struct lm_error why = { 0 };
	struct lm_buf b;

	(void)state;
	lm_buf_init(&b, 2 << 20);
	assert_err(lm_buf_add_str(&b, "Bcc: z@z"), 0);
	for (unsigned i = 0; i < 100000; i++)
		assert_err(lm_buf_printf(&b, ",u%u@d", i), 0);
	assert_true(lm_buf_len(&b) < 1 << 20);
	assert_err(lm_outgoing_new(0, 0, &o), 0);
	assert_err(feed(o, lm_buf_bytes(&b), 4096, &why), 0);
	assert_int_equal(lm_outgoing_envelope(o)->recipient_count, 100001);
	for (unsigned i = 0; i < 100000; i++) {
		char text[32];

		snprintf(text, sizeof(text), "u%u@D", i);
		assert_err(lm_outgoing_add_recipient(o, lm_str(text), &why), 0);
	}
	assert_int_equal(lm_outgoing_envelope(o)->recipient_count, 100001);
	lm_outgoing_free(o);
	lm_buf_done(&b);
}

/* ---- The file ---- */

static void big_message(size_t lines)
{
	struct lm_outgoing *o;
	struct lm_error why = { 0 };
	struct lm_buf in, want;

	lm_buf_init(&in, 64 << 20);
	lm_buf_init(&want, 64 << 20);
	assert_err(lm_buf_add_str(&in, "To: a@b\n\n"), 0);
	assert_err(lm_buf_add_str(&want, "To: a@b\r\n\r\n"), 0);
	for (size_t i = 0; i < lines; i++) {
		assert_err(lm_buf_printf(&in, "line %zu of them\n", i), 0);
		assert_err(lm_buf_printf(&want, "line %zu of them\r\n", i), 0);
	}
	assert_err(lm_outgoing_new(0, 0, &o), 0);
	if (feed(o, lm_buf_bytes(&in), 100000, &why))
		fail_msg("%s", why.text);
	for (size_t max = 1000; max < 1000000; max *= 10) {
		read_all(o, max);
		assert_true(lm_bytes_equal(lm_buf_bytes(&got), lm_buf_bytes(&want)));
	}
	lm_outgoing_free(o);
	lm_buf_done(&in);
	lm_buf_done(&want);
}

static void big_messages(void **state)
{
	(void)state;
	big_message(10);
	big_message(50000);
	big_message(400000);
}

static void no_place_for_the_file(void **state)
{
	const char *before = getenv("TMPDIR");
	char *kept = before ? test_malloc(strlen(before) + 1) : NULL;
	struct lm_outgoing *o;
	struct lm_error why = { 0 };
	struct lm_buf b;

	(void)state;
	if (kept)
		memcpy(kept, before, strlen(before) + 1);
	lm_buf_init(&b, 4 << 20);
	repeat(&b, "A line\n", 2000000);
	setenv("TMPDIR", "/nonexistent/folder", 1);
	assert_err(lm_outgoing_new(0, 0, &o), 0);
	assert_int_not_equal(feed(o, lm_buf_bytes(&b), 4096, &why), 0);
	assert_non_null(strstr(why.text, "/nonexistent/folder"));
	lm_outgoing_free(o);
	if (kept)
		setenv("TMPDIR", kept, 1);
	else
		unsetenv("TMPDIR");
	if (kept)
		test_free(kept);
	lm_buf_done(&b);
}

/* Every allocation of ours that can fail fails once; nothing leaks, nothing is sent half. */
static void without_memory(void **state)
{
	static const char text[] = "From: a@b\nTo: c@d, e@f\nBcc: g@h\n\nbody\n";

	(void)state;
	for (unsigned long n = 1;; n++) {
		struct lm_outgoing *o = NULL;
		int err;

		lm_alloc_fail_at(n);
		err = lm_outgoing_new(LM_OUTGOING_ADD_MISSING, 0, &o);
		if (err == 0)
			err = feed(o, lm_str(text), 5, NULL);
		lm_alloc_fail_at(0);
		lm_outgoing_free(o);
		if (err == 0)
			break;
		assert_err(err, LM_E_NOMEM);
		assert_true(n < 1000);
	}
}

static int forget(void **state)
{
	(void)state;
	lm_buf_done(&got);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_ends),
		cmocka_unit_test(bare_line_ends_name_their_line),
		cmocka_unit_test(dot_ends),
		cmocka_unit_test(header_ends),
		cmocka_unit_test(bcc_goes_and_nothing_else),
		cmocka_unit_test(senders),
		cmocka_unit_test(resent_fields_win),
		cmocka_unit_test(address_shapes),
		cmocka_unit_test(addresses_beyond_ascii),
		cmocka_unit_test(folded_addresses),
		cmocka_unit_test(doubles_go),
		cmocka_unit_test(wrong_addresses),
		cmocka_unit_test(nul_in_an_address),
		cmocka_unit_test(own_envelope),
		cmocka_unit_test(own_envelope_refuses),
		cmocka_unit_test(eight_bit_and_utf8),
		cmocka_unit_test(missing_fields),
		cmocka_unit_test(nothing_is_missing),
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(limits),
		cmocka_unit_test(header_bombs),
		cmocka_unit_test(many_recipients),
		cmocka_unit_test(big_messages),
		cmocka_unit_test(no_place_for_the_file),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests_name("mime/outgoing", tests, NULL, forget);
}
