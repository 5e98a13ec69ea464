/* Threads that take work from one queue, each with a connection of its own where it reads. */
#include "store/sqlite/impl.h"

#include "base/error.h"

static struct lm_work *take(struct lm_crew *crew)
{
	struct lm_work *work;

	pthread_mutex_lock(&crew->mutex);
	while (!crew->first && !crew->stop) {
		crew->idle++;
		pthread_cond_wait(&crew->some, &crew->mutex);
		crew->idle--;
	}
	work = crew->first;
	if (work) {
		crew->first = work->next;
		if (!crew->first)
			crew->last = NULL;
	}
	pthread_mutex_unlock(&crew->mutex);
	return work;
}

static void *thread(void *arg)
{
	struct lm_reader *reader = arg;
	struct lm_work *work;

	while ((work = take(reader->crew)))
		work->run(work, reader->stmts);
	return NULL;
}

static int reader_open(struct lm_reader *reader, const char *path, const char *const *sqls,
                       struct lm_error *out_error)
{
	int err = lm_db_open(path, &reader->db, out_error);

	for (size_t i = 0; !err && sqls[i]; i++) {
		err = lm_db_prepare(reader->db, sqls[i], &reader->stmts[i]);
		if (err)
			return lm_db_fail(reader->db, out_error, path);
	}
	return err;
}

int lm_crew_start(struct lm_crew *crew, unsigned threads, const char *path, const char *const *sqls,
                  struct lm_error *out_error)
{
	int err = 0;

	LM_ASSERT(threads <= sizeof(crew->threads) / sizeof(*crew->threads));
	pthread_mutex_init(&crew->mutex, NULL);
	pthread_cond_init(&crew->some, NULL);
	for (unsigned i = 0; i < threads && !err; i++) {
		crew->readers[i].crew = crew;
		if (sqls)
			err = reader_open(&crew->readers[i], path, sqls, out_error);
		if (!err && pthread_create(&crew->threads[i], NULL, thread, &crew->readers[i]))
			err = lm_fail(out_error, LM_E_STORE, "cannot start a thread");
		if (!err)
			crew->started++;
	}
	if (err)
		lm_crew_stop(crew);
	return err;
}

void lm_crew_stop(struct lm_crew *crew)
{
	pthread_mutex_lock(&crew->mutex);
	crew->stop = true;
	pthread_cond_broadcast(&crew->some);
	pthread_mutex_unlock(&crew->mutex);
	for (unsigned i = 0; i < crew->started; i++)
		pthread_join(crew->threads[i], NULL);
	for (size_t i = 0; i < sizeof(crew->readers) / sizeof(*crew->readers); i++)
		lm_db_close(crew->readers[i].db);
	pthread_cond_destroy(&crew->some);
	pthread_mutex_destroy(&crew->mutex);
}

void lm_crew_add(struct lm_crew *crew, struct lm_work *work)
{
	work->next = NULL;
	pthread_mutex_lock(&crew->mutex);
	if (crew->last)
		crew->last->next = work;
	else
		crew->first = work;
	crew->last = work;
	if (crew->idle)
		pthread_cond_signal(&crew->some);
	pthread_mutex_unlock(&crew->mutex);
}

static struct lm_work *unlink_work(struct lm_crew *crew, const struct lm_store_op *op)
{
	struct lm_work *before = NULL, *work = crew->first;

	for (; work && work->op != op; work = work->next)
		before = work;
	if (!work)
		return NULL;
	if (before)
		before->next = work->next;
	else
		crew->first = work->next;
	if (crew->last == work)
		crew->last = before;
	return work;
}

bool lm_crew_cancel(struct lm_crew *crew, const struct lm_store_op *op)
{
	struct lm_work *work;

	/* By the operation, not by its work: that may be gone already. */
	pthread_mutex_lock(&crew->mutex);
	work = unlink_work(crew, op);
	pthread_mutex_unlock(&crew->mutex);
	if (work)
		work->canceled(work);
	return work != NULL;
}
