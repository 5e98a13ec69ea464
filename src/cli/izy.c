/* lettermill method: izy-pop3's command form, its keys and what they mean in common. */
#include "cli/izy.h"

#include "base/error.h"
#include "base/mem.h"
#include "wire/text.h"

#define ALL (SERVER | CLIENT | TEST)
enum { SERVER = 1, CLIENT = 2, TEST = 4 };

struct method {
	const char *name;
	unsigned bit;
	int (*run)(const struct lm_izy *izy);
};

static const struct method methods[] = {
	{ "serverpop3", SERVER, lm_izy_serverpop3 },
	{ "clientpop3", CLIENT, lm_izy_clientpop3 },
	{ "test", TEST, lm_izy_test },
};

#define ROW(key, value, otherwise, part, more, text)                                       \
	{                                                                                  \
		.name = key, .placeholder = value, .fallback = otherwise, .section = part, \
		.flags = LM_OPTION_WORD | (more), .unit = "", .help = text                 \
	}
#define COMMON "serverpop3 and clientpop3"
#define STORE  "The store (every method)"
static const struct lm_option keys[LM_IZY_KEY_COUNT] = {
	[LM_IZY_PORT] = ROW(
	        "port", "PORT", "", COMMON, 0,
	        "serverpop3: where to listen; none or 0: a free port. clientpop3: where "
	        "the server is; none: 995 with tls, else 110."),
	[LM_IZY_ADDRESS] = ROW(
	        "address", "ADDR", "127.0.0.1", "serverpop3", 0,
	        "The address to listen on; 0.0.0.0 or [::] for all. Passwords in the "
	        "clear are taken on loopback only; others use STLS."),
	[LM_IZY_PASSWORD] = ROW("password", "PASSWORD", "", "serverpop3", LM_OPTION_SECRET,
	                        "Lets everybody in, under any name; without it nobody gets in."),
	[LM_IZY_SERVERNAME] = ROW("servername", "NAME", "localhost", "serverpop3", 0,
	                          "The name in the greeting."),
	[LM_IZY_TAGS] = ROW(
	        "tags", "TAG,...", "", "serverpop3", 0,
	        "Show messages with one of these tags: unread, archive, staged, dup, "
	        "pop3failed, conversionerror. Default: what the store shows to readers."),
	[LM_IZY_LIMIT] = ROW(
	        "limit", "N", "", "serverpop3", 0,
	        "Show so many messages at most, or \"all\". Default: the store's own: 1 "
	        "for fake and cloud, 10 for localfs."),
	[LM_IZY_IP] = ROW("ip", "HOST", "", "clientpop3", 0,
	                  "The server: a name or an address. Certificates are checked for it."),
	[LM_IZY_USER] = ROW("user", "NAME", "", "clientpop3", 0, "Whom to log in as."),
	[LM_IZY_PASS] = ROW("pass", "PASSWORD", "", "clientpop3", LM_OPTION_SECRET,
	                    "The password; without it the environment's LETTERMILL_PASSWORD."),
	[LM_IZY_TLS] = ROW("tls", "true|false|starttls", "false", "clientpop3", 0,
	                   "TLS from the first octet, none, or by STLS."),
	[LM_IZY_CAFILE] = ROW("cafile", "FILE", "", "clientpop3", 0,
	                      "Trust the certificates in this file, PEM, not the system's."),
	[LM_IZY_INSECURE] = ROW("insecure", "true|false", "false", "clientpop3", 0,
	                        "Go on whatever the certificate says."),
	[LM_IZY_TIMEOUT] = ROW("timeout", "SECONDS", "60", "clientpop3", 0,
	                       "How long to wait for the server, each time."),
	[LM_IZY_CMD] = ROW(
	        "cmd", "list|retr", "", "clientpop3", 0,
	        "list: a line of number and octets for each message. retr: store messages "
	        "in the mime store. Without it: log in, and good bye."),
	[LM_IZY_QUERY] = ROW("query", "1-10,15,20-", "", "clientpop3", 0,
	                     "retr: which messages, by number."),
	[LM_IZY_CLIENT_LOG] = ROW("verbose.clientLog", "true|false", "true", "clientpop3", 0,
	                          "Say what is sent, on standard error; passwords are masked."),
	[LM_IZY_SERVER_LOG] = ROW("verbose.serverLog", "true|false", "false", "clientpop3", 0,
	                          "Say what the server answers, too."),
	[LM_IZY_WAIT_TIME] = ROW("verbose.waitTime", "true|false", "false", "clientpop3", 0,
	                         "Say how long each answer took."),
	[LM_IZY_TESTTYPE] = ROW("testtype", "mimestore|fullclientserver", "mimestore", "test", 0,
	                        "mimestore: query the store and print the outcome as JSON. "
	                        "fullclientserver: server, client and store against each other."),
	[LM_IZY_QUERY_LIMIT] = ROW("query.limit", "N", "", "test", 0,
	                           "mimestore: as limit of serverpop3."),
	[LM_IZY_QUERY_TAGS] = ROW("query.tags", "TAG,...", "", "test", 0,
	                          "mimestore: as tags of serverpop3."),
	[LM_IZY_MODHANDLER] = ROW("mimestore.modhandler", "fake|localfs|cloud", "fake", STORE, 0,
	                          "The kind of store."),
	[LM_IZY_PATH] = ROW("mimestore.path", "PATH", "", STORE, 0, "localfs: the folder."),
	[LM_IZY_DATASERVICE] = ROW("mimestore.dataservice", "URL", "", STORE, 0,
	                           "cloud: where the service is."),
	[LM_IZY_COMMITMODE] = ROW(
	        "mimestore.commitmode", "true|false", "", STORE, 0,
	        "Off: nothing is moved or marked. Default: off, as izy has it; but "
	        "clientpop3 stores what it fetches unless this says no."),
	[LM_IZY_STORE_FIRST] = ROW("mimestore.verbose", "0|1|2|true", "", STORE, 0,
	                           "Say more about what the store does."),
	ROW("mimestore.tablename", "NAME", "", STORE, 0, "cloud: the table."),
	ROW("mimestore.accesstoken", "TOKEN", "", STORE, LM_OPTION_SECRET, "cloud: the token."),
	ROW("mimestore.groupid", "N", "", STORE, 0, "cloud: the group whose rows are meant."),
	ROW("mimestore.itemid", "N", "", STORE, 0, "cloud: the one row that is meant."),
	ROW("mimestore.simulate", "true|false", "", STORE, 0, "cloud: make rows up."),
	ROW("mimestore.limit", "N", "", STORE, 0, "cloud: how many rows to make up."),
	ROW("mimestore.cafile", "FILE", "", STORE, 0,
	    "cloud: trust the certificates in this file, PEM."),
	ROW("mimestore.timeout", "SECONDS", "", STORE, 0, "cloud: how long to wait for it."),
	ROW("mimestore.orderBy", "asc|desc", "", STORE, 0, "localfs: the order of file names."),
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

static unsigned methods_of(int key)
{
	const char *section = keys[key].section;

	if (strcmp(section, COMMON) == 0)
		return ALL;
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (strcmp(section, methods[i].name) == 0)
			return methods[i].bit;
	return ALL;
}

static const struct method *find_method(const char *name)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	return NULL;
}

static int no_such_method(const struct lm_cli_command *command, const char *name)
{
	const char *names[sizeof(methods) / sizeof(*methods)], *near;

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		names[i] = methods[i].name;
	near = lm_cli_nearest(names, sizeof(methods) / sizeof(*methods), name);
	return lm_cli_usage(command, "there is no method \"%.40s\"; %s%s", name,
	                    near ? "the nearest is " : "there are: ",
	                    near ? near : "serverpop3, clientpop3, test");
}

static int no_such_key(const struct lm_cli_command *command, const struct method *m,
                       const char *name)
{
	const char *names[LM_IZY_KEY_COUNT], *near;
	size_t count = 0;

	for (int i = 0; i < LM_IZY_KEY_COUNT; i++)
		if (methods_of(i) & m->bit)
			names[count++] = keys[i].name;
	near = lm_cli_nearest(names, count, name);
	return lm_cli_usage(command, "%s has no key \"%.40s\"%s%s", m->name, name,
	                    near ? "; the nearest is " : "", near ? near : "");
}

/* One pair of words. 0, or the exit code. */
static int take_pair(struct lm_izy *izy, const struct method *m, const char *name, char *value)
{
	for (int i = 0; i < LM_IZY_KEY_COUNT; i++) {
		if (!(methods_of(i) & m->bit) || strcmp(keys[i].name, name) != 0)
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

static int run_form(struct lm_izy *izy, int argc, char **argv)
{
	const struct method *m = find_method(argv[1]);
	int code = 0;

	if (!m)
		return no_such_method(izy->command, argv[1]);
	for (int i = 2; !code && i + 1 < argc; i += 2)
		code = take_pair(izy, m, argv[i], argv[i + 1]);
	if (!code && argc % 2)
		code = lm_cli_usage(izy->command,
		                    "\"%.40s\" has no value: keys and values come in "
		                    "pairs",
		                    argv[argc - 1]);
	return code ? code : m->run(izy);
}

static bool wants_help(int argc, char **argv)
{
	return argc == 1 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
}

static int run(const struct lm_cli_command *command, int argc, char **argv)
{
	struct lm_izy izy = { .command = command };
	int code;

	if (wants_help(argc, argv)) {
		lm_cli_help(stdout, command, NULL);
		return lm_cli_finish_output();
	}
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
	.text = "Where izy-pop3 had \"node cli.js method METHOD KEY VALUE ...\", word for word.\n"
	        "serverpop3: serve a mime store by POP3 until SIGTERM or SIGINT. Any user name, "
	        "one "
	        "password. \"POP3 Server running on port N\" goes to standard output once it "
	        "accepts. RETR consumes: the message is staged, then archived; who leaves without "
	        "QUIT has the last one marked pop3failed. With mimestore.commitmode off (as it is "
	        "unless said) nothing is moved or marked.\n"
	        "clientpop3: list or retrieve messages of a server. A message that fails is named, "
	        "the others go on, and the exit code is 1.\n"
	        "test: query a store, or let server, client and store work together.\n"
	        "false, 0, no and off mean no; every other value means yes.",
	.options = options,
	.run = run,
};
