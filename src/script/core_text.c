/* Text from octets in any charset, for TextDecoder; and octets from text. */
#include "script/runtime_impl.h"

#include "base/error.h"
#include "wire/text.h"

#include <errno.h>
#include <iconv.h>

enum { MAX_TAIL = 16, MAX_OUT = 1 << 30, ICONV_STEP = 8192 };

#define REPLACEMENT "\xEF\xBF\xBD"

struct decoder {
	bool (*decode)(struct decoder *decoder, struct lm_bytes in, bool is_last,
	               struct lm_buf *out);
	iconv_t charset; /* (iconv_t)-1: none */
	bool is_big;     /* UTF-16BE */
	bool is_fatal;
	bool has_c1;            /* octets 0x80 to 0x9F without a meaning are control characters */
	uint8_t tail[MAX_TAIL]; /* the beginning of a character */
	size_t tail_len;
};

/* Whether it may go on: what is no text is U+FFFD, or the end. */
static bool replace(const struct decoder *decoder, struct lm_buf *out)
{
	return !decoder->is_fatal && lm_buf_add_str(out, REPLACEMENT) == 0;
}

/* Keep the beginning of a character for the next call; at the end it is none. */
static bool keep_tail(struct decoder *decoder, struct lm_bytes rest, bool is_last,
                      struct lm_buf *out)
{
	if (rest.len == 0)
		return true;
	if (is_last || rest.len > MAX_TAIL)
		return replace(decoder, out);
	memcpy(decoder->tail, rest.data, rest.len);
	decoder->tail_len = rest.len;
	return true;
}

/* ---- UTF-8 ---- */

static unsigned utf8_length(uint8_t lead)
{
	if (lead >= 0xC2 && lead <= 0xDF)
		return 2;
	if (lead >= 0xE0 && lead <= 0xEF)
		return 3;
	return lead >= 0xF0 && lead <= 0xF4 ? 4 : 1;
}

/* Octets of the character in front, or of what is wrong (*is_good false): as many as could have
 * begun one. 0: it could still become one. */
static size_t utf8_step(struct lm_bytes in, bool *is_good)
{
	uint8_t lead = in.data[0], low = 0x80, high = 0xBF;
	unsigned len = utf8_length(lead);

	*is_good = lead < 0x80;
	if (lead == 0xE0)
		low = 0xA0;
	else if (lead == 0xED)
		high = 0x9F;
	else if (lead == 0xF0)
		low = 0x90;
	else if (lead == 0xF4)
		high = 0x8F;
	for (unsigned i = 1; i < len; i++) {
		if (i >= in.len)
			return 0;
		if (in.data[i] < low || in.data[i] > high)
			return i;
		low = 0x80;
		high = 0xBF;
	}
	*is_good |= len > 1;
	return len;
}

static bool decode_utf8(struct decoder *decoder, struct lm_bytes in, bool is_last,
                        struct lm_buf *out)
{
	size_t run = 0, len = 1;
	bool is_good;

	while (in.len > run) {
		len = utf8_step(lm_bytes_from(in, run), &is_good);
		if (len > 0 && is_good) {
			run += len;
			continue;
		}
		if (lm_buf_add(out, lm_bytes(in.data, run)) < 0)
			return false;
		in = lm_bytes_from(in, run);
		run = 0;
		if (len == 0)
			return keep_tail(decoder, in, is_last, out);
		if (!replace(decoder, out))
			return false;
		in = lm_bytes_from(in, len);
	}
	return lm_buf_add(out, lm_bytes(in.data, run)) == 0;
}

/* ---- UTF-16 ---- */

static unsigned unit(const struct decoder *decoder, const uint8_t *p)
{
	return decoder->is_big ? (unsigned)p[0] << 8 | p[1] : (unsigned)p[1] << 8 | p[0];
}

static bool add_character(unsigned c, struct lm_buf *out)
{
	uint8_t text[4];
	size_t len = 0;

	if (c < 0x80) {
		text[len++] = (uint8_t)c;
	} else if (c < 0x800) {
		text[len++] = (uint8_t)(0xC0 | c >> 6);
		text[len++] = (uint8_t)(0x80 | (c & 0x3F));
	} else if (c < 0x10000) {
		text[len++] = (uint8_t)(0xE0 | c >> 12);
		text[len++] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
		text[len++] = (uint8_t)(0x80 | (c & 0x3F));
	} else {
		text[len++] = (uint8_t)(0xF0 | c >> 18);
		text[len++] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
		text[len++] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
		text[len++] = (uint8_t)(0x80 | (c & 0x3F));
	}
	return lm_buf_add(out, lm_bytes(text, len)) == 0;
}

static bool decode_utf16(struct decoder *decoder, struct lm_bytes in, bool is_last,
                         struct lm_buf *out)
{
	while (in.len >= 2) {
		unsigned c = unit(decoder, in.data), next = 0;
		bool is_lead = c >= 0xD800 && c < 0xDC00;

		if (is_lead && in.len < 4)
			break;
		if (is_lead)
			next = unit(decoder, in.data + 2);
		if (is_lead && next >= 0xDC00 && next < 0xE000) {
			c = 0x10000 + ((c & 0x3FF) << 10) + (next & 0x3FF);
			in = lm_bytes_from(in, 2);
		} else if (c >= 0xD800 && c < 0xE000) {
			c = 0xFFFD;
		}
		if (c == 0xFFFD && decoder->is_fatal)
			return false;
		if (!add_character(c, out))
			return false;
		in = lm_bytes_from(in, 2);
	}
	return keep_tail(decoder, in, is_last, out);
}

/* ---- All others ---- */

/* One octet that has no meaning. */
static bool skip_odd(const struct decoder *decoder, struct lm_bytes *in, struct lm_buf *out)
{
	uint8_t odd = in->data[0];

	*in = lm_bytes_from(*in, 1);
	return decoder->has_c1 && odd >= 0x80 && odd < 0xA0 ? add_character(odd, out)
	                                                    : replace(decoder, out);
}

/* As much as there is room for. Returns errno, 0 when all went through. */
static int convert(struct decoder *decoder, struct lm_bytes *in, struct lm_buf *out)
{
	char *from = (char *)in->data, *to;
	size_t left = in->len, room = ICONV_STEP;
	uint8_t *start;
	int errnum = 0;

	if (lm_buf_room(out, ICONV_STEP, &start) < 0)
		return ENOMEM;
	to = (char *)start;
	if (iconv(decoder->charset, &from, &left, &to, &room) == (size_t)-1)
		errnum = errno;
	lm_buf_grew(out, ICONV_STEP - room);
	*in = lm_bytes_from(*in, in->len - left);
	return errnum;
}

static bool decode_charset(struct decoder *decoder, struct lm_bytes in, bool is_last,
                           struct lm_buf *out)
{
	bool is_good = true;

	while (in.len > 0 && is_good) {
		int errnum = convert(decoder, &in, out);

		if (errnum == EINVAL)
			break;
		if (errnum == EILSEQ)
			is_good = skip_odd(decoder, &in, out);
		else if (errnum != 0 && errnum != E2BIG)
			is_good = false;
	}
	if (is_last)
		iconv(decoder->charset, NULL, NULL, NULL, NULL);
	return is_good && keep_tail(decoder, in, is_last, out);
}

/* ---- Functions for js/text.js ---- */

static void decoder_free(void *data)
{
	struct decoder *decoder = data;

	if (decoder->charset != (iconv_t)-1)
		iconv_close(decoder->charset);
	lm_free(decoder);
}

static const struct lm_js_class decoder_class = { "Decoder", decoder_free };

static bool choose(struct decoder *decoder, const char *charset)
{
	decoder->decode = decode_charset;
	decoder->has_c1 = strncmp(charset, "CP125", 5) == 0 || strcmp(charset, "CP874") == 0;
	if (strcmp(charset, "UTF-8") == 0) {
		decoder->decode = decode_utf8;
	} else if (strncmp(charset, "UTF-16", 6) == 0) {
		decoder->decode = decode_utf16;
		decoder->is_big = charset[6] == 'B';
	} else {
		decoder->charset = iconv_open("UTF-8", charset);
		return decoder->charset != (iconv_t)-1;
	}
	return true;
}

/* (charset, fatal): a decoder, or undefined where the system does not know the charset. */
static struct lm_js_value *native_decoder(const struct lm_js_call *call)
{
	char *charset = lm_native_cstr(call, 0);
	struct decoder *decoder = charset ? lm_alloc_zero(1, sizeof(*decoder)) : NULL;
	struct lm_js_value *handle = NULL;

	if (!decoder) {
		lm_free(charset);
		return charset ? lm_native_nomem(call->js) : NULL;
	}
	decoder->charset = (iconv_t)-1;
	decoder->is_fatal = lm_js_truth(call->js, lm_js_arg(call, 1));
	if (choose(decoder, charset))
		handle = lm_js_wrap(call->js, &decoder_class, decoder, sizeof(*decoder));
	else
		handle = lm_js_undefined(call->js);
	if (!lm_js_unwrap(call->js, handle, &decoder_class))
		decoder_free(decoder);
	lm_free(charset);
	return handle;
}

static bool decode(struct decoder *decoder, struct lm_bytes in, bool is_last, struct lm_buf *out)
{
	struct lm_buf joined;
	bool is_good;

	if (decoder->tail_len == 0)
		return decoder->decode(decoder, in, is_last, out);
	lm_buf_init(&joined, SIZE_MAX);
	is_good = lm_buf_add(&joined, lm_bytes(decoder->tail, decoder->tail_len)) == 0 &&
	          lm_buf_add(&joined, in) == 0;
	decoder->tail_len = 0;
	is_good = is_good && decoder->decode(decoder, lm_buf_bytes(&joined), is_last, out);
	lm_buf_done(&joined);
	return is_good;
}

/* (decoder, octets, is last): text, or undefined where there is none and that is fatal. */
static struct lm_js_value *native_decode(const struct lm_js_call *call)
{
	struct decoder *decoder = lm_js_unwrap(call->js, lm_js_arg(call, 0), &decoder_class);
	bool is_last = lm_js_truth(call->js, lm_js_arg(call, 2));
	struct lm_js_value *text;
	struct lm_bytes in;
	struct lm_buf out;

	if (!decoder)
		return lm_js_throw(call->js, LM_JS_TYPE_ERROR, "a decoder is needed");
	lm_buf_init(&out, MAX_OUT);
	/* The view lives until the next call on the VM, and none is made in between. */
	in = lm_js_view(call->js, lm_js_arg(call, 1));
	if (decode(decoder, in, is_last, &out)) {
		text = lm_js_string(call->js, lm_buf_bytes(&out));
	} else {
		decoder->tail_len = 0;
		text = lm_js_undefined(call->js);
	}
	lm_buf_done(&out);
	return text;
}

/* UTF-8 of a string without lone surrogates. */
static struct lm_js_value *native_encode(const struct lm_js_call *call)
{
	struct lm_js_value *bytes = NULL;
	struct lm_buf text;

	lm_buf_init(&text, MAX_OUT);
	if (lm_native_text(call, 0, &text))
		bytes = lm_js_bytes(call->js, lm_buf_bytes(&text));
	lm_buf_done(&text);
	return bytes;
}

/* One character an octet. */
static struct lm_js_value *native_binary(const struct lm_js_call *call)
{
	return lm_js_binary(call->js, lm_js_view(call->js, lm_js_arg(call, 0)));
}

static const struct lm_script_native natives[] = {
	{ "decoder", native_decoder },
	{ "decode", native_decode },
	{ "encode", native_encode },
	{ "binary", native_binary },
	{ NULL, NULL },
};

static const struct lm_js_source *const sources[] = { &lm_js_text, NULL };

const struct lm_script_module lm_script_module_text = {
	.name = "infinity.text",
	.sources = sources,
	.natives = natives,
};

/* ---- What is JavaScript alone ---- */

static const struct lm_js_source *const clone_sources[] = { &lm_js_clone, NULL };

const struct lm_script_module lm_script_module_clone = {
	.name = "infinity.clone",
	.sources = clone_sources,
};

static const struct lm_js_source *const abort_sources[] = { &lm_js_abort, NULL };

const struct lm_script_module lm_script_module_abort = {
	.name = "infinity.abort",
	.sources = abort_sources,
};

static const struct lm_js_source *const url_sources[] = { &lm_js_url_parse, &lm_js_url, NULL };

const struct lm_script_module lm_script_module_url = {
	.name = "infinity.url",
	.sources = url_sources,
};
