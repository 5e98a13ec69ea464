/* One connection: admitted or refused, made into a session with a link, and accounted for. */
#include "base/error.h"
#include "server/serving.h"

#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HANDSHAKE_TIMEOUT = 30000, WRITE_TIMEOUT = 120000, SEATS_MAX = 1 << 24 };

static int seats_grow(struct lm_worker *w)
{
	uint32_t count = w->seat_count ? w->seat_count * 2 : 64;
	struct lm_seat *seats;

	if (count > SEATS_MAX)
		return LM_E_LIMIT;
	seats = lm_realloc(w->seats, count, sizeof(*seats));
	if (!seats)
		return LM_E_NOMEM;
	for (uint32_t i = w->seat_count; i < count; i++)
		seats[i] = (struct lm_seat){ .generation = 1, .next_free = i + 1 };
	w->seats = seats;
	w->free_seat = w->seat_count;
	w->seat_count = count;
	return 0;
}

static int seat_take(struct lm_worker *w, struct lm_conn *conn)
{
	struct lm_seat *seat;

	if (w->free_seat == w->seat_count) {
		int err = seats_grow(w);

		if (err)
			return err;
	}
	seat = &w->seats[w->free_seat];
	conn->key = (uint64_t)seat->generation << 32 | w->free_seat;
	w->free_seat = seat->next_free;
	seat->conn = conn;
	return 0;
}

static void seat_leave(struct lm_worker *w, const struct lm_conn *conn)
{
	uint32_t index = (uint32_t)conn->key;
	struct lm_seat *seat = &w->seats[index];

	seat->conn = NULL;
	seat->generation++;
	seat->next_free = w->free_seat;
	w->free_seat = index;
}

struct lm_conn *lm_conn_find(struct lm_worker *w, uint64_t key)
{
	uint32_t index = (uint32_t)key;

	if (index >= w->seat_count || w->seats[index].generation != key >> 32)
		return NULL;
	return w->seats[index].conn;
}

void lm_conn_cut(struct lm_worker *w, uint64_t key)
{
	struct lm_conn *conn = lm_conn_find(w, key);

	if (conn && !conn->is_over)
		lm_link_abort(conn->link);
}

/* Letters, digits and a dot: unique by the number, unpredictable by the rest. */
static const char *stamp_make(uint64_t id, char out[64])
{
	uint64_t random[2];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return NULL;
	snprintf(out, 64, "%llx.%016llx%016llx", (unsigned long long)id,
	         (unsigned long long)random[0], (unsigned long long)random[1]);
	return out;
}

static enum lm_nearness nearness(const struct lm_conn *conn, const struct lm_accepted *a)
{
	return conn->secured ? LM_LOCAL : lm_nearness(a->peer);
}

static int pop3_new(const struct lm_conn *conn, const struct lm_accepted *a, uint64_t id,
                    struct lm_session **out_session)
{
	const struct lm_config *c = conn->setup->config;
	const struct lm_pop3_server_params *p = &c->pop3[conn->service][nearness(conn, a)];
	char stamp[64];

	return lm_pop3_server_new(p,
	                          &(struct lm_pop3_server_peer){
	                                  .id = id,
	                                  .peer_address = a->peer,
	                                  .peer_port = a->peer_port,
	                                  .local_address = a->local,
	                                  .local_port = a->local_port,
	                                  .stamp = p->apop ? stamp_make(id, stamp) : NULL,
	                          },
	                          lm_loop_now(conn->worker->loop), out_session);
}

static int smtp_new(const struct lm_conn *conn, const struct lm_accepted *a, uint64_t id,
                    struct lm_session **out_session)
{
	const struct lm_config *c = conn->setup->config;
	const struct lm_option_nets *xclient = &c->options.xclient_from;
	const struct lm_option_nets *xforward = &c->options.xforward_from;

	return lm_smtp_server_new(
	        &c->smtp[conn->service][nearness(conn, a)],
	        &(struct lm_smtp_server_peer){
	                .id = id,
	                .peer_address = a->peer,
	                .peer_port = a->peer_port,
	                .local_address = a->local,
	                .local_port = a->local_port,
	                .xclient = lm_network_contains(xclient->items, xclient->count, a->peer),
	                .xforward = lm_network_contains(xforward->items, xforward->count, a->peer),
	        },
	        lm_loop_now(conn->worker->loop), out_session);
}

static int session_new(const struct lm_conn *conn, const struct lm_accepted *a,
                       struct lm_session **out_session)
{
	struct lm_worker *w = conn->worker;
	uint64_t id = w->next_id;

	w->next_id += w->shared->worker_count;
	return lm_service_info(conn->service)->protocol == LM_POP3
	               ? pop3_new(conn, a, id, out_session)
	               : smtp_new(conn, a, id, out_session);
}

static int transport_new(const struct lm_conn *conn, int fd, struct lm_transport **out_transport)
{
	const struct lm_service_info *info = lm_service_info(conn->service);
	struct lm_loop *loop = conn->worker->loop;
	struct lm_transport *below;
	int err = lm_transport_socket(loop, fd, &below);

	if (err || !info->implicit_tls) {
		if (!err)
			*out_transport = below;
		return err;
	}
	return lm_transport_tls(loop, below, lm_config_tls(conn->setup->config, info->protocol),
	                        true, NULL, out_transport);
}

static void event_came(void *ctx, const struct lm_event *event)
{
	struct lm_conn *conn = ctx;

	if (event->type == LM_EVENT_TLS)
		lm_worker_stir(conn->worker);
	if (event->type == LM_EVENT_DISCONNECT)
		conn->is_over = true;
	lm_dispatch_event(conn, event);
}

static void certificate_asked(void *ctx, struct lm_bytes name)
{
	struct lm_conn *conn = ctx;
	const struct lm_event event = {
		.type = LM_EVENT_CERTIFICATE,
		.id = LM_CERTIFICATE_ID,
		.info = lm_session_info(lm_link_session(conn->link)),
		.argument = name,
	};

	lm_dispatch_event(conn, &event);
}

/* A no that would be temporary in the protocol is none to remember the name by. */
static enum lm_tls_verdict verdict_of(const struct lm_reply *reply)
{
	if (!reply || (reply->result == 0 && !reply->certificate.len))
		return LM_TLS_CONFIGURED;
	if (reply->result == 0)
		return LM_TLS_GIVEN;
	return lm_err_info(reply->result)->smtp < 500 ? LM_TLS_UNAVAILABLE : LM_TLS_UNRECOGNIZED;
}

void lm_conn_certificate(struct lm_conn *conn, const struct lm_event *event,
                         const struct lm_reply *reply)
{
	struct lm_tls_choice choice = { .verdict = verdict_of(reply) };
	struct lm_error why = { 0 };
	int err;

	if (choice.verdict == LM_TLS_GIVEN) {
		choice.certificate = reply->certificate;
		choice.key = reply->key;
	}
	err = lm_link_certificate(conn->link, &choice, &why);
	if (err && err != LM_E_NOT_FOUND)
		lm_log(conn->worker->shared->log, LM_LOG_ERROR, "certificate.fail",
		       LM_LOG_NUMBER("session", event->info->id),
		       LM_LOG_TEXT("name", event->argument), LM_LOG_TEXT("why", lm_str(why.text)));
	lm_reply_drop(reply);
}

static struct lm_tls_context *tls_wanted(void *ctx)
{
	const struct lm_conn *conn = ctx;

	return lm_config_tls(conn->setup->config, lm_service_info(conn->service)->protocol);
}

static void conn_free(struct lm_conn *conn)
{
	struct lm_worker *w = conn->worker;

	if (conn->key)
		seat_leave(w, conn);
	lm_limits_leave(w->shared->limits, &conn->peer);
	lm_setup_unref(w, conn->setup);
	w->conn_count--;
	lm_count(&w->counters.open, (uint64_t)-1);
	lm_free(conn);
	lm_worker_stir(w);
	lm_worker_check_end(w);
}

static void log_open(const struct lm_conn *conn)
{
	const struct lm_session_info *info = lm_session_info(lm_link_session(conn->link));

	lm_log(conn->worker->shared->log, LM_LOG_DEBUG, "session.open",
	       LM_LOG_NUMBER("session", info->id),
	       LM_LOG_TEXT("service", lm_str(lm_service_info(conn->service)->name)),
	       LM_LOG_TEXT("peer", lm_str(info->peer_address)),
	       LM_LOG_NUMBER("port", info->peer_port));
}

static void log_close(const struct lm_conn *conn, const struct lm_link_stats *octets, int error)
{
	const struct lm_session_info *info = lm_session_info(lm_link_session(conn->link));

	lm_log(conn->worker->shared->log, LM_LOG_INFO, "session.close",
	       LM_LOG_NUMBER("session", info->id),
	       LM_LOG_TEXT("protocol", lm_str(lm_protocol_name(info->protocol))),
	       LM_LOG_TEXT("peer", lm_str(info->peer_address)),
	       LM_LOG_TEXT("user", info->user.len ? info->user : lm_str("")),
	       LM_LOG_TEXT("tls", lm_str(info->tls.active ? info->tls.version : "none")),
	       LM_LOG_NUMBER("octets_in", octets->octets_in),
	       LM_LOG_NUMBER("octets_out", octets->octets_out),
	       LM_LOG_NUMBER("messages_in", conn->messages_in),
	       LM_LOG_NUMBER("messages_out", conn->messages_out),
	       LM_LOG_NUMBER("ms", lm_loop_now(conn->worker->loop) - conn->began),
	       LM_LOG_TEXT("end", lm_str(lm_err_name(error))));
}

static void link_closed(void *ctx, int error)
{
	struct lm_conn *conn = ctx;
	struct lm_link_stats octets = lm_link_stats(conn->link);

	lm_count(&conn->worker->counters.octets_in, octets.octets_in);
	lm_count(&conn->worker->counters.octets_out, octets.octets_out);
	log_close(conn, &octets, error);
	lm_dispatch_cancel(conn);
	lm_link_free(conn->link);
	conn_free(conn);
}

/* A peer that is silent in a handshake, or reads nothing, has no longer than a silent one. */
static lm_time_ms patience(const struct lm_conn *conn, lm_time_ms most)
{
	lm_time_ms idle = conn->setup->config->options.idle_timeout;

	return idle < most ? idle : most;
}

/* What must go in the time that unsent octets may take. */
static uint32_t write_floor(const struct lm_conn *conn)
{
	uint64_t rate = conn->setup->config->options.min_rate, floor;
	uint64_t seconds = (uint64_t)patience(conn, WRITE_TIMEOUT) / 1000;

	if (rate > UINT32_MAX)
		rate = UINT32_MAX;
	floor = rate * seconds;
	return floor > UINT32_MAX ? UINT32_MAX : (uint32_t)floor;
}

static int link_new(struct lm_conn *conn, const struct lm_accepted *a)
{
	static const struct lm_link_owner owner = { event_came, tls_wanted, link_closed, NULL };
	static const struct lm_link_owner asking = { event_came, tls_wanted, link_closed,
		                                     certificate_asked };
	struct lm_transport *transport;
	struct lm_session *session;
	int err = transport_new(conn, a->fd, &transport);

	if (err)
		return err;
	err = session_new(conn, a, &session);
	if (err) {
		transport->ops->free(transport, true);
		return err;
	}
	return lm_link_new(
	        &(struct lm_link_params){
	                .loop = conn->worker->loop,
	                .transport = transport,
	                .session = session,
	                .tls_first = lm_service_info(conn->service)->implicit_tls,
	                .handshake_timeout = patience(conn, HANDSHAKE_TIMEOUT),
	                .write_timeout = patience(conn, WRITE_TIMEOUT),
	                .write_floor = write_floor(conn),
	                .owner = conn->worker->shared->asks_certificate ? &asking : &owner,
	                .ctx = conn,
	        },
	        &conn->link);
}

/* The place in the limits is taken; what is returned gives it back when freed. */
static struct lm_conn *conn_new(struct lm_worker *w, enum lm_service service,
                                const struct lm_peer_key *peer)
{
	size_t slots = w->shared->handler_count + 1;
	struct lm_conn *conn = lm_alloc_zero(1, sizeof(*conn) + slots * sizeof(conn->slots[0]));

	if (!conn)
		return NULL;
	conn->worker = w;
	conn->setup = w->setup;
	conn->setup->refs++;
	conn->service = (uint8_t)service;
	conn->peer = *peer;
	conn->began = lm_loop_now(w->loop);
	w->conn_count++;
	lm_count(&w->counters.open, 1);
	return conn;
}

void lm_conn_begin(struct lm_worker *w, enum lm_service service, const struct lm_accepted *accepted,
                   bool secured)
{
	const struct lm_server_options *o = &w->setup->config->options;
	struct lm_peer_key peer = lm_peer_key(accepted->peer);
	struct lm_conn *conn;
	int err = w->draining
	                  ? LM_E_CANCELED
	                  : lm_limits_enter(w->shared->limits, &peer, (uint64_t)o->max_connections,
	                                    (uint64_t)o->max_connections_per_address);

	if (err) {
		lm_conn_refuse(w, service, accepted, lm_err_text(err));
		return;
	}
	conn = conn_new(w, service, &peer);
	if (!conn) {
		lm_limits_leave(w->shared->limits, &peer);
		lm_conn_refuse(w, service, accepted, lm_err_text(LM_E_NOMEM));
		return;
	}
	conn->secured = secured;
	err = seat_take(w, conn);
	if (err)
		lm_conn_refuse(w, service, accepted, lm_err_text(err));
	else
		err = link_new(conn, accepted);
	if (err) {
		conn_free(conn);
		return;
	}
	lm_count(&w->counters.total, 1);
	log_open(conn);
}

/* At most one line a second, so that a flood of connections is no flood of lines. */
static void log_refused(struct lm_worker *w, enum lm_service service, const char *peer,
                        const char *why)
{
	lm_time_ms now = lm_loop_now(w->loop);

	lm_count(&w->counters.refused, 1);
	if (w->refused_logged && now - w->refused_logged < 1000) {
		w->refused_unlogged++;
		return;
	}
	lm_log(w->shared->log, LM_LOG_WARN, "connection.refused",
	       LM_LOG_TEXT("service", lm_str(lm_service_info(service)->name)),
	       LM_LOG_TEXT("peer", lm_str(peer)), LM_LOG_TEXT("why", lm_str(why)),
	       LM_LOG_NUMBER("unlogged", w->refused_unlogged));
	w->refused_logged = now;
	w->refused_unlogged = 0;
}

void lm_conn_refuse(struct lm_worker *w, enum lm_service service,
                    const struct lm_accepted *accepted, const char *why)
{
	const struct lm_service_info *info = lm_service_info(service);
	struct lm_bytes word = lm_str(
	        info->protocol == LM_POP3
	                ? "-ERR [SYS/TEMP] Too many connections, come back later\r\n"
	                : "421 4.3.2 Too many connections, come back later\r\n");

	log_refused(w, service, accepted->fd < 0 ? "" : accepted->peer, why);
	if (accepted->fd < 0)
		return;
	if (!info->implicit_tls) {
		/* Best effort: who does not take it at once is closed without. */
		(void)!send(accepted->fd, word.data, word.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		shutdown(accepted->fd, SHUT_WR);
	}
	close(accepted->fd);
}
