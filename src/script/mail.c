/* infinity.mail: letters in the engine, what their headers and parts say. */
#include "script/mail_impl.h"

#include "base/error.h"
#include "mime/date.h"
#include "mime/letter_compose.h"
#include "script/files.h"
#include "script/js/sources.h"
#include "script/values.h"

#include <math.h>
#include <sys/random.h>
#include <unistd.h>

enum { CHUNK = 65536, MAX_TEXT = 64 << 20 };

/* ---- Letters as handles ---- */

struct box {
	struct lm_letter *letter; /* NULL: it was freed */
};

static void finalize(void *data)
{
	struct box *box = data;

	lm_letter_unref(box->letter);
	lm_free(box);
}

static const struct lm_js_class letter_class = { "MailHandle", finalize };

struct lm_js_value *lm_mail_wrap(struct lm_js *js, struct lm_letter *letter)
{
	struct box *box = lm_alloc(sizeof(*box));
	uint64_t size = lm_letter_size(letter);
	struct lm_js_value *value;

	if (!box) {
		lm_letter_unref(letter);
		return lm_value_throw(js, LM_E_NOMEM, "infinity.mail");
	}
	box->letter = letter;
	if (size > LM_STASH_MEMORY)
		size = 0; /* it is in a file */
	value = lm_js_wrap(js, &letter_class, box,
	                   sizeof(*box) + (size_t)size +
	                           lm_letter_part_count(letter) * sizeof(struct lm_letter_part));
	return value;
}

struct lm_letter *lm_mail_letter(const struct lm_js_call *call, size_t i)
{
	struct box *box = lm_js_unwrap(call->js, lm_js_arg(call, i), &letter_class);

	if (!box || !box->letter)
		lm_js_throw(call->js, LM_JS_TYPE_ERROR, "infinity.mail: the mail was freed");
	return box ? box->letter : NULL;
}

struct lm_js_value *lm_mail_done(struct lm_js *js, int err, struct lm_error *error)
{
	return err ? lm_js_throw_error(js, error) : lm_js_undefined(js);
}

char *lm_mail_text(const struct lm_js_call *call, size_t i)
{
	struct lm_buf octets = { .max = MAX_TEXT };
	char *text = NULL;

	if (!lm_js_add_octets(call->js, lm_js_arg(call, i), &octets))
		text = NULL; /* thrown */
	else if (lm_buf_len(&octets) && memchr(octets.data, 0, lm_buf_len(&octets)))
		lm_js_throw(call->js, LM_JS_RANGE_ERROR, "infinity.mail: no NUL can stand here");
	else if (!(text = lm_strdup_bytes(lm_buf_bytes(&octets))))
		lm_value_throw(call->js, LM_E_NOMEM, "infinity.mail");
	lm_buf_done(&octets);
	return text;
}

/* ---- In and out ---- */

/* A pointer, as arguments are evaluated in any order. */
static struct lm_js_value *loaded(struct lm_js *js, int err, struct lm_letter *const *letter,
                                  const struct lm_error *error)
{
	return err ? lm_js_throw_error(js, error) : lm_mail_wrap(js, *letter);
}

static struct lm_js_value *load_file(const struct lm_js_call *call)
{
	char *name = lm_mail_text(call, 0);
	char *path = name ? lm_runtime_data_path(call->data, lm_str(name)) : NULL;
	struct lm_js_value *result = NULL;
	struct lm_letter *letter = NULL;
	struct lm_error error = { 0 };

	if (path)
		result = loaded(call->js, lm_letter_of_file(path, &letter, &error), &letter,
		                &error);
	lm_free(path);
	lm_free(name);
	return result;
}

static struct lm_js_value *load_octets(const struct lm_js_call *call)
{
	struct lm_buf octets = { .max = LM_MAIL_AT_ONCE };
	struct lm_js_value *result = NULL;
	struct lm_letter *letter = NULL;
	struct lm_error error = { 0 };

	if (lm_value_add(call, 0, &octets))
		result = loaded(call->js,
		                lm_letter_of_bytes(lm_buf_bytes(&octets), &letter, &error), &letter,
		                &error);
	lm_buf_done(&octets);
	return result;
}

static int copy_stream(struct lm_stream *from, struct lm_stash *to, struct lm_error *out_error)
{
	uint8_t *chunk = lm_alloc(CHUNK);
	size_t got = 1;
	uint64_t at = 0;
	int err = chunk ? 0 : lm_fail(out_error, LM_E_NOMEM, "%s", lm_err_text(LM_E_NOMEM));

	while (err == 0 && got) {
		err = lm_stream_read_at(from, at, chunk, CHUNK, &got, out_error);
		if (err == 0 && got)
			err = lm_stash_add(to, lm_bytes(chunk, got), out_error);
		at += got;
	}
	lm_free(chunk);
	return err ? err : lm_stash_end(to, out_error);
}

static struct lm_js_value *load_stream(const struct lm_js_call *call)
{
	struct lm_stream *stream = lm_stream_of(call->js, lm_js_arg(call, 0));
	struct lm_letter *letter = NULL;
	struct lm_error error = { 0 };
	struct lm_stash stash;
	int err;

	if (!stream)
		return lm_js_throw(call->js, LM_JS_TYPE_ERROR,
		                   "infinity.mail.loadFromStream: stream: it was freed");
	lm_stash_init(&stash);
	err = copy_stream(stream, &stash, &error);
	if (err) {
		lm_stash_done(&stash);
		return lm_js_throw_error(call->js, &error);
	}
	return loaded(call->js, lm_letter_of_stash(&stash, &letter, &error), &letter, &error);
}

/* All octets to `take`; false: thrown. */
static bool give_all(const struct lm_js_call *call, struct lm_letter *l,
                     int (*take)(void *ctx, struct lm_bytes octets, struct lm_error *out_error),
                     void *ctx)
{
	uint8_t *chunk = lm_alloc(CHUNK);
	struct lm_error error = { 0 };
	uint64_t at = 0;
	size_t got = 1;
	int err = chunk ? 0 : LM_E_NOMEM;

	while (err == 0 && got) {
		err = lm_letter_read_at(l, at, chunk, CHUNK, &got);
		at += got;
		if (err == 0 && got)
			err = take(ctx, lm_bytes(chunk, got), &error);
	}
	lm_free(chunk);
	if (err && !error.code)
		lm_fail(&error, err, "infinity.mail: %s", lm_err_text(err));
	if (err)
		lm_js_throw_error(call->js, &error);
	return err == 0;
}

static int add_octets(void *ctx, struct lm_bytes octets, struct lm_error *out_error)
{
	int err = lm_buf_add(ctx, octets);

	return err ? lm_fail(out_error, err, "infinity.mail: too large for one string or array")
	           : 0;
}

static struct lm_js_value *give_bytes(const struct lm_js_call *call)
{
	struct lm_letter *l = lm_mail_letter(call, 0);
	struct lm_buf all = { .max = LM_MAIL_AT_ONCE };

	if (l && give_all(call, l, add_octets, &all))
		return lm_value_bytes(call->js, &all);
	lm_buf_done(&all);
	return NULL;
}

static struct lm_js_value *give_string(const struct lm_js_call *call)
{
	struct lm_letter *l = lm_mail_letter(call, 0);
	struct lm_buf all = { .max = LM_MAIL_AT_ONCE };
	struct lm_js_value *result = NULL;

	if (l && give_all(call, l, add_octets, &all))
		result = lm_js_string(call->js, lm_buf_bytes(&all));
	lm_buf_done(&all);
	return result;
}

static int append(void *ctx, struct lm_bytes octets, struct lm_error *out_error)
{
	return lm_stream_append(ctx, octets, out_error);
}

static struct lm_js_value *give_stream(const struct lm_js_call *call)
{
	struct lm_letter *l = lm_mail_letter(call, 0);
	struct lm_stream *stream = l ? lm_stream_new() : NULL;
	struct lm_js_value *handle = NULL;

	if (l && !stream)
		return lm_value_throw(call->js, LM_E_NOMEM, "infinity.mail");
	if (stream && give_all(call, l, append, stream))
		handle = lm_stream_handle(call->js, stream);
	if (stream)
		lm_stream_unref(stream);
	return handle;
}

static int write_octets(void *ctx, struct lm_bytes octets, struct lm_error *out_error)
{
	return lm_file_writer_add(ctx, octets, out_error);
}

/* (letter, name) */
static struct lm_js_value *save(const struct lm_js_call *call)
{
	struct lm_letter *l = lm_mail_letter(call, 0);
	char *name = l ? lm_mail_text(call, 1) : NULL;
	char *path = name ? lm_runtime_data_path(call->data, lm_str(name)) : NULL;
	struct lm_js_value *result = NULL;
	struct lm_file_writer w;
	struct lm_error error;

	if (!path)
		result = NULL; /* thrown */
	else if (lm_file_writer_begin(&w, path, name, &error))
		lm_js_throw_error(call->js, &error);
	else if (!give_all(call, l, write_octets, &w))
		lm_file_writer_abort(&w);
	else
		result = lm_mail_done(call->js, lm_file_writer_commit(&w, false, &error), &error);
	lm_free(path);
	lm_free(name);
	return result;
}

static struct lm_js_value *size_of(const struct lm_js_call *call)
{
	struct lm_letter *l = lm_mail_letter(call, 0);

	return l ? lm_js_number(call->js, (double)lm_letter_size(l)) : NULL;
}

/* What is held is let go at once; the handle stays, with nothing in it. */
static struct lm_js_value *let_go(const struct lm_js_call *call)
{
	struct box *box = lm_js_unwrap(call->js, lm_js_arg(call, 0), &letter_class);

	if (box) {
		lm_letter_unref(box->letter);
		box->letter = NULL;
	}
	return lm_js_undefined(call->js);
}

/* ---- Fields ---- */

/* A large array, made once. */
static struct lm_js_value *field_names(const struct lm_js_call *call)
{
	struct lm_letter *l = lm_mail_letter(call, 0);
	size_t count = l ? lm_letter_field_count(l) : 0;
	struct lm_js_value *result = NULL;
	struct lm_buf all = { .max = 64 << 20 };
	int err = 0;

	if (!l)
		return NULL;
	for (size_t i = 0; i < count && err == 0; i++) {
		struct lm_bytes name, body;

		lm_letter_field(l, i, &name, &body);
		err = i ? lm_buf_add_str(&all, "\n") : 0;
		if (err == 0)
			err = lm_buf_add(&all, name);
	}
	result = err ? lm_value_throw(call->js, err, "infinity.mail")
	             : lm_js_string(call->js, lm_buf_bytes(&all));
	lm_buf_done(&all);
	return result;
}

static bool field_arg(const struct lm_js_call *call, struct lm_bytes *out_body)
{
	struct lm_letter *l = lm_mail_letter(call, 0);
	struct lm_bytes name;
	uint64_t index;

	if (!l || !lm_value_count(call, 1, UINT32_MAX, &index))
		return false;
	if (index >= lm_letter_field_count(l)) {
		lm_js_throw(call->js, LM_JS_RANGE_ERROR, "infinity.mail: no such field");
		return false;
	}
	lm_letter_field(l, (size_t)index, &name, out_body);
	return true;
}

/* (letter, name, from): the index, or -1 */
static struct lm_js_value *find(const struct lm_js_call *call)
{
	struct lm_letter *l = lm_mail_letter(call, 0);
	struct lm_js_value *result = NULL;
	uint64_t from;
	char *name;

	if (!l || !lm_value_count(call, 2, UINT32_MAX, &from))
		return NULL;
	name = lm_mail_text(call, 1);
	if (name)
		result = lm_js_number(call->js, (double)lm_letter_find(l, name, (size_t)from));
	lm_free(name);
	return result;
}

static struct lm_js_value *field_text(const struct lm_js_call *call)
{
	struct lm_buf text = { .max = MAX_TEXT };
	struct lm_js_value *result;
	struct lm_bytes body;
	int err;

	if (!field_arg(call, &body))
		return NULL;
	err = lm_letter_decode_text(body, &text);
	result = err ? lm_value_throw(call->js, err, "infinity.mail")
	             : lm_js_string(call->js, lm_buf_bytes(&text));
	lm_buf_done(&text);
	return result;
}

static struct lm_js_value *field_date(const struct lm_js_call *call)
{
	struct lm_bytes body;
	int64_t ms;

	if (!field_arg(call, &body))
		return NULL;
	return lm_letter_decode_date(body, &ms) ? lm_js_number(call->js, (double)ms)
	                                        : lm_js_undefined(call->js);
}

/* Addresses as text: NUL between name, address and what people see of both; none holds one. */
static int add_address(void *ctx, struct lm_bytes name, struct lm_bytes address)
{
	struct lm_buf *b = ctx;
	int err = lm_buf_len(b) ? lm_buf_add(b, lm_bytes("", 1)) : 0;

	if (err == 0)
		err = lm_buf_add(b, name);
	if (err == 0)
		err = lm_buf_add(b, lm_bytes("", 1));
	if (err == 0)
		err = lm_buf_add(b, address);
	if (err == 0)
		err = lm_buf_add(b, lm_bytes("", 1));
	return err ? err : lm_compose_display(name, address, b);
}

static struct lm_js_value *addresses(struct lm_js *js, struct lm_bytes body)
{
	struct lm_buf all = { .max = LM_MAIL_AT_ONCE };
	struct lm_js_value *result;
	int err = lm_letter_decode_addresses(body, add_address, &all);

	result = err ? lm_value_throw(js, err, "infinity.mail")
	             : lm_js_string(js, lm_buf_bytes(&all));
	lm_buf_done(&all);
	return result;
}

static struct lm_js_value *field_addresses(const struct lm_js_call *call)
{
	struct lm_bytes body;

	return field_arg(call, &body) ? addresses(call->js, body) : NULL;
}

static struct lm_js_value *read_addresses(const struct lm_js_call *call)
{
	struct lm_buf text = { .max = MAX_TEXT };
	struct lm_js_value *result = NULL;

	if (lm_js_add_octets(call->js, lm_js_arg(call, 0), &text))
		result = addresses(call->js, lm_buf_bytes(&text));
	lm_buf_done(&text);
	return result;
}

/* "" or what is wrong with a list of addresses. */
static struct lm_js_value *check_addresses(const struct lm_js_call *call)
{
	struct lm_buf text = { .max = MAX_TEXT }, out = { .max = LM_MAIL_AT_ONCE };
	struct lm_js_value *result = NULL;
	struct lm_error error = { 0 };
	int err;

	if (lm_js_add_octets(call->js, lm_js_arg(call, 0), &text)) {
		err = lm_compose_addresses(lm_buf_bytes(&text), 0, "\r\n", &out, &error);
		if (err && !error.code)
			lm_fail(&error, err, "%s", lm_err_text(err));
		result = lm_js_string(call->js, lm_str(err ? error.text : ""));
	}
	lm_buf_done(&text);
	lm_buf_done(&out);
	return result;
}

/* ---- Parts ---- */

static struct lm_js_value *part_count(const struct lm_js_call *call)
{
	struct lm_letter *l = lm_mail_letter(call, 0);

	return l ? lm_js_number(call->js, (double)lm_letter_part_count(l)) : NULL;
}

static bool part_arg(const struct lm_js_call *call, struct lm_letter **out_letter,
                     uint32_t *out_index)
{
	uint64_t index;

	*out_letter = lm_mail_letter(call, 0);
	if (!*out_letter || !lm_value_count(call, 1, lm_letter_part_count(*out_letter) - 1, &index))
		return false;
	*out_index = (uint32_t)index;
	return true;
}

static struct lm_js_value *describe(struct lm_js *js, const struct lm_letter_part *p,
                                    const struct lm_letter_info *info, struct lm_bytes safe)
{
	enum { STRINGS = 8 };
	const char *strings[STRINGS] = { p->type,           info->charset,
		                         info->boundary,    info->id,
		                         info->disposition, info->name,
		                         info->parameters,  NULL };
	struct lm_js_value *values[STRINGS + 3];
	size_t n = 0;

	while (strings[n]) {
		values[n] = lm_js_string(js, lm_str(strings[n]));
		if (!values[n++])
			return NULL;
	}
	values[n++] = lm_js_string(js, safe);
	values[n++] = lm_js_number(js, info->transfer);
	values[n++] = lm_js_bool(js, p->multipart);
	values[n++] = lm_js_number(js, p->parent == LM_LETTER_NO_PART ? -1 : (double)p->parent);
	return values[STRINGS - 1] ? lm_js_array(js, n, values) : NULL;
}

/* [type, charset, boundary, id, disposition, name, parameters, safe name, transfer, multipart,
 * parent] */
static struct lm_js_value *part_info(const struct lm_js_call *call)
{
	struct lm_buf safe = { .max = 1000 };
	struct lm_js_value *result = NULL;
	struct lm_letter_info info;
	struct lm_letter *l;
	uint32_t index;
	int err;

	if (!part_arg(call, &l, &index))
		return NULL;
	err = lm_letter_info(l, index, &info);
	if (err)
		return lm_value_throw(call->js, err, "infinity.mail");
	err = lm_letter_safe_name(info.name, &safe);
	result = err ? lm_value_throw(call->js, err, "infinity.mail")
	             : describe(call->js, lm_letter_part(l, index), &info, lm_buf_bytes(&safe));
	lm_letter_info_done(&info);
	lm_buf_done(&safe);
	return result;
}

static struct lm_js_value *part_text(const struct lm_js_call *call)
{
	struct lm_buf text = { .max = LM_MAIL_AT_ONCE };
	struct lm_js_value *result;
	struct lm_letter *l;
	uint32_t index;
	int err;

	if (!part_arg(call, &l, &index))
		return NULL;
	err = lm_letter_text(l, index, &text);
	result = err ? lm_value_throw(call->js, err, "infinity.mail.contents")
	             : lm_js_string(call->js, lm_buf_bytes(&text));
	lm_buf_done(&text);
	return result;
}

/* ---- What a new message gets ---- */

static struct lm_js_value *date_text(const struct lm_js_call *call)
{
	double ms = lm_js_to_number(call->js, lm_js_arg(call, 0));
	char text[LM_DATE_ROOM];

	if (!(ms >= -1e16 && ms <= 1e16))
		return lm_js_throw(call->js, LM_JS_RANGE_ERROR, "infinity.mail.date: no date");
	return lm_js_string(call->js,
	                    lm_bytes(text, lm_date_format((int64_t)floor(ms / 1000), text)));
}

/* (ms) */
static struct lm_js_value *message_id(const struct lm_js_call *call)
{
	double ms = lm_js_to_number(call->js, lm_js_arg(call, 0));
	struct lm_buf id = { .max = 1000 };
	struct lm_js_value *result = NULL;
	char host[256] = "";
	uint64_t unique;
	int err;

	(void)gethostname(host, sizeof(host) - 1);
	if (getrandom(&unique, sizeof(unique), 0) != (ssize_t)sizeof(unique))
		return lm_value_throw(call->js, LM_E_IO, "infinity.mail");
	err = lm_message_id(&id, (int64_t)(ms / 1000), unique, host);
	result = err ? lm_value_throw(call->js, err, "infinity.mail")
	             : lm_js_string(call->js, lm_buf_bytes(&id));
	lm_buf_done(&id);
	return result;
}

static struct lm_js_value *safe_name(const struct lm_js_call *call)
{
	struct lm_buf out = { .max = 1000 };
	struct lm_js_value *result = NULL;
	char *name = lm_mail_text(call, 0);

	if (!name)
		return NULL;
	result = lm_letter_safe_name(name, &out)
	                 ? lm_value_throw(call->js, LM_E_NOMEM, "infinity.mail")
	                 : lm_js_string(call->js, lm_buf_bytes(&out));
	lm_buf_done(&out);
	lm_free(name);
	return result;
}

/* ---- For others ---- */

bool lm_mail_is(struct lm_js *js, struct lm_js_value *handle)
{
	struct lm_js_value *render;

	if (lm_js_type(js, handle) != LM_JS_OBJECT)
		return false;
	render = lm_js_get(js, handle, "renderMail");
	return render && lm_js_type(js, render) == LM_JS_FUNCTION;
}

bool lm_mail_source(struct lm_js *js, struct lm_js_value *handle, struct lm_source **out_source)
{
	struct lm_js_value *rendered;
	struct lm_source *source;
	struct box *box;

	if (!lm_mail_is(js, handle))
		return lm_js_throw(js, LM_JS_TYPE_ERROR, "an infinity.mail is needed");
	rendered = lm_js_call(js, lm_js_get(js, handle, "renderMail"), NULL, 0, NULL);
	if (!rendered)
		return false;
	box = lm_js_unwrap(js, rendered, &letter_class);
	if (!box || !box->letter)
		return lm_js_throw(js, LM_JS_TYPE_ERROR, "infinity.mail: the mail was freed");
	source = lm_letter_source(box->letter);
	if (!source)
		return lm_value_throw(js, LM_E_NOMEM, "infinity.mail");
	*out_source = source;
	return true;
}

/* ---- The module ---- */

static const struct lm_script_native natives[] = {
	{ "mailLoadFile", load_file },
	{ "mailLoad", load_octets },
	{ "mailLoadStream", load_stream },
	{ "mailBytes", give_bytes },
	{ "mailString", give_string },
	{ "mailStream", give_stream },
	{ "mailSave", save },
	{ "mailSize", size_of },
	{ "mailLetGo", let_go },
	{ "mailNames", field_names },
	{ "mailFind", find },
	{ "mailText", field_text },
	{ "mailDate", field_date },
	{ "mailAddresses", field_addresses },
	{ "mailReadAddresses", read_addresses },
	{ "mailCheckAddresses", check_addresses },
	{ "mailPartCount", part_count },
	{ "mailPart", part_info },
	{ "mailPartText", part_text },
	{ "mailDateText", date_text },
	{ "mailMessageId", message_id },
	{ "mailSafeName", safe_name },
#define N(name, fn) { name, fn },
	LM_MAIL_NATIVES(N)
#undef N
	        { NULL, NULL },
};

static const struct lm_js_source *const sources[] = { &lm_js_mail_fields, &lm_js_mail_body,
	                                              &lm_js_mail, NULL };

const struct lm_script_module lm_script_module_mail = {
	.name = "infinity.mail",
	.sources = sources,
	.natives = natives,
};
