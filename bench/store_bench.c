/* How many durable deliveries, reads and logins a second one loop gets out of a store. Built, but
 * not run by the tests: store_bench URL [SECONDS], or store_bench URL fetch [MESSAGES [DRAFTS]]: so
 * many messages of 4 KB with guids into one maildrop, as a fetching client brings them. */
#include "store/store_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { DRAFTS = 64 };

struct bench {
	struct lm_loop *loop;
	struct lm_store *store;
	struct lm_bytes text;
	double until;
	unsigned long count, wanted; /* wanted 0: until the time is over */
	size_t open, jobs;
	const char *drops[DRAFTS];
};

enum { GUID_LEN = 8 };

struct job {
	struct lm_store_op op;
	struct bench *bench;
	size_t index, at;
	struct lm_mailbox *mailbox;
	uint64_t offset;
	int step;
	char guid[GUID_LEN];
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void end_job(struct job *job)
{
	if (--job->bench->open == 0)
		lm_loop_stop(job->bench->loop);
}

static void must(const struct job *job)
{
	if (!job->op.op.result)
		return;
	fprintf(stderr, "failed: %s\n", lm_err_name(job->op.op.result));
	exit(1);
}

/* Another message, or the end. */
static bool more(struct job *job)
{
	struct bench *b = job->bench;
	unsigned long number = b->count + b->open;

	if (!b->wanted)
		return now() < b->until;
	memcpy(job->guid, &number, sizeof(number));
	return number <= b->wanted;
}

static void deliver_step(struct lm_op *op)
{
	struct job *job = lm_container(op, struct job, op.op);
	struct bench *b = job->bench;
	struct lm_bytes name = lm_str(b->drops[job->index]);
	struct lm_delivery delivery = { .mailboxes = &name,
		                        .mailbox_count = 1,
		                        .sender = lm_str("sender@example.org"),
		                        .size_hint = b->text.len,
		                        .guid = { lm_str("bench"),
		                                  lm_bytes(job->guid, b->wanted ? GUID_LEN : 0) } };

	must(job);
	switch (job->step++) {
	case 0:
		b->store->ops->draft_begin(b->store, &delivery, &job->op);
		return;
	case 1:
		b->store->ops->draft_write(job->op.draft, b->text, &job->op);
		return;
	case 2:
		b->store->ops->draft_commit(job->op.draft, &job->op);
		return;
	}
	b->count++;
	job->step = 0;
	if (more(job))
		deliver_step(op);
	else
		end_job(job);
}

static void read_step(struct lm_op *op)
{
	struct job *job = lm_container(op, struct job, op.op);
	struct bench *b = job->bench;

	must(job);
	switch (job->step) {
	case 0:
		job->step = 1;
		b->store->ops->mailbox_open(b->store, lm_str(b->drops[job->index]), &job->op);
		return;
	case 1:
		job->step = 2;
		job->mailbox = job->op.mailbox;
		b->store->ops->mailbox_list(job->mailbox, &job->op);
		return;
	case 3:
		b->count += job->op.last;
		job->offset = job->op.last ? 0 : job->offset + job->op.chunk.len;
		job->at += job->op.last;
	}
	job->step = 3;
	if (job->at < job->op.count && now() < b->until) {
		b->store->ops->message_read(job->mailbox, job->op.messages[job->at].id, job->offset,
		                            &job->op);
		return;
	}
	b->store->ops->mailbox_close(job->mailbox, NULL);
	end_job(job);
}

static void login_step(struct lm_op *op)
{
	struct job *job = lm_container(op, struct job, op.op);
	struct bench *b = job->bench;

	must(job);
	if (job->step == 2) {
		b->store->ops->mailbox_close(job->mailbox, NULL);
		b->count++;
		job->step = 0;
	}
	if (job->step == 0 && now() >= b->until) {
		end_job(job);
	} else if (job->step++ == 0) {
		b->store->ops->mailbox_open(b->store, lm_str(b->drops[job->index]), &job->op);
	} else {
		job->mailbox = job->op.mailbox;
		b->store->ops->mailbox_list(job->mailbox, &job->op);
	}
}

static void run(struct bench *b, const char *what, void (*step)(struct lm_op *op), size_t size,
                double seconds)
{
	struct job *jobs = calloc(DRAFTS, sizeof(*jobs));
	uint8_t *data = malloc(size + 1);
	double start = now();

	if (!jobs || !data)
		exit(1);
	memset(data, 'x', size);
	b->text = lm_bytes(data, size);
	b->count = 0;
	b->open = b->jobs;
	b->until = start + seconds;
	for (size_t i = 0; i < b->jobs; i++) {
		unsigned long number = i + 1;

		jobs[i] = (struct job){ .op.op = { .loop = b->loop, .done = step },
			                .bench = b,
			                .index = i };
		memcpy(jobs[i].guid, &number, sizeof(number));
		lm_op_complete(&jobs[i].op.op, 0);
	}
	lm_loop_run(b->loop);
	seconds = now() - start;
	printf("%-34s %10.0f a second\n", what, (double)b->count / seconds);
	fflush(stdout);
	free(jobs);
	free(data);
}

static void fetch(struct bench *b, int argc, char **argv)
{
	size_t jobs = argc > 4 ? strtoul(argv[4], NULL, 10) : 32;

	b->wanted = argc > 3 ? strtoul(argv[3], NULL, 10) : 10000;
	b->jobs = jobs < 1 ? 1 : jobs > DRAFTS ? DRAFTS : jobs;
	for (size_t i = 0; i < DRAFTS; i++)
		b->drops[i] = "fetched";
	run(b, "fetch 4 KB with guids", deliver_step, 4096, 0);
	b->wanted = 0;
	b->jobs = 1;
	run(b, "read 4 KB in order, one session", read_step, 0, 10);
}

static void measure(struct bench *b, double seconds)
{
	static char names[DRAFTS][16];

	for (size_t i = 0; i < DRAFTS; i++) {
		snprintf(names[i], sizeof(names[i]), "user%zu", i);
		b->drops[i] = names[i];
	}
	run(b, "deliver 4 KB", deliver_step, 4096, seconds);
	run(b, "log in and list", login_step, 0, seconds);
	run(b, "read 4 KB in order", read_step, 0, seconds);
	for (size_t i = 0; i < DRAFTS; i++)
		snprintf(names[i], sizeof(names[i]), "big%zu", i);
	run(b, "deliver 100 KB", deliver_step, 100 << 10, seconds);
	run(b, "read 100 KB in order", read_step, 0, seconds);
	for (size_t i = 0; i < DRAFTS; i++)
		snprintf(names[i], sizeof(names[i]), "huge%zu", i);
	run(b, "deliver 1 MB", deliver_step, 1 << 20, seconds);
	run(b, "read 1 MB in order", read_step, 0, seconds);
}

int main(int argc, char **argv)
{
	struct lm_error error;
	struct bench b = { .jobs = DRAFTS };

	if (argc < 2 || lm_loop_new(&b.loop))
		return 64;
	if (lm_store_open(argv[1], &b.store, &error)) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	if (argc > 2 && strcmp(argv[2], "fetch") == 0)
		fetch(&b, argc, argv);
	else
		measure(&b, argc > 2 ? strtod(argv[2], NULL) : 3);
	lm_store_close(b.store);
	lm_loop_free(b.loop);
	return 0;
}
