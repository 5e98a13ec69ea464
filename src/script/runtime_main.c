/* A program from its main script to its exit code. */
#include "script/runtime_impl.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { POOL_THREADS = 4, POOL_QUEUE = 100000 };

/* What struct lm_script borrows. */
struct program {
	struct lm_script script;
	char *main_file, *root, *data_root, *run_dir;
	struct lm_script_signals *signals;
	struct lm_loop *loop;
	struct lm_runtime *rt;
};

/* ---- Folders ---- */

static int real_path(const char *path, char **out_real, struct lm_error *out_error)
{
	char *real = realpath(path, NULL);

	if (!real)
		return lm_fail_errno(out_error, lm_err_from_errno(errno), errno, "%.180s", path);
	*out_real = lm_strdup_bytes(lm_str(real));
	free(real); /* realpath's own memory */
	return *out_real ? 0 : lm_fail(out_error, LM_E_NOMEM, "out of memory");
}

static int folder_of(const char *path, char **out_folder, struct lm_error *out_error)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash && slash > path ? (size_t)(slash - path) : 1;

	*out_folder = lm_strdup_bytes(lm_bytes(path, len));
	return *out_folder ? 0 : lm_fail(out_error, LM_E_NOMEM, "out of memory");
}

static int find_main(struct program *p, const char *name, struct lm_error *out_error)
{
	struct stat st;
	int err = real_path(name, &p->main_file, out_error);

	if (err < 0)
		return err;
	if (stat(p->main_file, &st) == 0 && S_ISDIR(st.st_mode))
		return lm_fail(out_error, LM_E_NOT_FOUND, "%.180s: is a folder, not a script",
		               name);
	if (access(p->main_file, R_OK) < 0)
		return lm_fail_errno(out_error, lm_err_from_errno(errno), errno, "%.180s", name);
	return folder_of(p->main_file, &p->root, out_error);
}

static int find_run_dir(struct program *p, struct lm_error *out_error)
{
	char *executable = NULL;
	int err = real_path("/proc/self/exe", &executable, out_error);

	if (err == 0)
		err = folder_of(executable, &p->run_dir, out_error);
	lm_free(executable);
	return err;
}

static int find_data(struct program *p, const char *name, struct lm_error *out_error)
{
	struct stat st;
	int err;

	if (!name)
		name = p->root;
	else if (strcmp(name, "@executable") == 0)
		name = p->run_dir;
	err = real_path(name, &p->data_root, out_error);
	if (err == 0 && stat(p->data_root, &st) == 0 && !S_ISDIR(st.st_mode))
		err = lm_fail(out_error, LM_E_NOT_FOUND, "%.180s: is no folder", name);
	return err;
}

static int fill(struct program *p, const struct lm_script_params *params,
                struct lm_error *out_error)
{
	int err = find_main(p, params->main_file, out_error);

	if (err == 0)
		err = find_run_dir(p, out_error);
	if (err == 0)
		err = find_data(p, params->data_dir, out_error);
	p->script = (struct lm_script){
		.main_file = p->main_file,
		.root = p->root,
		.data_root = p->data_root,
		.run_dir = p->run_dir,
		.args = params->args,
		.arg_count = params->arg_count,
		.console = params->console,
		.watch = params->watch,
		.log = params->log,
		.print = params->print,
		.print_ctx = params->print_ctx,
		.write = params->write,
	};
	return err;
}

/* ---- Running ---- */

static void main_done(void *ctx, bool good, struct lm_js_value *value)
{
	struct lm_runtime *rt = ctx;
	struct lm_js_error error;

	if (good)
		return;
	lm_js_describe(rt->js, value, &error);
	lm_runtime_fail(rt, "", &error);
}

static void run_main(struct program *p)
{
	struct lm_js *js = p->rt->js;
	struct lm_js_value *function = lm_js_get(js, p->rt->internal, "runMain");
	struct lm_js_value *path = lm_js_string(js, lm_str(p->main_file));

	if (function && path && lm_runtime_drive(p->rt, function, 1, &path, main_done, p->rt))
		lm_runtime_run(p->rt);
	else
		lm_runtime_fail_caught(p->rt, "");
}

static int start(struct program *p, const struct lm_script_params *params,
                 struct lm_error *out_error)
{
	int err = lm_js_setup(out_error);

	if (err == 0)
		err = lm_script_init(&p->script, out_error);
	if (err == 0)
		err = lm_script_signals_begin(&p->script, params->quit, &p->signals, out_error);
	if (err == 0) {
		err = lm_pool_new(POOL_THREADS, POOL_QUEUE, &p->script.pool);
		if (err == 0)
			err = lm_loop_new(&p->loop);
		if (err < 0)
			lm_fail(out_error, err, "%s", lm_err_text(err));
	}
	return err == 0 ? lm_runtime_new(&p->script, p->loop, true, NULL, &p->rt, out_error) : err;
}

/* Jobs come back to the loop: first the pool ends, then what they come back to. */
static void finish(struct program *p)
{
	lm_pool_free(p->script.pool);
	p->script.pool = NULL;
	lm_runtime_free(p->rt);
	lm_loop_free(p->loop);
	lm_script_signals_end(p->signals);
	lm_script_done(&p->script);
	lm_free(p->main_file);
	lm_free(p->root);
	lm_free(p->data_root);
	lm_free(p->run_dir);
}

int lm_script_main(const struct lm_script_params *params, int *out_exit, struct lm_error *out_error)
{
	struct program p = { 0 };
	int err;

	if (params->size != sizeof(*params))
		return lm_fail(out_error, LM_E_MISUSE, "struct lm_script_params: wrong size");
	err = fill(&p, params, out_error);
	if (err == 0)
		err = start(&p, params, out_error);
	if (err == 0) {
		run_main(&p);
		*out_exit = lm_script_exit(&p.script);
	}
	finish(&p);
	return err;
}
