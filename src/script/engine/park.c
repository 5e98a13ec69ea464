/* Parking: the signal handler waits on a word. Before a thread may stay there, a helper thread
 * shows that others can still make, use and free a VM and take memory: nobody waits for a lock of
 * the one that is parked. */
#include "base/error.h"
#include "base/mem.h"
#include "script/engine/engine.h"
#include "script/engine/park.h"

#include <errno.h>
#include <linux/futex.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Seconds that a thread has to come, and that the probe has to end. */
#define WAIT 2
/* Places to try. */
#define TRIES 10

/* One stay of a thread; never freed when it is to last. */
struct stay {
	sem_t came, left;
	_Atomic unsigned held; /**< 1: stay */
};

static int park_signal(void)
{
	return SIGRTMIN + 6;
}

/* Async-signal-safe: a post, a wait on a word, a post. The collector's own signal still gets
 * through, else a collection that wants to look at this thread's stack would wait for ever, with
 * the lock that all collections need. */
static void stay_here(int signal, siginfo_t *info, void *context)
{
	struct stay *stay = info->si_value.sival_ptr;
	int before = errno;

	(void)signal;
	(void)context;
	if (info->si_code != SI_QUEUE || info->si_pid != getpid() || !stay)
		return;
	sem_post(&stay->came);
	while (atomic_load(&stay->held))
		syscall(SYS_futex, &stay->held, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
	sem_post(&stay->left);
	errno = before;
}

int lm_park_setup(struct lm_error *out_error)
{
	struct sigaction action = { .sa_sigaction = stay_here,
		                    .sa_flags = SA_SIGINFO | SA_RESTART };

	sigemptyset(&action.sa_mask);
	if (sigaction(park_signal(), &action, NULL))
		return lm_fail_errno(out_error, LM_E_IO, errno, "cannot catch signal %d",
		                     park_signal());
	return 0;
}

static bool wait_for(sem_t *sem)
{
	struct timespec until;
	int got;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += WAIT;
	do
		got = sem_clockwait(sem, CLOCK_MONOTONIC, &until);
	while (got && errno == EINTR);
	return got == 0;
}

static bool hold(struct stay *stay, pthread_t thread)
{
	atomic_store(&stay->held, 1);
	return pthread_sigqueue(thread, park_signal(), (union sigval){ .sival_ptr = stay }) == 0 &&
	       wait_for(&stay->came);
}

static void let_go(struct stay *stay)
{
	atomic_store(&stay->held, 0);
	syscall(SYS_futex, &stay->held, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	(void)wait_for(&stay->left);
}

/* Shared by the probe and who waits for it; the last one frees it. */
struct probe {
	sem_t done;
	_Atomic unsigned users;
};

static void drop_probe(struct probe *probe)
{
	if (atomic_fetch_sub(&probe->users, 1) > 1)
		return;
	sem_destroy(&probe->done);
	lm_free(probe);
}

/* What others do all the time: it ends when no lock they need is held for good. */
static void *try_all(void *arg)
{
	static const char text[] =
	        "let a = []; for (let i = 0; i < 20000; i++) a.push({i}); a.length";
	const struct lm_js_source source = { "lettermill:probe",
		                             { (const uint8_t *)text, sizeof(text) - 1 } };
	struct probe *probe = arg;
	struct lm_js *js;

	for (size_t size = 16; size <= (size_t)1 << 20; size *= 4)
		lm_free(lm_alloc(size));
	if (!lm_js_new(NULL, NULL, &js, NULL)) {
		(void)lm_js_run(js, &source);
		lm_js_collect(js);
		lm_js_free(js);
	}
	sem_post(&probe->done);
	drop_probe(probe);
	return NULL;
}

static struct probe *start_probe(void)
{
	struct probe *probe = lm_alloc_zero(1, sizeof(*probe));
	pthread_t thread;

	if (!probe)
		return NULL;
	sem_init(&probe->done, 0, 0);
	probe->users = 2;
	if (pthread_create(&thread, NULL, try_all, probe)) {
		probe->users = 1;
		drop_probe(probe);
		return NULL;
	}
	pthread_detach(thread);
	return probe;
}

/* The thread is parked; does the world go on without it? Else it moves a little. */
static int settle(struct stay *stay, pthread_t thread, struct probe *probe)
{
	for (unsigned n = 0; n < TRIES; n++) {
		if (wait_for(&probe->done))
			return 0;
		let_go(stay);
		if (!hold(stay, thread))
			break;
	}
	let_go(stay);
	return LM_E_TIMEOUT;
}

int lm_park(pthread_t thread)
{
	struct stay *stay = lm_alloc_zero(1, sizeof(*stay));
	struct probe *probe;
	int err;

	if (!stay)
		return LM_E_NOMEM;
	sem_init(&stay->came, 0, 0);
	sem_init(&stay->left, 0, 0);
	/* A thread that does not come may yet: then the stay must still be there, and let it go. */
	if (!hold(stay, thread)) {
		atomic_store(&stay->held, 0);
		return LM_E_TIMEOUT;
	}
	probe = start_probe();
	err = probe ? settle(stay, thread, probe) : LM_E_NOMEM;
	if (probe)
		drop_probe(probe);
	else
		let_go(stay);
	return err;
}
