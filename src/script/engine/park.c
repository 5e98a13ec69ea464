/* Parking: the signal handler waits on a word. Before a thread may stay there, a helper thread
 * shows that others can still make, use and free a VM and take memory: nobody waits for a lock of
 * the one that is parked. */
#include "base/error.h"
#include "base/mem.h"
#include "script/engine/engine.h"
#include "script/engine/park.h"

#include <errno.h>
#include <link.h>
#include <linux/futex.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* Milliseconds that a thread has to come and to leave. */
#define MOVE 2000
/* Milliseconds that the first probe has to end; each further one has half as much again, at most
 * MOVE. */
#define PROBE 250
/* Times that a probe is made, and places that are looked at for each. */
#define PROBES 12
#define PLACES 200
/* Loaded pieces of code that are known. */
#define CODES 100

/* One stay of a thread; never freed when it is to last. */
struct stay {
	sem_t came, left;
	_Atomic unsigned held;  /**< 1: stay */
	atomic_uintptr_t place; /**< where it was; 0: unknown */
};

/* Code in files, the C library's above all; filled once. What the engine made itself is not in it:
 * that runs script, and holds no lock but its VM's. */
static struct {
	struct code {
		uintptr_t from, to;
	} all[CODES];
	size_t count;
} codes;

static int add_codes(struct dl_phdr_info *info, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	for (size_t i = 0; i < info->dlpi_phnum && codes.count < CODES; i++) {
		uintptr_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

		if (info->dlpi_phdr[i].p_type == PT_LOAD && (info->dlpi_phdr[i].p_flags & PF_X))
			codes.all[codes.count++] =
			        (struct code){ from, from + info->dlpi_phdr[i].p_memsz };
	}
	return 0;
}

static bool in_file(uintptr_t place)
{
	for (size_t i = 0; i < codes.count; i++)
		if (place >= codes.all[i].from && place < codes.all[i].to)
			return true;
	return false;
}

static uintptr_t place_of(void *context)
{
#if defined(__x86_64__)
	return (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)((ucontext_t *)context)->uc_mcontext.pc;
#else
	(void)context;
	return 0;
#endif
}

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
	if (info->si_code != SI_QUEUE || info->si_pid != getpid() || !stay)
		return;
	/* Seen before anything else is touched: what was written before it was set is there, too.
	 */
	(void)atomic_load(&stay->held);
	atomic_store(&stay->place, place_of(context));
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

	dl_iterate_phdr(add_codes, NULL);
	sigemptyset(&action.sa_mask);
	if (sigaction(park_signal(), &action, NULL))
		return lm_fail_errno(out_error, LM_E_IO, errno, "cannot catch signal %d",
		                     park_signal());
	return 0;
}

static bool wait_for(sem_t *sem, unsigned ms)
{
	struct timespec until;
	int got;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	do
		got = sem_clockwait(sem, CLOCK_MONOTONIC, &until);
	while (got && errno == EINTR);
	return got == 0;
}

static bool hold(struct stay *stay, pthread_t thread)
{
	atomic_store(&stay->held, 1);
	return pthread_sigqueue(thread, park_signal(), (union sigval){ .sival_ptr = stay }) == 0 &&
	       wait_for(&stay->came, MOVE);
}

static void let_go(struct stay *stay)
{
	atomic_store(&stay->held, 0);
	syscall(SYS_futex, &stay->held, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	(void)wait_for(&stay->left, MOVE);
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
	        "globalThis.a = []; for (let i = 0; i < 1000; i++) a.push({i}); a.length";
	const struct lm_js_source source = { "lettermill:probe",
		                             { (const uint8_t *)text, sizeof(text) - 1 } };
	/* A limit takes the engine's one timer queue, whose lock a chain of microtasks has often.
	 */
	const struct lm_js_limits limits = { .cpu = 10000 };
	struct probe *probe = arg;
	struct lm_js *js;

	for (size_t size = 16; size <= (size_t)1 << 20; size *= 4)
		lm_free(lm_alloc(size));
	if (!lm_js_new(&limits, NULL, &js, NULL)) {
		for (size_t i = 0; i < 20; i++)
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

/* Hold the thread, in script if it can be met there. False: it does not come. */
static bool hold_well(struct stay *stay, pthread_t thread)
{
	for (unsigned n = 0; n < PLACES; n++) {
		if (!hold(stay, thread))
			return false;
		if (!in_file(stay->place))
			return true;
		let_go(stay);
	}
	return hold(stay, thread);
}

/* The thread is parked; does the world go on without it? */
static int try_out(unsigned ms, struct stay *stay)
{
	struct probe *probe = start_probe();
	bool good;

	if (!probe) {
		let_go(stay);
		return LM_E_NOMEM;
	}
	good = wait_for(&probe->done, ms);
	if (!good) {
		let_go(stay);
		good = wait_for(&probe->done, MOVE);
		drop_probe(probe);
		return good ? LM_E_AGAIN : LM_E_TIMEOUT;
	}
	drop_probe(probe);
	return 0;
}

static int settle(struct stay *stay, pthread_t thread)
{
	unsigned ms = PROBE;
	int err = LM_E_AGAIN;

	for (unsigned n = 0; err == LM_E_AGAIN && n < PROBES; n++) {
		if (!hold_well(stay, thread))
			return LM_E_TIMEOUT;
		err = try_out(ms < MOVE ? ms : MOVE, stay);
		ms += ms / 2;
	}
	return err == LM_E_AGAIN ? LM_E_TIMEOUT : err;
}

int lm_park(pthread_t thread)
{
	struct stay *stay = lm_alloc_zero(1, sizeof(*stay));
	int err;

	if (!stay)
		return LM_E_NOMEM;
	sem_init(&stay->came, 0, 0);
	sem_init(&stay->left, 0, 0);
	err = settle(stay, thread);
	/* Where it did not come, it may yet: then it finds the stay, and that it may leave. */
	if (err)
		atomic_store(&stay->held, 0);
	return err;
}
