/* A message between the store, which hands it out at once, and a client that takes its time. */
#include "base/error.h"
#include "server/mime_handler_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MEMORY_MAX = 256 * 1024, CHUNK = 64 * 1024 };

struct source {
	struct lm_source head;
	struct lm_mh_job job;
	struct lm_mh_worker *worker;
	struct lm_mh_spool spool;
	uint64_t at; /* of the next octet to give, or to read into the chunk */
	uint8_t *chunk;
	struct lm_bytes rest; /* of the chunk */
	bool reading, closed;
	int error;
};

void lm_mh_spool_init(struct lm_mh_spool *spool, const char *dir)
{
	*spool = (struct lm_mh_spool){ .fd = -1, .dir = dir };
	lm_buf_init(&spool->memory, MEMORY_MAX);
}

void lm_mh_spool_done(struct lm_mh_spool *spool)
{
	lm_buf_done(&spool->memory);
	if (spool->fd >= 0)
		close(spool->fd);
	spool->fd = -1;
}

static int open_file(const char *dir)
{
	char name[4096];
	int fd;

	if (!dir)
		dir = getenv("TMPDIR");
	if (!dir || !*dir)
		dir = "/tmp";
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd;
	if ((size_t)snprintf(name, sizeof(name), "%s/lettermill.XXXXXX", dir) >= sizeof(name)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(name, O_CLOEXEC);
	if (fd >= 0)
		unlink(name);
	return fd;
}

static int write_all(int fd, struct lm_bytes octets)
{
	while (octets.len) {
		ssize_t n = write(fd, octets.data, octets.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return lm_err_from_errno(errno);
		octets = lm_bytes_from(octets, (size_t)n);
	}
	return 0;
}

static int spill(struct lm_mh_spool *spool)
{
	int err;

	spool->fd = open_file(spool->dir);
	/* A folder that is not there must not look like a message that is not. */
	if (spool->fd < 0)
		return errno == ENOSPC || errno == EDQUOT ? LM_E_FULL : LM_E_IO;
	err = write_all(spool->fd, lm_buf_bytes(&spool->memory));
	lm_buf_done(&spool->memory);
	return err;
}

int lm_mh_spool_add(void *ctx, struct lm_bytes octets)
{
	struct lm_mh_spool *spool = ctx;
	int err = 0;

	if (spool->fd < 0 && octets.len > MEMORY_MAX - lm_buf_len(&spool->memory))
		err = spill(spool);
	if (!err)
		err = spool->fd < 0 ? lm_buf_add(&spool->memory, octets)
		                    : write_all(spool->fd, octets);
	if (!err)
		spool->octets += octets.len;
	return err;
}

/* ---- the source ---- */

static void source_free(struct source *s)
{
	lm_mh_spool_done(&s->spool);
	lm_free(s->chunk);
	lm_free(s);
}

static void read_work(struct lm_job *job)
{
	struct source *s = lm_container(job, struct source, job.job);
	ssize_t n;

	do
		n = pread(s->spool.fd, s->chunk, CHUNK, (off_t)s->at);
	while (n < 0 && errno == EINTR);
	job->result = n < 0 ? lm_err_from_errno(errno) : n == 0 ? LM_E_CORRUPT : 0;
	s->rest = lm_bytes(s->chunk, n > 0 ? (size_t)n : 0);
}

static void read_done(struct lm_mh_job *job, int result)
{
	struct source *s = lm_container(job, struct source, job);

	s->reading = false;
	if (s->closed) {
		source_free(s);
		return;
	}
	s->error = result;
	if (s->head.ready)
		s->head.ready(s->head.ready_ctx);
}

static int start_reading(struct source *s)
{
	int err;

	if (s->reading)
		return LM_E_AGAIN;
	if (!s->chunk && !(s->chunk = lm_alloc(CHUNK)))
		return LM_E_NOMEM;
	err = lm_mh_submit(&s->job, s->worker, read_work, read_done);
	s->reading = !err;
	return err ? LM_E_STORE : LM_E_AGAIN;
}

static int source_read(struct lm_source *head, size_t max, struct lm_bytes *out_chunk,
                       bool *out_last)
{
	struct source *s = lm_container(head, struct source, head);
	size_t n;

	if (s->error)
		return s->error;
	if (s->reading)
		return LM_E_AGAIN;
	if (s->spool.fd < 0)
		s->rest = lm_bytes_from(lm_buf_bytes(&s->spool.memory), (size_t)s->at);
	else if (!s->rest.len && s->at < s->spool.octets)
		return start_reading(s);
	n = s->rest.len < max ? s->rest.len : max;
	*out_chunk = lm_bytes(s->rest.data, n);
	s->rest = lm_bytes_from(s->rest, n);
	s->at += n;
	*out_last = s->at == s->spool.octets;
	return 0;
}

static void source_close(struct lm_source *head)
{
	struct source *s = lm_container(head, struct source, head);

	if (s->reading)
		s->closed = true;
	else
		source_free(s);
}

struct lm_source *lm_mh_spool_source(struct lm_mh_spool *spool, struct lm_mh_worker *worker)
{
	static const struct lm_source_ops ops = { .read = source_read, .close = source_close };
	struct source *s = lm_alloc_zero(1, sizeof(*s));

	if (!s) {
		lm_mh_spool_done(spool);
		return NULL;
	}
	s->head.ops = &ops;
	s->worker = worker;
	s->spool = *spool;
	lm_mh_spool_init(spool, spool->dir);
	return &s->head;
}
