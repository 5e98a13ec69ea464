/* What clients tell script, as entries of the queue. */
#include "bridge/client.h"

#include <stdio.h>

enum { TEXTS_MAX = 256 << 20 };

static const char *const names[LM_REQUEST_COUNT] = {
	[LM_REQUEST_OPEN] = "OPEN",       [LM_REQUEST_LOGIN] = "LOGIN", [LM_REQUEST_CAPA] = "CAPA",
	[LM_REQUEST_NOOP] = "NOOP",       [LM_REQUEST_RSET] = "RSET",   [LM_REQUEST_QUIT] = "QUIT",
	[LM_REQUEST_COMMAND] = "COMMAND", [LM_REQUEST_STAT] = "STAT",   [LM_REQUEST_LIST] = "LIST",
	[LM_REQUEST_UIDL] = "UIDL",       [LM_REQUEST_RETR] = "RETR",   [LM_REQUEST_TOP] = "TOP",
	[LM_REQUEST_DELE] = "DELE",       [LM_REQUEST_UTF8] = "UTF8",   [LM_REQUEST_LANG] = "LANG",
	[LM_REQUEST_SEND] = "SEND",       [LM_REQUEST_VRFY] = "VRFY",   [LM_REQUEST_EXPN] = "EXPN",
};

enum lm_request_type lm_bx_request_type(struct lm_bytes name)
{
	for (int i = LM_REQUEST_LOGIN; i < LM_REQUEST_COUNT; i++)
		if (lm_bytes_equal(name, lm_str(names[i])))
			return (enum lm_request_type)i;
	return LM_REQUEST_NONE;
}

static void begin(struct lm_bx_draft *draft, const struct lm_bx_client *client)
{
	lm_bx_draft_init(draft);
	lm_bx_number(draft, "client", (double)client->number);
}

static bool push(struct lm_bx_client *client, struct lm_bx_draft *draft, unsigned type)
{
	struct lm_bx_told *told = lm_bx_told_new(draft, type);

	if (told)
		lm_bx_push(client->all->bridge, &told->head);
	return told != NULL;
}

/* ---- Outcomes ---- */

/* Texts that are made here live until the entry is. */
struct telling {
	struct lm_bx_draft draft;
	struct lm_arena texts;
};

static void add_text(struct lm_bx_draft *draft, const char *name, struct lm_bytes octets)
{
	if (octets.len)
		lm_bx_text(draft, name, octets);
}

static void add_made(struct telling *t, const char *name, const char *text)
{
	struct lm_bytes own = lm_arena_copy(&t->texts, lm_str(text));

	if (!own.data)
		t->draft.error = LM_E_NOMEM;
	lm_bx_text(&t->draft, name, own);
}

static void add_tls(struct lm_bx_draft *draft, const struct lm_bx_client *client,
                    const struct lm_tls_info *tls)
{
	lm_bx_bool(draft, "tls", tls->active);
	if (!tls->active)
		return;
	lm_bx_text(draft, "tlsVersion", lm_str(tls->version));
	lm_bx_text(draft, "tlsCipher", lm_str(tls->cipher));
	lm_bx_number(draft, "tlsBits", tls->bits);
	add_text(draft, "tlsDoubt", lm_str(lm_client_tls_doubt(client->client)));
}

static void add_info(struct lm_bx_draft *draft, const struct lm_bx_client *client)
{
	const struct lm_session_info *info = client->client ? lm_client_info(client->client) : NULL;
	size_t outer;

	if (!info)
		return;
	outer = lm_bx_open(draft, "info", LM_BX_OBJECT);
	lm_bx_text(draft, "greeting", lm_client_greeting(client->client));
	lm_bx_text(draft, "capabilities", lm_client_capabilities(client->client));
	add_text(draft, "stamp", lm_client_stamp(client->client));
	lm_bx_text(draft, "peerAddress", lm_str(info->peer_address));
	lm_bx_number(draft, "peerPort", info->peer_port);
	lm_bx_text(draft, "localAddress", lm_str(info->local_address));
	lm_bx_number(draft, "localPort", info->local_port);
	lm_bx_text(draft, "user", info->user);
	lm_bx_text(draft, "mechanism", info->mechanism);
	add_tls(draft, client, &info->tls);
	lm_bx_close(draft, outer);
}

static void add_reply(struct telling *t, const struct lm_outcome *o)
{
	struct lm_error words;
	char enhanced[16];

	lm_bx_number(&t->draft, "result", o->result);
	lm_bx_number(&t->draft, "side", o->side);
	if (o->smtp_code)
		lm_bx_number(&t->draft, "smtpCode", o->smtp_code);
	if (o->enhanced[0]) {
		snprintf(enhanced, sizeof(enhanced), "%u.%u.%u", o->enhanced[0], o->enhanced[1],
		         o->enhanced[2]);
		add_made(t, "enhanced", enhanced);
	}
	if (o->pop3_code)
		lm_bx_number(&t->draft, "pop3Code", o->pop3_code);
	add_text(&t->draft, "text", o->text);
	if (lm_client_outcome_error(o, &words))
		add_made(t, "message", words.text);
}

static void add_recipients(struct telling *t, const struct lm_bx_letter *letter)
{
	const struct lm_envelope *e = lm_outgoing_envelope(letter->out);
	const size_t outer = lm_bx_open(&t->draft, "recipients", LM_BX_ARRAY);

	for (size_t i = 0; i < e->recipient_count; i++) {
		const size_t list = lm_bx_open(&t->draft, NULL, LM_BX_OBJECT);

		lm_bx_text(&t->draft, "recipient", e->recipients[i].address);
		add_reply(t, &letter->fates[i]);
		lm_bx_close(&t->draft, list);
	}
	lm_bx_close(&t->draft, outer);
	lm_bx_text(&t->draft, "sender", e->sender);
	lm_bx_number(&t->draft, "size", (double)e->size);
}

/* Over all rounds; one that was cut short leaves doubt. */
static int sum_up(const struct lm_bx_letter *letter, const struct lm_outcome *last)
{
	const size_t count = lm_outgoing_envelope(letter->out)->recipient_count;
	const bool is_cut = last->result && last->side >= LM_SIDE_PEER;

	if (letter->accepted == count)
		return 0;
	return letter->accepted && !is_cut ? LM_E_NOT_FOUND : last->result;
}

static bool changes_info(enum lm_request_type type)
{
	return type <= LM_REQUEST_CAPA || type == LM_REQUEST_UTF8 || type == LM_REQUEST_LANG;
}

/* What of the ask script wants to know. */
static void add_ask(struct telling *t, const struct lm_bx_ask *ask, const struct lm_outcome *o)
{
	add_text(&t->draft, "items", lm_buf_bytes(&ask->items));
	if (!ask->letter || !ask->letter->fates)
		return;
	add_recipients(t, ask->letter);
	if (o->unknown || ask->letter->is_unknown)
		lm_bx_bool(&t->draft, "unknown", true);
}

static struct lm_outcome in_the_end(const struct lm_bx_ask *ask, const struct lm_outcome *outcome)
{
	struct lm_outcome o = *outcome;

	if (ask && ask->letter && ask->letter->fates)
		o.result = sum_up(ask->letter, outcome);
	if (!ask || !ask->lost || o.result)
		return o;
	o.result = ask->lost;
	o.side = LM_SIDE_CLIENT;
	o.text = lm_str(lm_err_text(ask->lost));
	return o;
}

static void add_outcome(struct telling *t, const struct lm_outcome *o)
{
	lm_bx_text(&t->draft, "of", lm_str(names[o->type]));
	add_reply(t, o);
	add_text(&t->draft, "command", o->command);
	lm_bx_number(&t->draft, "count", (double)o->count);
	lm_bx_number(&t->draft, "octets", (double)o->octets);
	if (o->odd_size)
		lm_bx_bool(&t->draft, "oddSize", true);
}

void lm_bx_client_tell_outcome(struct lm_bx_client *client, struct lm_bx_ask *ask,
                               const struct lm_outcome *outcome)
{
	const struct lm_outcome o = in_the_end(ask, outcome);
	struct telling t;

	begin(&t.draft, client);
	lm_arena_init(&t.texts, TEXTS_MAX);
	lm_bx_number(&t.draft, "request", ask ? (double)ask->number : 0);
	add_outcome(&t, &o);
	if (ask)
		add_ask(&t, ask, &o);
	if (!o.result && changes_info(o.type))
		add_info(&t.draft, client);
	/* Script would wait for ever: the end that follows tells of all. */
	if (!push(client, &t.draft, LM_EVENT_OUTCOME) && client->client)
		lm_client_abort(client->client);
	lm_arena_reset(&t.texts);
}

/* ---- The rest ---- */

int lm_bx_client_tell_body(struct lm_bx_client *client, uint64_t request, struct lm_bytes octets)
{
	uint8_t *own = lm_alloc(octets.len + 1);
	struct lm_bx_draft draft;

	if (!own)
		return LM_E_NOMEM;
	if (octets.len)
		memcpy(own, octets.data, octets.len);
	begin(&draft, client);
	lm_bx_number(&draft, "request", (double)request);
	lm_bx_bytes(&draft, "bytes", own, octets.len);
	return push(client, &draft, LM_EVENT_BODY) ? 0 : LM_E_NOMEM;
}

void lm_bx_client_tell_token(struct lm_bx_client *client)
{
	struct lm_bx_draft draft;

	begin(&draft, client);
	if (!push(client, &draft, LM_EVENT_AUTH))
		(void)lm_client_token(client->client, lm_bytes(NULL, 0));
}

void lm_bx_client_tell_trace(struct lm_bx_client *client, bool from_server, struct lm_bytes line)
{
	struct lm_bx_draft draft;

	begin(&draft, client);
	lm_bx_text(&draft, "verb", lm_str(from_server ? "S" : "C"));
	lm_bx_text(&draft, "argument", line);
	(void)push(client, &draft, LM_EVENT_TRACE);
}

static bool set_number(const struct lm_host_ops *ops, struct lm_host *host,
                       struct lm_host_value *object, const char *name, double value)
{
	struct lm_host_value *number = ops->number(host, value);

	return number && ops->set(host, object, name, number);
}

static struct lm_host_value *closed_value(const struct lm_host_ops *ops, struct lm_host *host,
                                          const struct lm_bx_closed *closed)
{
	struct lm_host_value *object = ops->object(host);
	struct lm_host_value *text = ops->string(host, lm_str(closed->why.text));

	if (!object || !text || !set_number(ops, host, object, "type", LM_BX_CLOSED) ||
	    !set_number(ops, host, object, "client", (double)closed->client) ||
	    !set_number(ops, host, object, "code", closed->why.code) ||
	    !ops->set(host, object, "message", text))
		return NULL;
	return object;
}

bool lm_bx_client_is_over(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_entry *entry,
                          struct lm_host_value **out_value)
{
	struct lm_bx_closed *closed = lm_container(entry, struct lm_bx_closed, head);
	struct lm_bx_thing *thing = lm_bx_find(bridge, closed->client, LM_BX_CLIENT);
	struct lm_host_value *value = NULL;
	bool good = true;

	if (host && thing) {
		struct lm_bx_client *client = lm_container(thing, struct lm_bx_client, thing);

		client->is_over = true;
		lm_bx_running(bridge, false);
		value = closed_value(bridge->host.ops, host, closed);
		good = value != NULL;
	}
	lm_free(closed);
	if (value)
		*out_value = value;
	return good;
}

void lm_bx_client_drop_over(struct lm_bridge *bridge, struct lm_host *host,
                            struct lm_bx_entry *entry)
{
	(void)bridge;
	(void)host;
	lm_free(lm_container(entry, struct lm_bx_closed, head));
}
