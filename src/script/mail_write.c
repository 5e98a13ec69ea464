/* infinity.mail: messages written anew, call by call from js/mail_body.js. */
#include "script/mail_impl.h"

#include "base/error.h"
#include "script/values.h"

struct box {
	struct lm_letter_writer *writer; /* NULL: it ended */
};

static void finalize(void *data)
{
	struct box *box = data;

	lm_letter_writer_free(box->writer);
	lm_free(box);
}

static const struct lm_js_class writer_class = { "MailWriter", finalize };

/* (letter or undefined) */
struct lm_js_value *lm_mail_writer(const struct lm_js_call *call)
{
	bool is_new = lm_js_type(call->js, lm_js_arg(call, 0)) == LM_JS_UNDEFINED;
	struct lm_letter *base = is_new ? NULL : lm_mail_letter(call, 0);
	struct box *box;

	if (!is_new && !base)
		return NULL;
	box = lm_alloc(sizeof(*box));
	if (!box || lm_letter_writer_new(base, &box->writer)) {
		lm_free(box);
		return lm_value_throw(call->js, LM_E_NOMEM, "infinity.mail");
	}
	return lm_js_wrap(call->js, &writer_class, box, sizeof(*box));
}

static struct lm_letter_writer *writer_arg(const struct lm_js_call *call)
{
	struct box *box = lm_js_unwrap(call->js, lm_js_arg(call, 0), &writer_class);

	if (!box || !box->writer)
		lm_js_throw(call->js, LM_JS_TYPE_ERROR, "infinity.mail: no writer");
	return box ? box->writer : NULL;
}

/* What the script set is wrong, or the world is. */
static struct lm_js_value *settled(struct lm_js *js, int err, struct lm_error *error)
{
	if (err && !error->code)
		lm_fail(error, err, "%s", lm_err_text(err));
	if (err == LM_E_SYNTAX)
		return lm_js_throw(js, LM_JS_RANGE_ERROR, "infinity.mail: %s", error->text);
	return lm_mail_done(js, err, error);
}

/* (writer, index) */
struct lm_js_value *lm_mail_drop(const struct lm_js_call *call)
{
	struct lm_letter_writer *w = writer_arg(call);
	uint64_t index;

	if (!w || !lm_value_count(call, 1, UINT32_MAX, &index))
		return NULL;
	lm_letter_writer_drop(w, (size_t)index);
	return lm_js_undefined(call->js);
}

/* (writer, index or -1, name, value, true: addresses) */
struct lm_js_value *lm_mail_field(const struct lm_js_call *call)
{
	struct lm_letter_writer *w = writer_arg(call);
	double at = lm_js_to_number(call->js, lm_js_arg(call, 1));
	struct lm_buf value = { .max = LM_LETTER_HEADER };
	struct lm_js_value *result = NULL;
	struct lm_error error = { 0 };
	char *name = w ? lm_mail_text(call, 2) : NULL;
	enum lm_letter_writer_form form = lm_js_truth(call->js, lm_js_arg(call, 4))
	                                          ? LM_FORM_ADDRESSES
	                                          : LM_FORM_TEXT;

	if (name && lm_js_add_octets(call->js, lm_js_arg(call, 3), &value))
		result = settled(call->js,
		                 lm_letter_writer_field(w, at >= 0 ? (long)at : LM_LETTER_NO_FIELD,
		                                        name, lm_buf_bytes(&value), form, &error),
		                 &error);
	lm_buf_done(&value);
	lm_free(name);
	return result;
}

static struct lm_js_value *simple(const struct lm_js_call *call,
                                  int (*write)(struct lm_letter_writer *w, struct lm_error *e))
{
	struct lm_letter_writer *w = writer_arg(call);
	struct lm_error error = { 0 };

	return w ? settled(call->js, write(w, &error), &error) : NULL;
}

struct lm_js_value *lm_mail_keep(const struct lm_js_call *call)
{
	return simple(call, lm_letter_writer_keep);
}

struct lm_js_value *lm_mail_append(const struct lm_js_call *call)
{
	return simple(call, lm_letter_writer_append);
}

struct lm_js_value *lm_mail_close(const struct lm_js_call *call)
{
	return simple(call, lm_letter_writer_close);
}

/* (writer, type, boundary or "") */
struct lm_js_value *lm_mail_open(const struct lm_js_call *call)
{
	struct lm_letter_writer *w = writer_arg(call);
	char *type = w ? lm_mail_text(call, 1) : NULL;
	char *boundary = type ? lm_mail_text(call, 2) : NULL;
	struct lm_js_value *result = NULL;
	struct lm_error error = { 0 };

	if (boundary)
		result = settled(call->js, lm_letter_writer_open(w, type, boundary, &error),
		                 &error);
	lm_free(boundary);
	lm_free(type);
	return result;
}

/* (writer, part) */
struct lm_js_value *lm_mail_raw_part(const struct lm_js_call *call)
{
	struct lm_letter_writer *w = writer_arg(call);
	struct lm_error error = { 0 };
	uint64_t index;

	if (!w || !lm_value_count(call, 1, UINT32_MAX - 1, &index))
		return NULL;
	return settled(call->js, lm_letter_writer_part(w, (uint32_t)index, &error), &error);
}

/* (writer, type, charset, transfer, text) */
struct lm_js_value *lm_mail_text_part(const struct lm_js_call *call)
{
	struct lm_letter_writer *w = writer_arg(call);
	struct lm_letter_writer_text text = { .transfer = (int)lm_js_to_number(
		                                      call->js, lm_js_arg(call, 3)) };
	struct lm_buf octets = { .max = LM_LETTER_TEXT };
	struct lm_js_value *result = NULL;
	struct lm_error error = { 0 };
	char *type = w ? lm_mail_text(call, 1) : NULL;
	char *charset = type ? lm_mail_text(call, 2) : NULL;

	if (charset && lm_js_add_octets(call->js, lm_js_arg(call, 4), &octets)) {
		text.type = type;
		text.charset = charset;
		text.text = lm_buf_bytes(&octets);
		result = settled(call->js, lm_letter_writer_text(w, &text, &error), &error);
	}
	lm_buf_done(&octets);
	lm_free(charset);
	lm_free(type);
	return result;
}

/* (writer, name, type, id, disposition, transfer, what, part) */
struct lm_js_value *lm_mail_file_part(const struct lm_js_call *call)
{
	struct lm_letter_writer *w = writer_arg(call);
	struct lm_js_value *result = NULL;
	struct lm_mail_content content;
	struct lm_error error = { 0 };
	char *texts[4] = { NULL };
	bool ok = w != NULL;

	for (size_t i = 0; i < 4 && ok; i++)
		ok = (texts[i] = lm_mail_text(call, i + 1)) != NULL;
	if (ok && lm_mail_content_open(call, 6, &content)) {
		const struct lm_letter_writer_file file = {
			.name = texts[0],
			.type = texts[1],
			.id = texts[2],
			.disposition = texts[3],
			.transfer = (int)lm_js_to_number(call->js, lm_js_arg(call, 5)),
			.read = lm_mail_content_read,
			.ctx = &content,
		};

		result = settled(call->js, lm_letter_writer_file(w, &file, &error), &error);
		lm_mail_content_close(&content);
	}
	for (size_t i = 0; i < 4; i++)
		lm_free(texts[i]);
	return result;
}

/* (writer): a letter of what was written */
struct lm_js_value *lm_mail_finish(const struct lm_js_call *call)
{
	struct lm_letter_writer *w = writer_arg(call);
	struct lm_letter *letter = NULL;
	struct lm_error error = { 0 };
	struct lm_stash stash;
	struct box *box;
	int err;

	if (!w)
		return NULL;
	err = lm_letter_writer_end(w, &stash, &error);
	if (err)
		return settled(call->js, err, &error);
	box = lm_js_unwrap(call->js, lm_js_arg(call, 0), &writer_class);
	box->writer = NULL;
	lm_letter_writer_free(w);
	err = lm_letter_of_stash(&stash, &letter, &error);
	return err ? settled(call->js, err, &error) : lm_mail_wrap(call->js, letter);
}
