/* Ends of clients: in every state, by either side, with the bridge, and when memory runs out. */
#include "base/mem.h"
#include "bridge/client_rig.h"
#include "lm_test.h"

/* ---- States ---- */

static void connecting(struct peer *p)
{
	peer_init(p, "smtp");
	peer_connect(p);
}

static void idle(struct peer *p)
{
	peer_open(p, "smtp");
}

static void waiting(struct peer *p)
{
	peer_open(p, "pop3");
	peer_request(p, 1, "STAT", NULL);
	peer_request(p, 2, "LIST", NULL);
	peer_expect(p, "STAT");
}

static void in_a_list(struct peer *p)
{
	waiting(p);
	peer_say(p, "+OK 1 2\r\n");
	peer_expect(p, "LIST");
	peer_say(p, "+OK\r\n1 2\r\n2 3\r\n");
	(void)peer_outcome(p, 1, 0);
}

static void in_a_body(struct peer *p)
{
	static char block[65000];

	peer_open(p, "pop3");
	memset(block, 'x', sizeof(block) - 1);
	peer_request(p, 1, "RETR", peer_option(p, "number", fake_number(&p->fake, 1)));
	peer_request(p, 2, "NOOP", NULL);
	peer_expect(p, "RETR 1");
	peer_say(p, "+OK\r\n");
	for (int i = 0; i < 8; i++)
		peer_say(p, block);
	(void)fake_expect(&p->fake, "BODY");
}

static void without_octets(struct peer *p)
{
	peer_open(p, "smtp");
	peer_request(p, 1, "SEND", peer_envelope(p));
	peer_request(p, 2, "NOOP", NULL);
}

static double pipe_of(struct peer *p)
{
	return fake_call(&p->fake, "clientPipe",
	                 FAKE_ARGS(fake_number(&p->fake, p->client), fake_number(&p->fake, 1)))
	        ->number;
}

static void in_a_pipe(struct peer *p)
{
	double pipe;

	without_octets(p);
	pipe = pipe_of(p);
	fake_call(&p->fake, "pipeWrite",
	          FAKE_ARGS(fake_number(&p->fake, pipe), fake_bytes(&p->fake, "A: b\n\nc", 7),
	                    fake_bool(&p->fake, false)));
}

static void give(struct peer *p, size_t len, bool in_place)
{
	char *letter = calloc(1, len);

	assert_non_null(letter);
	memset(letter, 'x', len);
	memcpy(letter, "A: b\r\n\r\n", 8);
	memcpy(letter + len - 2, in_place ? "\r\n" : "\n\n", 2);
	fake_call(&p->fake, "clientBytes",
	          FAKE_ARGS(fake_number(&p->fake, p->client), fake_number(&p->fake, 1),
	                    fake_bytes(&p->fake, letter, len)));
	free(letter);
}

static void until_data(struct peer *p)
{
	peer_expect(p, "MAIL FROM:<a@x.example> SIZE=8000000");
	peer_say(p, "250 ok\r\n");
	peer_expect(p, "RCPT TO:<b@x.example>");
	peer_say(p, "250 ok\r\n");
	peer_expect(p, "DATA");
	peer_say(p, "354 go\r\n");
	free(peer_read(p, 1000));
}

static void in_octets_in_place(struct peer *p)
{
	without_octets(p);
	give(p, 8000000, true);
	until_data(p);
}

static void in_octets_from_a_file(struct peer *p)
{
	without_octets(p);
	give(p, 7999998, false); /* two CRs are added */
	until_data(p);
}

static void while_octets_are_read(struct peer *p)
{
	without_octets(p);
	give(p, 30000000, false);
}

static void closed_by_the_server(struct peer *p)
{
	waiting(p);
	peer_hang_up(p);
	(void)peer_outcome(p, 1, LM_E_CLOSED);
}

static void (*const states[])(struct peer *p) = {
	connecting,
	idle,
	waiting,
	in_a_list,
	in_a_body,
	without_octets,
	in_a_pipe,
	in_octets_in_place,
	in_octets_from_a_file,
	while_octets_are_read,
	closed_by_the_server,
};
enum { STATES = sizeof(states) / sizeof(*states) };

/* ---- Ends ---- */

static void the_bridge_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < STATES; i++) {
		struct peer p;

		states[i](&p);
		peer_free(&p);
	}
}

static void the_server_hangs_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < STATES; i++) {
		struct peer p;

		states[i](&p);
		peer_end(&p);
	}
}

static void script_aborts(void **state)
{
	(void)state;
	for (size_t i = 0; i < STATES; i++) {
		struct lm_host_value *e;
		struct peer p;

		states[i](&p);
		fake_call(&p.fake, "clientAbort", FAKE_ARGS(fake_number(&p.fake, p.client)));
		fake_call(&p.fake, "clientAbort", FAKE_ARGS(fake_number(&p.fake, p.client)));
		do {
			e = fake_take(&p.fake, 30000);
			assert_non_null(e);
		} while (fake_num(e, "type") < 1000 || !fake_has(e, "code"));
		assert_int_equal(p.fake.alive, 0);
		/* Late words do no harm. */
		peer_request(&p, 9, "NOOP", NULL);
		(void)peer_outcome(&p, 9, LM_E_CLOSED);
		fake_call(&p.fake, "clientFree", FAKE_ARGS(fake_number(&p.fake, p.client)));
		peer_free(&p);
	}
}

static void script_frees_at_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < STATES; i++) {
		struct peer p;

		states[i](&p);
		fake_call(&p.fake, "clientFree", FAKE_ARGS(fake_number(&p.fake, p.client)));
		assert_int_equal(p.fake.alive, 0);
		fake_call(&p.fake, "clientFree", FAKE_ARGS(fake_number(&p.fake, p.client)));
		while (fake_take(&p.fake, 0))
			;
		peer_free(&p);
	}
}

static void what_cannot_begin(void **state)
{
	struct lm_host_value *e;
	struct peer p;

	(void)state;
	peer_init(&p, "pop3");
	fake_set(p.options, "ca", fake_string(&p.fake, "/nowhere/at/all"));
	fake_get(p.options, "tls")->octets[0] = 'x'; /* no such mode */
	assert_null(fake_try(&p.fake, "clientNew", FAKE_ARGS(p.options)));
	memcpy(fake_get(p.options, "tls")->octets, "off", 3);
	fake_set(p.options, "key", fake_string(&p.fake, "-----BEGIN"));
	p.client = fake_call(&p.fake, "clientNew", FAKE_ARGS(p.options))->number;
	e = fake_expect(&p.fake, "CLOSED");
	assert_true(fake_num(e, "code") == LM_E_CONFIG);
	assert_non_null(strstr(fake_text(e, "message"), "key"));
	fake_call(&p.fake, "clientFree", FAKE_ARGS(fake_number(&p.fake, p.client)));
	peer_free(&p);
}

/* ---- Failures of the host and of memory ---- */

static void natives_without_memory(void **state)
{
	static const char *const calls[] = { "clientNew", "clientRequest", "clientBytes",
		                             "clientPipe", "clientToken" };

	(void)state;
	for (size_t c = 0; c < sizeof(calls) / sizeof(*calls); c++) {
		bool worked = false;

		for (unsigned long n = 1; !worked; n++) {
			struct peer p;
			struct lm_host_value *client, *one;

			peer_open(&p, "smtp");
			peer_request(&p, 1, "SEND", peer_envelope(&p));
			client = fake_number(&p.fake, p.client);
			one = fake_number(&p.fake, 1);
			const size_t count = c == 0 ? 1 : c == 1 ? 4 : c == 2 ? 3 : 2;
			struct lm_host_value *args[4] = {
				c ? client : p.options,
				c == 4 ? fake_string(&p.fake, "t") : one,
				c == 1 ? fake_string(&p.fake, "SEND")
				       : fake_bytes(&p.fake, "A: b\r\n\r\n", 8),
				peer_envelope(&p),
			};

			lm_alloc_fail_at(n);
			worked = fake_try(&p.fake, calls[c], count, args) != NULL;
			lm_alloc_fail_at(0);
			if (!worked)
				assert_err(p.fake.error.code, LM_E_NOMEM);
			peer_free(&p);
		}
	}
}

/* Take what there is while one value cannot be made. */
static void take_without_memory(struct peer *p, unsigned n)
{
	struct lm_host_value *e;

	p->fake.fail_at = n;
	do
		e = fake_try(&p->fake, "take", 0, NULL);
	while (!e || e->kind != LM_HOST_UNDEFINED);
	p->fake.fail_at = 0;
	pthread_mutex_lock(&p->fake.lock);
	p->fake.awake = false;
	pthread_mutex_unlock(&p->fake.lock);
}

/* Script's engine is out of memory while it takes entries: nothing leaks. */
static void values_that_cannot_be_made(void **state)
{
	(void)state;
	for (unsigned n = 1; n < 60; n++) {
		struct peer p;

		in_a_body(&p);
		take_without_memory(&p, n);
		peer_free(&p);
		closed_by_the_server(&p);
		take_without_memory(&p, n);
		peer_free(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bridge_ends),
		cmocka_unit_test(the_server_hangs_up),
		cmocka_unit_test(script_aborts),
		cmocka_unit_test(script_frees_at_once),
		cmocka_unit_test(what_cannot_begin),
		cmocka_unit_test(natives_without_memory),
		cmocka_unit_test(values_that_cannot_be_made),
	};

	return cmocka_run_group_tests_name("bridge/client_end", tests, NULL, NULL);
}
