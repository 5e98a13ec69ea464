/* Requests: the table of their types, the queue they wait in, and how each one ends. */
#include "pop3/client.h"

#include "wire/text.h"

static int done_reply(struct lm_pop3c *c, struct lm_pop3c_ask *a, const struct lm_pop3c_status *st)
{
	if (a->kind->type == LM_REQUEST_UTF8)
		c->info.utf8 = true;
	lm_pop3c_finish_status(c, st, 0);
	return 0;
}

/* What the server says to QUIT changes nothing: it is over. */
static int quit_reply(struct lm_pop3c *c, struct lm_pop3c_ask *a, const struct lm_pop3c_status *st)
{
	lm_pop3c_finish_status(c, st, st->ok ? 0 : lm_pop3c_refusal(c, a, st));
	lm_pop3c_end(c, LM_E_CLOSED, LM_SIDE_CLIENT, "the session has ended");
	return 0;
}

const struct lm_pop3c_kind lm_pop3c_kinds[] = {
	{ LM_REQUEST_LOGIN, "LOGIN", LM_POP3C_OWN, LM_POP3C_ALONE | LM_POP3C_JUDGE,
	  lm_pop3c_login_begin, lm_pop3c_login_reply, lm_pop3c_login_line },
	{ LM_REQUEST_CAPA, "CAPA", LM_POP3C_PLAIN, 0, NULL, lm_pop3c_capa_reply,
	  lm_pop3c_capa_line },
	{ LM_REQUEST_NOOP, "NOOP", LM_POP3C_PLAIN, 0, NULL, done_reply, NULL },
	{ LM_REQUEST_RSET, "RSET", LM_POP3C_PLAIN, LM_POP3C_DROP, NULL, done_reply, NULL },
	{ LM_REQUEST_QUIT, "QUIT", LM_POP3C_PLAIN, LM_POP3C_ALONE | LM_POP3C_JUDGE, NULL,
	  quit_reply, NULL },
	{ LM_REQUEST_COMMAND, "", LM_POP3C_WHOLE, LM_POP3C_ALONE, NULL, done_reply, NULL },
	{ LM_REQUEST_STAT, "STAT", LM_POP3C_PLAIN, LM_POP3C_DROP, NULL, lm_pop3c_stat_reply, NULL },
	{ LM_REQUEST_LIST, "LIST", LM_POP3C_ANY, LM_POP3C_DROP, NULL, lm_pop3c_list_reply,
	  lm_pop3c_list_line },
	{ LM_REQUEST_UIDL, "UIDL", LM_POP3C_ANY, LM_POP3C_DROP, NULL, lm_pop3c_list_reply,
	  lm_pop3c_list_line },
	{ LM_REQUEST_RETR, "RETR", LM_POP3C_NUMBER, LM_POP3C_DROP, NULL, lm_pop3c_body_reply,
	  NULL },
	{ LM_REQUEST_TOP, "TOP", LM_POP3C_LINES, LM_POP3C_DROP, NULL, lm_pop3c_body_reply, NULL },
	{ LM_REQUEST_DELE, "DELE", LM_POP3C_NUMBER, LM_POP3C_DROP, NULL, done_reply, NULL },
	{ LM_REQUEST_UTF8, "UTF8", LM_POP3C_PLAIN, 0, NULL, done_reply, NULL },
	{ LM_REQUEST_LANG, "LANG", LM_POP3C_WORD, 0, NULL, lm_pop3c_lang_reply,
	  lm_pop3c_text_line },
};
const size_t lm_pop3c_kind_count = sizeof(lm_pop3c_kinds) / sizeof(lm_pop3c_kinds[0]);

static const struct lm_pop3c_kind *find(enum lm_request_type type)
{
	for (size_t i = 0; i < lm_pop3c_kind_count; i++)
		if (lm_pop3c_kinds[i].type == type)
			return &lm_pop3c_kinds[i];
	return NULL;
}

/* ---- memory ---- */

static void clear(struct lm_pop3c_ask *a)
{
	lm_pop3c_login_free(a->login);
	lm_buf_wipe(&a->line);
	lm_buf_done(&a->text);
	*a = (struct lm_pop3c_ask){ .next = NULL };
}

void lm_pop3c_ask_free(struct lm_pop3c_ask *a)
{
	clear(a);
	lm_free(a);
}

static void init(struct lm_pop3c_ask *a, const struct lm_pop3c_kind *kind)
{
	*a = (struct lm_pop3c_ask){ .kind = kind };
	a->outcome.type = kind->type;
	lm_buf_init(&a->line, LM_POP3C_NAME_MAX * 2);
	lm_buf_init(&a->text, 64 * 1024);
}

static void append(struct lm_pop3c *c, struct lm_pop3c_ask *a)
{
	*c->tail = a;
	c->tail = &a->next;
	if (!c->unsent)
		c->unsent = a;
	c->queued++;
}

/* ---- pushing ---- */

static bool breaks_lines(struct lm_bytes b)
{
	return b.len && (memchr(b.data, '\r', b.len) || memchr(b.data, '\n', b.len) ||
	                 memchr(b.data, 0, b.len));
}

static int add_argument(struct lm_pop3c_ask *a, const struct lm_request *r)
{
	struct lm_bytes arg = r->argument;
	bool is_whole = a->kind->form == LM_POP3C_WHOLE;
	int err;

	if (breaks_lines(arg) || (is_whole && !arg.len) ||
	    (!is_whole && arg.len && memchr(arg.data, ' ', arg.len)))
		return LM_E_SYNTAX;
	if (!arg.len)
		return 0;
	err = is_whole ? 0 : lm_buf_add_str(&a->line, " ");
	return err ? err : lm_buf_add(&a->line, arg);
}

static int add_words(struct lm_pop3c_ask *a, const struct lm_request *r)
{
	unsigned long long number = r->number;

	switch (a->kind->form) {
	case LM_POP3C_NUMBER:
		return number ? lm_buf_printf(&a->line, " %llu", number) : LM_E_SYNTAX;
	case LM_POP3C_ANY:
		return number ? lm_buf_printf(&a->line, " %llu", number) : 0;
	case LM_POP3C_LINES:
		if (!number || r->lines < 0)
			return LM_E_SYNTAX;
		return lm_buf_printf(&a->line, " %llu %lld", number, (long long)r->lines);
	case LM_POP3C_WORD:
	case LM_POP3C_WHOLE:
		return add_argument(a, r);
	default:
		return 0;
	}
}

static int build(struct lm_pop3c *c, struct lm_pop3c_ask *a, const struct lm_request *r)
{
	int err = 0;

	if (a->kind->type == LM_REQUEST_LOGIN)
		return r->credentials ? lm_pop3c_login_new(r->credentials, &a->login) : LM_E_SYNTAX;
	err = lm_buf_add_str(&a->line, a->kind->verb);
	if (!err)
		err = add_words(a, r);
	if (!err && lm_buf_len(&a->line) + 2 > LM_POP3C_COMMAND_MAX)
		err = LM_E_SYNTAX;
	a->outcome.tag = r->tag;
	a->number = r->number;
	a->expected = r->expected;
	if (a->kind->type == LM_REQUEST_RETR && c->params->max_message &&
	    r->expected > c->params->max_message)
		a->refused = LM_E_LIMIT;
	return err == LM_E_LIMIT ? LM_E_SYNTAX : err;
}

int lm_pop3c_request(struct lm_pop3c *c, const struct lm_request *request)
{
	const struct lm_pop3c_kind *kind = find(request->type);
	struct lm_pop3c_ask *a;
	int err;

	if (!kind)
		return LM_E_UNSUPPORTED;
	if (c->queued >= LM_POP3C_QUEUE_MAX)
		return LM_E_LIMIT;
	a = lm_alloc(sizeof(*a));
	if (!a)
		return LM_E_NOMEM;
	init(a, kind);
	err = build(c, a, request);
	if (err) {
		lm_pop3c_ask_free(a);
		return err;
	}
	a->outcome.tag = request->tag;
	append(c, a);
	c->quitting |= kind->type == LM_REQUEST_QUIT;
	return 0;
}

int lm_pop3c_push_open(struct lm_pop3c *c)
{
	struct lm_pop3c_ask *a = lm_alloc(sizeof(*a));

	if (!a)
		return LM_E_NOMEM;
	init(a, &lm_pop3c_open_kind);
	append(c, a);
	/* The server speaks first. */
	a->sent = true;
	c->unsent = NULL;
	c->outstanding = 1;
	return 0;
}

/* ---- sending ---- */

static bool is_secret(struct lm_bytes line)
{
	return lm_starts_nocase(line, "PASS ") || lm_starts_nocase(line, "AUTH ") ||
	       lm_starts_nocase(line, "APOP ");
}

static void mark_sent(struct lm_pop3c *c, struct lm_pop3c_ask *a)
{
	if (!c->outstanding) {
		c->since = c->now;
		c->progress = 0;
	}
	a->sent = true;
	c->outstanding++;
}

int lm_pop3c_send(struct lm_pop3c *c, struct lm_pop3c_ask *a)
{
	struct lm_bytes line = lm_buf_bytes(&a->line);
	char shown[] = "XXXX ****";
	int err;

	if (!is_secret(line))
		return lm_pop3c_say(c, line, NULL);
	LM_ASSERT(line.data);
	memcpy(shown, line.data, 4);
	err = lm_pop3c_say(c, line, shown);
	lm_buf_wipe(&a->line);
	return err ? err : lm_buf_add_str(&a->line, shown);
}

static bool may_send(const struct lm_pop3c *c, const struct lm_pop3c_ask *a)
{
	unsigned window = c->params->pipeline;

	if (a == c->head)
		return true;
	if (c->state != LM_POP3C_OPEN || a->refused || a->kind->flags & LM_POP3C_ALONE)
		return false;
	if (c->head->kind->flags & LM_POP3C_ALONE || !lm_pop3c_has(c, "PIPELINING", NULL))
		return false;
	return c->outstanding < window && lm_buf_len(&c->out) < LM_POP3C_OUTPUT_HIGH;
}

/* It ends unsent, when those before it are over. */
static void refuse(struct lm_pop3c *c, int result)
{
	lm_pop3c_finish(c, result, LM_SIDE_CLIENT,
	                result == LM_E_LIMIT  ? "the message is too large"
	                : result == LM_E_AUTH ? "nobody is logged in"
	                                      : "canceled");
}

int lm_pop3c_advance(struct lm_pop3c *c)
{
	while (c->unsent && c->state != LM_POP3C_CLOSED && may_send(c, c->unsent)) {
		struct lm_pop3c_ask *a = c->unsent;
		int err;

		if (c->shut_out && a->kind->flags & LM_POP3C_DROP && !a->refused)
			a->refused = LM_E_AUTH;
		if (a->refused && a != c->head)
			return 0;
		c->unsent = a->next;
		if (a->refused) {
			refuse(c, a->refused);
			continue;
		}
		mark_sent(c, a);
		err = a->kind->begin ? a->kind->begin(c, a) : lm_pop3c_send(c, a);
		if (err)
			return err;
	}
	return 0;
}

static const struct lm_pop3c_kind own_noop = { LM_REQUEST_NOOP, "NOOP", LM_POP3C_PLAIN, 0, NULL,
	                                       done_reply,      NULL };

int lm_pop3c_send_sentinel(struct lm_pop3c *c)
{
	struct lm_pop3c_ask *a = &c->sentinel;
	int err;

	LM_ASSERT(!a->kind);
	init(a, &own_noop);
	a->own = true;
	err = lm_buf_add_str(&a->line, "NOOP");
	a->next = c->head->next;
	c->head->next = a;
	if (c->tail == &c->head->next)
		c->tail = &a->next;
	c->queued++;
	mark_sent(c, a);
	return err ? err : lm_pop3c_send(c, a);
}

int lm_pop3c_wind_up(struct lm_pop3c *c)
{
	struct lm_request quit = LM_REQUEST_INIT(LM_REQUEST_QUIT);

	for (struct lm_pop3c_ask *a = c->unsent; a; a = a->next)
		if (a->kind->type != LM_REQUEST_QUIT)
			a->refused = LM_E_CANCELED;
	if (c->state != LM_POP3C_OPEN) {
		lm_pop3c_end(c, LM_E_CANCELED, LM_SIDE_CLIENT, "canceled");
		return 0;
	}
	if (c->quitting)
		return 0;
	return lm_pop3c_request(c, &quit);
}

/* ---- ends ---- */

/* A -ERR without a code means that the server does not know the command: it did not announce it, or
 * there is nothing else in it to refuse. */
static bool is_lacking(const struct lm_pop3c *c, const struct lm_pop3c_ask *a)
{
	switch (a->kind->type) {
	case LM_REQUEST_CAPA:
		return true;
	case LM_REQUEST_UIDL:
		if (!a->number)
			return true;
		break;
	case LM_REQUEST_TOP:
	case LM_REQUEST_UTF8:
	case LM_REQUEST_LANG:
		break;
	default:
		return false;
	}
	return c->capa_known && !lm_pop3c_has(c, a->kind->verb, NULL);
}

int lm_pop3c_refusal(const struct lm_pop3c *c, const struct lm_pop3c_ask *a,
                     const struct lm_pop3c_status *st)
{
	switch (st->code) {
	case LM_POP3_AUTH:
		return LM_E_AUTH;
	case LM_POP3_IN_USE:
		return LM_E_IN_USE;
	case LM_POP3_SYS_TEMP:
	case LM_POP3_LOGIN_DELAY:
		return LM_E_AGAIN;
	case LM_POP3_SYS_PERM:
	case LM_POP3_UTF8:
		return LM_E_DENIED;
	default:
		break;
	}
	if (a->kind->type == LM_REQUEST_LOGIN)
		return LM_E_AUTH;
	return is_lacking(c, a) ? LM_E_UNSUPPORTED : LM_E_DENIED;
}

/* The words are a help, not a need: no memory for them is no reason to lose the outcome. */
static void set_text(struct lm_pop3c_ask *a, struct lm_bytes text)
{
	lm_buf_clear(&a->text);
	if (lm_buf_add(&a->text, text))
		lm_buf_clear(&a->text);
}

static void pop(struct lm_pop3c *c, struct lm_pop3c_ask *a)
{
	c->head = a->next;
	if (!c->head)
		c->tail = &c->head;
	if (c->unsent == a)
		c->unsent = a->next;
	c->queued--;
	if (a->sent)
		c->outstanding--;
	a->next = NULL;
}

void lm_pop3c_finish(struct lm_pop3c *c, int result, enum lm_side side, const char *text)
{
	struct lm_pop3c_ask *a = c->head;

	pop(c, a);
	c->reading = LM_POP3C_STATUS;
	c->since = c->now;
	c->progress = 0;
	lm_pop3c_login_free(a->login);
	a->login = NULL;
	if (a->own) {
		clear(a);
		return;
	}
	/* Who logs in by hand may yet succeed. */
	if (a->kind->type == LM_REQUEST_LOGIN || a->kind->type == LM_REQUEST_COMMAND)
		c->shut_out = a->kind->type == LM_REQUEST_LOGIN && result < 0;
	if (text)
		set_text(a, lm_str(text));
	a->outcome.result = result;
	a->outcome.side = side;
	if (a->sent)
		a->outcome.command = lm_buf_bytes(&a->line);
	a->outcome.text = lm_buf_bytes(&a->text);
	lm_pop3c_tell(c, &a->note, LM_EVENT_OUTCOME);
}

void lm_pop3c_finish_status(struct lm_pop3c *c, const struct lm_pop3c_status *st, int result)
{
	struct lm_pop3c_ask *a = c->head;

	set_text(a, st->text);
	a->outcome.pop3_code = st->code;
	lm_pop3c_finish(c, result,
	                !result  ? LM_SIDE_NONE
	                : st->ok ? LM_SIDE_PEER
	                         : LM_SIDE_SERVER,
	                NULL);
}
