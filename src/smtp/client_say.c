/* What the client says, and what it lets its owner know: commands, their trace, notices. */
#include "smtp/client.h"

#include <stdio.h>

/* A notice that waits: this head, then its octets. */
struct notice {
	enum lm_event_type type;
	char from;
	size_t len;
};

void lm_smtpc_notice(struct lm_smtpc *s, enum lm_event_type type, char from, struct lm_bytes text)
{
	struct notice head = { .type = type, .from = from, .len = text.len };
	uint8_t *room;

	if (lm_buf_room(&s->notices, sizeof(head) + text.len, &room)) {
		lm_smtpc_fail(s, LM_E_NOMEM, LM_SIDE_CLIENT, "out of memory");
		return;
	}
	memcpy(room, &head, sizeof(head));
	if (text.data)
		memcpy(room + sizeof(head), text.data, text.len);
	lm_buf_grew(&s->notices, sizeof(head) + text.len);
}

void lm_smtpc_trace(struct lm_smtpc *s, char from, struct lm_bytes text)
{
	if (s->params->trace)
		lm_smtpc_notice(s, LM_EVENT_TRACE, from, text);
}

bool lm_smtpc_take_notice(struct lm_smtpc *s, struct lm_event *out)
{
	struct lm_bytes b = lm_buf_bytes(&s->notices);
	struct notice head;

	if (!b.len)
		return false;
	memcpy(&head, b.data, sizeof(head));
	out->type = head.type;
	out->argument = lm_bytes(b.data + sizeof(head), head.len);
	if (head.from)
		out->verb = lm_str(head.from == 'C' ? "C" : "S");
	s->shown = sizeof(head) + head.len;
	return true;
}

void lm_smtpc_drop_notice(struct lm_smtpc *s)
{
	lm_buf_drop(&s->notices, s->shown);
	s->shown = 0;
}

/* Behind a line that was added to the output at `from`. */
static void said(struct lm_smtpc *s, int err, size_t from, const char *shown)
{
	struct lm_bytes line = lm_bytes_from(lm_buf_bytes(&s->output), from);

	if (!err)
		err = lm_buf_add_str(&s->output, "\r\n");
	if (shown)
		line = lm_str(shown);
	else if (!err)
		line = lm_bytes(lm_buf_bytes(&s->output).data + from, line.len);
	lm_buf_clear(&s->command);
	if (!err)
		err = lm_buf_add(&s->command, line);
	if (err) {
		lm_smtpc_fail(s, LM_E_NOMEM, LM_SIDE_CLIENT, "out of memory");
		return;
	}
	s->since = s->now;
	s->flowed = false;
	lm_smtpc_trace(s, 'C', line);
}

void lm_smtpc_say(struct lm_smtpc *s, const char *fmt, ...)
{
	size_t from = lm_buf_len(&s->output);
	va_list args;
	int err;

	va_start(args, fmt);
	err = lm_buf_vprintf(&s->output, fmt, args);
	va_end(args);
	said(s, err, from, NULL);
}

void lm_smtpc_say_secret(struct lm_smtpc *s, const char *shown, struct lm_bytes line)
{
	size_t from = lm_buf_len(&s->output);

	said(s, lm_buf_add(&s->output, line), from, shown);
}
