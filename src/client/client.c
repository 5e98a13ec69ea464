/* The machine of a client: connect, secure, open, hand requests and events through, end. */
#include "base/error.h"
#include "client/blocking.h"

#include <stdio.h>
#include <unistd.h>

enum {
	HELD_MAX = 256, /* requests before there is a session */
	/* A server that takes nothing for so long, or drips, is gone. */
	WRITE_FLOOR = 1024,
};

static void begin_connecting(struct lm_client *client);

static bool is_linked(const struct lm_client *client)
{
	return client->link && client->state != LM_CLIENT_CONNECTING;
}

static struct lm_session *session_of(const struct lm_client *client)
{
	return is_linked(client) ? lm_link_session(client->link) : NULL;
}

static bool is_secure(const struct lm_client *client)
{
	const struct lm_session *session = session_of(client);

	return session && lm_session_info(session)->tls.active;
}

void lm_client_wake(struct lm_client *client)
{
	if (!lm_loop_is_own(client->loop))
		lm_loop_update(client->loop);
}

/* What is known, and the addresses, of which the session knows nothing. */
static const struct lm_session_info *refresh_info(struct lm_client *client)
{
	const struct lm_connected *ends = &client->ends;

	client->info = *lm_session_info(session_of(client));
	memcpy(client->info.peer_address, ends->peer, sizeof(ends->peer));
	memcpy(client->info.local_address, ends->local, sizeof(ends->local));
	client->info.peer_port = ends->peer_port;
	client->info.local_port = ends->local_port;
	return &client->info;
}

/* --- the end --- */

static struct lm_outcome unsent(const struct lm_request *request, const struct lm_error *why)
{
	return (struct lm_outcome){
		.type = request->type,
		.tag = request->tag,
		.result = why->code ? why->code : LM_E_CLOSED,
		.side = LM_SIDE_NETWORK,
		.text = why->code ? lm_str(why->text) : lm_str("the session has ended"),
	};
}

static void tell(struct lm_client *client, const struct lm_outcome *outcome)
{
	const struct lm_event event = {
		.type = LM_EVENT_OUTCOME,
		.info = session_of(client) ? refresh_info(client) : &client->info,
		.outcome = outcome,
	};

	client->owner.event(client->ctx, &event);
}

/* The client may be gone behind it. */
static void finish(struct lm_client *client, const struct lm_error *why)
{
	const struct lm_request open = { .type = LM_REQUEST_OPEN };
	const struct lm_error last = *why;
	struct lm_held *held;

	lm_timer_disarm(client->loop, &client->timer);
	client->has_ended = true;
	if (!client->has_told_open) {
		struct lm_outcome outcome = unsent(&open, &last);

		client->has_told_open = true;
		tell(client, &outcome);
	}
	while ((held = lm_held_take(&client->held))) {
		struct lm_outcome outcome = unsent(&held->request, &last);

		tell(client, &outcome);
		lm_held_free(held);
	}
	client->state = LM_CLIENT_CLOSED;
	client->owner.closed(client->ctx, &last);
}

static void fail(struct lm_client *client, int err, const char *words)
{
	struct lm_error why;

	lm_fail(&why, err, "%s", words);
	finish(client, &why);
}

/* --- requests --- */

static int hold(struct lm_client *client, const struct lm_request *request, bool is_own)
{
	struct lm_held *held;
	int err;

	if (client->held.count >= HELD_MAX)
		return LM_E_LIMIT;
	err = lm_held_new(request, client->settings.params.protocol, &held);
	if (err)
		return err;
	held->is_own = is_own;
	lm_held_add(&client->held, held);
	client->has_quit = client->has_quit || request->type == LM_REQUEST_QUIT;
	return 0;
}

/* Those that wait, as far as the session takes them. One that it does not take is told of when its
 * turn has come. */
static void hand_over(struct lm_client *client)
{
	while (client->held.first && client->state == LM_CLIENT_OPEN) {
		struct lm_held *held = client->held.first;
		struct lm_outcome outcome;
		int err;

		if (held->is_own)
			held->credentials.certificate = client->settings.params.cert_file &&
			                                is_secure(client);
		err = lm_link_request(client->link, &held->request);
		if (err && client->asked.count)
			return;
		(void)lm_held_take(&client->held);
		if (!err) {
			lm_held_add(&client->asked, held);
			continue;
		}
		outcome = (struct lm_outcome){ .type = held->request.type,
			                       .tag = held->request.tag,
			                       .result = err,
			                       .side = LM_SIDE_CLIENT,
			                       .text = lm_str(lm_err_text(err)) };
		tell(client, &outcome);
		lm_held_free(held);
	}
}

int lm_client_request(struct lm_client *client, const struct lm_request *request)
{
	int err;

	if (client->has_ended || client->is_aborted || client->has_quit)
		return LM_E_CLOSED;
	lm_client_wake(client);
	err = hold(client, request, false);
	if (err || client->state != LM_CLIENT_OPEN || client->held.count > 1)
		return err;
	err = lm_link_request(client->link, &client->held.first->request);
	if (!err) {
		lm_held_add(&client->asked, lm_held_take(&client->held));
		return 0;
	}
	lm_held_free(lm_held_take(&client->held));
	client->has_quit = false;
	return err;
}

static int answer_counted(struct lm_client *client, uint32_t event_id, const struct lm_reply *reply)
{
	const struct lm_held *held = client->asked.first;
	const struct lm_envelope *envelope = held ? held->request.envelope : NULL;
	struct lm_reply own = *reply;

	own.source = lm_client_counted(reply->source, &client->settings.params,
	                               envelope ? envelope->size : 0);
	if (own.source)
		return lm_link_answer(client->link, event_id, &own);
	reply->source->ops->close(reply->source);
	return LM_E_NOMEM;
}

int lm_client_answer(struct lm_client *client, uint32_t event_id, const struct lm_reply *reply)
{
	struct lm_source *source = reply ? reply->source : NULL;

	if (is_linked(client) && !client->has_ended) {
		lm_client_wake(client);
		return source && client->settings.params.progress
		               ? answer_counted(client, event_id, reply)
		               : lm_link_answer(client->link, event_id, reply);
	}
	if (source)
		source->ops->close(source);
	return LM_E_NOT_FOUND;
}

int lm_client_token(struct lm_client *client, struct lm_bytes token)
{
	struct lm_reply reply = LM_REPLY_INIT;
	uint32_t id = client->token_id;

	if (!id)
		return LM_E_NOT_FOUND;
	client->token_id = 0;
	reply.secret.plain = token;
	reply.result = token.len ? 0 : LM_E_AUTH;
	return lm_client_answer(client, id, &reply);
}

/* --- events --- */

/* A handshake that failed is made good by a connection without, where TLS was but a wish. */
static bool will_retry(const struct lm_client *client)
{
	const struct lm_client_params *params = &client->settings.params;

	return params->tls == LM_TLS_OPPORTUNISTIC && client->is_handshaking &&
	       !is_secure(client) && !client->has_retried && !params->no_plain &&
	       !client->is_aborted && lm_loop_now(client->loop) < client->deadline;
}

static void note_doubt(struct lm_client *client)
{
	const char *doubt;

	if (client->doubt || !is_secure(client))
		return;
	doubt = lm_link_tls_doubt(client->link);
	client->doubt = doubt[0] ? lm_strdup_bytes(lm_str(doubt)) : NULL;
}

/* What the link knows of its end, in words; `err` not 0. */
static void link_error(const struct lm_client *client, int err, struct lm_error *out)
{
	const bool in_handshake = !is_secure(client) &&
	                          (client->is_handshaking ||
	                           client->settings.params.tls == LM_TLS_IMPLICIT);
	const char *where = client->settings.where, *reason = lm_link_reason(client->link);
	const char *what = in_handshake ? "TLS with" : "connection to";

	if (strncmp(reason, "TLS: ", 5) == 0)
		reason += 5;
	if (err == LM_E_TIMEOUT)
		lm_fail(out, err, "%s %s: no answer within %g s", what, where,
		        (double)client->settings.params.timeout / 1000);
	else if (err == LM_E_IO)
		lm_fail(out, in_handshake ? LM_E_TLS : LM_E_CLOSED, "%s %s: %s", what, where,
		        in_handshake ? "the connection was lost" : "it was lost");
	else
		lm_fail(out, err, "%s %s: %s", what, where, reason);
}

/* The session sees an end where the link knows the reason; neither names the place. */
static void name_failure(const struct lm_client *client, struct lm_outcome *outcome,
                         struct lm_error *words)
{
	const int failure = lm_link_error(client->link);
	const bool is_link = failure && failure != LM_E_CANCELED;
	const struct lm_bytes reason = outcome->result == LM_E_TIMEOUT ? lm_str("no answer in time")
	                                                               : outcome->text;

	if (is_link)
		link_error(client, failure, words);
	else
		lm_fail(words, outcome->result, "connection to %s: %.*s", client->settings.where,
		        LM_FMT(reason));
	if (is_link && !is_secure(client))
		outcome->command.len = 0;
	outcome->result = words->code;
	outcome->text = lm_str(words->text);
}

static void on_outcome(struct lm_client *client, const struct lm_event *event)
{
	struct lm_outcome outcome = *event->outcome;
	struct lm_event own = *event;
	struct lm_error words;
	struct lm_held *held = NULL;

	if (outcome.type == LM_REQUEST_OPEN) {
		if (outcome.result && will_retry(client))
			return;
		client->has_told_open = true;
	} else {
		held = lm_held_take(&client->asked);
	}
	if (outcome.side == LM_SIDE_NETWORK && outcome.result)
		name_failure(client, &outcome, &words);
	if (outcome.side >= LM_SIDE_PEER && outcome.result && !client->failure.code)
		lm_client_outcome_error(&outcome, &client->failure);
	if (outcome.result == 0 && outcome.type == LM_REQUEST_OPEN)
		client->state = LM_CLIENT_OPEN;
	client->done = 0;
	own.outcome = &outcome;
	client->owner.event(client->ctx, &own);
	lm_held_free(held);
	hand_over(client);
}

static void on_body(struct lm_client *client, const struct lm_event *event)
{
	const struct lm_client_params *params = &client->settings.params;
	const struct lm_held *held = client->asked.first;

	client->done += event->argument.len;
	if (params->progress)
		params->progress(params->ctx, client->done, held ? held->request.expected : 0);
}

static void on_auth(struct lm_client *client, const struct lm_event *event)
{
	const struct lm_client_params *params = &client->settings.params;

	client->token_id = event->id;
	if (params->ask_token)
		params->ask_token(params->ctx, client);
	else
		(void)lm_client_token(client, lm_bytes(NULL, 0));
}

static void on_event(void *ctx, const struct lm_event *event)
{
	struct lm_client *client = ctx;
	const struct lm_client_params *params = &client->settings.params;
	struct lm_event own = *event;

	own.info = refresh_info(client);
	note_doubt(client);
	switch (event->type) {
	case LM_EVENT_TRACE:
		if (params->trace)
			params->trace(params->ctx, lm_bytes_equal(event->verb, lm_str("S")),
			              event->argument);
		return;
	case LM_EVENT_AUTH:
		on_auth(client, event);
		return;
	case LM_EVENT_OUTCOME:
		on_outcome(client, &own);
		return;
	case LM_EVENT_BODY:
		on_body(client, event);
		client->owner.event(client->ctx, &own);
		return;
	case LM_EVENT_ITEM:
	case LM_EVENT_DATA:
		client->owner.event(client->ctx, &own);
		return;
	default:
		return;
	}
}

static struct lm_tls_context *on_tls(void *ctx)
{
	struct lm_client *client = ctx;

	client->is_handshaking = true;
	return client->tls;
}

/* The session's own account says more than that the link was cut. */
static void why_closed(const struct lm_client *client, int error, struct lm_error *out)
{
	*out = (struct lm_error){ .code = 0 };
	if (client->is_aborted)
		lm_fail(out, LM_E_CANCELED, "connection to %s: canceled", client->settings.where);
	else if (error && error != LM_E_CANCELED)
		link_error(client, error, out);
	else if (client->failure.code)
		*out = client->failure;
	else if (!client->has_quit)
		lm_fail(out, LM_E_CLOSED, "connection to %s: the server closed it",
		        client->settings.where);
}

static void on_closed(void *ctx, int error)
{
	struct lm_client *client = ctx;
	struct lm_error why;

	if (will_retry(client)) {
		client->has_retried = true;
		client->is_handshaking = false;
		lm_link_free(client->link);
		client->link = NULL;
		begin_connecting(client);
		return;
	}
	why_closed(client, error, &why);
	finish(client, &why);
}

static const struct lm_link_owner link_owner = { on_event, on_tls, on_closed, NULL };

/* --- the beginning --- */

/* RFC 5321 4.1.3: who has no name says his address. */
static const char *helo_of(struct lm_client *client)
{
	const char *local = client->ends.local;
	char name[65] = "";

	if (client->settings.params.helo)
		return client->settings.params.helo;
	(void)gethostname(name, sizeof(name) - 1);
	if (strchr(name, '.') &&
	    name[strspn(name,
	                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")] ==
	            '\0')
		snprintf(client->helo, sizeof(client->helo), "%s", name);
	else if (!local[0] || local[0] == 'u')
		snprintf(client->helo, sizeof(client->helo), "localhost");
	else
		snprintf(client->helo, sizeof(client->helo), "[%s%s]",
		         strchr(local, ':') ? "IPv6:" : "", local);
	return client->helo;
}

static int new_pop3(struct lm_client *client, enum lm_tls_mode tls, bool plain_login,
                    struct lm_session **out_session)
{
	const struct lm_client_params *params = &client->settings.params;
	struct lm_pop3_client_session_params *own = &client->session_params.pop3;

	lm_pop3_client_session_params_init(own);
	own->host = client->settings.server_name;
	own->tls = tls;
	own->plain_login = plain_login;
	own->timeout = params->timeout;
	own->trace = params->trace != NULL;
	if (params->no_pipelining)
		own->pipeline = 1;
	if (params->max_message)
		own->max_message = params->max_message == UINT64_MAX ? 0 : params->max_message;
	if (params->max_items)
		own->max_items = params->max_items;
	return lm_pop3_client_session_new(own, lm_loop_now(client->loop), out_session);
}

static int new_smtp(struct lm_client *client, enum lm_tls_mode tls, bool plain_login,
                    struct lm_session **out_session)
{
	const struct lm_client_params *params = &client->settings.params;
	struct lm_smtp_client_session_params *own = &client->session_params.smtp;

	lm_smtp_client_session_params_init(own, params->protocol);
	own->host = client->settings.server_name;
	own->helo = helo_of(client);
	own->tls = tls;
	own->plain_login = plain_login;
	own->timeout = params->timeout;
	own->trace = params->trace != NULL;
	own->no_pipelining = params->no_pipelining;
	own->no_chunking = params->no_chunking;
	own->force_8bit = params->force_8bit;
	return lm_smtp_client_session_new(own, lm_loop_now(client->loop), out_session);
}

static int new_session(struct lm_client *client, struct lm_session **out_session)
{
	const struct lm_client_params *params = &client->settings.params;
	const bool plain_login = !params->no_plain &&
	                         (params->tls == LM_TLS_OFF || params->tls == LM_TLS_OPPORTUNISTIC);
	const enum lm_tls_mode tls = client->has_retried ? LM_TLS_OFF : params->tls;

	if (params->protocol == LM_POP3)
		return new_pop3(client, tls, plain_login, out_session);
	return new_smtp(client, tls, plain_login, out_session);
}

/* The transport is the link's, or gone. */
static int start_link(struct lm_client *client, struct lm_transport *transport)
{
	const bool is_implicit = client->settings.params.tls == LM_TLS_IMPLICIT;
	const lm_time_ms left = client->deadline - lm_loop_now(client->loop);
	struct lm_link_params params = {
		.loop = client->loop,
		.transport = transport,
		.server_name = client->settings.server_name,
		.tls_first = is_implicit,
		.handshake_timeout = is_implicit ? (left > 1 ? left : 1)
		                                 : client->settings.params.timeout,
		.write_timeout = client->settings.params.timeout,
		.write_floor = WRITE_FLOOR,
		.owner = &link_owner,
		.ctx = client,
	};
	int err = 0;

	if (is_implicit)
		err = lm_transport_tls(client->loop, transport, client->tls, false,
		                       client->settings.server_name, &params.transport);
	if (err)
		return err;
	err = new_session(client, &params.session);
	if (err) {
		params.transport->ops->free(params.transport, true);
		return err;
	}
	return lm_link_new(&params, &client->link);
}

static void on_connected(void *ctx, int result, const struct lm_connected *connected,
                         const struct lm_error *why)
{
	struct lm_client *client = ctx;
	int err;

	lm_connect_free(client->connect);
	client->connect = NULL;
	lm_timer_disarm(client->loop, &client->timer);
	if (result) {
		finish(client, why);
		return;
	}
	client->ends = *connected;
	err = start_link(client, connected->transport);
	if (err)
		fail(client, err, lm_err_text(err));
	else
		client->state = LM_CLIENT_OPENING;
}

static void on_timer(struct lm_timer *timer)
{
	struct lm_client *client = lm_container(timer, struct lm_client, timer);
	const bool is_looking_up = lm_connect_is_looking_up(client->connect);
	struct lm_error why;

	lm_connect_free(client->connect);
	client->connect = NULL;
	lm_fail(&why, LM_E_TIMEOUT, "%s %s: no answer within %g s",
	        is_looking_up ? "look up" : "connect to",
	        is_looking_up ? client->settings.params.host : client->settings.where,
	        (double)client->settings.params.timeout / 1000);
	finish(client, &why);
}

static int connect_again(struct lm_client *client)
{
	const struct lm_client_params *params = &client->settings.params;
	int err = lm_connect_new(client->loop, params->host, params->port, on_connected, client,
	                         &client->connect);

	if (err)
		return err;
	client->state = LM_CLIENT_CONNECTING;
	lm_timer_arm(client->loop, &client->timer, client->deadline);
	return 0;
}

static void begin_connecting(struct lm_client *client)
{
	int err = connect_again(client);

	if (err)
		fail(client, err, lm_err_text(err));
}

static void on_task(struct lm_task *task)
{
	struct lm_client *client = lm_container(task, struct lm_client, task);
	struct lm_error why;

	client->is_posted = false;
	if (client->is_freed) {
		lm_free(client);
		return;
	}
	why_closed(client, LM_E_CANCELED, &why);
	finish(client, &why);
}

static bool wants_login(const struct lm_client_params *params)
{
	return !params->no_login && (params->user || params->token || params->ask_token ||
	                             (params->mechanism && params->cert_file));
}

static int hold_login(struct lm_client *client)
{
	const struct lm_client_params *params = &client->settings.params;
	struct lm_request request = LM_REQUEST_INIT(LM_REQUEST_LOGIN);
	const struct lm_credentials credentials = {
		.user = lm_str(params->user),
		.password = lm_str(params->password),
		.authzid = lm_str(params->authzid),
		.token = lm_str(params->token),
		.ask_token = params->ask_token != NULL,
		.mechanism = params->mechanism,
	};

	request.credentials = &credentials;
	return wants_login(params) ? hold(client, &request, true) : 0;
}

static int find_tls(struct lm_client *client, const struct lm_client *like,
                    struct lm_error *out_error)
{
	if (!like || !like->tls || !lm_client_settings_same_tls(&client->settings, &like->settings))
		return lm_client_settings_tls(&client->settings, &client->tls, out_error);
	client->tls = lm_tls_context_ref(like->tls);
	return 0;
}

int lm_client_new(struct lm_loop *loop, const struct lm_client_params *params,
                  const struct lm_client_owner *owner, void *ctx, struct lm_client **out_client,
                  struct lm_error *out_error)
{
	struct lm_client *client = lm_alloc_zero(1, sizeof(*client));
	int err;

	if (!client)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	client->loop = loop;
	client->owner = *owner;
	client->ctx = ctx;
	client->task.run = on_task;
	client->timer.fire = on_timer;
	lm_client_wake(client);
	err = lm_client_settings_init(&client->settings, params, out_error);
	if (!err)
		err = find_tls(client, client->settings.params.like, out_error);
	client->settings.params.like = NULL;
	if (!err) {
		/* To read all that the system trusts takes long, and is no peer's fault. */
		lm_loop_update(loop);
		client->deadline = lm_loop_now(loop) + client->settings.params.timeout;
		err = hold_login(client);
		if (!err)
			err = connect_again(client);
		if (err)
			lm_fail(out_error, err, "%s", lm_err_text(err));
	}
	if (err) {
		lm_client_free(client);
		return err;
	}
	*out_client = client;
	return 0;
}

void lm_client_abort(struct lm_client *client)
{
	if (client->has_ended || client->is_aborted)
		return;
	client->is_aborted = true;
	if (is_linked(client)) {
		lm_link_abort(client->link);
		return;
	}
	lm_connect_free(client->connect);
	client->connect = NULL;
	lm_timer_disarm(client->loop, &client->timer);
	client->state = LM_CLIENT_ENDING;
	client->is_posted = true;
	lm_loop_post(client->loop, &client->task);
}

static void drop_queue(struct lm_held_queue *queue)
{
	struct lm_held *held;

	while ((held = lm_held_take(queue)))
		lm_held_free(held);
}

void lm_client_free(struct lm_client *client)
{
	struct lm_blocking *blocking = client ? client->blocking : NULL;

	if (!client)
		return;
	lm_connect_free(client->connect);
	lm_link_free(client->link);
	lm_timer_disarm(client->loop, &client->timer);
	drop_queue(&client->held);
	drop_queue(&client->asked);
	lm_tls_context_unref(client->tls);
	lm_free(client->doubt);
	lm_client_settings_done(&client->settings);
	client->is_freed = true;
	if (!client->is_posted)
		lm_free(client);
	/* Its loop runs the task that is left over. */
	lm_blocking_free(blocking);
}

/* --- what is known --- */

const struct lm_session_info *lm_client_info(const struct lm_client *client)
{
	struct lm_client *own = (struct lm_client *)(uintptr_t)client;

	return session_of(client) ? refresh_info(own) : NULL;
}

bool lm_client_has(const struct lm_client *client, const char *capability,
                   struct lm_bytes *out_rest)
{
	const struct lm_session *session = session_of(client);

	if (!session)
		return false;
	if (client->settings.params.protocol == LM_POP3)
		return lm_pop3_client_session_has(session, capability, out_rest);
	return lm_smtp_client_session_has(session, capability, out_rest);
}

struct lm_bytes lm_client_capabilities(const struct lm_client *client)
{
	const struct lm_session *session = session_of(client);

	if (!session)
		return lm_bytes(NULL, 0);
	if (client->settings.params.protocol == LM_POP3)
		return lm_pop3_client_session_capabilities(session);
	return lm_smtp_client_session_capabilities(session);
}

struct lm_bytes lm_client_greeting(const struct lm_client *client)
{
	const struct lm_session *session = session_of(client);

	if (!session)
		return lm_bytes(NULL, 0);
	if (client->settings.params.protocol == LM_POP3)
		return lm_pop3_client_session_greeting(session);
	return lm_smtp_client_session_greeting(session);
}

struct lm_bytes lm_client_stamp(const struct lm_client *client)
{
	const struct lm_session *session = session_of(client);

	if (!session || client->settings.params.protocol != LM_POP3)
		return lm_bytes(NULL, 0);
	return lm_pop3_client_session_stamp(session);
}

const char *lm_client_tls_doubt(const struct lm_client *client)
{
	return client->doubt ? client->doubt : "";
}
