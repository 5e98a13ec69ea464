/* Errors: thrown from C, kept until somebody takes them, and put in words. */
#include "script/engine/vm.h"
#include "base/error.h"

#include <math.h>
#include <stdio.h>

/* Frames of a stack that are shown, and the longest line that is read. */
#define FRAMES_MAX 30
#define TRACE_MAX  16000
/* What the files that come with us are called. */
#define OWN "lettermill:"

void lm_js_forget(struct lm_js *js)
{
	if (js->thrown)
		lm_jsc.JSValueUnprotect(js->ctx, js->thrown);
	js->thrown = NULL;
	js->thrown_end = LM_JS_END_NOT;
}

struct lm_js_value *lm_js_thrown(struct lm_js *js, JSValueRef exception)
{
	if (!exception)
		exception = lm_jsc.JSValueMakeUndefined(js->ctx);
	lm_jsc.JSValueProtect(js->ctx, exception);
	lm_js_forget(js);
	js->thrown = exception;
	js->thrown_end = js->ending;
	return NULL;
}

static JSObjectRef make_error(struct lm_js *js, enum lm_js_error_kind kind, const char *text)
{
	JSStringRef string = lm_js_jsstring(lm_str(text));
	JSValueRef message, exception = NULL;
	JSObjectRef made;

	message = lm_jsc.JSValueMakeString(js->ctx, string);
	lm_jsc.JSStringRelease(string);
	made = lm_jsc.JSObjectCallAsConstructor(js->ctx, js->roots[kind], 1, &message, &exception);
	if (exception)
		lm_js_thrown(js, exception);
	return made;
}

struct lm_js_value *lm_js_throw(struct lm_js *js, enum lm_js_error_kind kind, const char *fmt, ...)
{
	char text[LM_JS_MESSAGE_MAX];
	JSObjectRef made;
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	made = make_error(js, kind, text);
	return made ? lm_js_thrown(js, made) : NULL;
}

static void put(struct lm_js *js, JSObjectRef object, const char *name, JSValueRef value)
{
	lm_jsc.JSObjectSetProperty(js->ctx, object, lm_js_name(js, name), value,
	                           kJSPropertyAttributeNone, NULL);
}

struct lm_js_value *lm_js_throw_error(struct lm_js *js, const struct lm_error *error)
{
	JSObjectRef made = make_error(js, LM_JS_ERROR, error->text);
	struct lm_js_value *name = lm_js_string(js, lm_str(lm_err_name(error->code)));

	if (!made || !name)
		return NULL;
	put(js, made, "code", lm_js_in(name));
	lm_jsc.JSObjectSetPropertyForKey(
	        js->ctx, made, js->code, lm_jsc.JSValueMakeNumber(js->ctx, error->code),
	        kJSPropertyAttributeDontEnum | kJSPropertyAttributeReadOnly, NULL);
	return lm_js_thrown(js, made);
}

struct lm_js_value *lm_js_throw_value(struct lm_js *js, struct lm_js_value *value)
{
	return lm_js_thrown(js, lm_js_in(value));
}

/* What is read of a thrown value may itself throw: then it is as if it were not there. */
static JSValueRef peek(struct lm_js *js, JSValueRef value, const char *name)
{
	JSValueRef found, exception = NULL;

	if (!lm_jsc.JSValueIsObject(js->ctx, value))
		return NULL;
	found = lm_jsc.JSObjectGetProperty(js->ctx, (JSObjectRef)(uintptr_t)value,
	                                   lm_js_name(js, name), &exception);
	return exception ? NULL : found;
}

static unsigned peek_number(struct lm_js *js, JSValueRef value, const char *name)
{
	JSValueRef found = peek(js, value, name);
	double number = found ? lm_js_to_number(js, lm_js_out(found)) : NAN;

	return number >= 0 && number < 1e9 ? (unsigned)number : 0;
}

/* Adds a property that is a string; false where there is none, or an empty one. */
static bool peek_text(struct lm_js *js, JSValueRef value, const char *name, struct lm_buf *out)
{
	JSValueRef found = peek(js, value, name);
	size_t before = lm_buf_len(out);

	if (!found || !lm_jsc.JSValueIsString(js->ctx, found))
		return false;
	lm_js_add_text(js, lm_js_out(found), out);
	return lm_buf_len(out) > before;
}

static bool is_a(struct lm_js *js, JSValueRef value, enum lm_js_root root)
{
	JSValueRef exception = NULL;
	bool is = lm_jsc.JSValueIsInstanceOfConstructor(js->ctx, value, js->roots[root],
	                                                &exception);

	return is && !exception;
}

/* What has no room is left out. */
static void add(struct lm_buf *out, struct lm_bytes text)
{
	size_t left = out->max - lm_buf_len(out);

	if (lm_buf_add(out, lm_bytes(text.data, text.len < left ? text.len : left)))
		return;
}

static void one_line(struct lm_buf *b)
{
	for (size_t i = b->head; i < b->len; i++)
		if (b->data[i] < 0x20 || b->data[i] == 0x7F)
			b->data[i] = ' ';
}

/* Ends the text in the buffer; "" where there was no memory. */
static const char *text_in(struct lm_buf *b)
{
	if (lm_buf_len(b) >= b->max)
		b->len--;
	if (lm_buf_add(b, lm_bytes("", 1)))
		return "";
	b->len--;
	return (const char *)b->data + b->head;
}

/* "TypeError: x is not a function", or what else can be said of the value. */
static void describe_message(struct lm_js *js, JSValueRef value, struct lm_buf *out)
{
	struct lm_buf text;
	bool named;

	lm_buf_init(&text, out->max);
	named = peek_text(js, value, "message", &text);
	if (named || is_a(js, value, LM_JS_ROOT_ERROR)) {
		if (!peek_text(js, value, "name", out))
			add(out, lm_str("Error"));
		if (named) {
			add(out, lm_str(": "));
			add(out, lm_buf_bytes(&text));
		}
	} else if (lm_js_type(js, lm_js_out(value)) == LM_JS_OBJECT) {
		if (!lm_js_to_json(js, lm_js_out(value), 0, out))
			lm_js_add_text(js, lm_js_out(value), out);
	} else {
		lm_js_add_text(js, lm_js_out(value), out);
	}
	lm_buf_done(&text);
	one_line(out);
}

/* A frame of a stack: "function@file:line:column". */
struct frame {
	struct lm_bytes function, file;
	unsigned line, column;
};

/* Takes ":number" off the end. */
static bool take_number(struct lm_bytes *text, unsigned *out_number)
{
	size_t at = text->len;
	unsigned number = 0;

	while (at > 0 && text->data[at - 1] >= '0' && text->data[at - 1] <= '9')
		at--;
	if (at == 0 || at == text->len || text->len - at > 9 || text->data[at - 1] != ':')
		return false;
	for (size_t i = at; i < text->len; i++)
		number = number * 10 + (unsigned)(text->data[i] - '0');
	text->len = at - 1;
	*out_number = number;
	return true;
}

static bool read_frame(struct lm_bytes line, struct frame *out)
{
	const uint8_t *at = line.len ? memchr(line.data, '@', line.len) : NULL;
	struct frame frame = { .file = line };

	if (at) {
		frame.function = lm_bytes(line.data, (size_t)(at - line.data));
		frame.file = lm_bytes_from(line, frame.function.len + 1);
	}
	if (!take_number(&frame.file, &frame.column) || !take_number(&frame.file, &frame.line))
		return false;
	*out = frame;
	return true;
}

static bool is_own(struct lm_bytes file)
{
	size_t len = strlen(OWN);

	return file.len >= len && memcmp(file.data, OWN, len) == 0;
}

/* Columns of a first line that is behind the head of a function. */
static unsigned true_column(const struct lm_js *js, struct lm_bytes name, unsigned line,
                            unsigned column)
{
	if (line != 1)
		return column;
	for (const struct lm_js_file *file = js->files; file; file = file->next)
		if (lm_bytes_equal(lm_str(file->name), name))
			return column > file->shift ? column - file->shift : 1;
	return column;
}

static bool next_line(struct lm_bytes *text, struct lm_bytes *out_line)
{
	const uint8_t *end = text->len ? memchr(text->data, '\n', text->len) : NULL;

	if (!text->len)
		return false;
	*out_line = end ? lm_bytes(text->data, (size_t)(end - text->data)) : *text;
	*text = lm_bytes_from(*text, out_line->len + 1);
	return true;
}

static void add_frame(struct lm_buf *out, const struct frame *f)
{
	char place[40];

	if (lm_buf_len(out))
		add(out, lm_str("\n"));
	add(out, lm_str("  at "));
	add(out, f->function);
	if (f->function.len)
		add(out, lm_str(" ("));
	add(out, f->file);
	snprintf(place, sizeof(place), ":%u:%u%s", f->line, f->column, f->function.len ? ")" : "");
	add(out, lm_str(place));
}

/* Frames of the script's own files; where it happened is the first of them, or of all. */
static void describe_stack(struct lm_js *js, struct lm_bytes trace, struct frame *out_where,
                           struct frame *out_first)
{
	struct lm_bytes line;
	struct frame f;
	bool own_only = true;

	for (unsigned n = 0; n < FRAMES_MAX && next_line(&trace, &line);) {
		if (!read_frame(line, &f))
			continue;
		f.column = true_column(js, f.file, f.line, f.column);
		if (!out_first->line)
			*out_first = *out_where = f;
		if (is_own(f.file))
			continue;
		if (own_only)
			*out_where = f;
		own_only = false;
		add_frame(&js->stack, &f);
		n++;
	}
}

/* Where the parser took offence: the stack, if there is one, tells who made it parse, and so does
 * the column. */
static void describe_place(struct lm_js *js, JSValueRef value, struct lm_buf *room,
                           const struct frame *first, struct frame *where)
{
	struct frame place = { .line = peek_number(js, value, "line") };

	if (!place.line || !peek_text(js, value, "sourceURL", room))
		return;
	place.file = lm_buf_bytes(room);
	if (place.line != first->line || !lm_bytes_equal(place.file, first->file))
		*where = place;
}

static void describe(struct lm_js *js, JSValueRef value, struct lm_js_error *out_error)
{
	struct frame where = { 0 }, first = { 0 };
	struct lm_buf trace, place;

	lm_buf_clear(&js->message);
	lm_buf_clear(&js->file);
	lm_buf_clear(&js->stack);
	lm_buf_init(&trace, TRACE_MAX);
	lm_buf_init(&place, js->file.max);
	describe_message(js, value, &js->message);
	if (peek_text(js, value, "stack", &trace))
		describe_stack(js, lm_buf_bytes(&trace), &where, &first);
	if (is_a(js, value, LM_JS_ROOT_SYNTAX_ERROR))
		describe_place(js, value, &place, &first, &where);
	add(&js->file, where.file);
	one_line(&js->file);
	*out_error = (struct lm_js_error){ .line = where.line, .column = where.column };
	lm_buf_done(&trace);
	lm_buf_done(&place);
}

static int code_of(struct lm_js *js, JSValueRef value)
{
	JSValueRef found, exception = NULL;
	double number;

	if (!lm_jsc.JSValueIsObject(js->ctx, value))
		return 0;
	found = lm_jsc.JSObjectGetPropertyForKey(js->ctx, (JSObjectRef)(uintptr_t)value, js->code,
	                                         &exception);
	number = exception ? NAN : lm_js_to_number(js, lm_js_out(found));
	return number < 0 && number > -1000 ? (int)number : 0;
}

void lm_js_describe(struct lm_js *js, struct lm_js_value *thrown, struct lm_js_error *out_error)
{
	JSValueRef value = lm_js_in(thrown), pending = js->thrown;
	enum lm_js_end end = js->thrown_end;

	js->thrown = NULL;
	lm_js_enter(js);
	describe(js, value, out_error);
	out_error->code = code_of(js, value);
	lm_js_leave(js);
	lm_js_forget(js);
	js->thrown = pending;
	js->thrown_end = end;
	out_error->message = text_in(&js->message);
	out_error->file = text_in(&js->file);
	out_error->stack = text_in(&js->stack);
}

bool lm_js_catch(struct lm_js *js, struct lm_js_error *out_error, struct lm_js_value **out_value)
{
	JSValueRef thrown = js->thrown;
	enum lm_js_end end = js->thrown_end;

	if (!thrown)
		return false;
	js->thrown = NULL;
	lm_js_describe(js, lm_js_out(thrown), out_error);
	out_error->ended = end != LM_JS_END_NOT;
	if (out_value)
		*out_value = lm_js_out(thrown);
	lm_jsc.JSValueUnprotect(js->ctx, thrown);
	js->thrown_end = LM_JS_END_NOT;
	return true;
}
