/* The doubles do what they say, and no single failure leaves a store inconsistent. */
#include "lm_test.h"

#include "store/rig.h"

#include <stdlib.h>

static void wrong_specs_are_refused(void **state)
{
	static const char *const bad[] = {
		"faulty:memory:",
		"faulty::memory:",
		"faulty:draft_commit=1:FULL",
		"faulty:draft_commit=0:FULL:memory:",
		"faulty:draft_commit=x:FULL:memory:",
		"faulty:draft_commit=+:FULL:memory:",
		"faulty:draft_commit=1:NO_SUCH:memory:",
		"faulty:draft_commit=1:UNKNOWN:memory:",
		"faulty:cancel=1:FULL:memory:",
		"faulty:draft_commit=1:FULL,:memory:",
		"slow:-1:memory:",
		"slow:999999999:memory:",
	};
	struct lm_store *store;
	struct lm_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_err(lm_store_open(bad[i], &store, &error), LM_E_CONFIG);
}

static void the_nth_fails(void **state)
{
	struct rig *rig = rig_new("faulty:draft_commit=2:FULL,draft_commit=4+:IO:memory:");

	(void)state;
	assert_err(rig_deliver(rig, "a", lm_str("1")), 0);
	assert_err(rig_deliver(rig, "a", lm_str("2")), LM_E_FULL);
	assert_err(rig_deliver(rig, "a", lm_str("3")), 0);
	assert_err(rig_deliver(rig, "a", lm_str("4")), LM_E_IO);
	assert_err(rig_deliver(rig, "a", lm_str("5")), LM_E_IO);
	assert_int_equal(rig_count(rig, "a"), 2);
	rig_free(rig);
}

static void every_kind_can_fail(void **state)
{
	struct rig *rig = rig_new("faulty:message_move=1:STORE,mailbox_has_guids=1:IO:memory:");
	struct lm_guid guid = { lm_str("s"), lm_str("g") };
	struct wait_op wait;
	struct rig_box box;
	bool known = false;

	(void)state;
	assert_err(rig_deliver(rig, "a", lm_str("1")), 0);
	assert_err(rig_open(rig, "a", &box), 0);
	assert_err(rig_move(rig, &box, &box.messages[0].id, 1, "b"), LM_E_STORE);
	assert_err(rig_close(rig, &box), 0);
	assert_int_equal(rig_count(rig, "a"), 1);
	rig->store->ops->mailbox_has_guids(rig->store, lm_str("a"), &guid, 1, &known,
	                                   &wait_start(rig, &wait)->op);
	assert_err(wait_for(rig, &wait), LM_E_IO);
	rig_free(rig);
}

static void slow_is_late_but_cancel_is_not(void **state)
{
	struct rig *rig = rig_new("slow:60000:memory:");
	struct wait_op wait;

	(void)state;
	rig->store->ops->mailbox_open(rig->store, lm_str("a"), &wait_start(rig, &wait)->op);
	rig->store->ops->cancel(rig->store, &wait.op);
	assert_err(wait_for(rig, &wait), 0); /* its true result */
	assert_non_null(wait.op.mailbox);
	rig->store->ops->mailbox_close(wait.op.mailbox, NULL);
	rig_free(rig);
}

static void slow_waits(void **state)
{
	struct rig *rig = rig_new("slow:40:memory:");
	lm_time_ms before = lm_loop_now(rig->loop);

	(void)state;
	assert_err(rig_deliver(rig, "a", lm_str("x")), 0); /* three operations */
	assert_true(lm_loop_now(rig->loop) - before >= 100);
	rig_free(rig);
}

/* Deliver, read and remove; whatever fails, go on. */
static void live(struct rig *rig, unsigned *stored)
{
	static const char *const names[] = { "a", "b" };
	static uint8_t big[300000];
	struct rig_box box;
	struct lm_buf got;

	rig_fill(big, sizeof(big), 9);
	lm_buf_init(&got, 1 << 20);
	for (unsigned i = 0; i < 3; i++) {
		*stored += rig_deliver_to(rig, names, 2, lm_str("text\r\n"), 3) == 0;
		*stored += rig_deliver_to(rig, names, 2, lm_bytes(big, sizeof(big)), 99999) == 0;
	}
	if (rig_open(rig, "a", &box) == 0) {
		for (size_t i = 0; i < box.count; i++) {
			lm_buf_clear(&got);
			(void)!rig_read(rig, &box, box.messages[i].id, &got);
		}
		(void)!rig_expunge(rig, &box,
		                   (uint64_t[]){ box.messages[0].id, box.messages[1].id }, 2);
		(void)!rig_move(rig, &box, &box.messages[2].id, 1, "c");
		(void)!rig_close(rig, &box);
	}
	lm_buf_done(&got);
}

static void count_problem(void *ctx, const char *problem)
{
	fprintf(stderr, "%s\n", problem);
	++*(unsigned *)ctx;
}

static void one_failure(const char *behind, const char *kind, int nth)
{
	char pattern[100];
	const char *plain;
	struct rig *rig;
	unsigned stored = 0, problems = 0;
	struct rig_box box;
	size_t a, b, c;

	snprintf(pattern, sizeof(pattern), "faulty:%s=%d:STORE:%s@", kind, nth, behind);
	rig = rig_new(pattern);
	live(rig, &stored);
	lm_store_close(rig->store);
	plain = strstr(rig->url, behind);
	assert_err(lm_store_check(plain, count_problem, &problems, NULL), 0);
	assert_int_equal(problems, 0);
	memmove(rig->url, plain, strlen(plain) + 1);
	assert_err(lm_store_open(rig->url, &rig->store, NULL), 0);
	a = rig_count(rig, "a");
	b = rig_count(rig, "b");
	c = rig_count(rig, "c");
	assert_int_equal(b, stored);
	assert_true(a + c == b || a + c + 2 == b);
	assert_err(rig_open(rig, "b", &box), 0); /* no lock stayed behind */
	assert_err(rig_close(rig, &box), 0);
	rig_free(rig);
}

static void one_failure_harms_nothing(void **state)
{
	static const char *const kinds[] = { "mailbox_open",    "mailbox_list",  "message_read",
		                             "mailbox_expunge", "mailbox_close", "draft_begin",
		                             "draft_write",     "draft_commit",  "message_move" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		for (int nth = 1; nth <= 4; nth++)
			one_failure(*state, kinds[i], nth);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_specs_are_refused),
		cmocka_unit_test(the_nth_fails),
		cmocka_unit_test(slow_is_late_but_cancel_is_not),
		cmocka_unit_test(slow_waits),
		cmocka_unit_test(every_kind_can_fail),
		cmocka_unit_test_prestate(one_failure_harms_nothing, (void *)(uintptr_t) "sqlite:"),
		cmocka_unit_test_prestate(one_failure_harms_nothing,
		                          (void *)(uintptr_t) "maildir:"),
	};

	return cmocka_run_group_tests_name("doubles", tests, NULL, NULL);
}
