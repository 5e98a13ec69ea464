/* Reads dialogues out of Markdown. */
#include "chat.h"

#include <stdio.h>
#include <stdlib.h>

#include "wire/text.h"

struct reader {
	const char *file;
	int line;
	char heading[80];
	struct chat *chats;
	size_t count;
	bool open;
};

static _Noreturn void complain(const struct reader *r, const char *what)
{
	fprintf(stderr, "%s:%d: %s\n", r->file, r->line, what);
	exit(99);
}

static char *copy(struct lm_bytes b)
{
	char *s = lm_strdup_bytes(b);

	if (!s)
		abort();
	return s;
}

static int hex(uint8_t c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

/* The octets of escaped text, `end` behind them. */
static struct lm_bytes unescape(const struct reader *r, struct lm_bytes in, const char *end)
{
	uint8_t *out = lm_alloc(in.len + strlen(end) + 1);
	size_t n = 0;

	if (!out)
		abort();
	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.data[i];

		if (c == '\\' && i + 1 < in.len) {
			c = in.data[++i];
			if (c == 'x' && i + 2 < in.len && hex(in.data[i + 1]) >= 0 &&
			    hex(in.data[i + 2]) >= 0) {
				c = (uint8_t)(hex(in.data[i + 1]) << 4 | hex(in.data[i + 2]));
				i += 2;
			} else if (c == 'r' || c == 'n' || c == 't' || c == '0' || c == '\\') {
				c = c == 'r'   ? '\r'
				    : c == 'n' ? '\n'
				    : c == 't' ? '\t'
				    : c == '0' ? 0
				               : '\\';
			} else {
				complain(r, "unknown escape");
			}
		}
		out[n++] = c;
	}
	memcpy(out + n, end, strlen(end) + 1);
	return lm_bytes(out, n + strlen(end));
}

static enum lm_event_type event_type(const struct reader *r, struct lm_bytes word)
{
	for (int t = 1; t < LM_EVENT_COUNT; t++)
		if (lm_bytes_equal(word, lm_str(lm_event_name((enum lm_event_type)t))))
			return (enum lm_event_type)t;
	complain(r, "unknown event type");
}

static int error_code(const struct reader *r, struct lm_bytes word)
{
	for (int e = 0; e > -100; e--)
		if (lm_bytes_equal(word, lm_str(lm_err_name(e))))
			return e;
	complain(r, "unknown error name");
}

static enum lm_pop3_code pop3_code(const struct reader *r, struct lm_bytes word)
{
	static const char *const names[] = { "NONE",     "AUTH",     "IN_USE", "LOGIN_DELAY",
		                             "SYS_TEMP", "SYS_PERM", "UTF8" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (lm_bytes_equal(word, lm_str(names[i])))
			return (enum lm_pop3_code)i;
	complain(r, "unknown POP3 response code");
}

static struct lm_bytes value_of(struct lm_bytes word)
{
	const uint8_t *eq = memchr(word.data, '=', word.len);

	return eq ? lm_bytes_from(word, (size_t)(eq - word.data) + 1) : lm_bytes(NULL, 0);
}

/* "5.1.1" */
static void enhanced_code(const struct reader *r, const char *text, uint8_t out[3])
{
	char *end = NULL;

	for (int i = 0; i < 3; i++, text = end + 1) {
		out[i] = (uint8_t)strtoul(text, &end, 10);
		if (end == text || *end != (i < 2 ? '.' : '\0'))
			complain(r, "an enhanced code is three numbers with dots between");
	}
}

static void answer_word(const struct reader *r, struct chat_answer *a, struct lm_bytes word)
{
	struct lm_bytes value = value_of(word);
	char number[32];

	snprintf(number, sizeof(number), "%.*s", LM_FMT(value));
	if (lm_bytes_equal(word, lm_str("ok")))
		a->reply.result = 0;
	else if (lm_bytes_equal(word, lm_str("pass")))
		a->pass = true;
	else if (lm_bytes_equal(word, lm_str("close")))
		a->reply.flags |= LM_REPLY_CLOSE;
	else if (lm_bytes_equal(word, lm_str("silent")))
		a->reply.flags |= LM_REPLY_SILENT;
	else if (lm_bytes_equal(word, lm_str("discard")))
		a->reply.flags |= LM_REPLY_DISCARD;
	else if (lm_starts_nocase(word, "code="))
		a->reply.smtp_code = (int)strtol(number, NULL, 10);
	else if (lm_starts_nocase(word, "pop3="))
		a->reply.pop3_code = pop3_code(r, value);
	else if (lm_starts_nocase(word, "enhanced="))
		enhanced_code(r, number, a->reply.enhanced);
	else
		a->reply.result = error_code(r, word);
}

static void add_answer(const struct reader *r, struct chat *c, struct lm_bytes text)
{
	struct chat_answer *a = &c->answers[c->answer_count++];
	struct lm_bytes rest = text;

	*a = (struct chat_answer){ .reply = LM_REPLY_INIT };
	a->type = event_type(r, lm_next_word(&rest));
	while (rest.len) {
		if (lm_starts_nocase(rest, "text=")) {
			a->reply.text = unescape(r, lm_bytes_from(rest, 5), "");
			break;
		}
		answer_word(r, a, lm_next_word(&rest));
	}
}

static void add_message(const struct reader *r, struct chat *c, struct lm_bytes text)
{
	struct lm_bytes rest = text, uidl = lm_next_word(&rest);
	size_t i = c->message_count++;

	c->bodies[i] = unescape(r, rest, "");
	size_t n = c->bodies[i].len;
	bool whole = n == 0 || (n > 1 && memcmp(c->bodies[i].data + n - 2, "\r\n", 2) == 0);
	c->messages[i] = (struct lm_message){ 100 + i, n + (whole ? 0 : 2), lm_str(copy(uidl)) };
}

static void add_step(struct reader *r, struct chat *c, char kind, struct lm_bytes text)
{
	if (c->step_count == CHAT_STEPS_MAX)
		complain(r, "dialogue too long");
	c->steps[c->step_count++] = (struct chat_step){ kind, text, r->line };
}

static void read_step(struct reader *r, struct chat *c, struct lm_bytes line)
{
	struct lm_bytes text = lm_bytes_from(line, 3);
	bool raw = line.len > 1 && line.data[1] == '-';

	if (line.len < 2 ||
	    (line.data[1] != ':' && !(raw && (line.data[0] == 'C' || line.data[0] == 'S'))))
		complain(r, "a line of a dialogue begins with a letter and a colon");
	switch (line.data[0]) {
	case 'C':
		add_step(r, c, 'C', unescape(r, text, raw ? "" : "\r\n"));
		return;
	case 'S':
		add_step(r, c, 'S', unescape(r, text, raw ? "" : "\r\n"));
		return;
	case 'R':
		add_step(r, c, 'R', unescape(r, text, ""));
		return;
	case 'W':
	case 'D':
	case 'F':
		add_step(r, c, (char)line.data[0], lm_str(copy(text)));
		return;
	case 'E':
		c->expected_events[c->expected_event_count++] = copy(text);
		return;
	case 'N':
		c->never[c->never_count++] = copy(text);
		return;
	case 'A':
		add_answer(r, c, text);
		return;
	case 'M':
		add_message(r, c, text);
		return;
	case 'B':
		c->delivered[c->delivered_count++] = unescape(r, text, "");
		return;
	case 'X':
		c->end = copy(text);
		return;
	default:
		complain(r, "unknown letter");
	}
}

static void open_block(struct reader *r, struct lm_bytes words)
{
	struct chat *c;

	r->chats = lm_realloc(r->chats, r->count + 1, sizeof(*r->chats));
	if (!r->chats)
		abort();
	c = &r->chats[r->count++];
	*c = (struct chat){ .file = copy(lm_str(r->file)) };
	snprintf(c->name, sizeof(c->name), "%.40s: %.60s (line %d)", strrchr(r->file, '/') + 1,
	         r->heading, r->line);
	while (words.len) {
		if (c->option_count == CHAT_OPTIONS_MAX)
			complain(r, "too many options");
		c->options[c->option_count++] = copy(lm_next_word(&words));
	}
	r->open = true;
}

static void close_block(struct reader *r)
{
	struct chat *c = &r->chats[r->count - 1];

	r->open = false;
	if (c->message_count)
		return;
	add_message(r, c, lm_str("u1 Subject: one\\r\\n\\r\\nHello\\r\\n.dot\\r\\n.\\r\\n"));
	add_message(r, c,
	            lm_str("u2 Subject: two\\r\\n\\r\\nLine 1\\r\\nLine 2\\r\\nLine 3\\r\\n"));
}

static void read_line(struct reader *r, struct lm_bytes line)
{
	if (r->open && lm_starts_nocase(line, "```"))
		close_block(r);
	else if (r->open && line.len)
		read_step(r, &r->chats[r->count - 1], line);
	else if (lm_starts_nocase(line, "```chat "))
		open_block(r, lm_bytes_from(line, 8));
	else if (lm_starts_nocase(line, "#"))
		snprintf(r->heading, sizeof(r->heading), "%.*s",
		         LM_FMT(lm_trim(lm_bytes_from(
		                 line, line.len > 1 && line.data[1] == '#' ? 2 : 1))));
}

size_t chat_load(const char *path, struct chat **out_chats)
{
	struct reader r = { .file = path };
	FILE *f = fopen(path, "rb");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	if (!f)
		complain(&r, "cannot be opened");
	while ((n = getline(&line, &cap, f)) >= 0) {
		r.line++;
		if (n && line[n - 1] == '\n')
			n--;
		read_line(&r, lm_bytes(line, (size_t)n));
	}
	if (r.open)
		complain(&r, "the last block is not closed");
	free(line);
	fclose(f);
	*out_chats = r.chats;
	return r.count;
}

void chat_free(struct chat *chats, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct chat *c = &chats[i];

		for (size_t k = 0; k < c->option_count; k++)
			lm_free(c->options[k]);
		for (size_t k = 0; k < c->step_count; k++)
			lm_free((void *)c->steps[k].text.data);
		for (size_t k = 0; k < c->expected_event_count; k++)
			lm_free(c->expected_events[k]);
	}
	lm_free(chats);
}
