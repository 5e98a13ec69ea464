/* Client and server session joined in memory: random splits, random patience, random requests, a
 * clock of its own; every message must come through octet for octet. */
#include "pop3/client.h"

#include "lm_test.h"

enum { SEEDS = 20000, MESSAGES_MAX = 6, REQUESTS_MAX = 14, STEPS_MAX = 400000 };

struct message {
	uint8_t octets[4000];
	size_t len; /* with the CRLF that POP3 adds */
	size_t stored;
	bool deleted;
};

/* What was asked, and what must come of it. */
struct wish {
	struct lm_request request;
	int want;
	bool lied; /* the size that is expected is wrong */
};

struct couple {
	uint64_t random, seed;
	lm_time_ms now;
	struct lm_pop3_server_params server_params;
	struct lm_pop3_client_session_params client_params;
	struct lm_session *server, *client;
	struct lm_buf to_server, to_client; /* on the wire */
	struct message messages[MESSAGES_MAX];
	struct lm_message list[MESSAGES_MAX];
	char uidls[MESSAGES_MAX][8];
	size_t message_count;
	struct wish wishes[REQUESTS_MAX];
	size_t wish_count, pushed, told;
	struct lm_credentials credentials;
	struct lm_source *source;
	struct lm_bytes chunk;
	bool chunk_last, has_chunk;
	struct lm_buf fetched;
	size_t items;
	bool open_told, cut, over;
	unsigned deleted_at_quit;
};

static const struct lm_tls_info tls_info = { .active = true, .version = "TLSv1.3" };

/* xorshift64*: the same seed, the same story. */
static uint32_t roll(struct couple *k, uint32_t below)
{
	k->random ^= k->random >> 12;
	k->random ^= k->random << 25;
	k->random ^= k->random >> 27;
	return (uint32_t)((k->random * UINT64_C(2685821657736338717)) >> 33) % below;
}

/* ---- the story ---- */

static void write_message(struct couple *k, struct message *m)
{
	static const struct {
		const char *data;
		size_t len;
	} bits[] = {
		{ "\r\n", 2 },       { "\n", 1 },           { "\r", 1 },    { "", 1 },
		{ ".", 1 },          { "..", 2 },           { "\r\n.", 3 }, { "\r\n.\r\n", 5 },
		{ "\r\n..\r\n", 6 }, { "\n.\n", 3 },        { "+OK ", 4 },  { "-ERR x\r\n", 8 },
		{ "\xff\xfe", 2 },   { "words of it", 11 }, { "\n.x", 3 },  { "\r\n.x", 4 },
		{ ".\r", 2 },        { "\n..", 3 }
	};
	size_t parts = roll(k, 4) ? roll(k, 40) : roll(k, 400);

	m->len = 0;
	for (size_t i = 0; i < parts && m->len + 16 < sizeof(m->octets); i++) {
		uint32_t b = roll(k, sizeof(bits) / sizeof(bits[0]));

		memcpy(m->octets + m->len, bits[b].data, bits[b].len);
		m->len += bits[b].len;
	}
	m->stored = m->len;
	if (m->len && (m->len < 2 || memcmp(m->octets + m->len - 2, "\r\n", 2) != 0)) {
		memcpy(m->octets + m->len, "\r\n", 2);
		m->len += 2;
	}
}

static void fill_maildrop(struct couple *k)
{
	k->message_count = roll(k, MESSAGES_MAX + 1);
	for (size_t i = 0; i < k->message_count; i++) {
		write_message(k, &k->messages[i]);
		snprintf(k->uidls[i], sizeof(k->uidls[i]), "u%u", (unsigned)(i % 1000));
		k->list[i] = (struct lm_message){ i, k->messages[i].len, lm_str(k->uidls[i]) };
	}
}

static struct wish *wish(struct couple *k, enum lm_request_type type, uint64_t number)
{
	struct wish *w = &k->wishes[k->wish_count++];

	w->request = LM_REQUEST_INIT(type);
	w->request.tag = w;
	w->request.number = number;
	return w;
}

static void wish_message(struct couple *k, enum lm_request_type type)
{
	uint64_t number = 1 + roll(k, MESSAGES_MAX + 1);
	struct wish *w = wish(k, type, number);
	bool there = number <= k->message_count && !k->messages[number - 1].deleted;

	w->want = there ? 0 : LM_E_DENIED;
	w->request.lines = roll(k, 5);
	if (type == LM_REQUEST_RETR && there && roll(k, 2)) {
		w->lied = roll(k, 3) == 0;
		w->request.expected = k->messages[number - 1].len + (w->lied ? 1 + roll(k, 9) : 0);
	}
	if (type == LM_REQUEST_DELE && there)
		k->messages[number - 1].deleted = true;
}

static void wish_something(struct couple *k)
{
	static const enum lm_request_type types[] = {
		LM_REQUEST_RETR, LM_REQUEST_RETR, LM_REQUEST_RETR, LM_REQUEST_RETR, LM_REQUEST_TOP,
		LM_REQUEST_DELE, LM_REQUEST_STAT, LM_REQUEST_LIST, LM_REQUEST_UIDL, LM_REQUEST_NOOP,
		LM_REQUEST_CAPA, LM_REQUEST_LANG, LM_REQUEST_RSET,
	};
	enum lm_request_type type = types[roll(k, sizeof(types) / sizeof(types[0]))];

	if (type == LM_REQUEST_RETR || type == LM_REQUEST_TOP || type == LM_REQUEST_DELE) {
		wish_message(k, type);
		return;
	}
	wish(k, type, 0);
	for (size_t i = 0; type == LM_REQUEST_RSET && i < k->message_count; i++)
		k->messages[i].deleted = false;
}

static void make_wishes(struct couple *k)
{
	static const char *const ways[] = {
		NULL, NULL, "USER", "PLAIN", "APOP", "CRAM-MD5", "LOGIN"
	};
	size_t count = roll(k, REQUESTS_MAX - 2);
	struct wish *login = wish(k, LM_REQUEST_LOGIN, 0);

	k->credentials = (struct lm_credentials){
		.user = lm_str("alice"),
		.password = lm_str("secret"),
		.mechanism = ways[roll(k, sizeof(ways) / sizeof(ways[0]))],
	};
	login->request.credentials = &k->credentials;
	while (count--)
		wish_something(k);
	wish(k, LM_REQUEST_QUIT, 0);
}

static void marry(struct couple *k, uint64_t seed)
{
	struct lm_pop3_server_peer peer = { .id = 1, .stamp = "1.2" };

	*k = (struct couple){ .random = seed * 7919 + 1, .seed = seed, .now = 1000 };
	lm_pop3_server_params_init(&k->server_params);
	k->server_params.hostname = "h";
	k->server_params.decides = UINT64_MAX;
	k->server_params.mechanisms = roll(k, 2) ? "PLAIN LOGIN CRAM-MD5" : "CRAM-MD5 LOGIN PLAIN";
	k->server_params.tls = k->server_params.apop = true;
	lm_pop3_client_session_params_init(&k->client_params);
	k->client_params.tls = (enum lm_tls_mode)roll(k, 4);
	k->client_params.plain_login = true;
	k->client_params.pipeline = 1 + roll(k, 8);
	k->client_params.trace = roll(k, 4) == 0;
	lm_buf_init(&k->to_server, 1 << 24);
	lm_buf_init(&k->to_client, 1 << 24);
	lm_buf_init(&k->fetched, 1 << 24);
	fill_maildrop(k);
	make_wishes(k);
	assert_err(lm_pop3_server_new(&k->server_params, &peer, k->now, &k->server), 0);
	assert_err(lm_pop3_client_session_new(&k->client_params, k->now, &k->client), 0);
	if (k->client_params.tls != LM_TLS_IMPLICIT)
		return;
	assert_err(lm_session_tls_up(k->server, &tls_info, k->now), 0);
	assert_err(lm_session_tls_up(k->client, &tls_info, k->now), 0);
}

static void part(struct couple *k)
{
	if (k->source)
		k->source->ops->close(k->source);
	lm_session_free(k->client);
	lm_session_free(k->server);
	lm_buf_done(&k->to_server);
	lm_buf_done(&k->to_client);
	lm_buf_done(&k->fetched);
}

/* ---- the server's handler ---- */

static void close_source(struct couple *k)
{
	if (k->source)
		k->source->ops->close(k->source);
	k->source = NULL;
	k->has_chunk = false;
}

static void serve(struct couple *k, const struct lm_event *ev)
{
	struct lm_reply r = LM_REPLY_INIT;

	close_source(k); /* it was read to its end, or TOP was sated */
	if (ev->type == LM_EVENT_AUTH) {
		r.secret.plain = lm_str("secret");
		r.user = lm_str("alice");
	} else if (ev->type == LM_EVENT_MAILDROP) {
		r.messages = k->list;
		r.message_count = k->message_count;
	} else if (ev->type == LM_EVENT_RETR || ev->type == LM_EVENT_TOP) {
		const struct message *m = &k->messages[ev->message.id];

		r.source = lm_source_from_bytes(lm_bytes(m->octets, m->stored));
		assert_non_null(r.source);
	} else if (ev->type == LM_EVENT_QUIT) {
		k->deleted_at_quit = (unsigned)ev->deleted_count;
	}
	assert_err(lm_session_answer(k->server, ev->id, &r, k->now), 0);
	if (r.source && (lm_session_wants(k->server) & LM_WANT_BODY))
		k->source = r.source;
	else if (r.source)
		r.source->ops->close(r.source);
}

static bool push_body(struct couple *k)
{
	size_t taken = 0;

	if (!k->source)
		return false;
	if (!(lm_session_wants(k->server) & LM_WANT_BODY)) {
		close_source(k);
		return true;
	}
	if (!k->has_chunk)
		assert_err(k->source->ops->read(k->source, 1 + roll(k, 900), &k->chunk,
		                                &k->chunk_last),
		           0);
	k->has_chunk = true;
	assert_err(lm_session_body(k->server, k->chunk, k->chunk_last, k->now, &taken), 0);
	k->chunk = lm_bytes_from(k->chunk, taken);
	k->has_chunk = k->chunk.len > 0;
	return true;
}

/* ---- the client's owner ---- */

static void check_message(struct couple *k, const struct lm_outcome *o)
{
	const struct wish *w = o->tag;
	const struct message *m;

	assert_int_equal(o->octets, lm_buf_len(&k->fetched));
	m = &k->messages[w->request.number - 1];
	if (o->type == LM_REQUEST_RETR) {
		assert_bytes(lm_buf_bytes(&k->fetched), lm_bytes(m->octets, m->len));
		assert_int_equal(o->odd_size, w->lied);
	} else {
		struct lm_bytes got = lm_buf_bytes(&k->fetched);

		/* TOP may end behind a bare LF; then CRLF is added. */
		assert_true(got.len <= m->len + 2 && (got.len >= 2 || !got.len));
		if (got.len)
			assert_memory_equal(got.data, m->octets, got.len - 2);
	}
}

static void check_outcome(struct couple *k, const struct lm_outcome *o)
{
	struct wish *w = o->tag;

	if (o->type == LM_REQUEST_OPEN) {
		assert_false(k->open_told);
		k->open_told = true;
		assert_true(o->result == 0 || k->cut);
		return;
	}
	assert_ptr_equal(w, &k->wishes[k->told]);
	k->told++;
	if (!(k->cut && o->result == LM_E_CLOSED)) {
		assert_err(o->result, w->want);
		if (!o->result && (o->type == LM_REQUEST_RETR || o->type == LM_REQUEST_TOP))
			check_message(k, o);
	}
	lm_buf_clear(&k->fetched);
	k->items = 0;
}

static void own(struct couple *k, const struct lm_event *ev)
{
	if (ev->type == LM_EVENT_BODY) {
		assert_err(lm_buf_add(&k->fetched, ev->argument), 0);
		assert_err(lm_session_answer(k->client, ev->id, NULL, k->now), 0);
	} else if (ev->type == LM_EVENT_OUTCOME) {
		check_outcome(k, ev->outcome);
	} else if (ev->type == LM_EVENT_ITEM) {
		k->items++;
	}
}

static bool push_wish(struct couple *k)
{
	struct wish *w = &k->wishes[k->pushed];
	int err;

	if (k->pushed == k->wish_count)
		return false;
	err = lm_session_request(k->client, &w->request, k->now);
	assert_err(err, 0);
	k->pushed++;
	return true;
}

/* ---- the wire ---- */

static bool carry_out(struct couple *k, struct lm_session *from, struct lm_buf *wire)
{
	struct lm_bytes out = lm_session_output(from);
	size_t n = out.len ? 1 + roll(k, (uint32_t)out.len) : 0;

	if (!n)
		return false;
	assert_err(lm_buf_add(wire, lm_bytes(out.data, n)), 0);
	lm_session_sent(from, n);
	return true;
}

static bool carry_in(struct couple *k, struct lm_buf *wire, struct lm_session *to)
{
	size_t most = lm_buf_len(wire), taken = 0, n;

	if (!most || !(lm_session_wants(to) & LM_WANT_INPUT))
		return false;
	n = roll(k, 3) ? 1 + roll(k, (uint32_t)(most < 9 ? most : 9)) : most;
	n = n > most ? most : n;
	assert_err(lm_session_feed(to, lm_bytes(wire->data + wire->head, n), k->now, &taken), 0);
	lm_buf_drop(wire, taken);
	return taken > 0;
}

static bool shake_hands(struct couple *k)
{
	if (!(lm_session_wants(k->client) & lm_session_wants(k->server) & LM_WANT_TLS) ||
	    lm_session_output(k->server).len || lm_session_output(k->client).len)
		return false;
	assert_int_equal(lm_buf_len(&k->to_client) + lm_buf_len(&k->to_server), 0);
	assert_err(lm_session_tls_up(k->server, &tls_info, k->now), 0);
	assert_err(lm_session_tls_up(k->client, &tls_info, k->now), 0);
	return true;
}

static bool pull_server(struct couple *k)
{
	struct lm_event ev;

	if (lm_session_event(k->server, &ev) != 1)
		return false;
	if (ev.id)
		serve(k, &ev);
	return true;
}

static bool pull_client(struct couple *k)
{
	struct lm_event ev;

	if (lm_session_event(k->client, &ev) != 1)
		return false;
	own(k, &ev);
	return true;
}

static bool act(struct couple *k, unsigned what)
{
	switch (what) {
	case 0:
		return pull_server(k);
	case 1:
		return pull_client(k);
	case 2:
		return carry_out(k, k->client, &k->to_server);
	case 3:
		return carry_out(k, k->server, &k->to_client);
	case 4:
		return carry_in(k, &k->to_server, k->server);
	case 5:
		return carry_in(k, &k->to_client, k->client);
	case 6:
		return push_body(k);
	case 7:
		return push_wish(k);
	default:
		return shake_hands(k);
	}
}

/* Nothing can be done by anybody. */
static bool is_still(struct couple *k)
{
	for (unsigned i = 0; i < 9; i++)
		if (act(k, i))
			return false;
	return true;
}

static void live(struct couple *k, size_t end)
{
	for (size_t step = 0; step < end; step++) {
		k->now += roll(k, 3);
		act(k, roll(k, 9));
		if (step % 64 == 63 && is_still(k))
			return;
		assert_true(step < STEPS_MAX);
	}
	k->cut = true;
}

static void check_end(struct couple *k)
{
	unsigned gone = 0;

	lm_session_eof(k->client, k->now);
	lm_session_eof(k->server, k->now);
	while (pull_client(k) || pull_server(k))
		;
	for (size_t i = 0; i < k->message_count; i++)
		gone += k->messages[i].deleted;
	assert_true(k->open_told);
	assert_int_equal(k->told, k->pushed);
	if (k->cut)
		return;
	assert_int_equal(k->pushed, k->wish_count);
	assert_int_equal(k->deleted_at_quit, gone);
}

static void together(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct couple *k = lm_alloc(sizeof(*k));

		assert_non_null(k);
		marry(k, seed);
		live(k, SIZE_MAX);
		check_end(k);
		part(k);
		lm_free(k);
	}
}

/* The line is cut anywhere: each request still has its outcome, and no part of a message is taken
 * for a whole one. */
static void parted(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct couple *k = lm_alloc(sizeof(*k));

		assert_non_null(k);
		marry(k, seed);
		live(k, 20 + roll(k, 1500));
		check_end(k);
		part(k);
		lm_free(k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(together),
		cmocka_unit_test(parted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
