/* Names to addresses, on a thread of its own for each: what getaddrinfo does can neither be awaited
 * nor stopped. */
#include "base/error.h"
#include "net/connect.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>

struct lm_lookup {
	atomic_uint refs; /* the thread's and the owner's */
	pthread_mutex_t lock;
	bool is_abandoned, is_posted; /* under the lock */
	struct lm_loop *loop;
	struct lm_task task;
	void (*done)(void *ctx, int result, const struct addrinfo *addresses,
	             const struct lm_error *why);
	void *ctx;
	struct addrinfo *addresses;
	int failure; /* EAI_* */
	bool is_freed;
	char port[8];
	char host[];
};

static void unref(struct lm_lookup *lookup)
{
	if (atomic_fetch_sub(&lookup->refs, 1) != 1)
		return;
	if (lookup->addresses)
		freeaddrinfo(lookup->addresses);
	pthread_mutex_destroy(&lookup->lock);
	lm_free(lookup);
}

static int result_of(int failure)
{
	if (failure == EAI_NONAME || failure == EAI_FAIL)
		return LM_E_NO_HOST;
	return failure == EAI_MEMORY ? LM_E_NOMEM : LM_E_AGAIN;
}

static void tell(struct lm_lookup *lookup)
{
	struct lm_error why = { 0 };
	int err;

	if (!lookup->failure) {
		lookup->done(lookup->ctx, 0, lookup->addresses, &why);
		return;
	}
	err = result_of(lookup->failure);
	lm_fail(&why, err, "look up %s: %s", lookup->host,
	        err == LM_E_NO_HOST ? "no such host" : gai_strerror(lookup->failure));
	lookup->done(lookup->ctx, err, NULL, &why);
}

static void on_done(struct lm_task *task)
{
	struct lm_lookup *lookup = lm_container(task, struct lm_lookup, task);

	if (!lookup->is_freed)
		tell(lookup);
	if (lookup->is_freed)
		unref(lookup);
	else
		lookup->task.run = NULL;
}

/* RFC 6761 6.3: this machine, whatever hosts files and name servers say or lack. */
static bool is_localhost(const char *host)
{
	static const char name[] = "localhost";
	size_t len = strlen(host), dot = len && host[len - 1] == '.', own = sizeof(name) - 1;

	len -= dot;
	return len >= own && strncasecmp(host + len - own, name, own) == 0 &&
	       (len == own || host[len - own - 1] == '.');
}

static int ask(const struct lm_lookup *lookup, int flags, struct addrinfo **out_addresses)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		                        .ai_flags = AI_NUMERICSERV | flags };
	const char *host = is_localhost(lookup->host) ? NULL : lookup->host;

	return getaddrinfo(host, lookup->port, &hints, out_addresses);
}

static void *run(void *arg)
{
	struct lm_lookup *lookup = arg;
	struct addrinfo *addresses = NULL;
	int failure = ask(lookup, 0, &addresses);

	pthread_mutex_lock(&lookup->lock);
	lookup->addresses = failure ? NULL : addresses;
	lookup->failure = failure;
	lookup->is_posted = !lookup->is_abandoned;
	/* Under the lock: the loop may be freed as soon as its owner has given us up. */
	if (lookup->is_posted)
		lm_loop_post(lookup->loop, &lookup->task);
	pthread_mutex_unlock(&lookup->lock);
	unref(lookup);
	return NULL;
}

/* Signals are the main thread's. */
static int start(struct lm_lookup *lookup)
{
	sigset_t all, before;
	pthread_t thread;
	int failed;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&thread, NULL, run, lookup);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!failed)
		(void)pthread_detach(thread);
	return failed;
}

/* An address as text, and this machine, need nobody to ask. */
static bool is_number(struct lm_lookup *lookup)
{
	if (ask(lookup, AI_NUMERICHOST, &lookup->addresses))
		lookup->addresses = NULL;
	return lookup->addresses != NULL;
}

int lm_lookup_new(struct lm_loop *loop, const char *host, uint16_t port,
                  void (*done)(void *ctx, int result, const struct addrinfo *addresses,
                               const struct lm_error *why),
                  void *ctx, struct lm_lookup **out_lookup)
{
	size_t len = strlen(host);
	struct lm_lookup *lookup = lm_alloc_zero(1, sizeof(*lookup) + len + 1);

	if (!lookup)
		return LM_E_NOMEM;
	memcpy(lookup->host, host, len + 1);
	snprintf(lookup->port, sizeof(lookup->port), "%u", port);
	pthread_mutex_init(&lookup->lock, NULL);
	atomic_init(&lookup->refs, 2);
	lookup->loop = loop;
	lookup->task.run = on_done;
	lookup->done = done;
	lookup->ctx = ctx;
	if (is_number(lookup)) {
		atomic_store(&lookup->refs, 1);
		lookup->is_posted = true;
		lm_loop_post(loop, &lookup->task);
	} else if (start(lookup)) {
		atomic_store(&lookup->refs, 1);
		unref(lookup);
		return LM_E_NOMEM;
	}
	*out_lookup = lookup;
	return 0;
}

void lm_lookup_free(struct lm_lookup *lookup)
{
	bool is_queued;

	if (!lookup)
		return;
	pthread_mutex_lock(&lookup->lock);
	lookup->is_abandoned = true;
	is_queued = lookup->is_posted && lookup->task.run;
	pthread_mutex_unlock(&lookup->lock);
	lookup->is_freed = true;
	/* A task under way, or still to come, lets go behind itself. */
	if (!is_queued)
		unref(lookup);
}
