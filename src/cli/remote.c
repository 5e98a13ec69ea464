/* From URL and options to a client's parameters, secrets included. */
#include "cli/remote.h"

#include "base/error.h"
#include "base/mem.h"
#include "cli/password.h"
#include "cli/secret.h"
#include "wire/text.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_PATH = 4096 };

/* Whoever lists processes shall not read it there. */
static bool hide_password(char *url)
{
	char *start = strstr(url, "://"), *end = strrchr(url, '@'), *colon;

	if (!start || !end)
		return false;
	colon = strchr(start + 3, ':');
	if (!colon || colon > end)
		return false;
	memset(colon + 1, 'x', (size_t)(end - colon - 1));
	return end > colon + 1;
}

bool lm_remote_is_local(const char *host)
{
	struct in_addr four;
	struct in6_addr six;

	if (host[0] == '/' || lm_equal_nocase(lm_str(host), lm_str("localhost")))
		return true;
	if (inet_pton(AF_INET, host, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static void trace(void *ctx, bool from_server, struct lm_bytes line)
{
	(void)ctx;
	fputs(from_server ? "S: " : "C: ", stderr);
	lm_cli_put(stderr, line);
	fputs("\n", stderr);
}

static void name_place(struct lm_remote *r)
{
	const char *host = r->url.host;
	bool six = host[0] != '/' && strchr(host, ':');

	if (r->url.port)
		snprintf(r->where, sizeof(r->where), "%s%s%s:%u", six ? "[" : "", host,
		         six ? "]" : "", r->url.port);
	else
		snprintf(r->where, sizeof(r->where), "%s", host);
}

static bool speaks(unsigned protocols, enum lm_protocol protocol)
{
	return protocols & 1u << protocol;
}

static int read_url(struct lm_remote *r, const struct lm_cli_call *call, char *url,
                    unsigned protocols)
{
	struct lm_error why = { 0 };
	int err = lm_client_url_parse(url, &r->url, &why);

	if (hide_password(url))
		lm_cli_complain("warning: a password in the URL may have been seen by others on "
		                "this machine; better: --password-command or a netrc file");
	if (err < 0)
		return lm_cli_call_usage(call, "%s", why.text);
	if (!speaks(protocols, r->url.protocol))
		return lm_cli_call_usage(call, "%s: the URL must begin with %s", call->action->name,
		                         speaks(protocols, LM_POP3)
		                                 ? "pop3:// or pop3s://"
		                                 : "smtp://, smtps://, submission:// or lmtp://");
	if (r->url.protocol == LM_POP3 && *r->url.path)
		return lm_cli_call_usage(
		        call, "nothing can stand behind the host of a POP3 URL; messages "
		              "are named by RANGES");
	name_place(r);
	return LM_EXIT_OK;
}

static int set_tls(struct lm_remote *r, const struct lm_cli_call *call)
{
	static const enum lm_tls_mode modes[] = { LM_TLS_OFF, LM_TLS_OPPORTUNISTIC, LM_TLS_STARTTLS,
		                                  LM_TLS_IMPLICIT };
	int64_t choice = lm_cli_value(call, "tls");
	struct lm_client_params *p = &r->params;

	if (choice >= 0)
		p->tls = modes[choice];
	else if (r->url.tls)
		p->tls = LM_TLS_IMPLICIT;
	else
		p->tls = lm_remote_is_local(r->url.host) ? LM_TLS_OPPORTUNISTIC : LM_TLS_STARTTLS;
	if (r->url.tls && p->tls != LM_TLS_IMPLICIT)
		return lm_cli_call_usage(call,
		                         "--tls %s contradicts the URL, which wants TLS from "
		                         "the first octet",
		                         lm_cli_text(call, "tls"));
	p->insecure = lm_cli_flag(call, "insecure");
	p->ca_file = lm_cli_text(call, "cafile");
	p->cert_file = lm_cli_text(call, "cert");
	p->key_file = lm_cli_text(call, "key");
	if (p->key_file && !p->cert_file)
		return lm_cli_call_usage(call, "--key without --cert");
	if (p->cert_file && !p->key_file)
		p->key_file = p->cert_file;
	p->tls_min = (unsigned)lm_cli_value(call, "tls-min") + LM_TLS_1_0;
	return LM_EXIT_OK;
}

static int copy(const char *text, char **out, struct lm_error *why)
{
	*out = lm_strdup_bytes(lm_str(text));
	return *out ? 0 : lm_fail(why, LM_E_NOMEM, "out of memory");
}

/* Out of the environment, so that the commands we run do not get it. */
static int from_environment(const char *name, char **out, struct lm_error *why)
{
	const char *value = getenv(name);
	int err = 0;

	if (!value || !*value)
		return 0;
	if (value[strcspn(value, "\r\n")])
		return lm_fail(why, LM_E_CONFIG, "a line break stands in $%s", name);
	err = copy(value, out, why);
	unsetenv(name);
	return err;
}

/* What is not known yet, from the netrc file. */
static int from_netrc(struct lm_remote *r, const struct lm_cli_call *call, struct lm_error *why)
{
	const char *given = lm_cli_text(call, "netrc"), *home = getenv("HOME");
	char path[MAX_PATH], *user = NULL, *password = NULL;
	int err;

	if (!given && !home)
		return 0;
	snprintf(path, sizeof(path), "%s%s", given ? given : home, given ? "" : "/.netrc");
	if (given && access(path, R_OK) < 0)
		return lm_fail(why, LM_E_CONFIG, "cannot read %.150s", path);
	err = lm_netrc_find(path, r->url.host, r->user, &user, &password, why);
	if (!r->user) {
		r->user = user;
		user = NULL;
	}
	if (!r->password) {
		r->password = password;
		password = NULL;
	}
	lm_secret_free(user);
	lm_secret_free(password);
	return err < 0 ? err : 0;
}

static int from_terminal(struct lm_remote *r, struct lm_error *why)
{
	char prompt[200], password[LM_CLI_MAX_PASSWORD + 1];
	int err;

	snprintf(prompt, sizeof(prompt), "Password of %.60s at %.100s: ", r->user, r->where);
	err = lm_cli_ask_password(prompt, password, why);
	if (err == LM_E_UNSUPPORTED)
		return lm_fail(why, LM_E_AUTH,
		               "no password for %.60s at %.100s: there is no --password-command, "
		               "no $LETTERMILL_PASSWORD, no netrc entry and no terminal",
		               r->user, r->where);
	if (err == 0)
		err = copy(password, &r->password, why);
	lm_wipe(password, sizeof(password));
	return err;
}

static int find_token(struct lm_remote *r, const struct lm_cli_call *call, struct lm_error *why)
{
	const char *command = lm_cli_text(call, "token-command");

	if (command)
		return lm_secret_run(command, "token", &r->token, why);
	return from_environment("LETTERMILL_TOKEN", &r->token, why);
}

static int find_password(struct lm_remote *r, const struct lm_cli_call *call, struct lm_error *why)
{
	const char *command = lm_cli_text(call, "password-command");
	int err;

	if (command)
		return lm_secret_run(command, "password", &r->password, why);
	if (r->url.has_password)
		return copy(r->url.password, &r->password, why);
	err = from_environment("LETTERMILL_PASSWORD", &r->password, why);
	return err;
}

/* Mechanisms that prove nothing, or prove it by the certificate, want no password. */
static bool wants_password(const struct lm_remote *r)
{
	const char *m = r->params.mechanism;

	if (!r->user || r->password || r->token)
		return false;
	return m ? strcmp(m, "EXTERNAL") != 0 && strcmp(m, "ANONYMOUS") != 0 &&
	                       strcmp(m, "GSSAPI") != 0
	         : !r->params.cert_file;
}

static int find_login(struct lm_remote *r, const struct lm_cli_call *call,
                      enum lm_remote_login login, struct lm_error *why)
{
	const char *user = lm_cli_text(call, "user");
	bool wants_netrc;
	int err = 0;

	if (!user && *r->url.user)
		user = r->url.user;
	if (user)
		err = copy(user, &r->user, why);
	if (err == 0)
		err = find_token(r, call, why);
	if (err == 0 && !r->token)
		err = find_password(r, call, why);
	wants_netrc = lm_cli_text(call, "netrc") || login == LM_REMOTE_MUST || r->user;
	if (err == 0 && wants_netrc && (!r->user || wants_password(r)))
		err = from_netrc(r, call, why);
	if (err == 0 && wants_password(r))
		err = from_terminal(r, why);
	return err;
}

static void copy_upper(char *text)
{
	for (; *text; text++)
		*text = (char)lm_upper((uint8_t)*text);
}

static int set_mechanism(struct lm_remote *r, const struct lm_cli_call *call)
{
	const char *given = lm_cli_text(call, "auth");

	if (given && strlen(given) >= sizeof(r->url.mechanism))
		return lm_cli_call_usage(call, "--auth: \"%.40s…\" is no mechanism", given);
	if (given)
		memcpy(r->url.mechanism, given, strlen(given) + 1);
	copy_upper(r->url.mechanism);
	r->params.mechanism = *r->url.mechanism ? r->url.mechanism : NULL;
	return LM_EXIT_OK;
}

static int set_login(struct lm_remote *r, const struct lm_cli_call *call,
                     enum lm_remote_login login)
{
	const char *user = lm_cli_text(call, "user");
	struct lm_error why = { 0 };
	int code = set_mechanism(r, call);

	if (code != LM_EXIT_OK)
		return code;
	r->params.no_login = login == LM_REMOTE_NO_LOGIN;
	if (login == LM_REMOTE_NO_LOGIN)
		return LM_EXIT_OK;
	if (user && *r->url.user && strcmp(user, r->url.user) != 0)
		return lm_cli_call_usage(call, "--user and the URL name different users");
	if (find_login(r, call, login, &why) < 0)
		return lm_remote_failed(r, &why);
	if (login == LM_REMOTE_MUST && !r->user && !r->token && !r->params.mechanism)
		return lm_cli_call_usage(call, "say who logs in: --user NAME, or NAME@ in the URL");
	r->params.user = r->user;
	r->params.password = r->password;
	r->params.token = r->token;
	return LM_EXIT_OK;
}

static void set_place(struct lm_remote *r, const struct lm_cli_call *call)
{
	struct lm_client_params *p = &r->params;

	lm_client_params_init(p, r->url.protocol);
	p->host = r->url.host;
	p->port = r->url.port;
	p->timeout = lm_cli_value(call, "timeout") * 1000;
	if (r->url.protocol != LM_POP3 && *r->url.path)
		p->helo = r->url.path;
	r->verbose = lm_cli_flag(call, "verbose");
	if (r->verbose)
		p->trace = trace;
}

int lm_remote_init(struct lm_remote *out_remote, const struct lm_cli_call *call, size_t index,
                   unsigned protocols, enum lm_remote_login login)
{
	int code;

	memset(out_remote, 0, sizeof(*out_remote));
	signal(SIGPIPE, SIG_IGN);
	code = read_url(out_remote, call, call->operands[index], protocols);
	if (code == LM_EXIT_OK) {
		set_place(out_remote, call);
		code = set_tls(out_remote, call);
	}
	if (code == LM_EXIT_OK)
		code = set_login(out_remote, call, login);
	if (code != LM_EXIT_OK)
		lm_remote_done(out_remote);
	return code;
}

void lm_remote_done(struct lm_remote *remote)
{
	lm_secret_free(remote->user);
	lm_secret_free(remote->password);
	lm_secret_free(remote->token);
	lm_wipe(remote, sizeof(*remote));
}

int lm_remote_failed(const struct lm_remote *remote, const struct lm_error *why)
{
	if (*remote->where && !strstr(why->text, remote->url.host))
		lm_cli_complain("%s: %s", remote->where, why->text);
	else
		lm_cli_complain("%s", why->text);
	return lm_err_exit_code(why->code);
}
