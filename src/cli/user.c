/* lettermill user: accounts of a store. */
#include "cli/cli.h"

#include "base/error.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/password.h"

#include <lettermill/store.h>

#define SECTION "Options"
static const struct lm_option options[] = {
	{ "store", "URL", "",
	  "The store whose accounts are meant, as \"serve\" has it. Default: sqlite:lettermill.db "
	  "in "
	  "the data directory.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0 },
	{ "data-dir", "DIR", "", "The data directory, as \"serve\" has it.", SECTION, "",
	  LM_OPTION_STRING, 0, 0, 0, 0 },
	{ "apop", "", "",
	  "add, passwd: keep the password in the clear too, which APOP and CRAM-MD5 need. Whoever "
	  "can "
	  "read the store can read it.",
	  SECTION, "", LM_OPTION_FLAG, 0, 0, 0, 0 },
	{ "json", "", "", "list: print a JSON array, for programs.", SECTION, "", LM_OPTION_FLAG, 0,
	  0, 0, 0 },
};

const struct lm_option *lm_cli_user_options(size_t *out_count)
{
	*out_count = sizeof(options) / sizeof(*options);
	return options;
}

static int failed(const struct lm_error *why)
{
	lm_cli_complain("%s", why->text);
	return lm_err_exit_code(why->code);
}

/* The store serve would take. */
static int open_accounts(const struct lm_cli_args *args, struct lm_accounts **out_accounts,
                         struct lm_error *out_error)
{
	const char *store = lm_cli_settings_get(&args->settings, "store");
	const char *dir = lm_cli_settings_get(&args->settings, "data-dir");
	struct lm_server_options o;
	int err = lm_server_options_init(&o);

	if (err == 0 && store)
		err = lm_server_options_set(&o, "store", store, out_error);
	if (err == 0 && dir)
		err = lm_server_options_set(&o, "data-dir", dir, out_error);
	if (err == 0)
		err = lm_server_options_complete(&o, NULL, out_error);
	if (err == 0 && !store)
		err = lm_make_directory(o.data_dir, out_error);
	if (err == 0)
		err = lm_accounts_open(o.store, out_accounts, out_error);
	lm_server_options_done(&o);
	return err;
}

static int set_password(struct lm_accounts *accounts, const struct lm_cli_args *args, bool replace)
{
	char password[LM_CLI_MAX_PASSWORD + 1];
	const char *name = args->operands[1];
	struct lm_error why = { 0 };
	unsigned flags = 0;
	int err;

	if (lm_cli_settings_get(&args->settings, "apop"))
		flags |= LM_ACCOUNT_KEEP_SECRET;
	err = lm_cli_read_password(password, &why);
	if (err == 0)
		err = lm_accounts_set(accounts, lm_str(name), lm_str(password), flags, replace,
		                      &why);
	lm_wipe(password, sizeof(password));
	return err < 0 ? failed(&why) : LM_EXIT_OK;
}

static int run_add(struct lm_accounts *accounts, const struct lm_cli_args *args)
{
	return set_password(accounts, args, false);
}

static int run_passwd(struct lm_accounts *accounts, const struct lm_cli_args *args)
{
	return set_password(accounts, args, true);
}

static int run_remove(struct lm_accounts *accounts, const struct lm_cli_args *args)
{
	struct lm_error why = { 0 };

	if (lm_accounts_remove(accounts, lm_str(args->operands[1]), &why) < 0)
		return failed(&why);
	return LM_EXIT_OK;
}

static int print_name(void *ctx, struct lm_bytes name, unsigned flags)
{
	(void)ctx;
	(void)flags;
	printf("%.*s\n", LM_FMT(name));
	return 0;
}

/* Names hold no control characters, so quotes and backslashes are all there is to escape. */
static int print_json(void *ctx, struct lm_bytes name, unsigned flags)
{
	bool *first = ctx;

	printf("%s\n  {\"name\": \"", *first ? "" : ",");
	*first = false;
	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] == '"' || name.data[i] == '\\')
			putchar('\\');
		putchar(name.data[i]);
	}
	printf("\", \"apop\": %s}", flags & LM_ACCOUNT_KEEP_SECRET ? "true" : "false");
	return 0;
}

static int run_list(struct lm_accounts *accounts, const struct lm_cli_args *args)
{
	bool json = lm_cli_settings_get(&args->settings, "json"), first = true;
	struct lm_error why = { 0 };
	int err;

	if (json)
		printf("[");
	err = lm_accounts_each(accounts, json ? print_json : print_name, &first, &why);
	if (json)
		printf("%s]\n", first ? "" : "\n");
	return err < 0 ? failed(&why) : lm_cli_finish_output();
}

struct action {
	const char *name;
	size_t operands; /* with its own name */
	int (*run)(struct lm_accounts *, const struct lm_cli_args *);
	const char *flag; /* the one flag it has */
};

static const struct action actions[] = {
	{ "add", 2, run_add, "apop" },
	{ "passwd", 2, run_passwd, "apop" },
	{ "remove", 2, run_remove, NULL },
	{ "list", 1, run_list, "json" },
};

static const struct action *find_action(const char *name)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++)
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	return NULL;
}

/* A flag that means nothing to this action is a slip, not to be passed over. */
static const char *strange_flag(const struct action *action, const struct lm_cli_args *args)
{
	for (size_t i = 0; i < args->settings.count; i++) {
		const struct lm_option *o = args->settings.items[i].option;

		if (o->kind == LM_OPTION_FLAG &&
		    (!action->flag || strcmp(o->name, action->flag) != 0))
			return o->name;
	}
	return NULL;
}

static int run_action(const struct lm_cli_command *command, const struct lm_cli_args *args)
{
	const struct action *action;
	struct lm_accounts *accounts = NULL;
	struct lm_error why = { 0 };
	int code;

	if (args->operand_count == 0)
		return lm_cli_usage(command, "say what to do: add, passwd, remove or list");
	action = find_action(args->operands[0]);
	if (!action)
		return lm_cli_usage(command, "\"%.40s\" is none of add, passwd, remove, list",
		                    args->operands[0]);
	if (args->operand_count < action->operands)
		return lm_cli_usage(command, "%s needs the NAME of an account", action->name);
	if (args->operand_count > action->operands)
		return lm_cli_usage(command,
		                    "%s: too many arguments; passwords are never given on the "
		                    "command line",
		                    action->name);
	if (strange_flag(action, args))
		return lm_cli_usage(command, "%s does not take --%s", action->name,
		                    strange_flag(action, args));
	if (open_accounts(args, &accounts, &why) < 0)
		return failed(&why);
	code = action->run(accounts, args);
	lm_accounts_close(accounts);
	return code;
}

int lm_cli_user(const struct lm_cli_command *command, int argc, char **argv)
{
	struct lm_cli_args args;
	struct lm_error why = { 0 };
	size_t count;
	int code;

	lm_cli_user_options(&count);
	if (lm_cli_args_parse(options, count, argc, argv, &args, &why) < 0) {
		code = lm_cli_usage(command, "%s", why.text);
	} else if (args.help) {
		lm_cli_help(stdout, command);
		code = lm_cli_finish_output();
	} else {
		code = run_action(command, &args);
	}
	lm_cli_args_done(&args);
	return code;
}
