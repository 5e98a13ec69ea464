/* lettermill method: izy-pop3's command form, its keys and what they mean in common. */
#include "cli/izy.h"

#include "base/error.h"
#include "base/mem.h"
#include "wire/text.h"

static const struct lm_cli_action methods[] = {
	{ "serverpop3", "[KEY VALUE]...", "serve a mime store by POP3",
	  "Until SIGTERM or SIGINT. Any user name, one password. \"POP3 Server running on port N\" "
	  "goes to standard output once it accepts. RETR consumes: the message is staged, then "
	  "archived; who leaves without QUIT has the last one marked pop3failed. With "
	  "mimestore.commitmode off (as it is unless said) nothing is moved or marked.",
	  0, SIZE_MAX, NULL, NULL },
	{ "clientpop3", "[KEY VALUE]...", "list a maildrop, or store messages of it",
	  "A message that fails is named, the others go on, and the exit code is 1.", 0, SIZE_MAX,
	  NULL, NULL },
	{ "test", "[KEY VALUE]...", "query a store, or try server, client and store together", "",
	  0, SIZE_MAX, NULL, NULL },
};
enum { METHODS = sizeof(methods) / sizeof(*methods) };

static int (*const runs[METHODS])(const struct lm_izy *izy) = {
	lm_izy_serverpop3,
	lm_izy_clientpop3,
	lm_izy_test,
};

#define ROW(form, key, value, otherwise, who, more, text)                                     \
	{                                                                                     \
		.name = key, .placeholder = value, .fallback = otherwise, .section = "Keys",  \
		.kind = LM_OPTION_##form, .flags = LM_OPTION_WORD | (more), .actions = (who), \
		.unit = "", .help = text                                                      \
	}
#define SERVER "serverpop3"
#define CLIENT "clientpop3"
#define BOTH   "serverpop3 clientpop3 test"
#define TEST   "test"
#define STORE  NULL
static const struct lm_option keys[LM_IZY_KEY_COUNT] = {
	[LM_IZY_PORT] = ROW(
	        STRING, "port", "PORT", "", BOTH, 0,
	        "Where to listen: none or 0 is a free port. clientpop3: where the server is; "
	        "none is 995 with tls, else 110."),
	[LM_IZY_ADDRESS] = ROW(
	        STRING, "address", "ADDR", "127.0.0.1", SERVER, 0,
	        "The address to listen on; 0.0.0.0 or [::] for all. Passwords in the "
	        "clear are taken on loopback only; others use STLS."),
	[LM_IZY_PASSWORD] = ROW(STRING, "password", "PASSWORD", "", SERVER, LM_OPTION_SECRET,
	                        "Lets everybody in, under any name; without it nobody gets in."),
	[LM_IZY_SERVERNAME] = ROW(STRING, "servername", "NAME", "localhost", SERVER, 0,
	                          "The name in the greeting."),
	[LM_IZY_TAGS] = ROW(
	        STRING, "tags", "TAG,...", "", SERVER, 0,
	        "Show messages with one of these tags: unread, archive, staged, dup, "
	        "pop3failed, conversionerror. Default: what the store shows to readers."),
	[LM_IZY_LIMIT] = ROW(
	        STRING, "limit", "N", "", SERVER, 0,
	        "Show so many messages at most, or \"all\". Default: the store's own: 1 "
	        "for fake and cloud, 10 for localfs."),
	[LM_IZY_IP] = ROW(STRING, "ip", "HOST", "", CLIENT, 0,
	                  "The server: a name or an address. Certificates are checked for it."),
	[LM_IZY_USER] = ROW(STRING, "user", "NAME", "", CLIENT, 0, "Whom to log in as."),
	[LM_IZY_PASS] = ROW(STRING, "pass", "PASSWORD", "", CLIENT, LM_OPTION_SECRET,
	                    "The password; without it the environment's LETTERMILL_PASSWORD."),
	[LM_IZY_TLS] = ROW(CHOICE, "tls", "true|false|starttls", "false", CLIENT, 0,
	                   "TLS from the first octet, none, or by STLS."),
	[LM_IZY_CAFILE] = ROW(STRING, "cafile", "FILE", "", CLIENT, 0,
	                      "Trust the certificates in this file, PEM, not the system's."),
	[LM_IZY_INSECURE] = ROW(CHOICE, "insecure", "true|false", "false", CLIENT, 0,
	                        "Go on whatever the certificate says."),
	[LM_IZY_TIMEOUT] = ROW(STRING, "timeout", "SECONDS", "60", CLIENT, 0,
	                       "How long to wait for the server, each time."),
	[LM_IZY_CMD] = ROW(
	        CHOICE, "cmd", "list|retr", "", CLIENT, 0,
	        "list: a line of number and octets for each message. retr: store messages "
	        "in the mime store. Without it: log in, and good bye."),
	[LM_IZY_QUERY] = ROW(STRING, "query", "1-10,15,20-", "", CLIENT, 0,
	                     "retr: which messages, by number."),
	[LM_IZY_CLIENT_LOG] = ROW(CHOICE, "verbose.clientLog", "true|false", "true", CLIENT, 0,
	                          "Say what is sent, on standard error; passwords are masked."),
	[LM_IZY_SERVER_LOG] = ROW(CHOICE, "verbose.serverLog", "true|false", "false", CLIENT, 0,
	                          "Say what the server answers, too."),
	[LM_IZY_WAIT_TIME] = ROW(CHOICE, "verbose.waitTime", "true|false", "false", CLIENT, 0,
	                         "Say how long each answer took."),
	[LM_IZY_TESTTYPE] = ROW(CHOICE, "testtype", "mimestore|fullclientserver", "mimestore", TEST,
	                        0,
	                        "mimestore: query the store and print the outcome as JSON. "
	                        "fullclientserver: server, client and store against each other."),
	[LM_IZY_QUERY_LIMIT] = ROW(STRING, "query.limit", "N", "", TEST, 0,
	                           "mimestore: as limit of serverpop3."),
	[LM_IZY_QUERY_TAGS] = ROW(STRING, "query.tags", "TAG,...", "", TEST, 0,
	                          "mimestore: as tags of serverpop3."),
	[LM_IZY_MODHANDLER] = ROW(CHOICE, "mimestore.modhandler", "fake|localfs|cloud", "fake",
	                          STORE, 0, "The kind of store."),
	[LM_IZY_PATH] = ROW(STRING, "mimestore.path", "PATH", "", STORE, 0, "localfs: the folder."),
	[LM_IZY_DATASERVICE] = ROW(STRING, "mimestore.dataservice", "URL", "", STORE, 0,
	                           "cloud: where the service is."),
	[LM_IZY_COMMITMODE] = ROW(
	        CHOICE, "mimestore.commitmode", "true|false", "", STORE, 0,
	        "Off: nothing is moved or marked. Default: off, as izy has it; but "
	        "clientpop3 stores what it fetches unless this says no."),
	[LM_IZY_STORE_FIRST] = ROW(STRING, "mimestore.verbose", "0|1|2|true", "", STORE, 0,
	                           "Say more about what the store does."),
	ROW(STRING, "mimestore.tablename", "NAME", "", STORE, 0, "cloud: the table."),
	ROW(STRING, "mimestore.accesstoken", "TOKEN", "", STORE, LM_OPTION_SECRET,
	    "cloud: the token."),
	ROW(STRING, "mimestore.groupid", "N", "", STORE, 0,
	    "cloud: the group whose rows are meant."),
	ROW(STRING, "mimestore.itemid", "N", "", STORE, 0, "cloud: the one row that is meant."),
	ROW(CHOICE, "mimestore.simulate", "true|false", "", STORE, 0, "cloud: make rows up."),
	ROW(STRING, "mimestore.limit", "N", "", STORE, 0, "cloud: how many rows to make up."),
	ROW(STRING, "mimestore.cafile", "FILE", "", STORE, 0,
	    "cloud: trust the certificates in this file, PEM."),
	ROW(STRING, "mimestore.timeout", "SECONDS", "", STORE, 0,
	    "cloud: how long to wait for it."),
	ROW(CHOICE, "mimestore.orderBy", "asc|desc", "", STORE, 0,
	    "localfs: the order of file names."),
};

static const struct lm_option *options(size_t *out_count)
{
	*out_count = LM_IZY_KEY_COUNT;
	return keys;
}

/* ---- values ---- */

const char *lm_izy_text(const struct lm_izy *izy, enum lm_izy_key key)
{
	return izy->values[key] ? izy->values[key] : keys[key].fallback;
}

const char *lm_izy_name(enum lm_izy_key key)
{
	return keys[key].name;
}

bool lm_izy_is(const struct lm_izy *izy, enum lm_izy_key key)
{
	static const char *const nos[] = { "", "false", "0", "no", "off" };
	struct lm_bytes value = lm_str(lm_izy_text(izy, key));

	for (size_t i = 0; i < sizeof(nos) / sizeof(*nos); i++)
		if (lm_equal_nocase(value, lm_str(nos[i])))
			return false;
	return true;
}

int lm_izy_number(const struct lm_izy *izy, enum lm_izy_key key, uint64_t max, uint64_t *out_number,
                  struct lm_error *out_error)
{
	const char *value = lm_izy_text(izy, key);

	*out_number = 0;
	if (!*value || lm_parse_number(lm_str(value), max, out_number))
		return 0;
	return lm_fail(out_error, LM_E_CONFIG, "%s: \"%.40s\" is no number from 0 to %llu",
	               keys[key].name, value, (unsigned long long)max);
}

unsigned lm_izy_tags(const struct lm_izy *izy, enum lm_izy_key key)
{
	const char *at = lm_izy_text(izy, key);
	unsigned tags = 0;

	while (*at) {
		size_t n = strcspn(at, ", ");
		char name[40];
		enum lm_mime_tag tag;

		snprintf(name, sizeof(name), "%.*s", (int)(n < 39 ? n : 39), at);
		if (n && lm_mime_tag_parse(name, &tag, NULL) == 0)
			tags |= 1U << tag;
		else if (n)
			lm_cli_complain("%s: \"%s\" is no tag; passed over, as izy does",
			                keys[key].name, name);
		at += n + (at[n] != '\0');
	}
	return tags;
}

/* "3", "3-7" or "3-". */
static bool parse_part(struct lm_bytes text, uint64_t *out_from, uint64_t *out_to)
{
	const uint8_t *dash = text.len ? memchr(text.data, '-', text.len) : NULL;
	size_t at = dash ? (size_t)(dash - text.data) : text.len;
	struct lm_bytes end = lm_bytes_from(text, at + 1);

	if (!lm_parse_number(lm_bytes(text.data, at), INT64_MAX, out_from) || !*out_from)
		return false;
	*out_to = dash ? INT64_MAX : *out_from;
	return !dash || !end.len ||
	       (lm_parse_number(end, INT64_MAX, out_to) && *out_to >= *out_from);
}

int lm_izy_range_parse(const char *text, struct lm_izy_range *out_range, struct lm_error *out_error)
{
	const char *at = text;

	out_range->count = 0;
	if (!*text)
		return lm_fail(out_error, LM_E_CONFIG, "Please specify the query range start-end");
	for (;;) {
		size_t n = strcspn(at, ",");
		size_t i = out_range->count++;

		if (i == sizeof(out_range->parts) / sizeof(*out_range->parts))
			return lm_fail(out_error, LM_E_CONFIG, "query: too many ranges");
		if (!parse_part(lm_bytes(at, n), &out_range->parts[i].from,
		                &out_range->parts[i].to))
			return lm_fail(out_error, LM_E_CONFIG,
			               "query: \"%.40s\" is no range; like 1-10, or 1-10,15,20-",
			               text);
		if (!at[n])
			return 0;
		at += n + 1;
	}
}

bool lm_izy_range_has(const struct lm_izy_range *range, uint64_t number)
{
	for (size_t i = 0; i < range->count; i++)
		if (number >= range->parts[i].from && number <= range->parts[i].to)
			return true;
	return false;
}

int lm_izy_failed(const struct lm_error *why)
{
	fputs("Failed: ", stderr);
	lm_cli_put(stderr, lm_str(why->text));
	fputs("\n", stderr);
	return why->code == LM_E_CONFIG ? LM_EXIT_USAGE : lm_err_exit_code(why->code);
}

/* ---- the store ---- */

/* A kind of store: whether it has a place, and which key says it. */
static const struct kind {
	const char *name;
	enum lm_izy_key place; /* KEY_COUNT: none */
} kinds[] = {
	{ "fake", LM_IZY_KEY_COUNT },
	{ "localfs", LM_IZY_PATH },
	{ "cloud", LM_IZY_DATASERVICE },
};

static int no_such_kind(const char *name, struct lm_error *out_error)
{
	const char *names[sizeof(kinds) / sizeof(*kinds)], *near;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		names[i] = kinds[i].name;
	near = lm_cli_nearest(names, sizeof(kinds) / sizeof(*kinds), name);
	return lm_fail(out_error, LM_E_CONFIG,
	               "mimestore.modhandler: there is no store \"%.40s\"; %s%s", name,
	               near ? "the nearest is " : "there are: ",
	               near ? near : keys[LM_IZY_MODHANDLER].placeholder);
}

static int store_url(const struct lm_izy *izy, char *out, size_t cap, struct lm_error *out_error)
{
	const char *name = lm_izy_text(izy, LM_IZY_MODHANDLER), *place = "";
	const struct kind *kind = NULL;

	for (size_t i = 0; !kind && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			kind = &kinds[i];
	if (!kind)
		return no_such_kind(name, out_error);
	if (kind->place != LM_IZY_KEY_COUNT)
		place = lm_izy_text(izy, kind->place);
	if (kind->place == LM_IZY_PATH && !*place)
		return lm_fail(out_error, LM_E_CONFIG, "%s needs mimestore.path", name);
	if ((size_t)snprintf(out, cap, "%s:%s", name, place) >= cap)
		return lm_fail(out_error, LM_E_CONFIG, "%s is too long", keys[kind->place].name);
	return 0;
}

int lm_izy_open_store(const struct lm_izy *izy, bool commit, struct lm_mime_store **out_store,
                      struct lm_error *out_error)
{
	struct lm_mime_setting settings[LM_IZY_KEY_COUNT];
	char url[LM_OPTION_MAX_VALUE];
	size_t count = 0;
	int err = store_url(izy, url, sizeof(url), out_error);

	if (izy->values[LM_IZY_COMMITMODE])
		commit = lm_izy_is(izy, LM_IZY_COMMITMODE);
	settings[count++] = (struct lm_mime_setting){ "commitmode", commit ? "true" : "false" };
	for (int i = LM_IZY_STORE_FIRST; i < LM_IZY_KEY_COUNT; i++)
		if (izy->values[i])
			settings[count++] = (struct lm_mime_setting){
				keys[i].name + strlen("mimestore."), izy->values[i]
			};
	return err ? err : lm_mime_store_open(url, settings, count, out_store, out_error);
}

/* ---- the form ---- */

static const struct lm_cli_action *actions(size_t *out_count)
{
	*out_count = METHODS;
	return methods;
}

static int no_such_method(const struct lm_cli_command *command, const char *name)
{
	const char *names[METHODS], *near;

	for (size_t i = 0; i < METHODS; i++)
		names[i] = methods[i].name;
	near = lm_cli_nearest(names, METHODS, name);
	return lm_cli_usage(command, "there is no method \"%.40s\"; %s%s", name,
	                    near ? "the nearest is " : "there are: ",
	                    near ? near : "serverpop3, clientpop3, test");
}

static int no_such_key(const struct lm_cli_command *command, const struct lm_cli_action *m,
                       const char *name)
{
	const char *names[LM_IZY_KEY_COUNT], *near;
	size_t count = 0;

	for (int i = 0; i < LM_IZY_KEY_COUNT; i++)
		if (lm_cli_is_for(&keys[i], m))
			names[count++] = keys[i].name;
	near = lm_cli_nearest(names, count, name);
	return lm_cli_usage(command, "%s has no key \"%.40s\"%s%s", m->name, name,
	                    near ? "; the nearest is " : "", near ? near : "");
}

/* One pair of words. 0, or the exit code. */
static int take_pair(struct lm_izy *izy, const struct lm_cli_action *m, const char *name,
                     char *value)
{
	for (int i = 0; i < LM_IZY_KEY_COUNT; i++) {
		if (!lm_cli_is_for(&keys[i], m) || strcmp(keys[i].name, name) != 0)
			continue;
		if (izy->values[i])
			return lm_cli_usage(izy->command, "%s is given twice", name);
		izy->values[i] = lm_strdup_bytes(lm_str(value));
		if (!izy->values[i]) {
			lm_cli_complain("out of memory");
			return lm_err_exit_code(LM_E_NOMEM);
		}
		if (keys[i].flags & LM_OPTION_SECRET)
			lm_wipe(value, strlen(value));
		return 0;
	}
	return no_such_key(izy->command, m, name);
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int help(const struct lm_cli_command *command, const struct lm_cli_action *method)
{
	lm_cli_help(stdout, command, method);
	return lm_cli_finish_output();
}

static int run_form(struct lm_izy *izy, int argc, char **argv)
{
	const struct lm_cli_action *m = lm_cli_find_action(izy->command, argv[1]);
	int code = 0;

	if (!m)
		return no_such_method(izy->command, argv[1]);
	if (argc == 3 && is_help(argv[2]))
		return help(izy->command, m);
	for (int i = 2; !code && i + 1 < argc; i += 2)
		code = take_pair(izy, m, argv[i], argv[i + 1]);
	if (!code && argc % 2)
		code = lm_cli_usage(izy->command,
		                    "\"%.40s\" has no value: keys and values come in pairs",
		                    argv[argc - 1]);
	return code ? code : runs[m - methods](izy);
}

static int run(const struct lm_cli_command *command, int argc, char **argv)
{
	struct lm_izy izy = { .command = command };
	int code;

	if (argc == 1 || is_help(argv[1]))
		return help(command, NULL);
	code = run_form(&izy, argc, argv);
	for (int i = 0; i < LM_IZY_KEY_COUNT; i++) {
		if (izy.values[i] && keys[i].flags & LM_OPTION_SECRET)
			lm_wipe(izy.values[i], strlen(izy.values[i]));
		lm_free(izy.values[i]);
	}
	return code;
}

const struct lm_cli_command lm_cli_method_command = {
	.name = "method",
	.arguments = "serverpop3|clientpop3|test [KEY VALUE]...",
	.summary = "the command form of izy-pop3",
	.text = "Where izy-pop3 had \"node cli.js method METHOD KEY VALUE ...\", word for word. "
	        "Keys and values come in pairs; false, 0, no and off mean no, every other value "
	        "means yes.",
	.options = options,
	.run = run,
	.actions = actions,
};
