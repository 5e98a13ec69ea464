/* lettermill serve: options to a running server, signals to what it does next. */
#include "cli/cli.h"

#include "base/error.h"
#include "cli/args.h"
#include "cli/config.h"
#include "cli/log.h"
#include "server/languages.h"

#include <lettermill/server.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

struct serving {
	const struct lm_cli_command *command;
	struct lm_cli_args args;
	struct lm_cli_settings file;      /* as last read */
	struct lm_server_options options; /* as last read and found good, completed */
	struct lm_server *server;
	struct lm_log log;
	sigset_t signals;
	pthread_t main_thread;
	atomic_bool stopped;
};

static int set_option(void *ctx, const char *name, const char *value, struct lm_error *out_error)
{
	return lm_server_options_set(ctx, name, value, out_error);
}

static int set_server(void *ctx, const char *name, const char *value, struct lm_error *out_error)
{
	return lm_server_set(ctx, name, value, out_error);
}

/* Read the file named by --config, if one is. */
static int read_file(const struct serving *s, struct lm_cli_settings *out_file,
                     struct lm_error *out_error)
{
	const char *path = lm_cli_settings_get(&s->args.settings, "config");

	*out_file = (struct lm_cli_settings){ 0 };
	return path ? lm_cli_config_read(path, out_file, out_error) : 0;
}

/* A server of this machine keeps its own certificate, also without a store: clients trust it. */
static int set_home(int (*set)(void *, const char *, const char *, struct lm_error *), void *ctx,
                    struct lm_error *out_error)
{
	char dir[LM_OPTION_MAX_VALUE + 1];

	/* Where there is none, the options say whether one is needed. */
	return lm_default_data_dir(dir, NULL) == 0 ? set(ctx, "data-dir", dir, out_error) : 0;
}

/* What file and command line come to together. */
static int make_options(const struct serving *s, const struct lm_cli_settings *file,
                        struct lm_server_options *out_options, struct lm_error *out_error)
{
	int err = lm_server_options_init(out_options);

	if (err < 0)
		return lm_fail(out_error, err, "out of memory");
	err = set_home(set_option, out_options, out_error);
	if (err == 0)
		err = lm_cli_settings_apply(file, &s->args.settings, set_option, out_options,
		                            out_error);
	if (err == 0)
		err = lm_server_options_complete(out_options, NULL, out_error);
	return err < 0 ? err
	               : lm_languages_check(&(struct lm_languages){ 0 }, out_options->language,
	                                    out_error);
}

/* 64 for what stands on the command line, 78 for the file. */
static int wrong_options(const struct serving *s, const struct lm_error *why, bool in_file)
{
	if (why->code != LM_E_CONFIG || in_file) {
		lm_cli_complain("%s", why->text);
		return lm_err_exit_code(why->code);
	}
	return lm_cli_usage(s->command, "%s", why->text);
}

static int read_options(struct serving *s)
{
	struct lm_error why = { 0 };

	if (read_file(s, &s->file, &why) < 0)
		return wrong_options(s, &why, true);
	if (make_options(s, &s->file, &s->options, &why) < 0)
		return wrong_options(s, &why, strncmp(why.text, "--", 2) != 0 && s->file.count);
	return LM_EXIT_OK;
}

static void print_option(const struct serving *s, const struct lm_option *o)
{
	char text[LM_OPTION_MAX_VALUE + 1];
	size_t i = 0;

	for (; lm_server_options_text(&s->options, o, i, text, sizeof(text)); i++)
		if (lm_server_options_is_hidden(o, text))
			printf("# %s = (not shown)\n", o->name);
		else
			printf("%s = %s\n", o->name, text);
	if (i == 0)
		printf("# %s = %s\n", o->name, o->placeholder);
	if (o->flags & (LM_OPTION_SECRET | LM_OPTION_PEM))
		lm_wipe(text, sizeof(text));
}

static int print_config(const struct serving *s)
{
	const char *section = "";
	size_t count;
	const struct lm_option *table = lm_option_table(&count);

	for (size_t i = 0; i < count; i++) {
		if (table[i].flags & LM_OPTION_CLI)
			continue;
		if (strcmp(section, table[i].section) != 0)
			printf("%s# %s\n", *section ? "\n" : "", table[i].section);
		section = table[i].section;
		print_option(s, &table[i]);
	}
	return lm_cli_finish_output();
}

/* Connections are descriptors: take as many as the system lets us have. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* All threads inherit the mask, so the signals wait for await_signals. SIGUSR1 is our own. */
static void hold_signals(struct serving *s)
{
	static const int ours[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };

	sigemptyset(&s->signals);
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
		signal(ours[i], SIG_DFL);
		sigaddset(&s->signals, ours[i]);
	}
	signal(SIGPIPE, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &s->signals, NULL);
}

static void *wait_for_server(void *ctx)
{
	struct serving *s = ctx;

	lm_server_wait(s->server);
	atomic_store(&s->stopped, true);
	pthread_kill(s->main_thread, SIGUSR1);
	return NULL;
}

static void log_error(const struct serving *s, const char *id, const struct lm_error *why)
{
	lm_log(&s->log, LM_LOG_ERROR, id, LM_LOG_TEXT("error", lm_str(lm_err_name(why->code))),
	       LM_LOG_TEXT("text", lm_str(why->text)));
}

/* Put back to their defaults the options that may change, so that what left the file is gone. */
static int reset_server(struct lm_server *server, struct lm_error *out_error)
{
	size_t count;
	const struct lm_option *table = lm_option_table(&count);
	int err = 0;

	for (size_t i = 0; i < count && err == 0; i++)
		if (!(table[i].flags & LM_OPTION_CLI))
			err = lm_server_set(server, table[i].name, NULL, out_error);
	return err;
}

static int try_reload(struct serving *s, struct lm_error *out_error)
{
	struct lm_server_options options = { 0 };
	struct lm_cli_settings file;
	int err;

	err = read_file(s, &file, out_error);
	if (err == 0)
		err = make_options(s, &file, &options, out_error);
	if (err == 0)
		err = reset_server(s->server, out_error);
	if (err == 0)
		err = set_home(set_server, s->server, out_error);
	if (err == 0)
		err = lm_cli_settings_apply(&file, &s->args.settings, set_server, s->server,
		                            out_error);
	if (err == 0)
		err = lm_server_reload(s->server, out_error);
	if (err == 0) {
		lm_server_options_done(&s->options);
		s->options = options;
		options = (struct lm_server_options){ 0 };
	}
	lm_server_options_done(&options);
	lm_cli_settings_done(&file);
	return err;
}

static void reload(struct serving *s)
{
	struct lm_error why = { 0 };

	if (try_reload(s, &why) < 0)
		log_error(s, "server.reload.fail", &why);
}

/* The first drains, the second cuts off what runs, the third ends the process as it is. */
static void terminate(const struct serving *s, unsigned count)
{
	if (count > 2)
		_exit(LM_EXIT_ABORTED);
	lm_log(&s->log, LM_LOG_INFO, count == 1 ? "server.drain" : "server.abort",
	       LM_LOG_NUMBER("pid", getpid()));
	lm_server_drain(s->server, count == 1 ? s->options.drain_timeout : 0);
}

static int await_signals(struct serving *s)
{
	unsigned terminations = 0;
	int signal_number;

	while (!atomic_load(&s->stopped)) {
		if (sigwait(&s->signals, &signal_number) != 0)
			continue;
		if (signal_number == SIGHUP && terminations == 0)
			reload(s);
		if (signal_number == SIGTERM || signal_number == SIGINT)
			terminate(s, ++terminations);
	}
	return terminations > 1 ? LM_EXIT_ABORTED : LM_EXIT_OK;
}

static void announce(const struct serving *s)
{
	static const char *const names[] = {
		"smtp", "smtps", "submission", "lmtp", "pop3", "pop3s"
	};

	printf("ready");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *where = lm_server_endpoint(s->server, names[i]);

		if (where)
			printf(" %s=%s", names[i], where);
	}
	printf(" pid=%ld\n", (long)getpid());
	fflush(stdout);
}

static int start(struct serving *s, struct lm_error *out_error)
{
	int err = lm_server_new(&s->server);

	if (err < 0)
		return lm_fail(out_error, err, "out of memory");
	lm_server_log(s->server, &s->log);
	err = set_home(set_server, s->server, out_error);
	if (err == 0)
		err = lm_cli_settings_apply(&s->file, &s->args.settings, set_server, s->server,
		                            out_error);
	return err < 0 ? err : lm_server_start(s->server, out_error);
}

static int run_server(struct serving *s)
{
	struct lm_error why = { 0 };
	pthread_t waiter;
	int code;

	lm_cli_log_init(&s->log, s->options.log.index == 1,
	                (enum lm_log_level)s->options.log_level.index);
	if (s->args.secret_seen)
		lm_log(&s->log, LM_LOG_WARN, "cli.password_on_command_line",
		       LM_LOG_TEXT("text", lm_str("others on this machine may have seen it; for "
		                                  "lasting accounts: lettermill user add")));
	raise_descriptors();
	hold_signals(s);
	if (start(s, &why) < 0) {
		lm_cli_complain("%s", why.text);
		return lm_err_exit_code(why.code);
	}
	s->main_thread = pthread_self();
	if (pthread_create(&waiter, NULL, wait_for_server, s) != 0) {
		lm_cli_complain("cannot start a thread");
		return lm_err_exit_code(LM_E_NOMEM);
	}
	announce(s);
	code = await_signals(s);
	pthread_join(waiter, NULL);
	return code;
}

static int serve(struct serving *s)
{
	int code;

	if (s->args.help) {
		lm_cli_help(stdout, s->command, NULL);
		return lm_cli_finish_output();
	}
	if (s->args.version) {
		printf("lettermill %s\n", lm_version());
		return lm_cli_finish_output();
	}
	if (s->args.operand_count > 0)
		return lm_cli_usage(s->command, "serve takes options only, not \"%.60s\"",
		                    s->args.operands[0]);
	code = read_options(s);
	if (code != LM_EXIT_OK)
		return code;
	if (lm_cli_settings_get(&s->args.settings, "print-config"))
		return print_config(s);
	return run_server(s);
}

static int run(const struct lm_cli_command *command, int argc, char **argv)
{
	struct serving s = { .command = command };
	struct lm_error why = { 0 };
	const struct lm_option *table;
	size_t count;
	int code;

	table = lm_option_table(&count);
	if (lm_cli_args_parse(table, count, argc, argv, &s.args, &why) < 0)
		code = lm_cli_usage(command, "%s", why.text);
	else
		code = serve(&s);
	lm_server_free(s.server);
	lm_server_options_done(&s.options);
	lm_cli_settings_done(&s.file);
	lm_cli_args_done(&s.args);
	return code;
}

const struct lm_cli_command lm_cli_serve_command = {
	.name = "serve",
	.arguments = "[OPTION]...",
	.summary = "receive mail and let it be fetched",
	.text = "Listens for SMTP, submission, LMTP and POP3, and keeps mail in a store. As soon "
	        "as every listener accepts, one line goes to standard output: \"ready\", then "
	        "name=address for each listener and pid=N. The log goes to standard error.\n"
	        "SIGTERM or SIGINT: accept no more, let running transactions finish for at most "
	        "--drain-timeout, end with 0; a second one cuts them off. SIGHUP: read "
	        "certificates and the configuration file again, for new connections; on an error "
	        "the old settings stay.",
	.options = lm_option_table,
	.run = run,
};
