/* Handlers that answer now, later, never, twice, or when the session is gone. */
#include "server/serve_rig.h"
#include "server/serving.h"

#include "lm_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TICKETS = 400 };

/* What VRFY's argument asks the handler to do; tickets it kept, and a thread that answers some. */
struct desk {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct lm_ticket kept[TICKETS], due[TICKETS];
	size_t kept_count, due_count;
	bool ends;
	pthread_t thread;
	_Atomic int sources_closed, started, stopped, disconnects, heard_code, heard;
};

static struct lm_reply says(int code, const char *text)
{
	struct lm_reply reply = LM_REPLY_INIT;

	reply.smtp_code = code;
	reply.text = lm_str(text);
	return reply;
}

static void *answer_later(void *arg)
{
	struct desk *desk = arg;

	pthread_mutex_lock(&desk->lock);
	while (!desk->ends || desk->due_count) {
		if (desk->due_count) {
			struct lm_ticket ticket = desk->due[--desk->due_count];
			char text[] = "later";
			struct lm_reply reply = says(250, text);

			pthread_mutex_unlock(&desk->lock);
			lm_ticket_answer(ticket, &reply);
			memset(text, '!', sizeof(text) - 1);
			pthread_mutex_lock(&desk->lock);
		} else {
			pthread_cond_wait(&desk->more, &desk->lock);
		}
	}
	pthread_mutex_unlock(&desk->lock);
	return NULL;
}

static void keep(struct desk *desk, struct lm_ticket ticket, bool due)
{
	pthread_mutex_lock(&desk->lock);
	if (due)
		desk->due[desk->due_count++] = ticket;
	else
		desk->kept[desk->kept_count++] = ticket;
	pthread_cond_broadcast(&desk->more);
	pthread_mutex_unlock(&desk->lock);
}

static bool asks(const struct lm_event *event, const char *word)
{
	return lm_bytes_equal(event->argument, lm_str(word));
}

static enum lm_verdict decide(void *context, void **slot, const struct lm_event *event,
                              struct lm_reply *out_reply, struct lm_ticket ticket)
{
	struct desk *desk = context;
	struct lm_reply reply = says(250, "inside");

	*slot = desk;
	if (asks(event, "now")) {
		*out_reply = says(250, "now");
		return LM_ANSWERED;
	}
	if (asks(event, "nonsense")) {
		out_reply->result = 7;
		return LM_ANSWERED;
	}
	if (asks(event, "inside") || asks(event, "twice")) {
		lm_ticket_answer(ticket, &reply);
		if (asks(event, "twice"))
			lm_ticket_answer(ticket, &reply);
		*out_reply = says(250, "too late");
		return asks(event, "twice") ? LM_ANSWERED : LM_PENDING;
	}
	if (asks(event, "passed")) {
		lm_ticket_answer(ticket, NULL);
		return LM_PENDING;
	}
	if (asks(event, "later"))
		keep(desk, ticket, true);
	else if (asks(event, "kept"))
		keep(desk, ticket, false);
	else if (!asks(event, "never"))
		return LM_PROCEED;
	return LM_PENDING;
}

static enum lm_verdict decide_second(void *context, void **slot, const struct lm_event *event,
                                     struct lm_reply *out_reply, struct lm_ticket ticket)
{
	(void)context;
	(void)slot;
	(void)event;
	(void)ticket;
	*out_reply = says(252, "second");
	return LM_ANSWERED;
}

static void notice(void *context, void **slot, const struct lm_event *event,
                   const struct lm_reply *reply)
{
	struct desk *desk = context;

	if (event->type == LM_EVENT_DISCONNECT && *slot) {
		assert_ptr_equal(*slot, desk);
		atomic_fetch_add(&desk->disconnects, 1);
	}
	if (event->type == LM_EVENT_VRFY) {
		atomic_store(&desk->heard_code, reply ? reply->smtp_code : 0);
		atomic_fetch_add(&desk->heard, 1);
	}
}

static int worker_start(void *handler, struct lm_worker *worker, void **out_context,
                        struct lm_error *out_error)
{
	struct desk *desk = handler;

	(void)worker;
	(void)out_error;
	atomic_fetch_add(&desk->started, 1);
	*out_context = desk;
	return 0;
}

static void worker_stop(void *context)
{
	struct desk *desk = context;

	atomic_fetch_add(&desk->stopped, 1);
}

static const struct lm_handler_ops first_ops = {
	.size = sizeof(struct lm_handler_ops),
	.name = "first",
	.worker_start = worker_start,
	.worker_stop = worker_stop,
	.decide = decide,
	.notice = notice,
	.decides = LM_EVENT_BIT(LM_EVENT_VRFY),
	.hears = LM_EVENT_BIT(LM_EVENT_VRFY),
};
static const struct lm_handler_ops second_ops = {
	.size = sizeof(struct lm_handler_ops),
	.name = "second",
	.decide = decide_second,
	.decides = LM_EVENT_BIT(LM_EVENT_VRFY),
};

static void desk_open(struct desk *desk, struct lm_rig *rig, const char *const *options)
{
	memset(desk, 0, sizeof(*desk));
	pthread_mutex_init(&desk->lock, NULL);
	pthread_cond_init(&desk->more, NULL);
	assert_int_equal(pthread_create(&desk->thread, NULL, answer_later, desk), 0);
	lm_rig_new(rig, options);
	assert_err(lm_server_handler(rig->server, &first_ops, desk), 0);
	assert_err(lm_server_handler(rig->server, &second_ops, NULL), 0);
	lm_rig_start(rig);
}

static void desk_close(struct desk *desk, struct lm_rig *rig)
{
	pthread_mutex_lock(&desk->lock);
	desk->ends = true;
	pthread_cond_broadcast(&desk->more);
	pthread_mutex_unlock(&desk->lock);
	pthread_join(desk->thread, NULL);
	lm_rig_free(rig);
	assert_int_equal(desk->started, 2);
	assert_int_equal(desk->stopped, 2);
	pthread_mutex_destroy(&desk->lock);
	pthread_cond_destroy(&desk->more);
}

static int greeted(const struct lm_rig *rig)
{
	int fd = lm_rig_connect(rig, "smtp");

	lm_rig_expect(fd, "220 ");
	lm_rig_chat(fd, "EHLO client.example\r\n", "250");
	return fd;
}

/* Wait until the handler has kept so many tickets. */
static void await_kept(struct desk *desk, size_t wanted)
{
	pthread_mutex_lock(&desk->lock);
	while (desk->kept_count < wanted)
		pthread_cond_wait(&desk->more, &desk->lock);
	pthread_mutex_unlock(&desk->lock);
}

static void every_way_to_answer_answers_once(void **state)
{
	struct desk desk;
	struct lm_rig rig;
	int fd;

	(void)state;
	desk_open(&desk, &rig, NULL);
	fd = greeted(&rig);
	for (int i = 0; i < 20; i++) {
		lm_rig_chat(fd, "VRFY now\r\n", "250 2.1.5 now");
		lm_rig_chat(fd, "VRFY later\r\n", "250 2.1.5 later");
		lm_rig_chat(fd, "VRFY inside\r\n", "250 2.1.5 inside");
		lm_rig_chat(fd, "VRFY twice\r\n", "250 2.1.5 inside");
		lm_rig_chat(fd, "VRFY passed\r\n", "252 2.1.5 second");
		lm_rig_chat(fd, "VRFY other\r\n", "252 2.1.5 second");
		assert_int_equal(desk.heard_code, 252);
		lm_rig_chat(fd, "VRFY nonsense\r\n", "4");
	}
	assert_int_equal(desk.heard, 140);
	lm_rig_chat(fd, "QUIT\r\n", "221 ");
	lm_rig_expect_end(fd);
	lm_rig_await_open(&rig, 0);
	assert_int_equal(desk.disconnects, 1);
	desk_close(&desk, &rig);
}

static void pipelined_questions_keep_their_order(void **state)
{
	struct desk desk;
	struct lm_rig rig;
	int fd;

	(void)state;
	desk_open(&desk, &rig, NULL);
	fd = greeted(&rig);
	lm_rig_say(fd, "VRFY later\r\nVRFY now\r\nVRFY inside\r\nVRFY later\r\nNOOP\r\n");
	lm_rig_expect(fd, "250 2.1.5 later");
	lm_rig_expect(fd, "250 2.1.5 now");
	lm_rig_expect(fd, "250 2.1.5 inside");
	lm_rig_expect(fd, "250 2.1.5 later");
	lm_rig_expect(fd, "250 ");
	close(fd);
	desk_close(&desk, &rig);
}

static void silence_ends_in_a_temporary_failure(void **state)
{
	struct desk desk;
	struct lm_rig rig;
	struct lm_reply reply = says(250, "after the deadline");
	int fd;

	(void)state;
	desk_open(&desk, &rig, (const char *const[]){ "handler-timeout", "50ms", NULL });
	fd = greeted(&rig);
	lm_rig_chat(fd, "VRFY never\r\n", "451 4.4.7 ");
	lm_rig_chat(fd, "VRFY kept\r\n", "451 4.4.7 ");
	/* The ticket is dead, and so it stays when the next question is open. */
	lm_ticket_answer(desk.kept[0], &reply);
	lm_rig_chat(fd, "VRFY now\r\n", "250 2.1.5 now");
	lm_rig_say(fd, "VRFY never\r\n");
	lm_ticket_answer(desk.kept[0], &reply);
	lm_rig_expect(fd, "451 4.4.7 ");
	close(fd);
	desk_close(&desk, &rig);
}

struct counted_source {
	struct lm_source source;
	struct desk *desk;
};

static void counted_close(struct lm_source *source)
{
	struct counted_source *c = (struct counted_source *)source;

	atomic_fetch_add(&c->desk->sources_closed, 1);
	free(c);
}

static int counted_read(struct lm_source *source, size_t max, struct lm_bytes *out_chunk,
                        bool *out_last)
{
	(void)source;
	(void)max;
	(void)out_chunk;
	(void)out_last;
	return LM_E_MISUSE;
}

static struct lm_source *counted_new(struct desk *desk)
{
	static const struct lm_source_ops ops = { counted_read, counted_close };
	struct counted_source *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->source.ops = &ops;
	c->desk = desk;
	return &c->source;
}

/* A reset, not an end: half-closed peers still get their answers. */
static void vanish(int fd)
{
	const struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void sessions_may_vanish_while_a_question_is_open(void **state)
{
	struct desk desk;
	struct lm_rig rig;
	int fds[100];

	(void)state;
	desk_open(&desk, &rig, NULL);
	for (size_t i = 0; i < 100; i++) {
		fds[i] = greeted(&rig);
		lm_rig_say(fds[i], "VRFY kept\r\n");
	}
	await_kept(&desk, 100);
	for (size_t i = 0; i < 100; i++)
		vanish(fds[i]);
	lm_rig_await_open(&rig, 0);
	assert_int_equal(desk.disconnects, 100);
	for (size_t i = 0; i < 100; i++) {
		struct lm_reply reply = says(250, "nobody hears this");

		reply.source = counted_new(&desk);
		lm_ticket_answer(desk.kept[i], &reply);
		lm_ticket_answer(desk.kept[i], NULL);
	}
	/* Seats are taken again by sessions that the old tickets must not reach. */
	for (size_t i = 0; i < 100; i++) {
		struct lm_reply reply = says(250, "nobody hears this");

		fds[i] = greeted(&rig);
		lm_rig_say(fds[i], "VRFY never\r\n");
		lm_ticket_answer(desk.kept[i], &reply);
	}
	for (size_t i = 0; i < 100; i++)
		vanish(fds[i]);
	lm_rig_await_open(&rig, 0);
	lm_server_drain(rig.server, 0);
	lm_server_wait(rig.server);
	for (size_t i = 0; i < 10; i++) {
		struct lm_reply reply = says(250, "not even a worker");

		reply.source = counted_new(&desk);
		lm_ticket_answer(desk.kept[i], &reply);
	}
	desk_close(&desk, &rig);
	assert_int_equal(desk.sources_closed, 110);
}

static void a_drain_does_not_wait_for_handlers_for_ever(void **state)
{
	struct desk desk;
	struct lm_rig rig;
	int fd;

	(void)state;
	desk_open(&desk, &rig, NULL);
	fd = greeted(&rig);
	lm_rig_say(fd, "VRFY kept\r\n");
	await_kept(&desk, 1);
	lm_server_drain(rig.server, 100);
	lm_server_wait(rig.server);
	close(fd);
	desk_close(&desk, &rig);
}

static int refuse_start(void *handler, struct lm_worker *worker, void **out_context,
                        struct lm_error *out_error)
{
	(void)handler;
	(void)worker;
	(void)out_context;
	out_error->code = LM_E_SCRIPT;
	snprintf(out_error->text, sizeof(out_error->text), "line 3: no such thing");
	return LM_E_SCRIPT;
}

static void a_handler_that_cannot_start_stops_the_server(void **state)
{
	struct lm_handler_ops ops = second_ops;
	struct lm_rig rig;
	struct lm_error error = { 0 };
	struct desk desk = { .ends = false };

	(void)state;
	ops.worker_start = refuse_start;
	lm_rig_new(&rig, NULL);
	assert_err(lm_server_handler(rig.server, &first_ops, &desk), 0);
	assert_err(lm_server_handler(rig.server, &ops, NULL), 0);
	assert_err(lm_server_start(rig.server, &error), LM_E_SCRIPT);
	assert_string_equal(error.text, "line 3: no such thing");
	assert_int_equal(desk.started, desk.stopped);
	for (int i = 0; i < 6; i++)
		assert_err(lm_server_handler(rig.server, &second_ops, NULL), 0);
	assert_err(lm_server_handler(rig.server, &second_ops, NULL), LM_E_LIMIT);
	ops.size = 8;
	assert_err(lm_server_handler(rig.server, &ops, NULL), LM_E_MISUSE);
	lm_rig_free(&rig);
}

static enum lm_verdict proceed(void *ctx, void **connection, const struct lm_event *event,
                               struct lm_reply *out_reply, struct lm_ticket ticket)
{
	(void)connection;
	(void)event;
	(void)out_reply;
	(void)ticket;
	++*(int *)ctx;
	return LM_PROCEED;
}

static void every_decision_has_a_callback(void **state)
{
	const uint64_t notices = LM_EVENT_BIT(LM_EVENT_NONE) | LM_EVENT_BIT(LM_EVENT_TLS) |
	                         LM_EVENT_BIT(LM_EVENT_ABORT) | LM_EVENT_BIT(LM_EVENT_DISCONNECT) |
	                         LM_EVENT_BIT(LM_EVENT_OUTCOME) | LM_EVENT_BIT(LM_EVENT_ITEM) |
	                         LM_EVENT_BIT(LM_EVENT_TRACE);
	const lm_decide_fn fn = proceed;
	int calls = 0;
	struct lm_callbacks table = { .size = sizeof(table), .ctx = &calls };
	struct lm_installed handler;
	void *memory;

	(void)state;
	assert_err(lm_callbacks_new(&table, &handler, &memory), 0);
	assert_true(handler.ops->decides == 0 && !handler.ops->notice);
	lm_free(memory);
	for (size_t at = offsetof(struct lm_callbacks, on_connect);
	     at < offsetof(struct lm_callbacks, on_notice); at += sizeof(fn))
		memcpy((char *)&table + at, &fn, sizeof(fn));
	table.on_user = table.on_say = table.on_certificate = proceed;
	assert_err(lm_callbacks_new(&table, &handler, &memory), 0);
	assert_true(handler.ops->decides == (LM_EVENT_BIT(LM_EVENT_COUNT) - 1 - notices));
	for (int type = 1; type < LM_EVENT_COUNT; type++) {
		struct lm_event event = { .type = (enum lm_event_type)type };
		struct lm_reply reply = LM_REPLY_INIT;
		struct lm_ticket ticket = { 0 };

		assert_int_equal(handler.ops->decide(handler.handler, NULL, &event, &reply, ticket),
		                 LM_PROCEED);
	}
	assert_int_equal(calls, LM_EVENT_COUNT - 7);
	lm_free(memory);
	/* An older program's shorter table: what it does not have proceeds. */
	table.size = offsetof(struct lm_callbacks, on_helo);
	assert_err(lm_callbacks_new(&table, &handler, &memory), 0);
	assert_true(handler.ops->decides == LM_EVENT_BIT(LM_EVENT_CONNECT));
	lm_free(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_decision_has_a_callback),
		cmocka_unit_test(every_way_to_answer_answers_once),
		cmocka_unit_test(pipelined_questions_keep_their_order),
		cmocka_unit_test(silence_ends_in_a_temporary_failure),
		cmocka_unit_test(sessions_may_vanish_while_a_question_is_open),
		cmocka_unit_test(a_drain_does_not_wait_for_handlers_for_ever),
		cmocka_unit_test(a_handler_that_cannot_start_stops_the_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
