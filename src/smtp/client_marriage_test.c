/* A client joined with our server in memory: random splits, delays, refusals and cuts, by seed. */
#include "lm_test.h"

#include "smtp/client.h"
#include "wire/text.h"

#include <stdlib.h>

enum {
	SEEDS = 5000,
	RECIPIENTS = 12,
	MESSAGES = 4,
	STEPS = 200000,
	SALT = 16,
	ROUNDS = 4096,
};

/* ---- chance ---- */

struct chance {
	uint64_t state;
};

static uint64_t next(struct chance *c)
{
	uint64_t z = c->state += 0x9E3779B97F4A7C15u;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

static size_t below(struct chance *c, size_t n)
{
	return (size_t)(next(c) % n);
}

static bool one_in(struct chance *c, size_t n)
{
	return below(c, n) == 0;
}

/* ---- the pair ---- */

/* One transaction: what is sent, what the server will say, what became of it. */
struct mail {
	struct lm_envelope envelope;
	struct lm_recipient to[RECIPIENTS];
	char names[RECIPIENTS][32], envid[32];
	struct lm_buf octets;
	int mail, data, message;                /* 0 or what the server refuses it with */
	int rcpt[RECIPIENTS], each[RECIPIENTS]; /* each: over LMTP */
	bool too_big;
	bool delivered, told;
	size_t delivered_to;
	int result;
	bool unknown;
	int results[RECIPIENTS];
};

struct pipe {
	struct lm_buf octets;
};

struct pair {
	struct chance chance;
	unsigned seed;
	struct lm_smtp_server_params server_params;
	struct lm_smtp_client_session_params client_params;
	struct lm_session *server, *client;
	struct pipe up, down; /* to the server, to the client */
	lm_time_ms now;
	struct mail mails[MESSAGES];
	size_t mail_count;
	size_t at_server; /* the transaction the server is in, by its ENVID */
	size_t at_client;
	size_t pushed; /* octets of the message under way */
	struct lm_event held;
	struct lm_bytes held_argument;
	bool is_held;
	struct lm_buf body;
	size_t outcomes, expected_outcomes;
	int login; /* its result */
	bool cut, over;
	size_t cut_at; /* step; 0: never */
	const char *mechanism;
};

static uint8_t stored_key[32], server_key[32];
static const uint8_t salt[SALT] = "0123456789abcdef";

static int refusal(struct chance *c, size_t rarity)
{
	static const int all[] = { LM_E_DENIED, LM_E_NOT_FOUND, LM_E_FULL, LM_E_STORE };

	return one_in(c, rarity) ? all[below(c, 4)] : 0;
}

/* What the client is told of a refusal with this error: by the class of its code. */
static int as_told(int err)
{
	return !err ? 0 : err == LM_E_FULL || err == LM_E_STORE ? LM_E_AGAIN : LM_E_DENIED;
}

static void add_line(struct chance *c, struct lm_buf *b, bool wide)
{
	size_t n = one_in(c, 20) ? below(c, 3000) : below(c, 60);

	if (one_in(c, 4))
		assert_err(lm_buf_add_str(b, one_in(c, 2) ? "." : ".."), 0);
	for (size_t i = 0; i < n; i++) {
		uint8_t o = (uint8_t)(32 + below(c, wide ? 220 : 95));

		assert_err(lm_buf_add(b, lm_bytes(&o, 1)), 0);
	}
	assert_err(lm_buf_add_str(b, "\r\n"), 0);
}

static void make_message(struct pair *p, struct mail *m)
{
	struct chance *c = &p->chance;
	size_t lines = one_in(c, 50) ? 3000 : below(c, 12);

	lm_buf_init(&m->octets, 4 << 20);
	for (size_t i = 0; i < lines; i++)
		add_line(c, &m->octets, m->envelope.eight_bit);
	if (m->envelope.binary && m->octets.len > 4) {
		m->octets.data[below(c, m->octets.len)] = '\r';
		m->octets.data[below(c, m->octets.len)] = '\n';
		m->octets.data[below(c, m->octets.len)] = 0;
	}
	if (one_in(c, 3))
		assert_err(lm_buf_add_str(&m->octets, "no end"), 0);
}

/* Behind DATA a last line gets its end. */
static size_t added(const struct pair *p, const struct mail *m)
{
	struct lm_bytes b = lm_buf_bytes(&m->octets);
	bool ends = b.len >= 2 && memcmp(b.data + b.len - 2, "\r\n", 2) == 0;

	return p->client_params.no_chunking && b.len && !ends ? 2 : 0;
}

static void make_mail(struct pair *p, struct mail *m)
{
	struct chance *c = &p->chance;
	struct lm_envelope *e = &m->envelope;

	e->sender = one_in(c, 5) ? lm_str("") : lm_str("sender@client.example");
	(void)snprintf(m->envid, sizeof(m->envid), "m%zu", (size_t)(m - p->mails));
	e->envid = lm_str(m->envid);
	e->recipients = m->to;
	e->recipient_count = 1 + below(c, RECIPIENTS);
	for (size_t i = 0; i < e->recipient_count; i++) {
		(void)snprintf(m->names[i], sizeof(m->names[i]), "r%zu@x", i);
		m->to[i].address = lm_str(m->names[i]);
		m->to[i].notify = one_in(c, 6) ? LM_NOTIFY_FAILURE | LM_NOTIFY_DELAY : 0;
		m->rcpt[i] = refusal(c, 4);
		m->each[i] = refusal(c, 4);
	}
	if (one_in(c, 12))
		for (size_t i = 0; i < e->recipient_count; i++)
			m->rcpt[i] = LM_E_DENIED;
	e->eight_bit = one_in(c, 2);
	e->binary = !p->client_params.no_chunking && one_in(c, 5);
	e->dsn_ret = one_in(c, 5) ? 'H' : 0;
	m->mail = refusal(c, 10);
	/* With a limit it depends on the size of the first chunk what is refused first. */
	m->data = p->server_params.max_message_size ? 0 : refusal(c, 10);
	m->message = refusal(c, 6);
	make_message(p, m);
	if (one_in(c, 3) && !p->server_params.max_message_size)
		e->size = lm_buf_len(&m->octets);
	m->too_big = p->server_params.max_message_size &&
	             lm_buf_len(&m->octets) + added(p, m) > p->server_params.max_message_size;
}

static void push(struct pair *p, struct lm_request *r)
{
	assert_err(lm_session_request(p->client, r, p->now), 0);
	p->expected_outcomes++;
}

static void push_login(struct pair *p)
{
	static const char *const some[] = { "PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2",
		                            "OAUTHBEARER" };
	struct lm_credentials c = { .user = lm_str("alice"), .password = lm_str("secret") };
	struct lm_request r = LM_REQUEST_INIT(LM_REQUEST_LOGIN);

	r.credentials = &c;
	c.mechanism = one_in(&p->chance, 30) ? "SCRAM-SHA-256" : some[below(&p->chance, 5)];
	if (one_in(&p->chance, 4))
		c.password = lm_str("wrong");
	if (one_in(&p->chance, 2))
		c.token = c.password;
	else
		c.ask_token = true;
	p->mechanism = c.mechanism;
	p->login = c.password.len == 6 ? 0 : LM_E_AUTH;
	if (strstr(c.mechanism, "AUTH") && c.ask_token)
		p->login = 0;
	push(p, &r);
}

static void push_all(struct pair *p)
{
	struct lm_request r = LM_REQUEST_INIT(LM_REQUEST_NOOP);

	p->expected_outcomes = 1; /* OPEN */
	if (one_in(&p->chance, 4))
		push_login(p);
	for (size_t i = 0; i < p->mail_count; i++) {
		if (one_in(&p->chance, 5)) {
			r.type = one_in(&p->chance, 2) ? LM_REQUEST_NOOP : LM_REQUEST_RSET;
			push(p, &r);
		}
		r.type = LM_REQUEST_SEND;
		r.envelope = &p->mails[i].envelope;
		r.tag = &p->mails[i];
		push(p, &r);
	}
	r.type = LM_REQUEST_QUIT;
	push(p, &r);
}

static void choose_params(struct pair *p)
{
	struct chance *c = &p->chance;
	enum lm_protocol protocol = one_in(c, 3) ? LM_LMTP : LM_SMTP;

	lm_smtp_server_params_init(&p->server_params, protocol);
	p->server_params.hostname = "mx";
	p->server_params.decides = UINT64_MAX;
	p->server_params.mechanisms = "PLAIN LOGIN CRAM-MD5 XOAUTH2 OAUTHBEARER SCRAM-SHA-256";
	p->server_params.tls = one_in(c, 2);
	p->server_params.plain_login = true;
	p->server_params.max_errors = 1000;
	p->server_params.min_rate = 0;
	p->server_params.max_message_size = one_in(c, 6) ? 300 : 0;
	lm_smtp_client_session_params_init(&p->client_params, protocol);
	p->client_params.helo = "client.example";
	p->client_params.plain_login = true;
	p->client_params.no_pipelining = one_in(c, 3);
	p->client_params.no_chunking = one_in(c, 2);
	p->client_params.trace = one_in(c, 8) || getenv("LM_SEED");
}

static void pair_init(struct pair *p, unsigned seed, bool cut)
{
	struct lm_smtp_server_peer peer = { .id = seed, .peer_address = "192.0.2.1" };

	*p = (struct pair){ .seed = seed, .chance = { seed }, .now = 1000 };
	choose_params(p);
	lm_buf_init(&p->up.octets, 16 << 20);
	lm_buf_init(&p->down.octets, 16 << 20);
	lm_buf_init(&p->body, 16 << 20);
	assert_err(lm_smtp_server_new(&p->server_params, &peer, p->now, &p->server), 0);
	assert_err(lm_smtp_client_session_new(&p->client_params, p->now, &p->client), 0);
	p->mail_count = 1 + below(&p->chance, MESSAGES);
	for (size_t i = 0; i < p->mail_count; i++)
		make_mail(p, &p->mails[i]);
	push_all(p);
	if (cut)
		p->cut_at = 1 + below(&p->chance, 1500);
}

static void pair_done(struct pair *p)
{
	lm_session_free(p->client);
	lm_session_free(p->server);
	lm_buf_done(&p->up.octets);
	lm_buf_done(&p->down.octets);
	lm_buf_done(&p->body);
	for (size_t i = 0; i < p->mail_count; i++)
		lm_buf_done(&p->mails[i].octets);
}

/* ---- the server's handler ---- */

static struct mail *mail_at_server(struct pair *p)
{
	assert_in_range(p->at_server, 0, p->mail_count - 1);
	return &p->mails[p->at_server];
}

static void judge_auth(const struct lm_auth *a, struct lm_reply *reply)
{
	if (a->kind == LM_AUTH_PASSWORD) {
		reply->result = lm_bytes_equal(a->password, lm_str("secret")) ? 0 : LM_E_AUTH;
	} else if (a->kind == LM_AUTH_TOKEN) {
		reply->result = lm_bytes_equal(a->token, lm_str("secret")) ? 0 : LM_E_AUTH;
	} else if (a->need == LM_NEED_PLAIN) {
		reply->secret.plain = lm_str("secret");
	} else {
		reply->secret.salt = lm_bytes(salt, SALT);
		reply->secret.iterations = ROUNDS;
		reply->secret.stored_key = lm_bytes(stored_key, 32);
		reply->secret.server_key = lm_bytes(server_key, 32);
	}
}

/* The number in "r7@x" or "m7". */
static size_t index_of(struct lm_bytes name)
{
	const uint8_t *at = memchr(name.data, '@', name.len);
	size_t len = at ? (size_t)(at - name.data) : name.len;
	uint64_t number = 0;

	assert_true(lm_parse_number(lm_bytes(name.data + 1, len - 1), RECIPIENTS, &number));
	return (size_t)number;
}

static void check_body(struct pair *p, const struct mail *m)
{
	struct lm_bytes got = lm_buf_bytes(&p->body), want = lm_buf_bytes(&m->octets);

	assert_int_equal(got.len, want.len + added(p, m));
	got.len = want.len;
	assert_bytes(got, want);
}

static void judge_message(struct pair *p, const struct lm_event *ev, struct lm_reply *reply)
{
	static struct lm_reply each[RECIPIENTS];
	struct mail *m = mail_at_server(p);

	check_body(p, m);
	assert_false(m->delivered);
	reply->result = m->message;
	if (p->server_params.protocol == LM_LMTP) {
		reply->result = 0;
		reply->recipients = each;
		reply->recipient_count = ev->envelope->recipient_count;
		for (size_t i = 0; i < ev->envelope->recipient_count; i++) {
			size_t at = index_of(ev->envelope->recipients[i].address);

			each[i] = LM_REPLY_INIT;
			each[i].result = m->each[at];
		}
	}
	m->delivered = reply->result == 0;
	m->delivered_to = ev->envelope->recipient_count;
}

static void judge(struct pair *p, const struct lm_event *ev)
{
	struct lm_reply reply = LM_REPLY_INIT;

	switch (ev->type) {
	case LM_EVENT_AUTH:
		judge_auth(&ev->auth, &reply);
		break;
	case LM_EVENT_MAIL:
		p->at_server = index_of(ev->envelope->envid);
		lm_buf_clear(&p->body);
		reply.result = mail_at_server(p)->mail;
		break;
	case LM_EVENT_RCPT:
		reply.result = mail_at_server(p)->rcpt[index_of(
		        ev->envelope->recipients[ev->envelope->recipient_count - 1].address)];
		break;
	case LM_EVENT_DATA:
		reply.result = mail_at_server(p)->data;
		break;
	case LM_EVENT_BODY:
		assert_err(lm_buf_add(&p->body, ev->argument), 0);
		break;
	case LM_EVENT_MESSAGE:
		judge_message(p, ev, &reply);
		break;
	default:
		break;
	}
	assert_err(lm_session_answer(p->server, ev->id, &reply, p->now), 0);
}

static void run_server(struct pair *p)
{
	struct lm_event ev;

	if (p->is_held && one_in(&p->chance, 3)) {
		p->is_held = false;
		judge(p, &p->held);
	}
	while (!p->is_held && lm_session_event(p->server, &ev) == 1) {
		if (ev.id && one_in(&p->chance, 4)) {
			p->held = ev;
			p->is_held = true;
		} else if (ev.id) {
			judge(p, &ev);
		}
	}
}

/* ---- the client's owner ---- */

static void note_outcome(struct pair *p, const struct lm_outcome *o)
{
	p->outcomes++;
	if (o->type == LM_REQUEST_LOGIN && !p->cut) {
		if (o->result != p->login)
			fprintf(stderr, "login by %s\n", p->mechanism);
		assert_err(o->result, p->login);
	}
	if (o->type != LM_REQUEST_SEND) {
		if (!p->cut && o->type != LM_REQUEST_LOGIN)
			assert_err(o->result, 0);
		return;
	}
	struct mail *m = o->tag;

	assert_false(m->told);
	m->told = true;
	m->result = o->result;
	m->unknown = o->unknown;
	if (!p->cut)
		assert_int_equal(o->recipient_count, m->envelope.recipient_count);
	for (size_t i = 0; i < m->envelope.recipient_count; i++)
		m->results[i] = i < o->recipient_count ? o->recipients[i].result : o->result;
}

static void run_client(struct pair *p)
{
	struct lm_reply reply = LM_REPLY_INIT;
	struct lm_event ev;

	reply.secret.plain = lm_str("secret");
	while (lm_session_event(p->client, &ev) == 1) {
		if (ev.type == LM_EVENT_TRACE && getenv("LM_SEED"))
			fprintf(stderr, "%.*s: %.*s\n", LM_FMT(ev.verb), LM_FMT(ev.argument));
		if (ev.type == LM_EVENT_OUTCOME)
			note_outcome(p, ev.outcome);
		if (ev.type == LM_EVENT_DATA) {
			p->pushed = 0;
			while (&p->mails[p->at_client].envelope != ev.envelope)
				p->at_client++;
		}
		if (ev.id)
			assert_err(lm_session_answer(p->client, ev.id, &reply, p->now), 0);
	}
}

static void push_body(struct pair *p)
{
	struct lm_bytes rest;
	size_t n, taken = 0;

	if (!(lm_session_wants(p->client) & LM_WANT_BODY))
		return;
	rest = lm_bytes_from(lm_buf_bytes(&p->mails[p->at_client].octets), p->pushed);
	n = one_in(&p->chance, 3) ? rest.len : below(&p->chance, rest.len + 1);
	assert_err(
	        lm_session_body(p->client, lm_bytes(rest.data, n), n == rest.len, p->now, &taken),
	        0);
	p->pushed += taken;
}

/* ---- the wires ---- */

static void move(struct pair *p, struct lm_session *from, struct lm_session *to, struct pipe *pipe)
{
	struct lm_bytes out = lm_session_output(from), in;
	size_t n, taken = 0;

	if (out.len) {
		n = one_in(&p->chance, 3) ? out.len : 1 + below(&p->chance, out.len);
		assert_err(lm_buf_add(&pipe->octets, lm_bytes(out.data, n)), 0);
		lm_session_sent(from, n);
	}
	in = lm_buf_bytes(&pipe->octets);
	if (!in.len || !(lm_session_wants(to) & LM_WANT_INPUT))
		return;
	n = one_in(&p->chance, 3) ? in.len : 1 + below(&p->chance, in.len < 50 ? in.len : 50);
	if (lm_session_feed(to, lm_bytes(in.data, n), p->now, &taken) == 0)
		lm_buf_drop(&pipe->octets, taken);
}

static void raise_tls(struct pair *p)
{
	static const struct lm_tls_info info = {
		.active = true, .server_name = "", .peer_subject = "", .peer_name = ""
	};

	if (!(lm_session_wants(p->client) & LM_WANT_TLS) ||
	    !(lm_session_wants(p->server) & LM_WANT_TLS) || lm_session_output(p->client).len ||
	    lm_session_output(p->server).len)
		return;
	assert_int_equal(lm_buf_len(&p->up.octets) + lm_buf_len(&p->down.octets), 0);
	assert_err(lm_session_tls_up(p->server, &info, p->now), 0);
	assert_err(lm_session_tls_up(p->client, &info, p->now), 0);
}

static void step(struct pair *p)
{
	switch (below(&p->chance, 6)) {
	case 0:
		run_server(p);
		break;
	case 1:
		run_client(p);
		break;
	case 2:
		push_body(p);
		break;
	case 3:
		move(p, p->client, p->server, &p->up);
		break;
	case 4:
		move(p, p->server, p->client, &p->down);
		break;
	default:
		raise_tls(p);
		p->now += (lm_time_ms)below(&p->chance, 3);
		assert_err(lm_session_tick(p->client, p->now), 0);
		assert_err(lm_session_tick(p->server, p->now), 0);
		break;
	}
	p->over = (lm_session_wants(p->client) & LM_WANT_CLOSE) != 0;
}

static void run(struct pair *p)
{
	for (size_t i = 1; i < STEPS && !p->over; i++) {
		if (i == p->cut_at) {
			p->cut = true;
			break;
		}
		step(p);
	}
	assert_true(p->over || p->cut);
	p->cut |= p->cut_at != 0 && !p->over;
	/* What is on its way still comes, as with a cut network it may. */
	lm_session_eof(p->client, p->now);
	run_client(p);
	if (p->is_held)
		judge(p, &p->held);
	p->is_held = false;
	lm_session_eof(p->server, p->now);
	assert_int_equal(p->outcomes, p->expected_outcomes);
}

/* ---- judgement ---- */

struct totals {
	size_t delivered, unknown, refused;
};

static int first_of(const int *results, size_t count)
{
	int first = 0;

	for (size_t i = 0; i < count; i++)
		if (results[i] && (!first || results[i] == LM_E_AGAIN))
			first = results[i] == LM_E_AGAIN || !first ? results[i] : first;
	return first;
}

static void expect_whole(const struct pair *p, const struct mail *m)
{
	size_t count = m->envelope.recipient_count, accepted = 0, kept = 0;
	int all = as_told(m->mail), want[RECIPIENTS];

	for (size_t i = 0; i < count; i++) {
		want[i] = all ? all : as_told(m->rcpt[i]);
		accepted += !want[i];
	}
	if (!all && accepted)
		all = as_told(m->data);
	if (!all && accepted && m->too_big)
		all = LM_E_DENIED;
	if (!all && accepted && p->server_params.protocol != LM_LMTP)
		all = as_told(m->message);
	for (size_t i = 0; i < count; i++) {
		if (!want[i])
			want[i] = all                                    ? all
			          : p->server_params.protocol == LM_LMTP ? as_told(m->each[i])
			                                                 : 0;
		assert_err(m->results[i], want[i]);
		kept += !want[i];
	}
	assert_false(m->unknown);
	if (kept == count)
		assert_err(m->result, 0);
	else if (kept)
		assert_err(m->result, LM_E_NOT_FOUND);
	else
		assert_true(m->result == first_of(want, count) || (all && m->result == all));
	assert_int_equal(m->delivered, !all && accepted);
	if (m->delivered)
		assert_int_equal(m->delivered_to, accepted);
}

/* Nothing is called delivered that is not; what may be and is not known to be is called so. */
static void expect_cut(const struct pair *p, const struct mail *m)
{
	for (size_t i = 0; i < m->envelope.recipient_count; i++) {
		bool kept = m->delivered && !m->rcpt[i] &&
		            !(p->server_params.protocol == LM_LMTP && m->each[i]);

		if (m->results[i] == 0)
			assert_true(kept);
		else if (kept)
			assert_true(m->unknown);
	}
}

static void count(struct totals *t, const struct mail *m)
{
	t->delivered += m->result == 0;
	t->unknown += m->unknown;
	t->refused += m->result && !m->unknown;
}

static void marry(unsigned seed, bool cut, struct totals *totals)
{
	struct pair p;

	pair_init(&p, seed, cut);
	run(&p);
	for (size_t i = 0; i < p.mail_count; i++) {
		assert_true(p.mails[i].told);
		count(totals, &p.mails[i]);
		if (p.cut)
			expect_cut(&p, &p.mails[i]);
		else
			expect_whole(&p, &p.mails[i]);
	}
	pair_done(&p);
}

static unsigned first_seed(void)
{
	uint64_t seed = 1;

	return lm_parse_number(lm_str(getenv("LM_SEED")), 1u << 30, &seed) ? (unsigned)seed : 1;
}

static void many(bool cut)
{
	struct totals totals = { 0 };
	size_t len;

	assert_err(lm_scram_keys(true, lm_str("secret"), lm_bytes(salt, SALT), ROUNDS, stored_key,
	                         server_key, &len),
	           0);
	for (unsigned seed = first_seed(); seed < first_seed() + SEEDS; seed++) {
		char name[40];

		(void)snprintf(name, sizeof(name), "LM_SEED=%u", seed);
		if (getenv("LM_SEEDS_SHOWN"))
			fprintf(stderr, "%s\n", name);
		marry(seed, cut, &totals);
	}
	/* The seeds do what they are for. */
	assert_true(totals.delivered > SEEDS / 10 && totals.refused > SEEDS / 10);
	assert_true((totals.unknown > SEEDS / 100) == cut);
}

static void each_outcome_is_what_the_server_did(void **state)
{
	(void)state;
	many(false);
}

static void a_cut_leaves_nothing_wrong(void **state)
{
	(void)state;
	many(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_outcome_is_what_the_server_did),
		cmocka_unit_test(a_cut_leaves_nothing_wrong),
	};

	return cmocka_run_group_tests_name("smtp/client_marriage", tests, NULL, NULL);
}
