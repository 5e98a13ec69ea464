/* Makes the snapshot that sessions are made from: parameters by service, certificates, accounts. */
#include "server/config.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <stdatomic.h>

static const struct lm_service_info services[LM_SERVICE_COUNT] = {
	[LM_SERVICE_SMTP] = { "smtp", LM_SMTP, false },
	[LM_SERVICE_SMTPS] = { "smtps", LM_SUBMISSION, true },
	[LM_SERVICE_SUBMISSION] = { "submission", LM_SUBMISSION, false },
	[LM_SERVICE_LMTP] = { "lmtp", LM_LMTP, false },
	[LM_SERVICE_POP3] = { "pop3", LM_POP3, false },
	[LM_SERVICE_POP3S] = { "pop3s", LM_POP3, true },
};

const struct lm_service_info *lm_service_info(enum lm_service service)
{
	return &services[service];
}

const struct lm_option_address *lm_service_address(const struct lm_server_options *options,
                                                   enum lm_service service)
{
	const struct lm_option_address *all[LM_SERVICE_COUNT] = {
		[LM_SERVICE_SMTP] = &options->smtp,
		[LM_SERVICE_SMTPS] = &options->smtps,
		[LM_SERVICE_SUBMISSION] = &options->submission,
		[LM_SERVICE_LMTP] = &options->lmtp,
		[LM_SERVICE_POP3] = &options->pop3,
		[LM_SERVICE_POP3S] = &options->pop3s,
	};

	return all[service];
}

const char *lm_protocol_name(enum lm_protocol protocol)
{
	static const char *const names[] = { "", "smtp", "submission", "lmtp", "pop3" };

	return (unsigned)protocol <= LM_POP3 ? names[protocol] : "";
}

enum lm_nearness lm_nearness(const char *address)
{
	struct in6_addr six;
	struct in_addr four;

	if (strcmp(address, "unix") == 0)
		return LM_LOCAL;
	if (inet_pton(AF_INET, address, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127 ? LM_LOCAL : LM_REMOTE;
	if (inet_pton(AF_INET6, address, &six) != 1)
		return LM_REMOTE;
	if (IN6_IS_ADDR_V4MAPPED(&six))
		return six.s6_addr[12] == 127 ? LM_LOCAL : LM_REMOTE;
	return IN6_IS_ADDR_LOOPBACK(&six) ? LM_LOCAL : LM_REMOTE;
}

/* Leaves out the mechanisms that nothing here could check. */
static int mechanisms_make(struct lm_config *c, const struct lm_config_base *base)
{
	const char *from = c->options.auth ? c->options.auth : "";
	size_t at = 0;

	c->mechanisms = lm_alloc(strlen(from) + 1);
	if (!c->mechanisms)
		return LM_E_NOMEM;
	while (*from) {
		size_t n = strcspn(from, " ");
		bool bearer = (n == 11 && memcmp(from, "OAUTHBEARER", n) == 0) ||
		              (n == 7 && memcmp(from, "XOAUTH2", n) == 0);
		bool external = n == 8 && memcmp(from, "EXTERNAL", n) == 0;

		if (n && (!bearer || base->auth_by_handler) &&
		    (!external || c->options.client_ca)) {
			if (at)
				c->mechanisms[at++] = ' ';
			memcpy(c->mechanisms + at, from, n);
			at += n;
		}
		from += n + (from[n] == ' ');
	}
	c->mechanisms[at] = '\0';
	return 0;
}

static int tls_make(struct lm_config *c, bool pop3, struct lm_error *out_error)
{
	const struct lm_server_options *o = &c->options;
	size_t named = o->tls_cert_for.count, size;
	struct lm_tls_pair *pairs;
	int err;

	if (!o->tls)
		return 0;
	if (!lm_add(named, 1, &size) || !(pairs = lm_alloc_zero(size, sizeof(*pairs))))
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	pairs[0] = (struct lm_tls_pair){ NULL, o->cert, o->key };
	if (named)
		memcpy(pairs + 1, o->tls_cert_for.items, named * sizeof(*pairs));
	err = lm_tls_context_new(
	        &(struct lm_tls_params){
	                .server = true,
	                .pairs = pairs,
	                .pair_count = size,
	                .min = (enum lm_tls_version)(o->tls_min.index + LM_TLS_1_0),
	                .max = (enum lm_tls_version)(o->tls_max.index + LM_TLS_1_0),
	                .alpn = pop3 ? "pop3" : NULL,
	                .ca_file = o->client_ca,
	                .key_passphrase = o->key_passphrase,
	                .ciphers = o->tls_ciphers,
	                .require_client_cert = o->require_client_cert,
	        },
	        &c->tls[pop3], out_error);
	lm_free(pairs);
	return err;
}

static int store_handler_make(struct lm_config *c, const struct lm_config_base *base,
                              struct lm_error *out_error)
{
	int err = lm_store_handler_new(
	        &(struct lm_store_handler_params){
	                .store = base->store,
	                .accounts = (struct lm_accounts **)base->accounts,
	                .account_count = base->account_count,
	                .pool = base->pool,
	                .hostname = c->options.hostname,
	                .domains = (const char **)c->options.domain.items,
	                .domain_count = c->options.domain.count,
	                .catch_all = c->options.catch_all,
	                .postmaster = c->options.postmaster,
	                .add_trace = true,
	                .log = base->log,
	        },
	        &c->store_handler);
	return err ? lm_fail(out_error, err, "the mailboxes: %s", lm_err_text(err)) : 0;
}

static const char *words_or_null(const char *words)
{
	return words && *words ? words : NULL;
}

static void smtp_params(struct lm_config *c, const struct lm_config_base *base,
                        enum lm_service service, enum lm_nearness near)
{
	const struct lm_server_options *o = &c->options;
	struct lm_smtp_server_params *p = &c->smtp[service][near];

	lm_smtp_server_params_init(p, services[service].protocol);
	p->hostname = o->hostname;
	p->decides = base->decides;
	p->mechanisms = words_or_null(c->mechanisms);
	p->tls = c->tls[0] != NULL;
	p->plain_login = o->allow_plaintext_login || near == LM_LOCAL;
	p->require_tls = o->require_tls;
	if (o->require_login.index != LM_LOGIN_FOR_SUBMISSION)
		p->require_auth = o->require_login.index == LM_LOGIN_ALWAYS;
	p->max_message_size = o->max_message_size;
	p->max_recipients = (unsigned)o->max_recipients;
	p->bare = (enum lm_bare_policy)o->bare_newlines.index;
	p->early_talkers = o->early_talkers;
	p->idle_timeout = o->idle_timeout;
	p->command_timeout = o->command_timeout;
	p->hide = words_or_null(o->hide);
	p->min_rate = o->min_rate > UINT32_MAX ? UINT32_MAX : (uint32_t)o->min_rate;
	p->max_errors = (unsigned)o->max_errors;
	p->max_unauthenticated = (unsigned)o->max_unauthenticated_commands;
	p->banner = o->banner;
	p->unannounced = words_or_null(o->unannounced);
	p->unknown_parameters = o->unknown_parameters.index == 1;
}

static void pop3_params(struct lm_config *c, const struct lm_config_base *base,
                        enum lm_service service, enum lm_nearness near, bool apop)
{
	const struct lm_server_options *o = &c->options;
	struct lm_pop3_server_params *p = &c->pop3[service][near];

	lm_pop3_server_params_init(p);
	p->hostname = o->hostname;
	p->language = o->language;
	p->languages = base->languages.items;
	p->language_count = base->languages.count;
	p->implementation = o->implementation;
	p->hide = words_or_null(o->hide);
	p->decides = base->decides;
	p->mechanisms = words_or_null(c->mechanisms);
	p->tls = c->tls[1] != NULL;
	p->plain_login = o->allow_plaintext_login || near == LM_LOCAL;
	p->require_tls = o->require_tls;
	p->apop = apop;
	p->login_delay = (int)(o->login_delay / 1000);
	p->expire = (int)o->expire;
	p->idle_timeout = o->idle_timeout;
	p->command_timeout = o->command_timeout;
	p->max_errors = (unsigned)o->max_errors;
}

/* APOP needs the clear secret, so it is announced only where some account has kept one. */
static bool any_secret(const struct lm_config_base *base)
{
	for (size_t i = 0; i < base->account_count; i++)
		if (base->accounts[i]->ops->any_secret(base->accounts[i]) == 1)
			return true;
	return false;
}

static void params_make(struct lm_config *c, const struct lm_config_base *base)
{
	int asked = c->options.apop.index;
	bool apop = asked == LM_APOP_YES || (asked == LM_APOP_AUTO && any_secret(base));

	for (int s = 0; s < LM_SERVICE_COUNT; s++)
		for (int near = 0; near < LM_NEARNESS_COUNT; near++) {
			if (services[s].protocol == LM_POP3)
				pop3_params(c, base, (enum lm_service)s, (enum lm_nearness)near,
				            apop);
			else
				smtp_params(c, base, (enum lm_service)s, (enum lm_nearness)near);
		}
}

int lm_config_new(const struct lm_server_options *options, const struct lm_config_base *base,
                  struct lm_config **out_config, struct lm_error *out_error)
{
	struct lm_config *c = lm_alloc_zero(1, sizeof(*c));
	int err;

	if (!c)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	atomic_init(&c->refs, 1);
	err = lm_server_options_copy(options, &c->options);
	if (err)
		memset(&c->options, 0, sizeof(c->options));
	if (!err)
		err = mechanisms_make(c, base);
	if (err)
		lm_fail(out_error, err, "%s", lm_err_text(err));
	if (!err)
		err = tls_make(c, false, out_error);
	if (!err)
		err = tls_make(c, true, out_error);
	if (!err && base->store)
		err = store_handler_make(c, base, out_error);
	if (err) {
		lm_config_unref(c);
		return err;
	}
	params_make(c, base);
	*out_config = c;
	return 0;
}

struct lm_config *lm_config_ref(struct lm_config *config)
{
	atomic_fetch_add_explicit(&config->refs, 1, memory_order_relaxed);
	return config;
}

void lm_config_unref(struct lm_config *c)
{
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	lm_store_handler_free(c->store_handler);
	lm_tls_context_unref(c->tls[0]);
	lm_tls_context_unref(c->tls[1]);
	lm_free(c->mechanisms);
	lm_server_options_done(&c->options);
	lm_free(c);
}

struct lm_tls_context *lm_config_tls(const struct lm_config *config, enum lm_protocol protocol)
{
	return config->tls[protocol == LM_POP3];
}
