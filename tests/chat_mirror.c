/* Turns a dialogue written for the POP3 server round: what the server says there is fed to a client
 * that asks for the same things. The client must understand every word. */
#include "chat.h"

#include "wire/text.h"

#include <stdio.h>
#include <stdlib.h>

struct mirror {
	const struct chat *in;
	struct chat *out;
	struct lm_buf body; /* of the message being said */
	bool multi, is_body, over;
};

static char *printed(const char *fmt, struct lm_bytes b)
{
	char *s = NULL;

	if (asprintf(&s, fmt, LM_FMT(b)) < 0)
		abort();
	return s;
}

static bool add(struct mirror *m, char kind, struct lm_bytes text, int line)
{
	struct chat *c = m->out;

	if (c->step_count + 4 > CHAT_STEPS_MAX)
		return false;
	c->steps[c->step_count++] = (struct chat_step){ kind, text, line };
	return true;
}

/* ---- what is asked ---- */

static bool is_number(struct lm_bytes word)
{
	uint64_t n;

	return lm_parse_number(word, UINT64_MAX, &n) && n > 0;
}

/* The request that says this line, or one that says any line. */
static struct lm_bytes request_for(struct mirror *m, struct lm_bytes line)
{
	static const char *const alone[] = { "STAT", "RSET", "NOOP", "QUIT", "CAPA",
		                             "UTF8", "LIST", "UIDL", "LANG" };
	struct lm_bytes rest = line, verb = lm_next_word(&rest);
	bool plain = !rest.len;

	m->multi = m->is_body = false;
	for (size_t i = 0; plain && i < sizeof(alone) / sizeof(alone[0]); i++) {
		if (!lm_bytes_equal(verb, lm_str(alone[i])))
			continue;
		m->multi = i == 4 || i > 5;
		return lm_str(printed("%.*s", verb));
	}
	if (lm_bytes_equal(verb, lm_str("RETR")) && is_number(rest)) {
		m->multi = m->is_body = true;
		return lm_str(printed("RETR number=%.*s", rest));
	}
	if ((lm_bytes_equal(verb, lm_str("LIST")) || lm_bytes_equal(verb, lm_str("UIDL"))) &&
	    is_number(rest))
		return lm_str(printed(verb.data[0] == 'L' ? "LIST number=%.*s" : "UIDL number=%.*s",
		                      rest));
	return lm_str(printed("COMMAND argument=%.*s", line));
}

/* TOP has two numbers. */
static struct lm_bytes top_for(struct mirror *m, struct lm_bytes line)
{
	struct lm_bytes rest = lm_bytes_from(line, 4), number = lm_next_word(&rest);
	char *s = NULL;
	uint64_t lines;

	if (!is_number(number) || !lm_parse_number(rest, INT64_MAX, &lines))
		return request_for(m, line);
	m->multi = m->is_body = true;
	if (asprintf(&s, "TOP number=%.*s lines=%.*s", LM_FMT(number), LM_FMT(rest)) < 0)
		abort();
	return lm_str(s);
}

static bool can_ask(struct lm_bytes line)
{
	if (!line.len || line.len > 250 || lm_starts_nocase(line, "AUTH") ||
	    lm_starts_nocase(line, "STLS"))
		return false;
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] < 0x20)
			return false;
	/* Another case, or blanks behind: the client would say it in its own way. */
	return line.data[line.len - 1] != ' ' && line.data[0] >= 'A' && line.data[0] <= 'Z';
}

static bool ask(struct mirror *m, const struct chat_step *step)
{
	struct lm_bytes line = step->text, r;

	if (line.len < 2 || memcmp(line.data + line.len - 2, "\r\n", 2) != 0)
		return false;
	line.len -= 2;
	if (!can_ask(line))
		return false;
	r = lm_starts_nocase(line, "TOP ") ? top_for(m, line) : request_for(m, line);
	return add(m, 'R', r, step->line) && add(m, 'C', step->text, step->line);
}

/* ---- what is answered ---- */

/* Our server doubles dots behind every LF. */
static void unstuff(struct mirror *m, struct lm_bytes line)
{
	bool at_start = true;

	for (size_t i = 0; i < line.len; i++) {
		if (!(at_start && line.data[i] == '.') &&
		    lm_buf_add(&m->body, lm_bytes(line.data + i, 1)))
			abort();
		at_start = line.data[i] == '\n';
	}
}

static void keep_body(struct mirror *m, struct lm_bytes line)
{
	struct chat *c = m->out;
	char *copy;

	if (!lm_bytes_equal(line, lm_str(".\r\n"))) {
		unstuff(m, line);
		return;
	}
	copy = lm_strdup_bytes(lm_buf_bytes(&m->body));
	if (!copy)
		abort();
	c->delivered[c->delivered_count++] = lm_bytes(copy, lm_buf_len(&m->body));
	lm_buf_clear(&m->body);
	m->is_body = false;
}

/* Wildcards become what makes sense there: a number, or in a message any octet. */
static bool hear(struct mirror *m, const struct chat_step *step, bool first)
{
	char *copy = lm_strdup_bytes(step->text);
	struct lm_bytes line = lm_bytes(copy, step->text.len);

	if (!copy)
		abort();
	for (size_t i = 0; i < line.len; i++)
		if (copy[i] == '*')
			copy[i] = m->is_body ? 'x' : '7';
	if (first && !lm_starts_nocase(line, "+OK"))
		m->multi = m->is_body = false;
	if (!first && m->is_body && m->out->delivered_count < 16)
		keep_body(m, line);
	return add(m, 'S', line, step->line) && !(first && lm_starts_nocase(line, "+ "));
}

static bool begin(struct mirror *m, const struct chat_step *greeting)
{
	bool yes = lm_starts_nocase(greeting->text, "+OK");

	m->over = !yes;
	return hear(m, greeting, true) &&
	       (!yes || (add(m, 'C', lm_str("CAPA\r\n"), greeting->line) &&
	                 add(m, 'S', lm_str("-ERR\r\n"), greeting->line)));
}

static bool turn(struct mirror *m)
{
	const struct chat *in = m->in;
	char last = 0;

	for (size_t i = 0; i < in->step_count && !m->over; i++) {
		const struct chat_step *s = &in->steps[i];
		bool ok = s->kind == 'S' || s->kind == 'C' || s->kind == 'F';

		if (s->kind == 'S')
			ok = last ? hear(m, s, last == 'C') : begin(m, s);
		else if (s->kind == 'C')
			ok = last == 'S' && ask(m, s);
		if (!ok)
			return false;
		last = s->kind;
		m->over |= s->kind == 'F';
	}
	return last == 'S' || last == 'F';
}

bool chat_mirror(const struct chat *server, struct chat *out_client)
{
	static char protocol[] = "pop3-client", proto[] = "OUTCOME result=PROTO",
	            limit[] = "OUTCOME result=LIMIT", timeout[] = "OUTCOME result=TIMEOUT";
	struct mirror m = { .in = server, .out = out_client };
	bool ok;

	*out_client = (struct chat){ .file = server->file, .option_count = 1, .never_count = 3 };
	snprintf(out_client->name, sizeof(out_client->name), "mirrored %.100s", server->name);
	out_client->options[0] = protocol;
	out_client->never[0] = proto;
	out_client->never[1] = limit;
	out_client->never[2] = timeout;
	out_client->end = "close";
	lm_buf_init(&m.body, 1 << 20);
	ok = (!server->end || strcmp(server->end, "close") == 0) && turn(&m) &&
	     add(&m, 'F', lm_str(""), 0);
	lm_buf_done(&m.body);
	return ok;
}
