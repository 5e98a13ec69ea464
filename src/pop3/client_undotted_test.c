/* Servers that do not stuff dots, with sizes that are right: whatever the message, whatever the
 * split, pipelined or not, its octets come through. */
#include "pop3/client.h"

#include "lm_test.h"

enum { SEEDS = 20000, MESSAGES = 4 };

struct story {
	uint64_t random;
	struct lm_pop3_client_session_params params;
	struct lm_session *client;
	struct lm_buf wire, heard, fetched; /* from the server, from the client */
	struct lm_buf messages[MESSAGES];
	size_t told;
};

static const lm_time_ms now = 1000;

static uint32_t roll(struct story *s, uint32_t below)
{
	s->random ^= s->random >> 12;
	s->random ^= s->random << 25;
	s->random ^= s->random >> 27;
	return (uint32_t)((s->random * UINT64_C(2685821657736338717)) >> 33) % below;
}

/* What cannot be told apart is not in it: two dots that begin a line before the first single one
 * shows what this server is, and a reply behind a dot line. */
static void write_messages(struct story *s)
{
	static const char *const lines[] = { "\r\n",       ".\r\n",   ".x\r\n", "text\r\n",
		                             ".\r\n.\r\n", "+\r\n",   "-\r\n",  "+O\r\n",
		                             "a..b\r\n",   "-ER\r\n", ".+O\r\n" };

	for (size_t i = 0; i < MESSAGES; i++) {
		size_t count = roll(s, 12);

		lm_buf_init(&s->messages[i], 1 << 16);
		if (i == 0 && roll(s, 2))
			assert_err(lm_buf_add_str(&s->messages[i], ".first\r\n..\r\n"), 0);
		while (count--)
			assert_err(lm_buf_add_str(&s->messages[i], lines[roll(s, 11)]), 0);
	}
}

static void begin(struct story *s, uint64_t seed)
{
	*s = (struct story){ .random = seed * 31 + 7 };
	lm_pop3_client_session_params_init(&s->params);
	s->params.tls = LM_TLS_OFF;
	s->params.pipeline = 1 + roll(s, MESSAGES);
	lm_buf_init(&s->wire, 1 << 20);
	lm_buf_init(&s->heard, 1 << 20);
	lm_buf_init(&s->fetched, 1 << 20);
	write_messages(s);
	assert_err(lm_pop3_client_session_new(&s->params, now, &s->client), 0);
	assert_err(lm_buf_add_str(&s->wire, "+OK\r\n"), 0);
	for (size_t i = 0; i < MESSAGES; i++) {
		struct lm_request r = LM_REQUEST_INIT(LM_REQUEST_RETR);

		r.number = i + 1;
		r.expected = lm_buf_len(&s->messages[i]);
		assert_err(lm_session_request(s->client, &r, now), 0);
	}
}

static void end(struct story *s)
{
	lm_session_free(s->client);
	lm_buf_done(&s->wire);
	lm_buf_done(&s->heard);
	lm_buf_done(&s->fetched);
	for (size_t i = 0; i < MESSAGES; i++)
		lm_buf_done(&s->messages[i]);
}

/* ---- the server ---- */

static void answer(struct story *s, struct lm_bytes line)
{
	const char *say = "-ERR\r\n";

	if (lm_bytes_equal(line, lm_str("CAPA")))
		say = "+OK\r\nPIPELINING\r\n.\r\n";
	else if (lm_bytes_equal(line, lm_str("NOOP")) || line.data[0] == 'R')
		say = "+OK\r\n";
	assert_err(lm_buf_add_str(&s->wire, say), 0);
	if (line.data[0] != 'R')
		return;
	assert_err(lm_buf_add(&s->wire, lm_buf_bytes(&s->messages[line.data[5] - '1'])), 0);
	assert_err(lm_buf_add_str(&s->wire, ".\r\n"), 0);
}

static bool listen(struct story *s)
{
	struct lm_bytes out = lm_session_output(s->client), all;
	const uint8_t *lf;

	assert_err(lm_buf_add(&s->heard, out), 0);
	lm_session_sent(s->client, out.len);
	all = lm_buf_bytes(&s->heard);
	lf = all.len ? memchr(all.data, '\n', all.len) : NULL;
	if (!lf)
		return false;
	answer(s, lm_bytes(all.data, (size_t)(lf - all.data) - 1));
	lm_buf_drop(&s->heard, (size_t)(lf - all.data) + 1);
	return true;
}

/* ---- the owner ---- */

static void hear(struct story *s, const struct lm_event *ev)
{
	if (ev->type == LM_EVENT_BODY) {
		assert_err(lm_buf_add(&s->fetched, ev->argument), 0);
		assert_err(lm_session_answer(s->client, ev->id, NULL, now), 0);
	}
	if (ev->type != LM_EVENT_OUTCOME || ev->outcome->type != LM_REQUEST_RETR)
		return;
	assert_err(ev->outcome->result, 0);
	assert_bytes(lm_buf_bytes(&s->fetched), lm_buf_bytes(&s->messages[s->told]));
	lm_buf_clear(&s->fetched);
	s->told++;
}

static bool talk(struct story *s)
{
	size_t most = lm_buf_len(&s->wire), n = roll(s, 3) ? 1 + roll(s, 12) : most, taken = 0;
	struct lm_event ev;
	bool moved = false;

	while (lm_session_event(s->client, &ev) == 1) {
		hear(s, &ev);
		moved = true;
	}
	if (!most || !(lm_session_wants(s->client) & LM_WANT_INPUT))
		return moved;
	n = n < most ? n : most;
	assert_err(
	        lm_session_feed(s->client, lm_bytes(s->wire.data + s->wire.head, n), now, &taken),
	        0);
	lm_buf_drop(&s->wire, taken);
	return true;
}

static void octets_come_through(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct story s;

		begin(&s, seed);
		while ((roll(&s, 2) && listen(&s)) || talk(&s) || listen(&s))
			;
		assert_int_equal(s.told, MESSAGES);
		assert_int_equal(lm_session_wants(s.client), LM_WANT_INPUT);
		end(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(octets_come_through) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
