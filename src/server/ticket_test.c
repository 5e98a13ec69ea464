/* Sessions that are closed by who holds a ticket: from inside, from other threads, and too late. */
#include "server/serve_rig.h"
#include "server/serving.h"

#include "lm_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SESSIONS = 50 };

/* Tickets of VRFY, and what became of their sessions. */
struct desk {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct lm_ticket kept[2 * SESSIONS];
	size_t count;
	_Atomic unsigned disconnects;
};

struct visit {
	struct desk *desk;
	struct lm_ticket ticket;
};

static void keep(struct desk *desk, struct lm_ticket ticket)
{
	pthread_mutex_lock(&desk->lock);
	desk->kept[desk->count++] = ticket;
	pthread_cond_broadcast(&desk->more);
	pthread_mutex_unlock(&desk->lock);
}

static void await_kept(struct desk *desk, size_t wanted)
{
	pthread_mutex_lock(&desk->lock);
	while (desk->count < wanted)
		pthread_cond_wait(&desk->more, &desk->lock);
	pthread_mutex_unlock(&desk->lock);
}

static bool asks(const struct lm_event *event, const char *word)
{
	return lm_bytes_equal(event->argument, lm_str(word));
}

static enum lm_verdict decide(void *context, void **slot, const struct lm_event *event,
                              struct lm_reply *out_reply, struct lm_ticket ticket)
{
	if (!*slot) {
		struct visit *visit = calloc(1, sizeof(*visit));

		assert_non_null(visit);
		*visit = (struct visit){ .desk = context, .ticket = ticket };
		*slot = visit;
	}
	if (event->type != LM_EVENT_VRFY)
		return LM_PROCEED;
	if (asks(event, "now") || asks(event, "close")) {
		if (asks(event, "close"))
			lm_ticket_close(ticket);
		out_reply->smtp_code = 250;
		return LM_ANSWERED;
	}
	if (asks(event, "close-proceed")) {
		lm_ticket_close(ticket);
		return LM_PROCEED;
	}
	if (asks(event, "close-pending"))
		lm_ticket_close(ticket);
	keep(context, ticket);
	return LM_PENDING;
}

static void notice(void *context, void **slot, const struct lm_event *event,
                   const struct lm_reply *reply)
{
	struct visit *visit = *slot;

	(void)context;
	(void)reply;
	if (!visit)
		return;
	/* A notice has no ticket of its own: any of the session will do, with event 0. */
	visit->ticket.event = 0;
	if (event->type == LM_EVENT_NOOP)
		lm_ticket_close(visit->ticket);
	if (event->type != LM_EVENT_DISCONNECT)
		return;
	lm_ticket_close(visit->ticket);
	atomic_fetch_add(&visit->desk->disconnects, 1);
	free(visit);
	*slot = NULL;
}

static const struct lm_handler_ops ops = {
	.size = sizeof(struct lm_handler_ops),
	.name = "closer",
	.decide = decide,
	.notice = notice,
	.decides = LM_EVENT_BIT(LM_EVENT_CONNECT) | LM_EVENT_BIT(LM_EVENT_VRFY),
	.hears = LM_EVENT_BIT(LM_EVENT_NOOP),
};

static void desk_open(struct desk *desk, struct lm_rig *rig)
{
	memset(desk, 0, sizeof(*desk));
	pthread_mutex_init(&desk->lock, NULL);
	pthread_cond_init(&desk->more, NULL);
	lm_rig_new(rig, NULL);
	assert_err(lm_server_handler(rig->server, &ops, desk), 0);
	lm_rig_start(rig);
}

static void desk_close(struct desk *desk, struct lm_rig *rig)
{
	lm_rig_free(rig);
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

static void a_session_is_cut_from_inside_a_decision(void **state)
{
	static const char *const words[] = { "VRFY close\r\n", "VRFY close-proceed\r\n",
		                             "VRFY close-pending\r\n", "NOOP\r\n" };
	struct desk desk;
	struct lm_rig rig;

	(void)state;
	desk_open(&desk, &rig);
	for (unsigned i = 0; i < 4; i++) {
		int fd = greeted(&rig), other = greeted(&rig);

		lm_rig_say(fd, words[i]);
		lm_rig_expect_end(fd);
		lm_rig_await_open(&rig, 1);
		assert_int_equal(desk.disconnects, 2 * i + 1);
		/* Only that one. */
		lm_rig_chat(other, "VRFY now\r\n", "250 ");
		lm_rig_chat(other, "QUIT\r\n", "221 ");
		lm_rig_expect_end(other);
		lm_rig_await_open(&rig, 0);
		assert_int_equal(desk.disconnects, 2 * i + 2);
	}
	desk_close(&desk, &rig);
}

static void sessions_are_cut_from_another_thread(void **state)
{
	struct desk desk;
	struct lm_rig rig;
	int fds[SESSIONS];

	(void)state;
	desk_open(&desk, &rig);
	for (size_t i = 0; i < SESSIONS; i++) {
		fds[i] = greeted(&rig);
		lm_rig_say(fds[i], "VRFY kept\r\nVRFY now\r\n");
	}
	await_kept(&desk, SESSIONS);
	for (size_t i = 0; i < SESSIONS; i++) {
		struct lm_reply reply = LM_REPLY_INIT;

		lm_ticket_close(desk.kept[i]);
		lm_ticket_close(desk.kept[i]);
		lm_ticket_answer(desk.kept[i], &reply);
	}
	for (size_t i = 0; i < SESSIONS; i++)
		lm_rig_expect_end(fds[i]);
	lm_rig_await_open(&rig, 0);
	assert_int_equal(desk.disconnects, SESSIONS);
	desk_close(&desk, &rig);
}

static void a_dead_ticket_closes_nobody(void **state)
{
	struct lm_reply reply = LM_REPLY_INIT;
	struct desk desk;
	struct lm_rig rig;
	int fds[SESSIONS];

	(void)state;
	desk_open(&desk, &rig);
	for (size_t i = 0; i < SESSIONS; i++) {
		fds[i] = greeted(&rig);
		lm_rig_say(fds[i], "VRFY kept\r\n");
	}
	await_kept(&desk, SESSIONS);
	for (size_t i = 0; i < SESSIONS; i++)
		lm_ticket_close(desk.kept[i]);
	for (size_t i = 0; i < SESSIONS; i++)
		lm_rig_expect_end(fds[i]);
	lm_rig_await_open(&rig, 0);
	/* Their seats are taken again. */
	for (size_t i = 0; i < SESSIONS; i++) {
		fds[i] = greeted(&rig);
		lm_ticket_close(desk.kept[i]);
	}
	reply.smtp_code = 250;
	for (size_t i = 0; i < SESSIONS; i++) {
		lm_rig_say(fds[i], "VRFY kept\r\n");
		await_kept(&desk, SESSIONS + i + 1);
		lm_ticket_answer(desk.kept[SESSIONS + i], &reply);
		lm_rig_expect(fds[i], "250 ");
		close(fds[i]);
	}
	lm_rig_await_open(&rig, 0);
	lm_server_drain(rig.server, 0);
	lm_server_wait(rig.server);
	lm_ticket_close(desk.kept[0]);
	lm_ticket_close(desk.kept[SESSIONS]);
	assert_int_equal(desk.disconnects, 2 * SESSIONS);
	desk_close(&desk, &rig);
}

/* The last word is not lost because somebody says good-bye twice. */
static void an_orderly_end_stays_orderly(void **state)
{
	struct desk desk;
	struct lm_rig rig;

	(void)state;
	desk_open(&desk, &rig);
	for (int i = 0; i < SESSIONS; i++) {
		int fd = greeted(&rig);
		char octet;

		lm_rig_say(fd, "QUIT\r\n");
		lm_rig_expect(fd, "221 ");
		assert_int_equal(recv(fd, &octet, 1, 0), 0);
		close(fd);
	}
	lm_rig_await_open(&rig, 0);
	assert_int_equal(desk.disconnects, SESSIONS);
	desk_close(&desk, &rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_cut_from_inside_a_decision),
		cmocka_unit_test(sessions_are_cut_from_another_thread),
		cmocka_unit_test(a_dead_ticket_closes_nobody),
		cmocka_unit_test(an_orderly_end_stays_orderly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
