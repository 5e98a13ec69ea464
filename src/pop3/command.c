/* The command table, and how a line becomes a command: check, decide, apply. */
#include "pop3/capa.h"
#include "pop3/server.h"
#include "wire/text.h"

#define A LM_POP3_AUTHORIZATION
#define T LM_POP3_TRANSACTION
enum { REST = LM_POP3_REST, SECRET = LM_POP3_SECRET, LAST = LM_POP3_LAST, LONG = LM_POP3_LONG };
enum { JUDGE = LM_POP3_JUDGE, BASE = LM_POP3_BASE };

const struct lm_pop3_command lm_pop3_commands[] = {
#define C(verb, states, min, max, flags, event, otherwise, check, apply, rfc, doc)        \
	{ #verb,           states,          min, max, flags, LM_EVENT_##event, otherwise, \
	  lm_pop3_##check, lm_pop3_##apply, rfc, doc },
#include "pop3/commands.def"
#undef C
};
const size_t lm_pop3_command_count = sizeof(lm_pop3_commands) / sizeof(*lm_pop3_commands);

static const struct {
	enum lm_event_type type;
	int otherwise;
} decisions[] = {
#define D(type, otherwise, doc) { LM_EVENT_##type, otherwise },
#include "pop3/commands.def"
#undef D
};

int lm_pop3_otherwise(const struct lm_pop3_server *s, enum lm_event_type type)
{
	for (size_t i = 0; i < sizeof(decisions) / sizeof(*decisions); i++)
		if (decisions[i].type == type)
			return decisions[i].otherwise;
	/* Nobody is there to remove anything: a yes would be a lie. */
	if (type == LM_EVENT_QUIT && s->quit_count)
		return LM_E_STORE;
	for (size_t i = 0; i < lm_pop3_command_count; i++)
		if (lm_pop3_commands[i].event == type)
			return lm_pop3_commands[i].otherwise;
	return LM_E_UNSUPPORTED;
}

/* What is hidden is not there. */
static const struct lm_pop3_command *find(const struct lm_pop3_server *s, struct lm_bytes verb)
{
	for (size_t i = 0; i < lm_pop3_command_count; i++) {
		const struct lm_pop3_command *c = &lm_pop3_commands[i];

		if (lm_equal_nocase(verb, lm_str(c->verb)))
			return lm_pop3_hides(s->params, c->verb) ? NULL : c;
	}
	return NULL;
}

/* What is wrong with a line before anybody looks at its words. */
static int line_fault(const struct lm_line *line)
{
	unsigned never = LM_LINE_BARE | LM_LINE_NUL | LM_LINE_CONTROL;

	if (line->flags & LM_LINE_TOO_LONG)
		return LM_SAY_LINE_TOO_LONG;
	if (line->flags & never)
		return LM_SAY_INVALID_OCTETS;
	return 0;
}

/* Octets from 0x80 are text only once UTF8 was given; but in a password, which is octets. */
static bool has_odd_octets(const struct lm_pop3_server *s, const struct lm_line *line)
{
	if (!(line->flags & LM_LINE_8BIT) || (s->command && s->command->flags & LM_POP3_REST))
		return false;
	return !s->info.utf8 || !lm_is_utf8(line->text);
}

static struct lm_bytes without_spaces_behind(struct lm_bytes b)
{
	while (b.len && b.data[b.len - 1] == ' ')
		b.len--;
	return b;
}

static void cut_arguments(const struct lm_pop3_command *c, struct lm_bytes rest,
                          struct lm_pop3_args *args)
{
	*args = (struct lm_pop3_args){ .rest = rest };
	if (c->flags & LM_POP3_REST) {
		args->arg[0] = rest;
		args->count = rest.len > 0;
		return;
	}
	rest = without_spaces_behind(rest);
	while (rest.len) {
		struct lm_bytes word = lm_next_word(&rest);

		if (args->count < 2)
			args->arg[args->count] = word;
		args->count++;
	}
}

static int count_fault(const struct lm_pop3_command *c, const struct lm_pop3_args *args)
{
	bool empty = (args->count > 0 && !args->arg[0].len) ||
	             (args->count > 1 && !args->arg[1].len);

	if (!empty && args->count >= c->min && args->count <= c->max)
		return 0;
	if (c->max == 0)
		return LM_SAY_INVALID_PARAMS_NONE;
	if (c->min < c->max)
		return LM_SAY_INVALID_PARAMS_MOST;
	return c->max == 1 ? LM_SAY_INVALID_PARAMS_ONE : LM_SAY_INVALID_PARAMS_MANY;
}

static int judge(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	if (reply->result < 0 && !(s->command->flags & LM_POP3_JUDGE))
		return lm_pop3_no(s, reply);
	return s->command->apply(s, reply);
}

static int run(struct lm_pop3_server *s, const struct lm_pop3_command *c, struct lm_bytes rest)
{
	struct lm_pop3_args args;
	int fault;

	if (!(c->states & s->state))
		return lm_pop3_say(s, LM_SAY_INVALID_STATE);
	cut_arguments(c, rest, &args);
	fault = count_fault(c, &args);
	if (!fault)
		fault = c->check(s, &args);
	if (fault)
		return fault < 0 ? fault : lm_pop3_say(s, (enum lm_pop3_say)fault);
	if (c->event == LM_EVENT_NONE)
		return c->apply(s, &LM_REPLY_INIT);
	return lm_pop3_decide(s, lm_pop3_event_of(s, c), judge);
}

static int unknown_then(struct lm_pop3_server *s, const struct lm_reply *reply)
{
	return reply->result < 0 ? lm_pop3_no(s, reply) : lm_pop3_yes(s, LM_SAY_DONE, reply);
}

/* The handler may know the verb: it gets the line, and behind it the verb in upper case. */
static int unknown(struct lm_pop3_server *s, struct lm_bytes text, struct lm_bytes verb)
{
	int err = lm_buf_add(&s->text, text);

	s->verb_at = lm_buf_len(&s->text);
	if (!err)
		err = lm_buf_add(&s->text, verb);
	if (err)
		return err;
	for (size_t i = s->verb_at; i < lm_buf_len(&s->text); i++)
		s->text.data[i] = lm_upper(s->text.data[i]);
	return lm_pop3_decide(s, LM_EVENT_COMMAND, unknown_then);
}

int lm_pop3_line(struct lm_pop3_server *s, const struct lm_line *line)
{
	struct lm_bytes rest = line->text, verb;
	int fault = line_fault(line);

	s->command = NULL;
	s->number = 0;
	s->lines = -1;
	lm_buf_done(&s->text);
	if (fault)
		return lm_pop3_say(s, (enum lm_pop3_say)fault);
	verb = lm_next_word(&rest);
	s->command = find(s, verb);
	if (line->text.len + 2 > lm_pop3_command_max(s->params) &&
	    !(s->command && s->command->flags & LM_POP3_LONG))
		return lm_pop3_say(s, LM_SAY_LINE_TOO_LONG);
	if (has_odd_octets(s, line))
		return lm_pop3_say(s, LM_SAY_INVALID_OCTETS);
	if (!s->command)
		return unknown(s, line->text, verb);
	return run(s, s->command, rest);
}

int lm_pop3_parse_message(struct lm_pop3_server *s, struct lm_bytes word,
                          enum lm_pop3_say if_deleted)
{
	uint64_t n;

	if (!lm_parse_number(word, UINT64_MAX, &n))
		return LM_SAY_INVALID_NUMBER;
	if (n < 1 || n > s->drop.count)
		return LM_SAY_NO_SUCH_MESSAGE;
	s->number = (size_t)n;
	return lm_pop3_drop_deleted(&s->drop, s->number) ? (int)if_deleted : 0;
}
