/* What js/server.js needs: the tables, checks of values, and the runs of servers as handles. */
#include "script/server.h"

#include "base/error.h"
#include "base/nearest.h"
#include "server/options.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { MAX_TEXT = 8192, MAX_OPTIONS = 4096, MAX_HOOKS = 64 };

static struct lm_runtime *runtime_of(const struct lm_js_call *call)
{
	return call->data;
}

static struct lm_js_value *out_of_memory(const struct lm_js_call *call)
{
	return lm_js_throw(call->js, LM_JS_ERROR, "out of memory");
}

/* A string as C has it: NULL, and thrown, for anything else. Free with lm_free. */
static char *string_of(struct lm_js *js, struct lm_js_value *value)
{
	struct lm_buf text;
	char *copy = NULL;

	lm_buf_init(&text, MAX_TEXT);
	if (lm_js_add_octets(js, value, &text)) {
		struct lm_bytes octets = lm_buf_bytes(&text);

		if (octets.len && memchr(octets.data, '\0', octets.len))
			lm_js_throw(js, LM_JS_RANGE_ERROR, "NUL cannot stand in it");
		else if (!(copy = lm_strdup_bytes(octets)))
			lm_js_throw(js, LM_JS_ERROR, "out of memory");
	}
	lm_buf_wipe(&text);
	return copy;
}

static void string_free(char *text)
{
	if (text)
		lm_wipe(text, strlen(text));
	lm_free(text);
}

/* ---- tables ---- */

static unsigned protocols_of(const char *kind)
{
	if (strcmp(kind, "pop3") == 0)
		return 1u << LM_POP3;
	return strcmp(kind, "lmtp") == 0 ? 1u << LM_LMTP : 1u << LM_SMTP;
}

/* hooks(kind): the names of its handler properties. */
static struct lm_js_value *hooks(const struct lm_js_call *call)
{
	size_t count, used = 0;
	const struct lm_script_hook *all = lm_script_hooks(&count);
	struct lm_js_value *names[MAX_HOOKS];
	char *kind = string_of(call->js, lm_js_arg(call, 0));

	if (!kind)
		return NULL;
	for (size_t i = 0; i < count && used < MAX_HOOKS; i++)
		if (all[i].protocols & protocols_of(kind))
			names[used++] = lm_js_string(call->js, lm_str(all[i].property));
	string_free(kind);
	return lm_js_array(call->js, used, names);
}

static const char *kind_name(enum lm_option_kind kind)
{
	static const char *const names[] = {
		[LM_OPTION_STRING] = "STRING", [LM_OPTION_LIST] = "LIST",
		[LM_OPTION_NETS] = "NETS",     [LM_OPTION_PAIRS] = "PAIRS",
		[LM_OPTION_WORDS] = "WORDS",   [LM_OPTION_ADDRESS] = "ADDRESS",
		[LM_OPTION_NUMBER] = "NUMBER", [LM_OPTION_DURATION] = "DURATION",
		[LM_OPTION_SIZE] = "SIZE",     [LM_OPTION_FLAG] = "FLAG",
		[LM_OPTION_CHOICE] = "CHOICE",
	};

	return names[kind];
}

static struct lm_js_value *option_row(struct lm_js *js, const struct lm_option *o)
{
	struct lm_js_value *row = lm_js_object(js);

	lm_js_set(js, row, "name", lm_js_string(js, lm_str(o->name)));
	lm_js_set(js, row, "kind", lm_js_string(js, lm_str(kind_name(o->kind))));
	lm_js_set(js, row, "words", lm_js_string(js, lm_str(o->placeholder)));
	return row;
}

/* options(): {name, kind, words} for each row of options.def that a server has. */
static struct lm_js_value *options(const struct lm_js_call *call)
{
	size_t count, used = 0;
	const struct lm_option *table = lm_option_table(&count);
	struct lm_js_value *all[128];

	for (size_t i = 0; i < count && used < 128; i++)
		if (!(table[i].flags & LM_OPTION_CLI))
			all[used++] = option_row(call->js, &table[i]);
	return lm_js_array(call->js, used, all);
}

/* ---- checks ---- */

/* nearest(name, names): what was likely meant, or undefined. */
static struct lm_js_value *nearest(const struct lm_js_call *call)
{
	struct lm_js *js = call->js;
	struct lm_js_value *names = lm_js_arg(call, 1), *length, *found = lm_js_undefined(js);
	char *name = string_of(js, lm_js_arg(call, 0));
	unsigned best = LM_NEAREST_MAX;

	length = name ? lm_js_get(js, names, "length") : NULL;
	for (unsigned i = 0; length && i < lm_js_to_number(js, length); i++) {
		struct lm_js_value *at = lm_js_at(js, names, i);
		char *candidate = at ? string_of(js, at) : NULL;

		if (!candidate) {
			lm_free(name);
			return NULL;
		}
		if (strlen(candidate) <= LM_NEAREST_MAX && lm_nearer(name, candidate, &best))
			found = at;
		lm_free(candidate);
	}
	lm_free(name);
	return length ? found : NULL;
}

static struct lm_js_value *check_option(const struct lm_js_call *call, const char *name,
                                        const char *text)
{
	struct lm_server_options o;
	struct lm_error why = { 0 };
	int err = lm_server_options_init(&o);

	if (!err)
		err = lm_server_options_set(&o, name, text, &why);
	lm_server_options_done(&o);
	if (err == LM_E_NOMEM)
		return out_of_memory(call);
	return err ? lm_js_string(call->js, lm_str(why.text)) : lm_js_undefined(call->js);
}

/* check(name, text): what is wrong with an option's value, or undefined. */
static struct lm_js_value *check(const struct lm_js_call *call)
{
	char *name = string_of(call->js, lm_js_arg(call, 0));
	char *text = name ? string_of(call->js, lm_js_arg(call, 1)) : NULL;
	struct lm_js_value *result = text ? check_option(call, name, text) : NULL;

	lm_free(name);
	string_free(text);
	return result;
}

/* path(name): a data file's absolute name. */
static struct lm_js_value *path(const struct lm_js_call *call)
{
	struct lm_js_value *result = NULL;
	char *name = string_of(call->js, lm_js_arg(call, 0));
	char *full = name ? lm_runtime_data_path(runtime_of(call), lm_str(name)) : NULL;

	if (full)
		result = lm_js_string(call->js, lm_str(full));
	lm_free(name);
	lm_free(full);
	return result;
}

static struct lm_js_value *warn(const struct lm_js_call *call)
{
	char *text = string_of(call->js, lm_js_arg(call, 0));

	if (!text)
		return NULL;
	lm_script_print(runtime_of(call)->script, LM_CONSOLE_WARN, 'W', lm_str(text));
	lm_free(text);
	return lm_js_undefined(call->js);
}

/* The files of a certificate: {cert, key, root}; a member that is undefined is NULL. */
struct files {
	char *cert, *key, *root;
};

static bool take_file(struct lm_js *js, struct lm_js_value *from, const char *name, char **out)
{
	struct lm_js_value *value = lm_js_get(js, from, name);

	*out = NULL;
	if (!value)
		return false;
	if (lm_js_type(js, value) == LM_JS_UNDEFINED)
		return true;
	*out = string_of(js, value);
	return *out != NULL;
}

static void files_free(struct files *files)
{
	lm_free(files->cert);
	lm_free(files->key);
	lm_free(files->root);
}

static bool take_files(const struct lm_js_call *call, struct files *out_files)
{
	struct lm_js_value *from = lm_js_arg(call, 0);

	*out_files = (struct files){ NULL };
	if (take_file(call->js, from, "cert", &out_files->cert) &&
	    take_file(call->js, from, "key", &out_files->key) &&
	    take_file(call->js, from, "root", &out_files->root))
		return true;
	files_free(out_files);
	return false;
}

static int check_pair(const struct files *files, struct lm_error *out_error)
{
	const struct lm_tls_pair pair = { NULL, files->cert, files->key };
	struct lm_tls_context *context;
	const char *const all[] = { files->cert, files->key, files->root };
	int err;

	for (size_t i = 0; i < 3; i++)
		if (all[i] && access(all[i], R_OK))
			return lm_fail_errno(out_error, lm_err_from_errno(errno), errno, "%.150s",
			                     all[i]);
	err = lm_tls_context_new(
	        &(struct lm_tls_params){
	                .server = true, .pairs = &pair, .pair_count = 1, .ca_file = files->root },
	        &context, out_error);
	if (!err)
		lm_tls_context_unref(context);
	return err;
}

/* certificate({cert, key, root}): are the files what they should be? */
static struct lm_js_value *certificate(const struct lm_js_call *call)
{
	struct lm_error why = { 0 };
	struct files files;
	int err;

	if (!take_files(call, &files))
		return NULL;
	err = check_pair(&files, &why);
	files_free(&files);
	return err ? lm_js_throw_error(call->js, &why) : lm_js_undefined(call->js);
}

/* verify({cert, root}): will clients take it? */
static struct lm_js_value *verify(const struct lm_js_call *call)
{
	struct lm_error why = { 0 };
	struct files files;
	int err;

	if (!take_files(call, &files))
		return NULL;
	err = lm_script_certificate_verify(files.cert, files.root, &why);
	files_free(&files);
	return err ? lm_js_throw_error(call->js, &why) : lm_js_undefined(call->js);
}

/* ---- runs ---- */

static void run_gone(void *data)
{
	lm_script_server_unref(data);
}

static const struct lm_js_class run_class = { "ServerRun", run_gone };

static struct lm_script_server *run_of(const struct lm_js_call *call)
{
	struct lm_script_server *run = lm_js_unwrap(call->js, lm_js_arg(call, 0), &run_class);

	if (!run)
		lm_js_throw(call->js, LM_JS_TYPE_ERROR, "no run of a server");
	return run;
}

/* What start() was given, as C has it. */
struct wanted {
	char *kind, *listener, *where;
	char name[40];
	char **options;
	size_t option_count;
	char **files; /**< of hooks, parallel to `hooked` */
	struct lm_script_hooked *hooked;
	size_t hooked_count;
	struct lm_script_handler_params handler;
};

static void wanted_free(struct wanted *w)
{
	for (size_t i = 0; w->options && i < w->option_count; i++)
		string_free(w->options[i]);
	for (size_t i = 0; w->files && i < w->hooked_count; i++)
		lm_free(w->files[i]);
	lm_free(w->options);
	lm_free(w->files);
	lm_free(w->hooked);
	lm_free(w->kind);
	lm_free(w->listener);
	lm_free(w->where);
}

static bool take_string(struct lm_js *js, struct lm_js_value *from, const char *name, char **out)
{
	struct lm_js_value *value = lm_js_get(js, from, name);

	*out = value ? string_of(js, value) : NULL;
	return *out != NULL;
}

static bool take_number(struct lm_js *js, struct lm_js_value *from, const char *name, double *out)
{
	struct lm_js_value *value = lm_js_get(js, from, name);

	*out = value ? lm_js_to_number(js, value) : 0;
	return value && *out >= 0;
}

/* The elements of a member that is an array. */
static bool take_length(struct lm_js *js, struct lm_js_value *from, const char *name,
                        struct lm_js_value **out_array, size_t *out_count)
{
	double length;

	*out_array = lm_js_get(js, from, name);
	if (!*out_array || !take_number(js, *out_array, "length", &length))
		return false;
	*out_count = length > MAX_OPTIONS ? MAX_OPTIONS : (size_t)length;
	return true;
}

static bool take_options(struct lm_js *js, struct lm_js_value *from, struct wanted *w)
{
	struct lm_js_value *all;
	size_t count;

	if (!take_length(js, from, "options", &all, &count))
		return false;
	w->options = lm_alloc_zero(count + 1, sizeof(*w->options));
	if (!w->options)
		return lm_js_throw(js, LM_JS_ERROR, "out of memory") != NULL;
	for (; w->option_count < count; w->option_count++) {
		struct lm_js_value *at = lm_js_at(js, all, (unsigned)w->option_count);
		char *text = at ? string_of(js, at) : NULL;

		if (!text)
			return false;
		w->options[w->option_count] = text;
	}
	return true;
}

static const struct lm_script_hook *hook_of(const char *property, unsigned protocols)
{
	size_t count;
	const struct lm_script_hook *all = lm_script_hooks(&count);

	for (size_t i = 0; i < count; i++)
		if ((all[i].protocols & protocols) && strcmp(all[i].property, property) == 0)
			return &all[i];
	return NULL;
}

/* Is the file there? Who reads it later does not know for which property. */
static bool check_file(struct lm_runtime *rt, const struct wanted *w,
                       const struct lm_script_hooked *h)
{
	struct lm_error why;
	char *path = lm_runtime_script_path(rt, lm_str(h->file));
	bool is_there = path && access(path, R_OK) == 0;

	if (path && !is_there) {
		lm_fail_errno(&why, lm_err_from_errno(errno), errno,
		              "infinity.%s.server.%s: %.150s", w->kind, h->hook->property, h->file);
		lm_js_throw_error(rt->js, &why);
	}
	lm_free(path);
	return is_there;
}

/* One pair of property and file name or function. */
static bool take_hook(struct lm_runtime *rt, struct lm_js_value *property, struct lm_js_value *what,
                      struct wanted *w)
{
	struct lm_js *js = rt->js;
	struct lm_script_hooked *h = &w->hooked[w->hooked_count];
	char *name = property ? string_of(js, property) : NULL;

	if (!name || !what) {
		lm_free(name);
		return false;
	}
	h->hook = hook_of(name, protocols_of(w->kind));
	lm_free(name);
	if (!h->hook)
		return lm_js_throw(js, LM_JS_TYPE_ERROR, "no such handler") != NULL;
	if (lm_js_type(js, what) == LM_JS_FUNCTION) {
		h->function = what;
	} else {
		h->file = w->files[w->hooked_count] = string_of(js, what);
		if (!h->file)
			return false;
		if (!check_file(rt, w, h)) {
			w->hooked_count++; /* its name is freed with the rest */
			return false;
		}
	}
	w->hooked_count++;
	return true;
}

/* Functions live: the array they are in is on the stack of who started. */
static bool take_hooks(struct lm_runtime *rt, struct lm_js_value *from, struct wanted *w)
{
	struct lm_js *js = rt->js;
	struct lm_js_value *all;
	size_t count;

	if (!take_length(js, from, "hooks", &all, &count))
		return false;
	w->files = lm_alloc_zero(count + 1, sizeof(*w->files));
	w->hooked = lm_alloc_zero(count + 1, sizeof(*w->hooked));
	if (!w->files || !w->hooked)
		return lm_js_throw(js, LM_JS_ERROR, "out of memory") != NULL;
	for (unsigned i = 0; i + 1 < count; i += 2)
		if (!take_hook(rt, lm_js_at(js, all, i), lm_js_at(js, all, i + 1), w))
			return false;
	return true;
}

static bool take_handler(struct lm_js *js, struct lm_js_value *from, struct wanted *w)
{
	struct lm_js_value *has_store = lm_js_get(js, from, "hasStore");
	double pool, cpu, heap;

	if (!has_store || !take_number(js, from, "poolSize", &pool) ||
	    !take_number(js, from, "cpu", &cpu) || !take_number(js, from, "heap", &heap))
		return false;
	w->handler = (struct lm_script_handler_params){
		.protocol = w->kind[0] == 'p'   ? LM_POP3
		            : w->kind[0] == 'l' ? LM_LMTP
		                                : LM_SMTP,
		.hooked = w->hooked,
		.hooked_count = w->hooked_count,
		.pool_size = (unsigned)pool,
		.cpu = (lm_time_ms)cpu,
		.heap = (uint64_t)heap,
		.has_store = lm_js_truth(js, has_store),
	};
	return true;
}

static bool take_wanted(const struct lm_js_call *call, struct wanted *out_wanted)
{
	struct lm_js *js = call->js;
	struct lm_js_value *from = lm_js_arg(call, 0);
	struct wanted w = { .kind = NULL };

	if (take_string(js, from, "kind", &w.kind) &&
	    take_string(js, from, "listener", &w.listener) &&
	    take_string(js, from, "where", &w.where) && take_options(js, from, &w) &&
	    take_hooks(runtime_of(call), from, &w) && take_handler(js, from, &w)) {
		snprintf(w.name, sizeof(w.name), "infinity.%s.server", w.kind);
		*out_wanted = w;
		return true;
	}
	wanted_free(&w);
	return false;
}

static struct lm_script_server *start_wanted(struct lm_runtime *rt, const struct wanted *w)
{
	const struct lm_script_server_params params = {
		.name = w->name,
		.listener = w->listener,
		.where = w->where,
		.options = (const char *const *)w->options,
		.option_count = w->option_count,
		.handler = w->handler,
	};
	struct lm_script_server *run;

	if (!lm_script_server_start(lm_runtime_state(rt, &lm_script_module_server), &params, &run))
		return NULL;
	return run;
}

/* start({kind, listener, where, options, hooks, poolSize, cpu, heap, hasStore}): the run. */
static struct lm_js_value *start(const struct lm_js_call *call)
{
	struct lm_runtime *rt = runtime_of(call);
	struct lm_script_server *run;
	struct lm_js_value *handle;
	struct wanted w;

	if (!rt->is_main)
		return lm_js_throw(call->js, LM_JS_ERROR,
		                   "servers are started by the main script, not by a handler");
	if (!take_wanted(call, &w))
		return NULL;
	run = start_wanted(rt, &w);
	wanted_free(&w);
	if (!run)
		return NULL;
	handle = lm_js_wrap(call->js, &run_class, run, sizeof(void *));
	if (!handle) {
		lm_script_server_stop(run, 0);
		lm_script_server_unref(run);
	}
	return handle;
}

/* stop(run, timeout): a promise kept at its end, or undefined when that was. */
static struct lm_js_value *stop(const struct lm_js_call *call)
{
	struct lm_script_server *run = run_of(call);
	double timeout = lm_js_to_number(call->js, lm_js_arg(call, 1));
	struct lm_js_value *promise = run ? lm_script_server_ended(call->js, run) : NULL;

	if (promise)
		lm_script_server_stop(run, (lm_time_ms)timeout);
	return promise;
}

static struct lm_js_value *running(const struct lm_js_call *call)
{
	struct lm_script_server *run = run_of(call);

	return run ? lm_js_bool(call->js, lm_script_server_runs(run)) : NULL;
}

static struct lm_js_value *address(const struct lm_js_call *call)
{
	struct lm_script_server *run = run_of(call);

	return run ? lm_js_string(call->js, lm_str(lm_script_server_address(run))) : NULL;
}

/* stats(run): its figures; of no run: zeros. */
static struct lm_js_value *stats(const struct lm_js_call *call)
{
	struct lm_script_server *run = lm_js_unwrap(call->js, lm_js_arg(call, 0), &run_class);
	struct lm_server_stats s = { 0 };
	struct lm_js_value *out = lm_js_object(call->js);
	struct lm_js *js = call->js;

	if (run)
		lm_script_server_stats(run, &s);
	lm_js_set(js, out, "sessionsOpen", lm_js_number(js, (double)s.sessions_open));
	lm_js_set(js, out, "sessionsTotal", lm_js_number(js, (double)s.sessions_total));
	lm_js_set(js, out, "sessionsRefused", lm_js_number(js, (double)s.sessions_refused));
	lm_js_set(js, out, "messagesIn", lm_js_number(js, (double)s.messages_in));
	lm_js_set(js, out, "messagesOut", lm_js_number(js, (double)s.messages_out));
	lm_js_set(js, out, "octetsIn", lm_js_number(js, (double)s.octets_in));
	lm_js_set(js, out, "octetsOut", lm_js_number(js, (double)s.octets_out));
	lm_js_set(js, out, "authFailures", lm_js_number(js, (double)s.auth_failures));
	return out;
}

static int open_module(struct lm_runtime *rt, void **out_state, struct lm_error *out_error)
{
	struct lm_script_servers *servers;
	int err = lm_script_servers_new(rt, &servers);

	if (err)
		return lm_fail(out_error, err, "%s", lm_err_text(err));
	*out_state = servers;
	return 0;
}

static void close_module(void *module_state)
{
	lm_script_servers_free(module_state);
}

extern const struct lm_js_source lm_js_server;

static const struct lm_js_source *const sources[] = { &lm_js_server, NULL };
static const struct lm_script_native natives[] = {
	{ "hooks", hooks },     { "options", options }, { "nearest", nearest },
	{ "check", check },     { "path", path },       { "warn", warn },
	{ "verify", verify },   { "start", start },     { "certificate", certificate },
	{ "running", running }, { "stop", stop },       { "address", address },
	{ "stats", stats },     { NULL, NULL },
};

const struct lm_script_module lm_script_module_server = {
	.name = "infinity.server",
	.sources = sources,
	.natives = natives,
	.open = open_module,
	.close = close_module,
};
