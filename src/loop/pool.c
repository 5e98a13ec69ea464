/* A few threads for work that blocks, behind a bounded queue. */
#include "loop/loop.h"

#include <pthread.h>
#include <signal.h>

struct lm_pool {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct lm_job *first, *last;
	size_t queued, max_queue;
	bool ending;
	unsigned started;
	pthread_t threads[];
};

/* The next job; NULL when the pool ends and nothing is left. */
static struct lm_job *take(struct lm_pool *pool)
{
	struct lm_job *job;

	pthread_mutex_lock(&pool->lock);
	while (!pool->first && !pool->ending)
		pthread_cond_wait(&pool->work, &pool->lock);
	job = pool->first;
	if (job) {
		pool->first = job->next;
		if (!pool->first)
			pool->last = NULL;
		pool->queued--;
	}
	pthread_mutex_unlock(&pool->lock);
	return job;
}

static void *run(void *arg)
{
	struct lm_pool *pool = arg;
	struct lm_job *job;

	while ((job = take(pool))) {
		bool tells = job->op.loop;

		job->work(job);
		if (tells)
			lm_op_complete(&job->op, job->result);
	}
	return NULL;
}

/* Signals are the main thread's. */
static int start_threads(struct lm_pool *pool, unsigned threads)
{
	sigset_t all, before;
	int failed = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (pool->started < threads && !failed) {
		failed = pthread_create(&pool->threads[pool->started], NULL, run, pool);
		if (!failed)
			pool->started++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failed ? LM_E_AGAIN : 0;
}

int lm_pool_new(unsigned threads, size_t max_queue, struct lm_pool **out_pool)
{
	struct lm_pool *pool;
	int err;

	if (!threads || !max_queue)
		return LM_E_MISUSE;
	pool = lm_alloc_zero(1, sizeof(*pool) + threads * sizeof(pthread_t));
	if (!pool)
		return LM_E_NOMEM;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pool->max_queue = max_queue;
	err = start_threads(pool, threads);
	if (err) {
		lm_pool_free(pool);
		return err;
	}
	*out_pool = pool;
	return 0;
}

void lm_pool_free(struct lm_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->ending = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->started; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	lm_free(pool);
}

int lm_pool_submit(struct lm_pool *pool, struct lm_job *job)
{
	int err = 0;

	job->next = NULL;
	pthread_mutex_lock(&pool->lock);
	if (pool->queued >= pool->max_queue || pool->ending) {
		err = LM_E_LIMIT;
	} else {
		if (pool->last)
			pool->last->next = job;
		else
			pool->first = job;
		pool->last = job;
		pool->queued++;
		pthread_cond_signal(&pool->work);
	}
	pthread_mutex_unlock(&pool->lock);
	return err;
}
