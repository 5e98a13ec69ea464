/* lettermill user: accounts of a store. */
#include "cli/cli.h"

#include "base/error.h"
#include "base/mem.h"
#include "cli/action.h"
#include "cli/password.h"

#include <lettermill/store.h>

#define SECTION "Options"
static const struct lm_option options[] = {
	{ "store", "URL", "",
	  "The store whose accounts are meant, as \"serve\" has it. Default: sqlite:lettermill.db "
	  "in "
	  "the data directory.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0 },
	{ "accounts", "URL", "", "Where accounts rest, as \"serve\" has it.", SECTION, "",
	  LM_OPTION_STRING, 0, 0, 0, 0 },
	{ "data-dir", "DIR", "", "The data directory, as \"serve\" has it.", SECTION, "",
	  LM_OPTION_STRING, 0, 0, 0, 0 },
	{ "apop", "", "",
	  "Keep the password in the clear too, which APOP and CRAM-MD5 need. Whoever "
	  "can "
	  "read the store can read it.",
	  SECTION, "", LM_OPTION_FLAG, 0, 0, 0, 0, "add passwd", 0 },
	{ "json", "", "", "Print a JSON array, for programs.", SECTION, "", LM_OPTION_FLAG, 0, 0, 0,
	  0, "list", 0 },
};

static const struct lm_option *user_options(size_t *out_count)
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
static int open_accounts(const struct lm_cli_call *call, struct lm_accounts **out_accounts,
                         struct lm_error *out_error)
{
	const char *store = lm_cli_text(call, "store");
	const char *accounts = lm_cli_text(call, "accounts");
	const char *dir = lm_cli_text(call, "data-dir");
	struct lm_server_options o;
	int err = lm_server_options_init(&o);

	if (err == 0 && store)
		err = lm_server_options_set(&o, "store", store, out_error);
	if (err == 0 && accounts)
		err = lm_server_options_set(&o, "accounts", accounts, out_error);
	if (err == 0 && dir)
		err = lm_server_options_set(&o, "data-dir", dir, out_error);
	if (err == 0)
		err = lm_server_options_complete(&o, NULL, out_error);
	if (err == 0 && !accounts && (!store || strncmp(store, "maildir:", 8) == 0))
		err = lm_make_directory(o.data_dir, out_error);
	if (err == 0)
		err = lm_accounts_open(o.accounts ? o.accounts : o.store, out_accounts, out_error);
	lm_server_options_done(&o);
	return err;
}

static int set_password(struct lm_accounts *accounts, const struct lm_cli_call *call, bool replace)
{
	char password[LM_CLI_MAX_PASSWORD + 1];
	const char *name = call->operands[0];
	struct lm_error why = { 0 };
	unsigned flags = 0;
	int err;

	if (lm_cli_flag(call, "apop"))
		flags |= LM_ACCOUNT_KEEP_SECRET;
	err = lm_cli_read_password(password, &why);
	if (err == 0)
		err = lm_accounts_set(accounts, lm_str(name), lm_str(password), flags, replace,
		                      &why);
	lm_wipe(password, sizeof(password));
	return err < 0 ? failed(&why) : LM_EXIT_OK;
}

static int run_add(struct lm_accounts *accounts, const struct lm_cli_call *call)
{
	return set_password(accounts, call, false);
}

static int run_passwd(struct lm_accounts *accounts, const struct lm_cli_call *call)
{
	return set_password(accounts, call, true);
}

static int run_remove(struct lm_accounts *accounts, const struct lm_cli_call *call)
{
	struct lm_error why = { 0 };

	if (lm_accounts_remove(accounts, lm_str(call->operands[0]), &why) < 0)
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

static int print_json(void *ctx, struct lm_bytes name, unsigned flags)
{
	bool *first = ctx;

	printf("%s\n  {\"name\": ", *first ? "" : ",");
	*first = false;
	lm_cli_put_json(stdout, name);
	printf(", \"apop\": %s}", flags & LM_ACCOUNT_KEEP_SECRET ? "true" : "false");
	return 0;
}

static int run_list(struct lm_accounts *accounts, const struct lm_cli_call *call)
{
	bool json = lm_cli_flag(call, "json"), first = true;
	struct lm_error why = { 0 };
	int err;

	if (json)
		printf("[");
	err = lm_accounts_each(accounts, json ? print_json : print_name, &first, &why);
	if (json)
		printf("%s]\n", first ? "" : "\n");
	return err < 0 ? failed(&why) : lm_cli_finish_output();
}

static int with_accounts(const struct lm_cli_call *call,
                         int (*run)(struct lm_accounts *, const struct lm_cli_call *))
{
	struct lm_accounts *accounts = NULL;
	struct lm_error why = { 0 };
	int code;

	if (open_accounts(call, &accounts, &why) < 0)
		return failed(&why);
	code = run(accounts, call);
	lm_accounts_close(accounts);
	return code;
}

static int user_add(const struct lm_cli_call *call)
{
	return with_accounts(call, run_add);
}

static int user_passwd(const struct lm_cli_call *call)
{
	return with_accounts(call, run_passwd);
}

static int user_remove(const struct lm_cli_call *call)
{
	return with_accounts(call, run_remove);
}

static int user_list(const struct lm_cli_call *call)
{
	return with_accounts(call, run_list);
}

#define NEVER_HERE "passwords are never given on the command line"

static const struct lm_cli_action actions[] = {
	{ "add", "NAME", "make an account", "", 1, 1, NEVER_HERE, user_add },
	{ "passwd", "NAME", "change an account's password", "", 1, 1, NEVER_HERE, user_passwd },
	{ "remove", "NAME", "remove an account", "", 1, 1, NULL, user_remove },
	{ "list", "", "list the accounts", "", 0, 0, NULL, user_list },
};

static const struct lm_cli_action *user_actions(size_t *out_count)
{
	*out_count = sizeof(actions) / sizeof(*actions);
	return actions;
}

const struct lm_cli_command lm_cli_user_command = {
	.name = "user",
	.arguments = "add|passwd|remove NAME [OPTION]... | list [OPTION]...",
	.summary = "make, change, remove and list accounts",
	.text = "Accounts rest beside the mail in a store; a running server sees changes at once. "
	        "\"add\" and \"passwd\" ask for the password twice at a terminal, and otherwise "
	        "take the first line of standard input. \"remove\" leaves the mail in the store.",
	.options = user_options,
	.run = lm_cli_run_actions,
	.actions = user_actions,
};
