/* A connection of a client object: connect, log in, ask after ask, and its end. */
#include "script/client.h"

#include "base/error.h"
#include "wire/text.h"

int lm_conn_new(struct lm_clients *clients, enum lm_protocol protocol, struct lm_conn **out_conn)
{
	struct lm_conn *conn = lm_alloc_zero(1, sizeof(*conn));

	if (!conn)
		return LM_E_NOMEM;
	conn->clients = clients;
	conn->protocol = protocol;
	conn->refs = 1;
	lm_clients_add(clients, conn);
	*out_conn = conn;
	return 0;
}

void lm_conn_unref(struct lm_conn *conn)
{
	if (--conn->refs)
		return;
	if (conn->client)
		lm_client_free(conn->client);
	if (conn->clients)
		lm_clients_remove(conn->clients, conn);
	lm_free(conn);
}

/* ---- Asks in their order ---- */

static void append(struct lm_ask **list, struct lm_ask *ask)
{
	while (*list)
		list = &(*list)->next;
	ask->next = NULL;
	*list = ask;
}

static struct lm_ask *take(struct lm_ask **list)
{
	struct lm_ask *ask = *list;

	if (ask)
		*list = ask->next;
	return ask;
}

static void finish(struct lm_conn *conn, struct lm_ask *ask)
{
	lm_clients_done(conn->clients, ask);
}

static void fail_closed(struct lm_conn *conn, struct lm_ask *ask)
{
	struct lm_error why = conn->why;

	if (!why.code)
		lm_fail(&why, LM_E_CLOSED, "the connection has ended");
	lm_ask_fail(ask, &why);
	finish(conn, ask);
}

static void push_queued(struct lm_conn *conn);

/* False: it must wait for others. */
static bool give(struct lm_conn *conn, struct lm_ask *ask)
{
	struct lm_error why;
	int err;

	if (!conn->client) {
		fail_closed(conn, ask);
		return true;
	}
	err = lm_client_request(conn->client, &ask->request);
	if (err == LM_E_LIMIT && conn->asked)
		return false;
	if (!err) {
		append(&conn->asked, ask);
		return true;
	}
	lm_fail(&why, err, "not sent: %s", lm_err_text(err));
	lm_ask_fail(ask, &why);
	finish(conn, ask);
	return true;
}

void lm_conn_push(struct lm_ask *ask)
{
	struct lm_conn *conn = ask->conn;

	if (conn->queued || !give(conn, ask))
		append(&conn->queued, ask);
}

static void push_queued(struct lm_conn *conn)
{
	while (conn->queued) {
		struct lm_ask *ask = take(&conn->queued);

		if (give(conn, ask))
			continue;
		ask->next = conn->queued;
		conn->queued = ask;
		return;
	}
}

/* ---- Logging in ---- */

static bool has_word(struct lm_bytes words, const char *word)
{
	while (words.len)
		if (lm_equal_nocase(lm_next_word(&words), lm_str(word)))
			return true;
	return false;
}

/* What "default" and "any" stand for can be said when the server has said what it has. */
static int choose_mechanism(struct lm_conn *conn, struct lm_ask *ask, struct lm_error *out_error)
{
	struct lm_credentials *c = &ask->credentials;
	struct lm_bytes offered = { NULL, 0 };

	c->certificate = c->certificate && lm_client_info(conn->client)->tls.active;
	ask->request.credentials = c;
	if (conn->protocol == LM_POP3) {
		if (c->mechanism || lm_client_has(conn->client, "SASL", NULL))
			return 0;
		return lm_fail(out_error, LM_E_UNSUPPORTED,
		               "not sent: the server offers no SASL mechanism");
	}
	if (!c->mechanism || strcmp(c->mechanism, LM_CLIENT_READABLE) != 0)
		return 0;
	(void)lm_client_has(conn->client, "AUTH", &offered);
	c->mechanism = !has_word(offered, "PLAIN") && has_word(offered, "LOGIN") ? "LOGIN"
	                                                                         : "PLAIN";
	return 0;
}

void lm_conn_login(struct lm_ask *ask)
{
	struct lm_error why;
	int err = ask->conn->client ? choose_mechanism(ask->conn, ask, &why) : 0;

	if (!err) {
		lm_conn_push(ask);
		return;
	}
	lm_ask_fail(ask, &why);
	finish(ask->conn, ask);
}

/* ---- Connecting ---- */

static int note_tls(struct lm_conn *conn, struct lm_buf *out)
{
	const struct lm_session_info *info = lm_client_info(conn->client);
	int err;

	if (!info->tls.active)
		return lm_buf_add_str(out, ",\"tls\":null");
	err = lm_buf_printf(out, ",\"tls\":{\"bits\":%d", info->tls.bits);
	if (!err)
		err = lm_json_member(out, "version", lm_str(info->tls.version));
	if (!err)
		err = lm_json_member(out, "cipher", lm_str(info->tls.cipher));
	if (!err)
		err = lm_json_member(out, "doubt", lm_str(lm_client_tls_doubt(conn->client)));
	return err ? err : lm_buf_add_str(out, "}");
}

/* What script may look at later, when the connection may be gone. */
static void describe(struct lm_ask *ask)
{
	struct lm_conn *conn = ask->conn;
	int err = lm_json_member(&ask->about, "greeting", lm_client_greeting(conn->client));

	if (!err)
		err = lm_json_member(&ask->about, "capabilities",
		                     lm_client_capabilities(conn->client));
	if (!err)
		err = note_tls(conn, &ask->about);
	if (err && !ask->error.code)
		lm_fail(&ask->error, err, "%s", lm_err_text(err));
}

/* The ask stays the first until its connection is ready, or has ended. */
static void on_connecting(struct lm_conn *conn, struct lm_ask *ask,
                          const struct lm_outcome *outcome)
{
	struct lm_error why = { 0 };
	int err = outcome->result;

	lm_ask_note(ask, outcome);
	if (!err && outcome->type == LM_REQUEST_OPEN && ask->has_login) {
		ask->request.type = LM_REQUEST_LOGIN;
		err = choose_mechanism(conn, ask, &why);
		if (!err)
			err = lm_client_request(conn->client, &ask->request);
		if (!err)
			return;
		if (!why.code)
			lm_fail(&why, err, "not sent: %s", lm_err_text(err));
		lm_ask_fail(ask, &why);
	}
	if (err || ask->error.code) {
		lm_client_abort(conn->client);
		return;
	}
	describe(ask);
	conn->is_open = true;
	finish(conn, take(&conn->asked));
}

/* ---- Events ---- */

static void on_decision(struct lm_conn *conn, struct lm_ask *ask, const struct lm_event *event)
{
	struct lm_reply reply = LM_REPLY_INIT;

	if (event->type == LM_EVENT_BODY) {
		reply.result = ask->steps->event ? ask->steps->event(ask, event) : 0;
	} else {
		reply.source = ask->sending ? lm_sending_source(ask->sending) : NULL;
		reply.result = reply.source ? 0 : LM_E_NOMEM;
	}
	(void)lm_client_answer(conn->client, event->id, &reply);
}

static void on_outcome(struct lm_conn *conn, struct lm_ask *ask, const struct lm_outcome *outcome)
{
	if (ask->is_connect) {
		on_connecting(conn, ask, outcome);
		return;
	}
	lm_ask_note(ask, outcome);
	if (ask->is_quit)
		return;
	(void)take(&conn->asked);
	if (!ask->steps->outcome || !ask->steps->outcome(ask, outcome))
		finish(conn, ask);
	push_queued(conn);
}

static void on_event(void *ctx, const struct lm_event *event)
{
	struct lm_conn *conn = ctx;
	struct lm_ask *ask = conn->asked;

	if (!ask)
		return;
	if (event->id)
		on_decision(conn, ask, event);
	else if (event->type == LM_EVENT_OUTCOME)
		on_outcome(conn, ask, event->outcome);
	else if (ask->steps->event)
		(void)ask->steps->event(ask, event);
}

/* Those that had their outcome keep it; the others share the connection's fate. */
static void end_asks(struct lm_conn *conn)
{
	struct lm_ask *ask;

	while ((ask = take(&conn->asked))) {
		if (ask->is_noted)
			finish(conn, ask);
		else
			fail_closed(conn, ask);
	}
	while ((ask = take(&conn->queued)))
		fail_closed(conn, ask);
}

static void on_closed(void *ctx, const struct lm_error *why)
{
	struct lm_conn *conn = ctx;
	struct lm_client *client = conn->client;

	conn->why = *why;
	if (conn->asked && conn->asked->is_connect && conn->asked->error.code)
		conn->why = conn->asked->error;
	conn->client = NULL;
	conn->is_open = false;
	lm_client_free(client);
	end_asks(conn);
}

void lm_conn_open(struct lm_ask *ask, const struct lm_client_params *params)
{
	static const struct lm_client_owner owner = { on_event, on_closed };
	struct lm_conn *conn = ask->conn;
	struct lm_error why = { 0 };
	struct lm_loop *loop;
	int err = lm_clients_loop(conn->clients, &loop);

	conn->why = (struct lm_error){ .code = 0 };
	if (err)
		lm_fail(&why, err, "%s", lm_err_text(err));
	else
		err = lm_client_new(loop, params, &owner, conn, &conn->client, &why);
	if (!err) {
		append(&conn->asked, ask);
		return;
	}
	lm_ask_fail(ask, &why);
	finish(conn, ask);
}

void lm_conn_close(struct lm_conn *conn, int err, const char *why)
{
	struct lm_client *client = conn->client;

	conn->client = NULL;
	conn->is_open = false;
	if (!client)
		return;
	lm_fail(&conn->why, err, "%s", why);
	lm_client_free(client);
	/* An ask may hold the last reference. */
	conn->refs++;
	for (struct lm_ask *ask = conn->asked; ask; ask = ask->next)
		ask->is_noted = false;
	end_asks(conn);
	lm_conn_unref(conn);
}
