/* Loading JavaScriptCore when it is needed: linking it would cost every run of the executable
 * milliseconds, and make the engine a need of those who never use it. */
#include "base/error.h"
#include "script/engine/park.h"
#include "script/engine/vm.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct lm_jsc lm_jsc;

static void *open_library(const char *const names[])
{
	void *library = NULL;

	while (!library && *names)
		library = dlopen(*names++, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	return library;
}

static void read_version(void *library)
{
	static const char *const names[] = { "jsc_get_major_version", "jsc_get_minor_version",
		                             "jsc_get_micro_version" };
	unsigned n[3];

	snprintf(lm_jsc.version, sizeof(lm_jsc.version), "JavaScriptCore");
	for (size_t i = 0; i < 3; i++) {
		unsigned (*get)(void);

		*(void **)&get = dlsym(library, names[i]);
		if (!get)
			return;
		n[i] = get();
	}
	snprintf(lm_jsc.version, sizeof(lm_jsc.version), "JavaScriptCore %u.%u.%u", n[0], n[1],
	         n[2]);
}

int lm_jsc_load(const char *const names[], struct lm_error *out_error)
{
	static const struct {
		const char *name;
		size_t place;
	} functions[] = {
#define F(name) { #name, offsetof(struct lm_jsc, name) },
#include "script/engine/jsc.def"
#undef F
	};
	void *library = open_library(names);

	if (!library)
		return lm_fail(out_error, LM_E_UNSUPPORTED,
		               "scripts need JavaScriptCore: install the package "
		               "libjavascriptcoregtk-4.1-0 (or -6.0-1)");
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		void *found = dlsym(library, functions[i].name);

		if (!found)
			return lm_fail(out_error, LM_E_UNSUPPORTED,
			               "the installed libjavascriptcoregtk has no %s: install "
			               "version 2.50 or later of libjavascriptcoregtk-4.1-0",
			               functions[i].name);
		memcpy((char *)&lm_jsc + functions[i].place, &found, sizeof(found));
	}
	read_version(library);
	return 0;
}

/** What holds for the whole process and must be said before the engine starts. */
static int settle(struct lm_error *out_error)
{
	/* Without polling a time limit gets lost in loops that allocate. */
	setenv("JSC_usePollingTraps", "1", 0);
	/* With polling, this leaves SIGSEGV and SIGBUS alone. */
	setenv("JSC_useWasmFaultSignalHandler", "0", 0);
	/* Collect as on a small machine: half the memory at the same speed. */
	setenv("JSC_forceRAMSize", "200000000", 0);
	/* False when somebody else in the process has started the engine before: no harm. */
	(void)lm_jsc.JSConfigureSignalForGC(SIGRTMIN + 5);
	return lm_park_setup(out_error);
}

static struct {
	pthread_once_t once;
	int result;
	struct lm_error error;
} setup = { .once = PTHREAD_ONCE_INIT };

static void set_up(void)
{
	static const char *const names[] = { "libjavascriptcoregtk-4.1.so.0",
		                             "libjavascriptcoregtk-6.0.so.1", NULL };

	setup.result = lm_jsc_load(names, &setup.error);
	if (!setup.result)
		setup.result = settle(&setup.error);
}

int lm_js_setup(struct lm_error *out_error)
{
	pthread_once(&setup.once, set_up);
	if (setup.result && out_error)
		*out_error = setup.error;
	return setup.result;
}

const char *lm_js_engine(void)
{
	return lm_jsc.version;
}
