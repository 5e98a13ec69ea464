/* Slows down guessing: each failed login waits longer for its answer, then the session ends. */
#include "server/serving.h"

/* An address that has failed this many sessions' worth gets one try a connection. */
enum { ADDRESS_PATIENCE = 4 };

static void log_login(const struct lm_conn *conn, const struct lm_event *event, bool ok,
                      unsigned failures)
{
	const struct lm_session_info *info = event->info;
	struct lm_bytes user = event->auth.authcid.len ? event->auth.authcid : info->user;

	lm_log(conn->worker->shared->log, ok ? LM_LOG_INFO : LM_LOG_WARN,
	       ok ? "auth.ok" : "auth.fail", LM_LOG_NUMBER("session", info->id),
	       LM_LOG_TEXT("protocol", lm_str(lm_protocol_name(info->protocol))),
	       LM_LOG_TEXT("peer", lm_str(info->peer_address)),
	       LM_LOG_TEXT("mechanism", event->auth.mechanism), LM_LOG_TEXT("user", user),
	       LM_LOG_NUMBER("failures", failures));
}

bool lm_guard_auth_done(struct lm_conn *conn, const struct lm_event *event,
                        const struct lm_reply **reply, struct lm_reply *storage,
                        lm_time_ms *out_delay)
{
	const struct lm_server_options *o = &conn->setup->config->options;
	struct lm_worker *w = conn->worker;
	/* Asked each time: XCLIENT may have told of another peer since. */
	struct lm_peer_key peer = lm_peer_key(event->info->peer_address);
	bool ok = event->auth.ok && (!*reply || (*reply)->result == 0);
	unsigned near, all;

	if (ok) {
		lm_limits_auth_ok(w->shared->limits, &peer);
		conn->auth_failures = 0;
		log_login(conn, event, true, 0);
		return false;
	}
	if (conn->auth_unsure && !event->auth.ok)
		return false;
	lm_count(&w->counters.auth_failures, 1);
	near = ++conn->auth_failures;
	all = lm_limits_auth_failed(w->shared->limits, &peer, lm_loop_now(w->loop));
	log_login(conn, event, false, all > near ? all : near);
	if (near >= o->max_auth_failures || all >= o->max_auth_failures * ADDRESS_PATIENCE) {
		*storage = *reply ? **reply : LM_REPLY_INIT;
		if (storage->result == 0)
			storage->result = LM_E_AUTH;
		storage->flags |= LM_REPLY_CLOSE;
		*reply = storage;
	}
	*out_delay = lm_limits_auth_delay(o->auth_delay, all > near ? all : near);
	return *out_delay > 0;
}

bool lm_guard_login_due(const struct lm_conn *conn, const struct lm_event *event,
                        struct lm_reply *out_reply)
{
	lm_time_ms delay = conn->setup->config->options.login_delay;

	if (!delay || lm_limits_login_due(conn->worker->shared->limits, event->info->user, delay,
	                                  lm_loop_now(conn->worker->loop)))
		return true;
	out_reply->result = LM_E_AGAIN;
	out_reply->pop3_code = LM_POP3_LOGIN_DELAY;
	return false;
}
