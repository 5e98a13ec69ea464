/* Signals of a program: a thread waits for them, so that a script that never pauses sees them. */
#include "script/runtime_impl.h"

#include "base/error.h"

#include <signal.h>

enum { EXIT_SIGNAL = 130, COUNT = 3 };

/* SIGUSR1 is our own: it ends the thread. */
static const int ours[COUNT] = { SIGINT, SIGTERM, SIGUSR1 };

struct lm_script_signals {
	struct lm_script *script;
	void (*quit)(int code);
	sigset_t set, mask_before;
	struct sigaction before[COUNT], pipe_before;
	pthread_t thread;
	atomic_bool is_over;
};

static void *wait_for_signals(void *ctx)
{
	struct lm_script_signals *signals = ctx;
	unsigned count = 0;
	int number;

	while (!atomic_load(&signals->is_over)) {
		if (sigwait(&signals->set, &number) != 0 || number == SIGUSR1)
			continue;
		if (count++ == 0)
			lm_script_terminate(signals->script);
		else if (signals->quit)
			signals->quit(EXIT_SIGNAL);
	}
	return NULL;
}

/* All threads inherit the mask. Ignored ones, as a shell hands them to what runs in the background,
 * would never wait. */
static void take(struct lm_script_signals *signals)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	sigemptyset(&action.sa_mask);
	sigemptyset(&signals->set);
	for (size_t i = 0; i < COUNT; i++) {
		sigaction(ours[i], &action, &signals->before[i]);
		sigaddset(&signals->set, ours[i]);
	}
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, &signals->pipe_before);
	pthread_sigmask(SIG_BLOCK, &signals->set, &signals->mask_before);
}

static void give_back(struct lm_script_signals *signals)
{
	for (size_t i = 0; i < COUNT; i++)
		sigaction(ours[i], &signals->before[i], NULL);
	sigaction(SIGPIPE, &signals->pipe_before, NULL);
	pthread_sigmask(SIG_SETMASK, &signals->mask_before, NULL);
}

int lm_script_signals_begin(struct lm_script *script, void (*quit)(int code),
                            struct lm_script_signals **out_signals, struct lm_error *out_error)
{
	struct lm_script_signals *signals = lm_alloc_zero(1, sizeof(*signals));

	if (!signals)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	signals->script = script;
	signals->quit = quit;
	take(signals);
	if (pthread_create(&signals->thread, NULL, wait_for_signals, signals) != 0) {
		give_back(signals);
		lm_free(signals);
		return lm_fail(out_error, LM_E_NOMEM, "cannot start a thread");
	}
	*out_signals = signals;
	return 0;
}

void lm_script_signals_end(struct lm_script_signals *signals)
{
	if (!signals)
		return;
	atomic_store(&signals->is_over, true);
	pthread_kill(signals->thread, SIGUSR1);
	pthread_join(signals->thread, NULL);
	give_back(signals);
	lm_free(signals);
}
