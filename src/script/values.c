/* Structured values of scripts as octets, and what the native functions of this part share. */
#include "script/values.h"

#include "script/octets.h"

#include "base/error.h"

enum { MARK = 1, HEAD = 9 };

void lm_value_put64(uint8_t out[8], uint64_t n)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(n >> 8 * i);
}

uint64_t lm_value_get64(const uint8_t *at)
{
	uint64_t n = 0;

	for (int i = 7; i >= 0; i--)
		n = n << 8 | at[i];
	return n;
}

struct lm_js_value *lm_value_throw(struct lm_js *js, int err, const char *what)
{
	struct lm_error error = { 0 };

	lm_fail(&error, err, "%s: %s", what, lm_err_text(err));
	return lm_js_throw_error(js, &error);
}

bool lm_value_count(const struct lm_js_call *call, size_t i, uint64_t max, uint64_t *out)
{
	double n = lm_js_to_number(call->js, lm_js_arg(call, i));

	if (n >= 0 && n <= (double)max && n <= 0x1p53) {
		*out = (uint64_t)n;
		return true;
	}
	lm_js_throw(call->js, LM_JS_RANGE_ERROR, "a number from 0 on is needed");
	return false;
}

bool lm_value_add(const struct lm_js_call *call, size_t i, struct lm_buf *out)
{
	struct lm_js_value *value = lm_js_arg(call, i);
	int err;

	if (lm_js_type(call->js, value) != LM_JS_BYTES)
		return lm_js_add_octets(call->js, value, out);
	err = lm_buf_add(out, lm_js_view(call->js, value));
	if (err)
		lm_value_throw(call->js, err, "the octets");
	return err == 0;
}

static void free_octets(void *data, void *ctx)
{
	(void)ctx;
	lm_free(data);
}

struct lm_js_value *lm_value_bytes(struct lm_js *js, struct lm_buf *buf)
{
	struct lm_js_value *bytes;
	size_t len = lm_buf_len(buf);

	if (len < 4096 || buf->head) {
		bytes = lm_js_bytes(js, lm_buf_bytes(buf));
		lm_buf_done(buf);
		return bytes;
	}
	bytes = lm_js_bytes_over(js, buf->data, len, free_octets, NULL);
	*buf = (struct lm_buf){ .max = buf->max };
	return bytes;
}

static bool add_blobs(const struct lm_js_call *call, struct lm_js_value *blobs, unsigned count,
                      struct lm_buf *out)
{
	for (unsigned i = 0; i < count; i++) {
		struct lm_js_value *blob = lm_js_at(call->js, blobs, i);
		int err;

		if (!blob)
			return false;
		err = lm_buf_add(out, lm_js_view(call->js, blob));
		if (err) {
			lm_value_throw(call->js, err, "the value");
			return false;
		}
	}
	return true;
}

/* Room for the head is made first; what the text took is known behind it. */
static bool add_json(const struct lm_js_call *call, size_t i, bool marked, struct lm_buf *out)
{
	size_t before = lm_buf_len(out) + HEAD;
	uint8_t *room;

	if (!marked)
		return lm_js_add_octets(call->js, lm_js_arg(call, i), out);
	if (lm_buf_room(out, HEAD, &room)) {
		lm_value_throw(call->js, LM_E_NOMEM, "the value");
		return false;
	}
	room[0] = MARK;
	lm_buf_grew(out, HEAD);
	if (!lm_js_add_octets(call->js, lm_js_arg(call, i), out))
		return false;
	lm_value_put64(out->data + out->head + before - 8, lm_buf_len(out) - before);
	return true;
}

bool lm_value_octets(const struct lm_js_call *call, size_t i, struct lm_buf *out)
{
	struct lm_js_value *blobs = lm_js_arg(call, i + 1), *length = NULL;
	double count = 0;

	if (lm_js_type(call->js, blobs) == LM_JS_ARRAY) {
		length = lm_js_get(call->js, blobs, "length");
		if (!length)
			return false;
		count = lm_js_to_number(call->js, length);
	}
	return add_json(call, i, count > 0, out) && add_blobs(call, blobs, (unsigned)count, out);
}

static struct lm_js_value *pair(struct lm_js *js, struct lm_bytes json, struct lm_js_value *blobs)
{
	struct lm_js_value *values[2] = { lm_js_string(js, json), blobs };

	return values[0] && blobs ? lm_js_array(js, 2, values) : NULL;
}

struct lm_js_value *lm_value_of(struct lm_js *js, struct lm_bytes octets)
{
	uint64_t len;

	if (!octets.len || *octets.data != MARK)
		return pair(js, octets, lm_js_undefined(js));
	len = octets.len < HEAD ? 0 : lm_value_get64(octets.data + 1);
	if (octets.len < HEAD || len > octets.len - HEAD)
		return lm_value_throw(js, LM_E_CORRUPT, "the value");
	return pair(js, lm_bytes(octets.data + HEAD, (size_t)len),
	            lm_js_bytes(js, lm_bytes_from(octets, HEAD + (size_t)len)));
}
