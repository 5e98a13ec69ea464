/* Text in other charsets: iconv, and what becomes of what it refuses. */
#include "script/encoding.h"

#include "script/js/sources.h"
#include "script/octets.h"
#include "script/runtime.h"

#include "base/error.h"

#include <errno.h>
#include <iconv.h>
#include <strings.h>

enum { STEP = 4096, TEXT_MAX = 1 << 30, NAME_MAX_OCTETS = 64 };

/* One conversion under way. */
struct conversion {
	iconv_t cd;
	struct lm_bytes rest;
	struct lm_buf *out;
};

static int begin(struct conversion *c, const char *to, const char *from, struct lm_bytes octets,
                 struct lm_buf *out)
{
	*c = (struct conversion){ iconv_open(to, from), octets, out };
	if (c->cd != (iconv_t)-1)
		return 0;
	return errno == ENOMEM ? LM_E_NOMEM : LM_E_UNSUPPORTED;
}

bool lm_encoding_known(const char *charset)
{
	iconv_t cd = iconv_open(charset, "UTF-8");

	if (cd == (iconv_t)-1)
		return false;
	iconv_close(cd);
	return true;
}

/* As far as it goes: *out_errno 0 (all is done), EILSEQ or EINVAL. */
static int advance(struct conversion *c, struct lm_bytes *in, int *out_errno)
{
	size_t left = c->out->max - lm_buf_len(c->out), room = left < STEP ? left : STEP, done;
	char *from = (char *)in->data, *to;
	uint8_t *at;
	int err = lm_buf_room(c->out, room, &at);

	if (err)
		return err;
	to = (char *)at;
	errno = 0;
	done = iconv(c->cd, from ? &from : NULL, &in->len, &to, &room);
	*out_errno = done == (size_t)-1 ? errno : 0;
	lm_buf_grew(c->out, (size_t)(to - (char *)at));
	in->data = (const uint8_t *)from;
	return *out_errno == E2BIG && left < STEP ? LM_E_LIMIT : 0;
}

static int convert(struct conversion *c, struct lm_bytes *in, int *out_errno)
{
	int err;

	do
		err = advance(c, in, out_errno);
	while (err == 0 && *out_errno == E2BIG);
	return err;
}

/* How many octets one that is wrong takes with it. */
static size_t unit_of(const char *charset)
{
	if (strncasecmp(charset, "UTF-16", 6) == 0 || strncasecmp(charset, "UCS-2", 5) == 0)
		return 2;
	if (strncasecmp(charset, "UTF-32", 6) == 0 || strncasecmp(charset, "UCS-4", 5) == 0)
		return 4;
	return 1;
}

static bool is_1252(const char *charset)
{
	return strcasecmp(charset, "CP1252") == 0 || strcasecmp(charset, "WINDOWS-1252") == 0;
}

static void skip(struct conversion *c, size_t n)
{
	c->rest = lm_bytes_from(c->rest, n);
}

static int decode_wrong(struct conversion *c, const char *charset)
{
	uint8_t octet = *c->rest.data;
	const uint8_t control[2] = { 0xC2, octet };

	skip(c, unit_of(charset));
	if (is_1252(charset) && octet >= 0x80 && octet <= 0x9F)
		return lm_buf_add(c->out, lm_bytes(control, 2));
	return lm_buf_add_str(c->out, "\xEF\xBF\xBD");
}

int lm_encoding_decode(const char *charset, struct lm_bytes octets, struct lm_buf *out)
{
	struct conversion c;
	int err, why = 0;

	if (!*charset)
		return lm_buf_add(out, octets);
	err = begin(&c, "UTF-8", charset, octets, out);
	if (err)
		return err;
	while (err == 0 && c.rest.len) {
		err = convert(&c, &c.rest, &why);
		if (err || !why || !c.rest.len)
			break;
		/* What is cut off at the end is one wrong character. */
		if (why == EINVAL)
			skip(&c, c.rest.len - 1);
		err = decode_wrong(&c, charset);
	}
	iconv_close(c.cd);
	return err;
}

/* The character that stands first, whose text is valid UTF-8 if iconv refused its meaning only. */
static size_t length_of(struct lm_bytes text)
{
	uint8_t first = *text.data;
	size_t n = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 1;

	if (n > text.len)
		return 1;
	for (size_t i = 1; i < n; i++)
		if ((text.data[i] & 0xC0) != 0x80)
			return 1;
	return n;
}

static int encode_wrong(struct conversion *c, const char *charset)
{
	struct lm_bytes mark = lm_str("?");
	const uint8_t *at = c->rest.data;
	uint8_t octet = c->rest.len > 1 ? at[1] : 0;
	int why;

	if (is_1252(charset) && at[0] == 0xC2 && octet >= 0x80 && octet <= 0x9F)
		mark = lm_bytes(&octet, 1);
	skip(c, length_of(c->rest));
	if (mark.data == &octet)
		return lm_buf_add(c->out, mark);
	return convert(c, &mark, &why);
}

int lm_encoding_encode(const char *charset, struct lm_bytes text, struct lm_buf *out)
{
	struct lm_bytes end = { NULL, 0 };
	struct conversion c;
	int err, why = 0;

	if (!*charset)
		return lm_buf_add(out, text);
	err = begin(&c, charset, "UTF-8", text, out);
	if (err)
		return err;
	while (err == 0 && c.rest.len) {
		err = convert(&c, &c.rest, &why);
		if (err == 0 && why)
			err = encode_wrong(&c, charset);
	}
	if (err == 0)
		err = convert(&c, &end, &why);
	iconv_close(c.cd);
	return err;
}

/* ---- for scripts: a charset is a name that encoding.js let through ---- */

static struct lm_js_value *throw_code(struct lm_js *js, int err, const char *charset)
{
	struct lm_error error = { 0 };

	if (err == LM_E_UNSUPPORTED)
		lm_fail(&error, err, "infinity.encoding: this system has no %s", charset);
	else
		lm_fail(&error, err, "infinity.encoding: %s", lm_err_text(err));
	return lm_js_throw_error(js, &error);
}

/* (charset) */
static struct lm_js_value *encoding_known(const struct lm_js_call *call)
{
	char charset[NAME_MAX_OCTETS];

	if (!lm_octets_text(call->js, lm_js_arg(call, 0), "charset", charset, sizeof(charset)))
		return NULL;
	return lm_js_bool(call->js, lm_encoding_known(charset));
}

static struct lm_js_value *run(const struct lm_js_call *call,
                               int (*step)(const char *, struct lm_bytes, struct lm_buf *),
                               struct lm_js_value *(*give)(struct lm_js *, struct lm_bytes))
{
	struct lm_buf room = { .max = TEXT_MAX }, out = { .max = TEXT_MAX };
	struct lm_js_value *result = NULL;
	char charset[NAME_MAX_OCTETS];
	struct lm_bytes octets;

	if (lm_octets_text(call->js, lm_js_arg(call, 1), "charset", charset, sizeof(charset)) &&
	    lm_octets_of(call->js, lm_js_arg(call, 0), &room, &octets)) {
		int err = step(charset, octets, &out);

		result = err ? throw_code(call->js, err, charset)
		             : give(call->js, lm_buf_bytes(&out));
	}
	lm_buf_done(&room);
	lm_buf_done(&out);
	return result;
}

/* (octets, charset): a string */
static struct lm_js_value *encoding_decode(const struct lm_js_call *call)
{
	return run(call, lm_encoding_decode, lm_js_string);
}

/* (text, charset): bytes */
static struct lm_js_value *encoding_encode(const struct lm_js_call *call)
{
	return run(call, lm_encoding_encode, lm_js_bytes);
}

static const struct lm_js_source *const sources[] = { &lm_js_encoding, NULL };
static const struct lm_script_native natives[] = {
	{ "encodingKnown", encoding_known },
	{ "encodingDecode", encoding_decode },
	{ "encodingEncode", encoding_encode },
	{ NULL, NULL },
};

const struct lm_script_module lm_script_module_encoding = {
	.name = "infinity.encoding",
	.sources = sources,
	.natives = natives,
};
