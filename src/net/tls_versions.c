/* Which versions of TLS are spoken, with which ciphers. */
#include "net/tls_impl.h"

#include "base/error.h"

/* RFC 9325 4.2: forward secrecy and authenticated encryption only. */
#define MODERN_SUITES "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
/* TLS 1.0 and 1.1 know none of those, and sign with SHA-1. */
#define LEGACY_SUITES "ECDHE+AESGCM:ECDHE+CHACHA20:HIGH:!aNULL:!eNULL:!MD5:!PSK:!SRP:@SECLEVEL=0"
#define CLIENT_SUITES "DEFAULT:!aNULL:!PSK:!SRP"
#define TLS13_SUITES  "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

struct choice {
	int min, max;       /* TLS1_VERSION … */
	const char *list;   /* up to TLS 1.2; "" none */
	const char *suites; /* TLS 1.3 */
};

static int version_of(enum lm_tls_version v, int fallback)
{
	if (!v)
		return fallback;
	switch (v) {
	case LM_TLS_1_0:
		return TLS1_VERSION;
	case LM_TLS_1_1:
		return TLS1_1_VERSION;
	case LM_TLS_1_2:
		return TLS1_2_VERSION;
	case LM_TLS_1_3:
		return TLS1_3_VERSION;
	}
	return -1;
}

static void append(char *to, const char *word, size_t len)
{
	size_t at = strlen(to);

	if (at)
		to[at++] = ':';
	memcpy(to + at, word, len);
	to[at + len] = '\0';
}

/* OpenSSL keeps the names of TLS 1.3 in a list of their own; both lists have room for all. */
static void sort_ciphers(const char *text, char *list, char *suites)
{
	*list = *suites = '\0';
	while (*text) {
		size_t gap = strspn(text, ":, "), len = strcspn(text + gap, ":, ");

		if (len)
			append(strncmp(text + gap, "TLS_", 4) == 0 ? suites : list, text + gap,
			       len);
		text += gap + len;
	}
}

/* Versions for which nothing was named are not spoken. */
static int narrow(struct choice *c, struct lm_error *out_error)
{
	if (!*c->suites && c->max >= TLS1_3_VERSION)
		c->max = TLS1_2_VERSION;
	if (!*c->list && c->min < TLS1_3_VERSION)
		c->min = TLS1_3_VERSION;
	if (c->min > c->max)
		return lm_fail(out_error, LM_E_CONFIG,
		               "ciphers: none of them belongs to a TLS version that is allowed");
	return 0;
}

static int apply(SSL_CTX *ctx, const struct choice *c, bool by_user, struct lm_error *out_error)
{
	const char *what = by_user ? "ciphers" : "TLS versions";

	if (SSL_CTX_set_min_proto_version(ctx, c->min) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, c->max) != 1 ||
	    (*c->list && SSL_CTX_set_cipher_list(ctx, c->list) != 1) ||
	    SSL_CTX_set_ciphersuites(ctx, c->suites) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") != 1)
		return lm_fail(out_error, by_user ? LM_E_CONFIG : LM_E_TLS, "%s: %s", what,
		               lm_tls_reason());
	return 0;
}

static int apply_ciphers(SSL_CTX *ctx, struct choice *c, const char *ciphers,
                         struct lm_error *out_error)
{
	size_t room = strlen(ciphers) + 1;
	char *lists = lm_alloc_zero(2, room);
	int err;

	if (!lists)
		return lm_fail(out_error, LM_E_NOMEM, "TLS: out of memory");
	sort_ciphers(ciphers, lists, lists + room);
	c->list = lists;
	c->suites = lists + room;
	err = narrow(c, out_error);
	if (!err)
		err = apply(ctx, c, true, out_error);
	lm_free(lists);
	return err;
}

int lm_tls_set_versions(SSL_CTX *ctx, const struct lm_tls_params *params,
                        struct lm_error *out_error)
{
	struct choice c = {
		.min = version_of(params->min, TLS1_2_VERSION),
		.max = version_of(params->max, TLS1_3_VERSION),
		.list = params->server ? MODERN_SUITES : CLIENT_SUITES,
		.suites = TLS13_SUITES,
	};

	if (c.min < 0 || c.max < 0 || c.min > c.max)
		return lm_fail(out_error, LM_E_CONFIG,
		               "TLS versions: the minimum must not be above the maximum, and both "
		               "are 1.0 to 1.3");
	if (c.min < TLS1_2_VERSION) {
		SSL_CTX_set_security_level(ctx, 0);
		c.list = LEGACY_SUITES;
	}
	if (params->ciphers)
		return apply_ciphers(ctx, &c, params->ciphers, out_error);
	return apply(ctx, &c, false, out_error);
}
