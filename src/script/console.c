/* The console: its lines, reports of errors nobody caught, and standard input. */
#include "script/runtime_impl.h"

#include "base/error.h"
#include "wire/text.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_LOOK = 100 /* ms between looks whether to give up */ };

/* ---- Lines ---- */

/* Length of the character in front that a terminal may see; 0: none. What moves the cursor, breaks
 * lines unseen or turns the direction of text is not shown. */
static size_t shown_length(struct lm_bytes text)
{
	const uint8_t *p = text.data;
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;

	if (len == 1)
		return p[0] == '\t' || (p[0] >= 0x20 && p[0] != 0x7F) ? 1 : 0;
	if (len > text.len || !lm_is_utf8(lm_bytes(p, len)))
		return 0;
	if (len == 2 && p[0] == 0xC2 && p[1] < 0xA0)
		return 0;
	if (len == 3 && p[0] == 0xE2 &&
	    ((p[1] == 0x80 && p[2] >= 0xA8 && p[2] <= 0xAE) ||
	     (p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9)))
		return 0;
	return len;
}

/* Lines behind the first are indented, so that no text can look like a line of its own. */
static size_t add_odd(struct lm_bytes text, struct lm_buf *out, int *err)
{
	bool is_crlf = text.len >= 2 && text.data[0] == '\r' && text.data[1] == '\n';

	if (is_crlf || text.data[0] == '\n') {
		*err = lm_buf_add_str(out, "\n  ");
		return is_crlf ? 2 : 1;
	}
	*err = lm_buf_printf(out, "\\x%02x", text.data[0]);
	return 1;
}

/* What is too long is cut. */
static void add_shown(struct lm_bytes text, struct lm_buf *out)
{
	int err = 0;

	while (text.len > 0 && err == 0) {
		size_t run = 0, len;

		while (run < text.len && (len = shown_length(lm_bytes_from(text, run))) > 0)
			run += len;
		err = lm_buf_add(out, lm_bytes(text.data, run));
		text = lm_bytes_from(text, run);
		if (text.len > 0 && err == 0)
			text = lm_bytes_from(text, add_odd(text, out, &err));
	}
}

static int add_prefix(char letter, struct lm_buf *out)
{
	struct timespec now;
	char stamp[32];
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm);
	return lm_buf_printf(out, "[%c %s,%03ld] ", letter, stamp, now.tv_nsec / 1000000);
}

void lm_script_print_always(struct lm_script *script, bool to_stderr, char letter,
                            struct lm_bytes text)
{
	struct lm_buf line;

	if (!script->print)
		return;
	lm_buf_init(&line, LM_RUNTIME_MAX_TEXT);
	if (add_prefix(letter, &line) == 0) {
		add_shown(text, &line);
		script->print(script->print_ctx, to_stderr, lm_buf_bytes(&line));
	}
	lm_buf_done(&line);
}

void lm_script_print(struct lm_script *script, enum lm_console_level level, char letter,
                     struct lm_bytes text)
{
	if (level >= script->console)
		lm_script_print_always(script, level >= LM_CONSOLE_WARN, letter, text);
}

/* ---- Reports ---- */

/* Of what never ran the engine knows the line only. */
static int add_place(const struct lm_js_error *error, struct lm_buf *out)
{
	int err;

	if (!error->file || !*error->file)
		return 0;
	err = lm_buf_printf(out, "%s:%u", error->file, error->line);
	return err == 0 && error->column ? lm_buf_printf(out, ":%u", error->column) : err;
}

int lm_script_describe(const struct lm_js_error *error, struct lm_buf *out)
{
	const char *stack = error->stack ? error->stack : "";
	size_t len = strlen(stack);
	int err = lm_buf_add_str(out, error->message);

	while (len > 0 && stack[len - 1] == '\n')
		len--;
	if (err == 0 && len > 0) {
		err = lm_buf_add_str(out, "\n");
		return err < 0 ? err : lm_buf_add(out, lm_bytes(stack, len));
	}
	if (err == 0 && error->file && *error->file) {
		err = lm_buf_add_str(out, "\n  at ");
		err = err < 0 ? err : add_place(error, out);
	}
	return err;
}

void lm_script_report(struct lm_script *script, const char *where, const struct lm_js_error *error)
{
	struct lm_buf text;
	int err = 0;

	lm_buf_init(&text, LM_RUNTIME_MAX_TEXT);
	if (where && *where)
		err = lm_buf_printf(&text, "%s: ", where);
	if (err == 0)
		err = add_place(error, &text);
	if (err == 0 && error->file && *error->file)
		err = lm_buf_add_str(&text, ": ");
	if (err == 0)
		err = lm_script_describe(error, &text);
	if (err == 0)
		lm_script_print_always(script, true, 'E', lm_buf_bytes(&text));
	lm_buf_done(&text);
}

/* ---- Functions for js/console.js ---- */

/* Whether a level is printed at all, before anybody makes its text. */
static struct lm_js_value *native_wants(const struct lm_js_call *call)
{
	const struct lm_runtime *rt = call->data;

	return lm_js_bool(call->js, lm_js_to_number(call->js, lm_js_arg(call, 0)) >=
	                                    (double)rt->script->console);
}

static struct lm_js_value *native_print(const struct lm_js_call *call)
{
	struct lm_runtime *rt = call->data;
	double level = lm_js_to_number(call->js, lm_js_arg(call, 0));
	struct lm_buf letter, text;

	lm_buf_init(&letter, 8);
	lm_buf_init(&text, LM_RUNTIME_MAX_TEXT);
	lm_js_add_text(call->js, lm_js_arg(call, 1), &letter);
	lm_js_add_text(call->js, lm_js_arg(call, 2), &text);
	if (level >= LM_CONSOLE_LOG && level <= LM_CONSOLE_ERROR && lm_buf_len(&letter) == 1)
		lm_script_print(rt->script, (enum lm_console_level)level, (char)letter.data[0],
		                lm_buf_bytes(&text));
	lm_buf_done(&letter);
	lm_buf_done(&text);
	return lm_js_undefined(call->js);
}

static struct lm_js_value *native_write(const struct lm_js_call *call)
{
	const struct lm_runtime *rt = call->data;
	struct lm_buf text;
	bool is_good;

	lm_buf_init(&text, LM_RUNTIME_MAX_TEXT);
	is_good = lm_native_text(call, 0, &text);
	if (is_good && rt->script->write)
		rt->script->write(rt->script->print_ctx, lm_buf_bytes(&text));
	lm_buf_done(&text);
	return is_good ? lm_js_undefined(call->js) : NULL;
}

/* An error as reports have it. */
static struct lm_js_value *native_describe(const struct lm_js_call *call)
{
	struct lm_js_value *text = NULL;
	struct lm_js_error error;
	struct lm_buf out;

	lm_js_describe(call->js, lm_js_arg(call, 0), &error);
	lm_buf_init(&out, LM_RUNTIME_MAX_TEXT);
	if (lm_script_describe(&error, &out) == 0)
		text = lm_js_string(call->js, lm_buf_bytes(&out));
	else
		lm_native_nomem(call->js);
	lm_buf_done(&out);
	return text;
}

/* ---- Standard input ---- */

/* Wait for input, looking now and then whether anybody still wants it. */
static bool await_input(struct lm_runtime *rt)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	int ready;

	do {
		if (!lm_runtime_sleep(rt, 0))
			return false;
		ready = poll(&input, 1, INPUT_LOOK);
	} while (ready == 0 || (ready < 0 && errno == EINTR));
	return true;
}

/* Room is made first, so that nothing that was read can be lost. */
static int read_more(struct lm_script_own *own)
{
	uint8_t *room;
	ssize_t got;
	int err = lm_buf_room(&own->input, 4096, &room);

	if (err < 0)
		return err;
	do
		got = read(STDIN_FILENO, room, 4096);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		lm_buf_grew(&own->input, (size_t)got);
	else if (got == 0 || errno != EAGAIN)
		own->input_ended = true;
	return 0;
}

/* *out_taken: octets of the line with its end; 0: there is none. */
static int find_line(struct lm_runtime *rt, size_t *out_taken)
{
	struct lm_script_own *own = rt->script->own;
	const uint8_t *end;
	int err = 0;

	for (;;) {
		struct lm_bytes have = lm_buf_bytes(&own->input);

		end = have.len ? memchr(have.data, '\n', have.len) : NULL;
		*out_taken = end ? (size_t)(end - have.data) + 1 : 0;
		if (!end && own->input_ended)
			*out_taken = have.len;
		if (end || own->input_ended || err < 0 || !await_input(rt))
			return err;
		err = read_more(own);
	}
}

static struct lm_js_value *native_read_line(const struct lm_js_call *call)
{
	struct lm_runtime *rt = call->data;
	struct lm_script_own *own = rt->script->own;
	struct lm_js_value *line;
	struct lm_error error = { 0 };
	size_t taken, len;

	pthread_mutex_lock(&own->input_lock);
	error.code = find_line(rt, &taken);
	if (error.code < 0) {
		lm_fail(&error, error.code, "console.readLn: %s", lm_err_text(error.code));
		line = lm_js_throw_error(call->js, &error);
	} else if (taken == 0) {
		line = lm_js_null(call->js);
	} else {
		const uint8_t *data = own->input.data + own->input.head;

		len = taken - (data[taken - 1] == '\n');
		len -= len > 0 && data[len - 1] == '\r';
		line = lm_js_string(call->js, lm_bytes(data, len));
		lm_buf_drop(&own->input, taken);
	}
	pthread_mutex_unlock(&own->input_lock);
	return line;
}

static const struct lm_script_native natives[] = {
	{ "wants", native_wants },        { "print", native_print },
	{ "write", native_write },        { "describe", native_describe },
	{ "readLine", native_read_line }, { NULL, NULL },
};

static const struct lm_js_source *const sources[] = { &lm_js_console, NULL };

const struct lm_script_module lm_script_module_console = {
	.name = "infinity.console",
	.sources = sources,
	.natives = natives,
};
