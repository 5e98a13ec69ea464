/* kill -9 at random moments: what was acknowledged is there exactly once and whole, what was
 * removed stays away, nothing is half-stored. */
#include "lm_test.h"

#include "store/rig.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 14, DRAFTS = 8, SIZES = 4, IDS_MAX = 200000 };

static const size_t sizes[SIZES] = { 300, 5000, 100000, 270000 };

/* What the child tells through the pipe: message `number` is stored, or removed. */
struct told {
	uint32_t number;
	uint32_t removed;
};

struct job {
	struct wait_op wait;
	struct child *child;
	uint32_t number;
	struct lm_draft *draft;
	enum { BEGIN, WRITE, COMMIT } at;
	uint8_t *text;
};

struct child {
	struct rig rig;
	int pipe;
	uint32_t next;
	struct job jobs[DRAFTS];
};

static size_t text_of(uint32_t number, uint8_t *out)
{
	size_t size = sizes[number % 16 == 15 ? 3 : number % 16 == 7 ? 2 : number % 2];

	rig_fill(out, size, number);
	snprintf((char *)out, 16, "%010u", number);
	return size;
}

static void start_job(struct job *job)
{
	static const char *const names[] = { "a", "b" };
	struct lm_bytes mailboxes[2] = { lm_str(names[0]), lm_str(names[1]) };
	struct lm_delivery delivery = { .mailboxes = mailboxes, .mailbox_count = 2 };
	struct lm_store *store = job->child->rig.store;

	job->number = job->child->next++;
	delivery.guid.guid = lm_bytes(&job->number, sizeof(job->number));
	job->at = BEGIN;
	store->ops->draft_begin(store, &delivery, &job->wait.op);
}

static void job_step(struct lm_op *op)
{
	struct job *job = lm_container(op, struct job, wait.op.op);
	struct lm_store *store = job->child->rig.store;
	struct told told = { .number = job->number };

	if (op->result)
		_exit(3);
	switch (job->at) {
	case BEGIN:
		job->at = WRITE;
		job->draft = job->wait.op.draft;
		store->ops->draft_write(job->draft,
		                        lm_bytes(job->text, text_of(job->number, job->text)),
		                        &job->wait.op);
		break;
	case WRITE:
		job->at = COMMIT;
		store->ops->draft_commit(job->draft, &job->wait.op);
		break;
	case COMMIT:
		if (write(job->child->pipe, &told, sizeof(told)) != sizeof(told))
			_exit(4);
		start_job(job);
		break;
	}
}

/* Runs until it is killed. */
static void deliver_for_ever(const char *url, int out, uint32_t first)
{
	static struct child child;

	child.pipe = out;
	child.next = first;
	if (lm_loop_new(&child.rig.loop) || lm_store_open(url, &child.rig.store, NULL))
		_exit(2);
	for (size_t i = 0; i < DRAFTS; i++) {
		struct job *job = &child.jobs[i];

		job->child = &child;
		job->text = malloc(sizes[SIZES - 1]);
		job->wait.op.op = (struct lm_op){ .loop = child.rig.loop, .done = job_step };
		start_job(job);
	}
	lm_loop_run(child.rig.loop);
	_exit(5);
}

static uint32_t number_of(struct rig *rig, struct rig_box *box, const struct lm_message *m,
                          struct lm_buf *text)
{
	static uint8_t want[270000];
	struct lm_bytes got;
	uint32_t number;

	lm_buf_clear(text);
	assert_err(rig_read(rig, box, m->id, text), 0);
	got = lm_buf_bytes(text);
	assert_true(got.len > 10);
	number = got.data ? (uint32_t)strtoul((const char *)got.data, NULL, 10) : 0;
	assert_true(lm_bytes_equal(got, lm_bytes(want, text_of(number, want))));
	return number;
}

/* Which messages are in `user`, each at most once and whole. */
static uint8_t *take_stock(struct rig *rig, const char *user, uint32_t *out_next)
{
	uint8_t *seen = calloc(IDS_MAX, 1);
	struct rig_box box;
	struct lm_buf text;

	assert_non_null(seen);
	lm_buf_init(&text, 1 << 20);
	assert_err(rig_open(rig, user, &box), 0);
	for (size_t i = 0; i < box.count; i++) {
		uint32_t number = number_of(rig, &box, &box.messages[i], &text);

		assert_true(number < IDS_MAX);
		assert_int_equal(seen[number]++, 0);
		if (number >= *out_next)
			*out_next = number + 1;
	}
	assert_err(rig_close(rig, &box), 0);
	lm_buf_done(&text);
	return seen;
}

/* Remove one message after the other until killed. */
static void expunge_for_ever(const char *url, int out)
{
	static struct rig rig;
	struct rig_box box;
	struct lm_buf text;

	lm_buf_init(&text, 1 << 20);
	if (lm_loop_new(&rig.loop) || lm_store_open(url, &rig.store, NULL) ||
	    rig_open(&rig, "a", &box))
		_exit(2);
	for (size_t i = 0; i < box.count; i++) {
		struct told told = { number_of(&rig, &box, &box.messages[i], &text), 1 };

		if (rig_expunge(&rig, &box, &box.messages[i].id, 1) ||
		    write(out, &told, sizeof(told)) != sizeof(told))
			_exit(3);
	}
	for (;;)
		pause();
}

static void kill_after(pid_t pid, int ms)
{
	struct timespec t = { .tv_nsec = ms * 1000000L };
	int status;

	nanosleep(&t, NULL); /* the random moment itself */
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

/* Fork, let it live a moment, and gather what it told. */
static size_t run_child(const char *url, bool expunges, uint32_t first, int ms, struct told *told)
{
	size_t count = 0;
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ends[0]);
		if (expunges)
			expunge_for_ever(url, ends[1]);
		deliver_for_ever(url, ends[1], first);
	}
	close(ends[1]);
	kill_after(pid, ms);
	while (count < IDS_MAX &&
	       read(ends[0], &told[count], sizeof(*told)) == (ssize_t)sizeof(*told))
		count++;
	close(ends[0]);
	return count;
}

static void show(void *ctx, const char *problem)
{
	(void)ctx;
	fprintf(stderr, "%s\n", problem);
}

struct stock {
	uint8_t *a, *b;
	uint32_t next;
};

static struct stock stock_of(struct rig *rig)
{
	struct stock stock = { .next = 0 };

	stock.a = take_stock(rig, "a", &stock.next);
	stock.b = take_stock(rig, "b", &stock.next);
	return stock;
}

static void check_delivered(const struct stock *before, const struct stock *after,
                            const struct told *told, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_true(after->a[told[i].number]);
	for (uint32_t n = 0; n < after->next; n++) {
		bool is_new = n >= before->next;

		assert_true(is_new || (before->a[n] == after->a[n] && before->b[n] == after->b[n]));
		assert_true(!is_new || after->a[n] == after->b[n]); /* in both or in none */
	}
}

static void check_expunged(const struct stock *before, const struct stock *after,
                           const struct told *told, size_t count)
{
	size_t gone = 0;

	for (size_t i = 0; i < count; i++)
		assert_false(after->a[told[i].number]);
	for (uint32_t n = 0; n < before->next; n++) {
		assert_int_equal(before->b[n], after->b[n]);
		gone += before->a[n] && !after->a[n];
	}
	/* The one removed when the blow fell may not have been told. */
	assert_in_range(gone, count, count + 1);
}

/* "b" keeps all it ever got: its guids are those of its messages, and no others. */
static void check_guids(struct rig *rig, const struct stock *stock)
{
	uint32_t count = stock->next + DRAFTS, *numbers = calloc(count, sizeof(*numbers));
	struct lm_guid *guids = calloc(count, sizeof(*guids));
	bool *known = calloc(count, sizeof(*known));
	struct wait_op wait;

	assert_true(numbers && guids && known);
	for (uint32_t n = 0; n < count; n++) {
		numbers[n] = n;
		guids[n].guid = lm_bytes(&numbers[n], sizeof(numbers[n]));
	}
	rig->store->ops->mailbox_has_guids(rig->store, lm_str("b"), guids, count, known,
	                                   &wait_start(rig, &wait)->op);
	assert_err(wait_for(rig, &wait), 0);
	for (uint32_t n = 0; n < count; n++)
		assert_int_equal(known[n], stock->b[n]);
	free(numbers);
	free(guids);
	free(known);
}

static size_t one_round(struct rig *rig, bool expunges, int ms)
{
	static struct told told[IDS_MAX];
	struct stock before = stock_of(rig), after;
	size_t count;

	lm_store_close(rig->store);
	rig->store = NULL;
	count = run_child(rig->url, expunges, before.next, ms, told);
	assert_err(lm_store_check(rig->url, show, NULL, NULL), 0);
	assert_err(lm_store_open(rig->url, &rig->store, NULL), 0);
	after = stock_of(rig);
	check_guids(rig, &after);
	if (expunges)
		check_expunged(&before, &after, told, count);
	else
		check_delivered(&before, &after, told, count);
	free(before.a);
	free(before.b);
	free(after.a);
	free(after.b);
	return count;
}

static void nothing_acknowledged_is_lost(void **state)
{
	struct rig *rig = rig_new(*state);
	size_t stored = 0, removed = 0;

	for (int round = 0; round < ROUNDS; round++) {
		stored += one_round(rig, false, 15 + (round * 37) % 60);
		if (round % 2)
			removed += one_round(rig, true, 10 + (round * 29) % 40);
	}
	assert_true(stored > 0); /* else nothing was tried */
	assert_true(removed > 0);
	rig_free(rig);
}

static void the_lock_dies_with_its_process(void **state)
{
	struct rig *rig = rig_new("sqlite:@");
	struct lm_store *second = NULL;
	struct lm_error error;
	char byte;
	int ends[2];
	pid_t pid;

	(void)state;
	assert_err(lm_store_open(rig->url, &second, &error), LM_E_IN_USE);
	assert_non_null(strstr(error.text, "in use by process"));
	lm_store_close(rig->store);
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		if (lm_store_open(rig->url, &second, NULL) || write(ends[1], "x", 1) != 1)
			_exit(2);
		for (;;)
			pause();
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_err(lm_store_open(rig->url, &second, &error), LM_E_IN_USE);
	kill_after(pid, 0);
	close(ends[0]);
	assert_err(lm_store_open(rig->url, &rig->store, &error), 0);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lock_dies_with_its_process),
		cmocka_unit_test_prestate(nothing_acknowledged_is_lost,
		                          (void *)(uintptr_t) "sqlite:@"),
		cmocka_unit_test_prestate(nothing_acknowledged_is_lost,
		                          (void *)(uintptr_t) "maildir:@"),
	};

	return cmocka_run_group_tests_name("crash", tests, NULL, NULL);
}
