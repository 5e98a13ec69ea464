/* What modules of Node.js need of the system: the environment, folders, numbers. */
#include "script/js/sources.h"
#include "script/runtime.h"

#include <limits.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

extern char **environ;

/* "NAME=value" one by one; those that cannot be said as a string are none. */
static struct lm_js_value *native_environment(const struct lm_js_call *call)
{
	struct lm_js_value *list = lm_js_array(call->js, 0, NULL);
	struct lm_js_value *push = list ? lm_js_get(call->js, list, "push") : NULL;

	for (char **at = environ; push && at && *at; at++) {
		struct lm_js_value *word = lm_js_string(call->js, lm_str(*at));

		if (!word || !lm_js_call(call->js, push, list, 1, &word))
			return NULL;
	}
	return push ? list : NULL;
}

static struct lm_js_value *native_folder(const struct lm_js_call *call)
{
	char path[PATH_MAX];

	if (!getcwd(path, sizeof(path)))
		return lm_js_throw(call->js, LM_JS_ERROR, "process.cwd: it is gone");
	return lm_js_string(call->js, lm_str(path));
}

/* { hostName, release, machine } */
static struct lm_js_value *native_about(const struct lm_js_call *call)
{
	struct lm_js_value *about = lm_js_object(call->js);
	struct utsname name;

	if (uname(&name) < 0)
		return lm_js_throw(call->js, LM_JS_ERROR, "os: the system does not say its name");
	if (!about ||
	    !lm_js_set(call->js, about, "hostName",
	               lm_js_string(call->js, lm_str(name.nodename))) ||
	    !lm_js_set(call->js, about, "release", lm_js_string(call->js, lm_str(name.release))) ||
	    !lm_js_set(call->js, about, "machine", lm_js_string(call->js, lm_str(name.machine))))
		return NULL;
	return about;
}

static struct lm_js_value *native_process(const struct lm_js_call *call)
{
	return lm_js_number(call->js, getpid());
}

/* Octets that the process has in memory; 0: the system does not say. */
static double resident(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long all, pages = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%lu %lu", &all, &pages) != 2)
		pages = 0;
	(void)fclose(file);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* [octets of the process, octets of the VM] */
static struct lm_js_value *native_memory(const struct lm_js_call *call)
{
	struct lm_js_value *values[2];

	values[0] = lm_js_number(call->js, resident());
	values[1] = lm_js_number(call->js, (double)lm_js_heap(call->js));
	return lm_js_array(call->js, 2, values);
}

static const struct lm_script_native natives[] = {
	{ "environment", native_environment }, { "folder", native_folder },
	{ "memory", native_memory },           { "about", native_about },
	{ "process", native_process },         { NULL, NULL },
};

static const struct lm_js_source *const sources[] = { &lm_js_node, NULL };

const struct lm_script_module lm_script_module_node = {
	.name = "infinity.node",
	.sources = sources,
	.natives = natives,
};
