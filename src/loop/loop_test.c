/* Loop, timers, watches, posts and the pool on real threads. */
#include "loop/loop.h"

#include "lm_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct lm_loop *make_loop(void)
{
	struct lm_loop *loop;

	assert_err(lm_loop_new(&loop), 0);
	return loop;
}

struct counted_task {
	struct lm_task task;
	struct lm_loop *loop;
	int *count, number;
};

struct counted_timer {
	struct lm_timer timer;
	struct lm_loop *loop;
	int *count, total;
	lm_time_ms *last;
};

static void timer_fired(struct lm_timer *timer)
{
	struct counted_timer *t = lm_container(timer, struct counted_timer, timer);

	assert_true(timer->at >= *t->last);
	assert_true(lm_loop_now(t->loop) >= timer->at);
	*t->last = timer->at;
	if (++*t->count == t->total)
		lm_loop_stop(t->loop);
}

static void ten_thousand_timers_fire_in_order(void **state)
{
	enum { MANY = 10000 };
	struct lm_loop *loop = make_loop();
	struct counted_timer *timers = calloc(MANY, sizeof(*timers));
	lm_time_ms last = 0, now = lm_loop_now(loop);
	int count = 0;

	(void)state;
	srand(3);
	for (int i = 0; i < MANY; i++) {
		timers[i] = (struct counted_timer){
			{ .fire = timer_fired }, loop, &count, MANY / 2, &last
		};
		lm_timer_arm(loop, &timers[i].timer, now + rand() % 100);
		lm_timer_arm(loop, &timers[i].timer, now + 10 + rand() % 100);
	}
	for (int i = 0; i < MANY; i += 2)
		lm_timer_disarm(loop, &timers[i].timer);
	lm_loop_run(loop);
	assert_int_equal(count, MANY / 2);
	lm_loop_free(loop);
	free(timers);
}

static void stop_task(struct lm_task *task)
{
	struct counted_task *t = lm_container(task, struct counted_task, task);

	lm_loop_stop(t->loop);
}

struct poster {
	struct lm_loop *loop;
	struct counted_task *tasks;
	int count, seen;
	pthread_t thread;
	int *total;
};

static void posted_task(struct lm_task *task)
{
	struct counted_task *t = lm_container(task, struct counted_task, task);

	assert_true(lm_loop_is_own(t->loop));
	assert_int_equal(t->number, *t->count);
	++*t->count;
}

static void *post_all(void *arg)
{
	struct poster *p = arg;

	assert_false(lm_loop_is_own(p->loop));
	for (int i = 0; i < p->count; i++)
		lm_loop_post(p->loop, &p->tasks[i].task);
	return NULL;
}

static void *run_loop(void *loop)
{
	lm_loop_run(loop);
	return NULL;
}

static void four_threads_post_in_order(void **state)
{
	enum { THREADS = 4, EACH = 5000 };
	struct lm_loop *loop = make_loop();
	struct poster posters[THREADS];
	pthread_t runner;

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		posters[i] = (struct poster){ .loop = loop, .count = EACH };
		posters[i].tasks = calloc(EACH, sizeof(struct counted_task));
		for (int n = 0; n < EACH; n++)
			posters[i].tasks[n] = (struct counted_task){
				{ .run = posted_task }, loop, &posters[i].seen, n
			};
	}
	pthread_create(&runner, NULL, run_loop, loop);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&posters[i].thread, NULL, post_all, &posters[i]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(posters[i].thread, NULL);
	lm_loop_stop(loop);
	pthread_join(runner, NULL);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(posters[i].seen, EACH);
		free(posters[i].tasks);
	}
	lm_loop_free(loop);
}

static void repost(struct lm_task *task)
{
	struct counted_task *t = lm_container(task, struct counted_task, task);

	if (++*t->count < t->number)
		lm_loop_post(t->loop, task);
	else
		lm_loop_stop(t->loop);
}

static void task_posts_itself(void **state)
{
	struct lm_loop *loop = make_loop();
	int count = 0;
	struct counted_task task = { { .run = repost }, loop, &count, 100000 };

	(void)state;
	lm_loop_post(loop, &task.task);
	assert_int_equal(count, 0);
	lm_loop_run(loop);
	assert_int_equal(count, 100000);
	lm_loop_free(loop);
}

static void endless(struct lm_task *task)
{
	struct counted_task *t = lm_container(task, struct counted_task, task);

	++*t->count;
	lm_loop_post(t->loop, task);
}

static void stop_timer(struct lm_timer *timer)
{
	struct counted_timer *t = lm_container(timer, struct counted_timer, timer);

	lm_loop_stop(t->loop);
}

static void quiet(struct lm_task *task)
{
	(void)task;
}

static void busy_tasks_do_not_starve_timers(void **state)
{
	struct lm_loop *loop = make_loop();
	int count = 0;
	struct counted_task task = { { .run = endless }, loop, &count, 0 };
	struct counted_timer timer = { { .fire = stop_timer }, loop, NULL, 0, NULL };

	(void)state;
	lm_timer_arm(loop, &timer.timer, lm_loop_now(loop) + 20);
	lm_loop_post(loop, &task.task);
	lm_loop_run(loop);
	assert_true(count > 1024);
	task.task.run = quiet;
	lm_loop_free(loop);
}

static void tasks_posted_before_the_stop_run(void **state)
{
	enum { MANY = 5000 };
	struct lm_loop *loop = make_loop();
	struct counted_task *tasks = calloc(MANY, sizeof(*tasks));
	int count = 0;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		tasks[i] = (struct counted_task){ { .run = posted_task }, loop, &count, i };
		lm_loop_post(loop, &tasks[i].task);
	}
	lm_loop_stop(loop);
	lm_loop_run(loop);
	assert_int_equal(count, MANY);
	/* A loop may run again. */
	tasks[0].task.run = stop_task;
	lm_loop_post(loop, &tasks[0].task);
	lm_loop_run(loop);
	lm_loop_free(loop);
	free(tasks);
}

struct pipe_test {
	struct lm_loop *loop;
	struct lm_watch *watch;
	int fds[2];
	unsigned seen;
	int calls;
};

static void pipe_ready(void *ctx, unsigned io)
{
	struct pipe_test *test = ctx;
	char c;

	test->calls++;
	test->seen |= io;
	if (io == LM_IO_WRITE) {
		assert_int_equal(write(test->fds[1], "x", 1), 1);
		lm_watch_want(test->watch, LM_IO_READ);
		return;
	}
	assert_int_equal(read(test->fds[0], &c, 1), 1);
	/* Freed inside `ready`; the descriptor is closed at once. */
	lm_watch_free(test->watch);
	close(test->fds[0]);
	lm_loop_stop(test->loop);
}

static void watch_tells_readiness(void **state)
{
	struct pipe_test test = { .loop = make_loop() };

	(void)state;
	assert_int_equal(
	        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, test.fds), 0);
	assert_err(lm_watch_new(test.loop, test.fds[0], pipe_ready, &test, &test.watch), 0);
	lm_watch_want(test.watch, LM_IO_WRITE);
	lm_loop_run(test.loop);
	assert_int_equal(test.seen, LM_IO_READ | LM_IO_WRITE);
	assert_int_equal(test.calls, 2);
	close(test.fds[1]);
	lm_loop_free(test.loop);
}

struct nested_test {
	struct lm_loop *outer, *inner;
	struct lm_watch *outer_watch, *inner_watch;
	struct lm_timer outer_timer, inner_timer;
	int fds[2], turns;
	bool read, posted, fired;
};

static void give_turn(struct nested_test *test)
{
	lm_time_ms wait = lm_loop_turn(test->inner);

	test->turns++;
	lm_timer_arm(test->outer, &test->outer_timer,
	             wait == LM_NEVER ? LM_NEVER : lm_loop_now(test->outer) + wait);
	if (test->read && test->posted && test->fired)
		lm_loop_stop(test->outer);
}

static void outer_ready(void *ctx, unsigned io)
{
	(void)io;
	give_turn(ctx);
}

static void outer_due(struct lm_timer *timer)
{
	give_turn(lm_container(timer, struct nested_test, outer_timer));
}

static void inner_ready(void *ctx, unsigned io)
{
	struct nested_test *test = ctx;
	char c;

	assert_int_equal(io, LM_IO_READ);
	assert_true(lm_loop_is_own(test->inner));
	assert_int_equal(read(test->fds[0], &c, 1), 1);
	/* Though long over, the timer is not looked at before what has come. */
	assert_false(test->fired);
	test->read = true;
	lm_timer_arm(test->inner, &test->inner_timer, lm_loop_now(test->inner) + 15);
}

static void inner_due(struct lm_timer *timer)
{
	lm_container(timer, struct nested_test, inner_timer)->fired = true;
}

struct nested_task {
	struct lm_task task;
	struct nested_test *test;
};

static void inner_task(struct lm_task *task)
{
	lm_container(task, struct nested_task, task)->test->posted = true;
}

static void *post_later(void *arg)
{
	struct nested_task *task = arg;

	lm_loop_post(task->test->inner, &task->task);
	return NULL;
}

static void loop_lives_in_another(void **state)
{
	struct nested_test test = { .outer = make_loop(), .inner = make_loop() };
	struct nested_task task = { { .run = inner_task }, &test };
	pthread_t thread;

	(void)state;
	test.outer_timer.fire = outer_due;
	test.inner_timer.fire = inner_due;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, test.fds), 0);
	assert_err(lm_watch_new(test.inner, test.fds[0], inner_ready, &test, &test.inner_watch), 0);
	lm_watch_want(test.inner_watch, LM_IO_READ);
	lm_timer_arm(test.inner, &test.inner_timer, lm_loop_now(test.inner) - 1000);
	assert_err(lm_watch_new(test.outer, lm_loop_fd(test.inner), outer_ready, &test,
	                        &test.outer_watch),
	           0);
	lm_watch_want(test.outer_watch, LM_IO_READ);
	assert_int_equal(write(test.fds[1], "x", 1), 1);
	give_turn(&test);
	pthread_create(&thread, NULL, post_later, &task);
	lm_loop_run(test.outer);
	pthread_join(thread, NULL);
	assert_true(test.turns < 100);
	lm_watch_free(test.inner_watch);
	lm_watch_free(test.outer_watch);
	lm_timer_disarm(test.outer, &test.outer_timer);
	lm_loop_free(test.inner);
	lm_loop_free(test.outer);
	close(test.fds[0]);
	close(test.fds[1]);
}

static void watch_refuses_a_bad_descriptor(void **state)
{
	struct lm_loop *loop = make_loop();
	struct lm_watch *watch = NULL;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_true(lm_watch_new(loop, fd, pipe_ready, NULL, &watch) < 0);
	assert_null(watch);
	lm_loop_free(loop);
}

struct pool_test {
	struct lm_loop *loop;
	sem_t gate, entered;
	int done, expected;
};

struct pool_job {
	struct lm_job job;
	struct pool_test *test;
};

static void wait_gate(struct lm_job *job)
{
	struct pool_job *j = lm_container(job, struct pool_job, job);

	sem_post(&j->test->entered);
	sem_wait(&j->test->gate);
	job->result = LM_E_STORE;
}

static void job_done(struct lm_op *op)
{
	struct pool_job *j = lm_container(op, struct pool_job, job.op);

	assert_true(lm_loop_is_own(j->test->loop));
	assert_err(op->result, LM_E_STORE);
	if (++j->test->done == j->test->expected)
		lm_loop_stop(j->test->loop);
}

static void pool_refuses_past_its_queue(void **state)
{
	enum { QUEUE = 3 };
	struct pool_test test = { .loop = make_loop(), .expected = QUEUE + 1 };
	struct pool_job jobs[QUEUE + 2];
	struct lm_pool *pool;

	(void)state;
	sem_init(&test.gate, 0, 0);
	sem_init(&test.entered, 0, 0);
	assert_err(lm_pool_new(0, 1, &pool), LM_E_MISUSE);
	assert_err(lm_pool_new(1, QUEUE, &pool), 0);
	for (int i = 0; i < QUEUE + 2; i++) {
		jobs[i] = (struct pool_job){ { .work = wait_gate }, &test };
		jobs[i].job.op.loop = test.loop;
		jobs[i].job.op.done = job_done;
		assert_err(lm_pool_submit(pool, &jobs[i].job), i > QUEUE ? LM_E_LIMIT : 0);
		if (i == 0)
			sem_wait(&test.entered);
	}
	for (int i = 0; i < QUEUE + 1; i++)
		sem_post(&test.gate);
	lm_loop_run(test.loop);
	assert_int_equal(test.done, QUEUE + 1);
	lm_pool_free(pool);
	lm_pool_free(NULL);
	lm_loop_free(test.loop);
	sem_destroy(&test.gate);
	sem_destroy(&test.entered);
}

static void pool_finishes_what_is_queued(void **state)
{
	enum { MANY = 200 };
	struct pool_test test = { .loop = make_loop(), .expected = MANY };
	struct pool_job jobs[MANY];
	struct lm_pool *pool;

	(void)state;
	sem_init(&test.gate, 0, MANY);
	sem_init(&test.entered, 0, 0);
	assert_err(lm_pool_new(4, MANY, &pool), 0);
	for (int i = 0; i < MANY; i++) {
		jobs[i] = (struct pool_job){ { .work = wait_gate }, &test };
		jobs[i].job.op.loop = test.loop;
		jobs[i].job.op.done = job_done;
		assert_err(lm_pool_submit(pool, &jobs[i].job), 0);
	}
	lm_pool_free(pool);
	lm_loop_run(test.loop);
	assert_int_equal(test.done, MANY);
	lm_loop_free(test.loop);
	sem_destroy(&test.gate);
	sem_destroy(&test.entered);
}

/* The job's memory is gone when the pool comes back to it: a sanitizer sees a look at it. */
static void end_itself(struct lm_job *job)
{
	struct pool_job *j = lm_container(job, struct pool_job, job);
	struct pool_test *test = j->test;

	lm_free(j);
	sem_post(&test->entered);
}

static void a_job_without_a_loop_is_its_own(void **state)
{
	enum { MANY = 20 };
	struct pool_test test = { .loop = NULL };
	struct lm_pool *pool;

	(void)state;
	sem_init(&test.entered, 0, 0);
	assert_err(lm_pool_new(2, MANY, &pool), 0);
	for (int i = 0; i < MANY; i++) {
		struct pool_job *j = lm_alloc_zero(1, sizeof(*j));

		assert_non_null(j);
		*j = (struct pool_job){ { .work = end_itself }, &test };
		assert_err(lm_pool_submit(pool, &j->job), 0);
	}
	for (int i = 0; i < MANY; i++)
		sem_wait(&test.entered);
	lm_pool_free(pool);
	sem_destroy(&test.entered);
}

static void no_memory_no_loop(void **state)
{
	struct lm_loop *loop = NULL;

	(void)state;
	for (unsigned long n = 1; n <= 3; n++) {
		lm_alloc_fail_at(n);
		assert_err(lm_loop_new(&loop), LM_E_NOMEM);
	}
	lm_alloc_fail_at(0);
	assert_null(loop);
	lm_loop_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_thousand_timers_fire_in_order),
		cmocka_unit_test(four_threads_post_in_order),
		cmocka_unit_test(task_posts_itself),
		cmocka_unit_test(busy_tasks_do_not_starve_timers),
		cmocka_unit_test(tasks_posted_before_the_stop_run),
		cmocka_unit_test(watch_tells_readiness),
		cmocka_unit_test(loop_lives_in_another),
		cmocka_unit_test(watch_refuses_a_bad_descriptor),
		cmocka_unit_test(pool_refuses_past_its_queue),
		cmocka_unit_test(pool_finishes_what_is_queued),
		cmocka_unit_test(a_job_without_a_loop_is_its_own),
		cmocka_unit_test(no_memory_no_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
