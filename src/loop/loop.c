/* One libuv loop a thread: its life, its tasks and its timers. */
#include "loop/loop_impl.h"

/* Tasks run after one callback; more wait for the next turn, so that tasks which post themselves
 * cannot starve the descriptors. */
enum { DRAIN_MAX = 1024 };

static const size_t scratch_sizes[2] = { LM_SCRATCH_READ_SIZE, LM_SCRATCH_WRITE_SIZE };

/* Who this thread is: the address differs in every thread and its content never changes. */
static uintptr_t self(void)
{
	static _Thread_local const char me;

	return (uintptr_t)&me;
}

static void queue_add(struct lm_task_queue *queue, struct lm_task *task)
{
	task->next = NULL;
	if (queue->last)
		queue->last->next = task;
	else
		queue->first = task;
	queue->last = task;
}

static struct lm_task *queue_take(struct lm_task_queue *queue)
{
	struct lm_task *task = queue->first;

	if (!task)
		return NULL;
	queue->first = task->next;
	if (!queue->first)
		queue->last = NULL;
	return task;
}

/* What others posted goes behind what is queued here. */
static void take_remote(struct lm_loop *loop)
{
	struct lm_task_queue come;

	pthread_mutex_lock(&loop->lock);
	come = loop->remote;
	loop->remote = (struct lm_task_queue){ NULL, NULL };
	atomic_store_explicit(&loop->has_remote, false, memory_order_release);
	pthread_mutex_unlock(&loop->lock);
	if (!come.first)
		return;
	if (loop->local.last)
		loop->local.last->next = come.first;
	else
		loop->local.first = come.first;
	loop->local.last = come.last;
}

/* Cheap where there is nothing, but a post of this moment may not be seen yet: its wake follows. */
static void collect_remote(struct lm_loop *loop)
{
	if (atomic_load_explicit(&loop->has_remote, memory_order_acquire))
		take_remote(loop);
}

static void on_busy(uv_idle_t *busy)
{
	lm_loop_drain(busy->data);
}

static void set_busy(struct lm_loop *loop, bool is_busy)
{
	if (loop->is_busy == is_busy)
		return;
	loop->is_busy = is_busy;
	if (is_busy)
		uv_idle_start(&loop->busy, on_busy);
	else
		uv_idle_stop(&loop->busy);
}

void lm_loop_drain(struct lm_loop *loop)
{
	struct lm_task *task;

	if (loop->is_draining)
		return;
	loop->is_draining = true;
	collect_remote(loop);
	for (int i = 0; i < DRAIN_MAX && (task = queue_take(&loop->local)); i++)
		task->run(task);
	set_busy(loop, loop->local.first != NULL);
	loop->is_draining = false;
}

/* Before the loop ends it owes a run to everything posted up to now. */
static void finish(struct lm_loop *loop)
{
	struct lm_task *task = NULL, *last;

	collect_remote(loop);
	last = loop->local.last;
	loop->is_draining = true;
	while (task != last && (task = queue_take(&loop->local)))
		task->run(task);
	loop->is_draining = false;
	uv_stop(&loop->uv);
}

static void on_wake(uv_async_t *wake)
{
	struct lm_loop *loop = wake->data;

	/* Under the lock: who posts now does not wake again where libuv still has this wake
	 * pending, and the flag may come after that was looked at. */
	take_remote(loop);
	if (atomic_load(&loop->stop))
		finish(loop);
	else
		lm_loop_drain(loop);
}

static void set_alarm(struct lm_loop *loop, lm_time_ms at);

static void on_alarm(uv_timer_t *alarm)
{
	struct lm_loop *loop = alarm->data;

	loop->alarm_at = LM_NEVER;
	lm_wheel_advance(&loop->wheel, lm_loop_now(loop));
	set_alarm(loop, lm_wheel_next(&loop->wheel));
	lm_loop_drain(loop);
}

static void set_alarm(struct lm_loop *loop, lm_time_ms at)
{
	lm_time_ms now = lm_loop_now(loop);

	if (at >= loop->alarm_at)
		return;
	loop->alarm_at = at;
	uv_timer_start(&loop->alarm, on_alarm, at > now ? (uint64_t)(at - now) : 0, 0);
}

void lm_timer_arm(struct lm_loop *loop, struct lm_timer *timer, lm_time_ms at)
{
	if (timer->armed)
		lm_wheel_remove(&loop->wheel, timer);
	if (at != LM_NEVER)
		set_alarm(loop, lm_wheel_add(&loop->wheel, timer, at));
}

void lm_timer_disarm(struct lm_loop *loop, struct lm_timer *timer)
{
	lm_timer_arm(loop, timer, LM_NEVER);
}

static int start_handles(struct lm_loop *loop)
{
	if (uv_async_init(&loop->uv, &loop->wake, on_wake))
		return LM_E_IO;
	uv_timer_init(&loop->uv, &loop->alarm);
	uv_idle_init(&loop->uv, &loop->busy);
	loop->wake.data = loop->alarm.data = loop->busy.data = loop;
	loop->alarm_at = LM_NEVER;
	lm_wheel_init(&loop->wheel, lm_loop_now(loop));
	return 0;
}

static void free_memory(struct lm_loop *loop)
{
	pthread_mutex_destroy(&loop->lock);
	for (size_t i = 0; i < 2; i++)
		lm_free(loop->scratch[i]);
	lm_free(loop);
}

int lm_loop_new(struct lm_loop **out_loop)
{
	struct lm_loop *loop = lm_alloc_zero(1, sizeof(*loop));
	int err = 0;

	if (!loop)
		return LM_E_NOMEM;
	pthread_mutex_init(&loop->lock, NULL);
	for (size_t i = 0; i < 2 && !err; i++) {
		loop->scratch[i] = lm_alloc(scratch_sizes[i]);
		err = loop->scratch[i] ? 0 : LM_E_NOMEM;
	}
	if (!err && uv_loop_init(&loop->uv))
		err = LM_E_IO;
	if (!err) {
		err = start_handles(loop);
		if (err)
			uv_loop_close(&loop->uv);
	}
	if (err) {
		free_memory(loop);
		return err;
	}
	*out_loop = loop;
	return 0;
}

void lm_loop_run(struct lm_loop *loop)
{
	LM_ASSERT(atomic_load(&loop->runner) == 0);
	atomic_store(&loop->runner, self());
	uv_update_time(&loop->uv);
	lm_loop_drain(loop);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	atomic_store(&loop->stop, false);
	atomic_store(&loop->runner, 0);
}

int lm_loop_fd(struct lm_loop *loop)
{
	return uv_backend_fd(&loop->uv);
}

lm_time_ms lm_loop_turn(struct lm_loop *loop)
{
	int wait;

	LM_ASSERT(atomic_load(&loop->runner) == 0);
	atomic_store(&loop->runner, self());
	uv_update_time(&loop->uv);
	lm_loop_drain(loop);
	/* libuv would look at the timers first, and call time on a peer whose answer lies there. */
	uv_timer_stop(&loop->alarm);
	uv_run(&loop->uv, UV_RUN_NOWAIT);
	on_alarm(&loop->alarm);
	wait = uv_backend_timeout(&loop->uv);
	atomic_store(&loop->stop, false);
	atomic_store(&loop->runner, 0);
	return wait < 0 ? LM_NEVER : wait;
}

void lm_loop_free(struct lm_loop *loop)
{
	if (!loop)
		return;
	atomic_store(&loop->runner, self());
	/* Objects that were waiting for their last task end here. */
	do
		lm_loop_drain(loop);
	while (loop->local.first || atomic_load(&loop->has_remote));
	LM_ASSERT(lm_wheel_next(&loop->wheel) == LM_NEVER);
	uv_close((uv_handle_t *)&loop->wake, NULL);
	uv_close((uv_handle_t *)&loop->alarm, NULL);
	uv_close((uv_handle_t *)&loop->busy, NULL);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	LM_ASSERT(uv_loop_close(&loop->uv) == 0);
	free_memory(loop);
}

void lm_loop_stop(struct lm_loop *loop)
{
	atomic_store(&loop->stop, true);
	uv_async_send(&loop->wake);
}

lm_time_ms lm_loop_now(const struct lm_loop *loop)
{
	return (lm_time_ms)uv_now(&loop->uv);
}

void lm_loop_update(struct lm_loop *loop)
{
	uv_update_time(&loop->uv);
}

bool lm_loop_is_own(const struct lm_loop *loop)
{
	return atomic_load_explicit(&loop->runner, memory_order_relaxed) == self();
}

void *lm_loop_uv(struct lm_loop *loop)
{
	return &loop->uv;
}

uint8_t *lm_loop_scratch(struct lm_loop *loop, enum lm_scratch which)
{
	return loop->scratch[which];
}

static void post_remote(struct lm_loop *loop, struct lm_task *task)
{
	bool was_empty;

	pthread_mutex_lock(&loop->lock);
	was_empty = !loop->remote.first;
	queue_add(&loop->remote, task);
	atomic_store_explicit(&loop->has_remote, true, memory_order_release);
	/* Under the lock, lest the loop run the task and be freed before it is woken. */
	if (was_empty)
		uv_async_send(&loop->wake);
	pthread_mutex_unlock(&loop->lock);
}

void lm_loop_post(struct lm_loop *loop, struct lm_task *task)
{
	if (!lm_loop_is_own(loop)) {
		post_remote(loop, task);
		return;
	}
	collect_remote(loop);
	queue_add(&loop->local, task);
	/* A post from a callback that is not ours (a signal in cli) has no drain behind it. */
	if (!loop->is_draining)
		set_busy(loop, true);
}

static void op_run(struct lm_task *task)
{
	struct lm_op *op = lm_container(task, struct lm_op, task);

	op->done(op);
}

void lm_op_complete(struct lm_op *op, int result)
{
	op->result = result;
	op->task.run = op_run;
	lm_loop_post(op->loop, &op->task);
}
