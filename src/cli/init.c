/* lettermill init: a folder with a mail server in JavaScript that runs at once. */
#include "cli/cli.h"

#include "base/error.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/starter.h"
#include "store/account.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PASSWORD_LEN = 16 };

#define ACCOUNT "anna"
#define USERS   "users.json"

struct init {
	const char *dir; /* as it was given */
	int fd;          /* of the folder */
	bool force;
	unsigned written;
};

static const struct lm_option options[] = {
	{ "force", "", "",
	  "Write over files of the same names, except " USERS ", where accounts are.", "Options",
	  "", LM_OPTION_FLAG, 0, 0, 0, 0 },
};

static const struct lm_option *init_options(size_t *out_count)
{
	*out_count = sizeof(options) / sizeof(*options);
	return options;
}

static bool exists(const struct init *i, const char *name)
{
	return faccessat(i->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Nothing is written where anything is in the way: half a project is none. */
static int check_free(const struct init *i, struct lm_error *out_error)
{
	if (i->force)
		return 0;
	for (const struct lm_starter_file *f = lm_starter_files; f->name; f++)
		if (exists(i, f->name))
			return lm_fail(out_error, LM_E_EXISTS,
			               "%.120s/%s exists already; --force writes over it", i->dir,
			               f->name);
	if (exists(i, USERS))
		return lm_fail(out_error, LM_E_EXISTS,
		               "%.120s/" USERS " exists already; --force keeps it, and writes "
		               "over the rest",
		               i->dir);
	return 0;
}

static int write_all(int fd, struct lm_bytes octets)
{
	while (octets.len) {
		ssize_t n = write(fd, octets.data, octets.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		octets = lm_bytes_from(octets, (size_t)n);
	}
	return 0;
}

/* The folders above a file of the project. */
static int make_parents(const struct init *i, const char *name)
{
	char part[64];

	for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - name), name);
		if (mkdirat(i->fd, part, 0777) && errno != EEXIST)
			return -1;
	}
	return 0;
}

/* A link in the place of a file is replaced, not followed. */
static int write_octets(const struct init *i, const char *name, mode_t mode, struct lm_bytes octets)
{
	int fd, failed, number;

	if (make_parents(i, name))
		return -1;
	if (i->force && unlinkat(i->fd, name, 0) && errno != ENOENT)
		return -1;
	fd = openat(i->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return -1;
	failed = write_all(fd, octets);
	number = errno;
	if (close(fd) && !failed) {
		failed = -1;
		number = errno;
	}
	errno = number;
	return failed;
}

static int write_file(struct init *i, const char *name, mode_t mode, struct lm_bytes octets,
                      struct lm_error *out_error)
{
	if (write_octets(i, name, mode, octets))
		return lm_fail_errno(out_error, lm_err_from_errno(errno), errno, "%.120s/%s",
		                     i->dir, name);
	printf("made %s/%s\n", i->dir, name);
	i->written++;
	return 0;
}

/* Letters and digits that nobody takes for one another; 32 of them, so that no octet is favoured.
 */
static int make_password(char out_password[PASSWORD_LEN + 1], struct lm_error *out_error)
{
	static const char letters[33] = "abcdefghijkmnpqrstuvwxyz23456789";
	uint8_t random[PASSWORD_LEN];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return lm_fail_errno(out_error, LM_E_IO, errno, "no random numbers");
	for (int k = 0; k < PASSWORD_LEN; k++)
		out_password[k] = letters[random[k] & 31];
	out_password[PASSWORD_LEN] = '\0';
	return 0;
}

static int write_users(struct init *i, const char *password, struct lm_error *out_error)
{
	struct lm_account account = { .name = ACCOUNT };
	char json[600];
	int err = lm_account_set_password(&account, lm_str(password), 0, out_error);

	if (!err) {
		snprintf(json, sizeof(json), "{\n\t\"%s\": { \"password\": \"%s\" }\n}\n", ACCOUNT,
		         account.crypt);
		err = write_file(i, USERS, 0600, lm_str(json), out_error);
	}
	lm_account_wipe(&account);
	return err;
}

static void say_next(const struct init *i, const char *password)
{
	printf("\n");
	if (*password)
		printf("An account to try: %s, password %s\n\n", ACCOUNT, password);
	printf("Next:\n");
	if (strcmp(i->dir, ".") != 0)
		printf("  cd %s\n", i->dir);
	printf("  lettermill run main.js\n"
	       "  lettermill smtp send --to %s@localhost smtp://127.0.0.1:2525 message.eml\n"
	       "  lettermill pop3 list pop3://%s@127.0.0.1:2110\n",
	       ACCOUNT, ACCOUNT);
}

static int write_project(struct init *i, struct lm_error *out_error)
{
	char password[PASSWORD_LEN + 1] = "";
	int err = check_free(i, out_error);

	for (const struct lm_starter_file *f = lm_starter_files; !err && f->name; f++)
		err = write_file(i, f->name, 0666, f->text, out_error);
	if (!err && !exists(i, USERS)) {
		err = make_password(password, out_error);
		if (!err)
			err = write_users(i, password, out_error);
	} else if (!err) {
		printf("kept %s/" USERS "\n", i->dir);
	}
	if (!err)
		say_next(i, password);
	lm_wipe(password, sizeof(password));
	return err;
}

static int open_folder(struct init *i, struct lm_error *out_error)
{
	int err = 0;

	if (mkdir(i->dir, 0777) && errno != EEXIST)
		err = lm_make_directory(i->dir, out_error);
	if (err)
		return err;
	i->fd = open(i->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return i->fd >= 0 ? 0
	                  : lm_fail_errno(out_error, lm_err_from_errno(errno), errno, "%.150s",
	                                  i->dir);
}

static int init(const char *dir, bool force)
{
	struct init i = { .dir = dir, .fd = -1, .force = force };
	struct lm_error why = { 0 };
	int err = open_folder(&i, &why), code;

	if (!err)
		err = write_project(&i, &why);
	if (i.fd >= 0)
		close(i.fd);
	code = lm_cli_finish_output();
	if (!err)
		return code;
	lm_cli_complain("%s", why.text);
	return lm_err_exit_code(err);
}

static int judge(const struct lm_cli_command *command, const struct lm_cli_args *args)
{
	const char *dir = args->operand_count ? args->operands[0] : ".";

	if (args->help) {
		lm_cli_help(stdout, command, NULL);
		return lm_cli_finish_output();
	}
	if (args->operand_count > 1)
		return lm_cli_usage(command, "init makes one folder at a time");
	if (!*dir)
		return lm_cli_usage(command, "the folder's name is empty");
	return init(dir, lm_cli_settings_get(&args->settings, "force") != NULL);
}

static int run(const struct lm_cli_command *command, int argc, char **argv)
{
	struct lm_cli_args args;
	struct lm_error why = { 0 };
	int code;

	if (lm_cli_args_parse(options, sizeof(options) / sizeof(*options), argc, argv, &args,
	                      &why) < 0)
		code = lm_cli_usage(command, "%s", why.text);
	else
		code = judge(command, &args);
	lm_cli_args_done(&args);
	return code;
}

const struct lm_cli_command lm_cli_init_command = {
	.name = "init",
	.arguments = "[DIR] [OPTION]...",
	.summary = "begin a mail server in JavaScript",
	.text = "Writes a program into DIR, or into the folder one is in: a POP3 and an SMTP "
	        "server "
	        "whose handlers are scripts and whose mail rests in mail.db, an account with a "
	        "password that is shown once, and types for editors. \"lettermill run main.js\" "
	        "runs "
	        "it at once. Files that are there already are left as they are, and nothing is "
	        "written then.",
	.options = init_options,
	.run = run,
};
