/* SCRAM between both sessions: with chance in it, it cannot be written down as a dialogue. */
#include "pop3/client.h"
#include "sasl/sasl.h"

#include "lm_test.h"

enum { ITERATIONS = 4096 };

struct pair {
	struct lm_pop3_server_params server_params;
	struct lm_pop3_client_session_params client_params;
	struct lm_session *server, *client;
	struct lm_tls_info server_tls, client_tls;
	uint8_t stored[32], key[32];
	size_t key_len;
	int result; /* of LOGIN; 1: not told */
	char mechanism[32];
	char dialogue[4000];
};

static const lm_time_ms now = 1000;
static const uint8_t salt[] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static void pair_init(struct pair *p, const char *mechanisms)
{
	*p = (struct pair){ .result = 1 };
	lm_pop3_server_params_init(&p->server_params);
	p->server_params.decides = UINT64_MAX;
	p->server_params.mechanisms = mechanisms;
	lm_pop3_client_session_params_init(&p->client_params);
	p->client_params.tls = LM_TLS_OFF;
	p->client_params.plain_login = false;
	p->client_params.trace = true;
	p->server_tls = p->client_tls = (struct lm_tls_info){ .active = true };
}

static void serve(struct pair *p, const struct lm_event *ev)
{
	struct lm_reply r = LM_REPLY_INIT;

	if (ev->type == LM_EVENT_AUTH) {
		r.secret.salt = lm_bytes(salt, sizeof(salt));
		r.secret.iterations = ITERATIONS;
		r.secret.stored_key = lm_bytes(p->stored, p->key_len);
		r.secret.server_key = lm_bytes(p->key, p->key_len);
		r.user = ev->auth.authcid;
	}
	assert_err(lm_session_answer(p->server, ev->id, &r, now), 0);
}

static void hear(struct pair *p, const struct lm_event *ev)
{
	size_t n = strlen(p->dialogue);

	if (ev->type == LM_EVENT_TRACE)
		snprintf(p->dialogue + n, sizeof(p->dialogue) - n, "%.*s\n", LM_FMT(ev->argument));
	if (ev->type != LM_EVENT_OUTCOME || ev->outcome->type != LM_REQUEST_LOGIN)
		return;
	p->result = ev->outcome->result;
	snprintf(p->mechanism, sizeof(p->mechanism), "%.*s", LM_FMT(ev->info->mechanism));
}

static bool carry(struct lm_session *from, struct lm_session *to)
{
	struct lm_bytes out = lm_session_output(from);
	size_t taken = 0;

	if (!out.len || !(lm_session_wants(to) & LM_WANT_INPUT))
		return false;
	assert_err(lm_session_feed(to, out, now, &taken), 0);
	lm_session_sent(from, taken);
	return taken > 0;
}

static void play(struct pair *p)
{
	struct lm_event ev = { .type = LM_EVENT_NONE };
	bool moved = true;

	while (moved) {
		moved = false;
		while (lm_session_event(p->server, &ev) == 1) {
			if (ev.id)
				serve(p, &ev);
			moved = true;
		}
		while (lm_session_event(p->client, &ev) == 1) {
			hear(p, &ev);
			moved = true;
		}
		moved |= carry(p->server, p->client);
		moved |= carry(p->client, p->server);
	}
}

static void log_in(struct pair *p, bool sha256, const char *password, bool tls)
{
	struct lm_pop3_server_peer peer = { .id = 1 };
	struct lm_credentials c = { .user = lm_str("alice"), .password = lm_str(password) };
	struct lm_request login = LM_REQUEST_INIT(LM_REQUEST_LOGIN);

	assert_err(lm_scram_keys(sha256, lm_str("secret"), lm_bytes(salt, sizeof(salt)), ITERATIONS,
	                         p->stored, p->key, &p->key_len),
	           0);
	assert_err(lm_pop3_server_new(&p->server_params, &peer, now, &p->server), 0);
	assert_err(lm_pop3_client_session_new(&p->client_params, now, &p->client), 0);
	if (tls) {
		assert_err(lm_session_tls_up(p->server, &p->server_tls, now), 0);
		assert_err(lm_session_tls_up(p->client, &p->client_tls, now), 0);
	}
	login.credentials = &c;
	assert_err(lm_session_request(p->client, &login, now), 0);
}

static void part(struct pair *p)
{
	assert_null(strstr(p->dialogue, "secret"));
	assert_null(strstr(p->dialogue, "cj")); /* base64 of "r=" and of what is behind it */
	lm_session_free(p->client);
	lm_session_free(p->server);
}

static void both_prove_themselves(void **state)
{
	static const char *const names[] = { "SCRAM-SHA-256", "SCRAM-SHA-1" };
	struct pair p;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		pair_init(&p, names[i]);
		log_in(&p, i == 0, "secret", false);
		play(&p);
		assert_err(p.result, 0);
		assert_string_equal(p.mechanism, names[i]);
		part(&p);
	}
}

static void a_wrong_password_is_refused(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, "SCRAM-SHA-256");
	log_in(&p, true, "guess", false);
	play(&p);
	assert_err(p.result, LM_E_AUTH);
	assert_int_equal(lm_session_wants(p.client) & LM_WANT_CLOSE, 0);
	part(&p);
}

/* It lets anybody in, and cannot prove that it knows the password: it gets no further word. */
static void a_server_without_the_keys_is_not_believed(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p, "SCRAM-SHA-256");
	log_in(&p, true, "secret", false);
	p.key[7] ^= 1;
	play(&p);
	assert_err(p.result, LM_E_AUTH);
	assert_true(lm_session_wants(p.client) & LM_WANT_CLOSE);
	part(&p);
}

static void the_channel_is_bound(void **state)
{
	struct pair p;

	(void)state;
	for (int same = 0; same < 2; same++) {
		pair_init(&p, "SCRAM-SHA-256-PLUS SCRAM-SHA-256");
		p.server_tls.exporter = lm_str("0123456789abcdef0123456789abcdef");
		p.client_tls.exporter = same ? p.server_tls.exporter
		                             : lm_str("0123456789abcdef0123456789abcdeX");
		log_in(&p, true, "secret", true);
		/* The server would take USER and PASS, too: no fall-back to them. */
		play(&p);
		if (same)
			assert_string_equal(p.mechanism, "SCRAM-SHA-256-PLUS");
		assert_true((p.result == 0) == (same == 1));
		part(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_prove_themselves),
		cmocka_unit_test(a_wrong_password_is_refused),
		cmocka_unit_test(a_server_without_the_keys_is_not_believed),
		cmocka_unit_test(the_channel_is_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
