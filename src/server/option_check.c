/* What one option's own form cannot show: names that reach the wire, and values that make no sense
 * together. */
#include "base/error.h"
#include "pop3/capa.h"
#include "sasl/sasl.h"
#include "server/options.h"
#include "smtp/hide.h"
#include "wire/text.h"

#include <strings.h>

enum { NAME_MAX_LEN = 255, IMPLEMENTATION_MAX_LEN = 400, BANNER_MAX_LEN = 200 };

/* It stands in greetings, EHLO, Received and the APOP stamp, so nothing may break out of them. */
bool lm_is_hostname(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)name[i];
		bool letter = lm_upper(c) >= 'A' && lm_upper(c) <= 'Z';

		if (!letter && !(c >= '0' && c <= '9') && !(c && strchr("-._:[]", c)))
			return false;
	}
	return len > 0 && len <= NAME_MAX_LEN;
}

/* As the part of an address behind "@" (RFC 5321 4.1.2, 6531 3.3). */
static bool is_domain(const char *name)
{
	struct lm_bytes text = lm_str(name);

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		if (c <= ' ' || c == 0x7F || strchr("@<>,;\"\\()/", c))
			return false;
	}
	return text.len > 0 && text.len <= NAME_MAX_LEN && lm_is_utf8(text);
}

static bool is_mechanism(const char *word, size_t len)
{
	const char *const *names = lm_sasl_mechanisms();

	for (; *names; names++)
		if (strlen(*names) == len && strncasecmp(*names, word, len) == 0)
			return true;
	return false;
}

static int check_auth(const char *words, struct lm_error *out_error)
{
	while (words && *words) {
		size_t len = strcspn(words, " ");

		if (!is_mechanism(words, len))
			return lm_fail(out_error, LM_E_CONFIG,
			               "auth: there is no mechanism \"%.*s\"",
			               len > 40 ? 40 : (int)len, words);
		words += len + (words[len] == ' ');
	}
	return 0;
}

static bool can_hide(struct lm_bytes word)
{
	return lm_pop3_can_hide(word) || lm_smtp_can_hide(word);
}

static int check_words(const char *name, const char *words, bool (*fits)(struct lm_bytes),
                       struct lm_error *out_error)
{
	struct lm_bytes rest = lm_str(words ? words : "");

	while (rest.len) {
		struct lm_bytes word = lm_next_word(&rest);

		if (!fits(word))
			return lm_fail(out_error, LM_E_CONFIG,
			               "%s: \"%.*s\" is nothing that can be hidden", name,
			               word.len > 40 ? 40 : (int)word.len, (const char *)word.data);
	}
	return 0;
}

/* It stands in a line of CAPA, or in the greeting. */
static int check_text(const char *name, const char *text, size_t max, struct lm_error *out_error)
{
	size_t len = text ? strlen(text) : 0;

	for (size_t i = 0; i < len; i++)
		if ((uint8_t)text[i] < ' ' || (uint8_t)text[i] > '~')
			return lm_fail(out_error, LM_E_CONFIG,
			               "%s: only printable ASCII characters can stand in it", name);
	return len <= max
	               ? 0
	               : lm_fail(out_error, LM_E_CONFIG, "%s: longer than %zu octets", name, max);
}

static int check_said(const struct lm_server_options *o, struct lm_error *out_error)
{
	int err = check_words("hide", o->hide, can_hide, out_error);

	if (!err)
		err = check_words("unannounced", o->unannounced, lm_smtp_is_extension, out_error);
	if (!err)
		err = check_text("implementation", o->implementation, IMPLEMENTATION_MAX_LEN,
		                 out_error);
	return err ? err : check_text("banner", o->banner, BANNER_MAX_LEN, out_error);
}

static bool listens(const struct lm_server_options *o)
{
	return o->smtp.on || o->smtps.on || o->submission.on || o->lmtp.on || o->pop3.on ||
	       o->pop3s.on;
}

/* Without a store nothing looks at accounts, and without TLS some listeners have nothing to say. */
static int check_parts(const struct lm_server_options *o, struct lm_error *out_error)
{
	bool storeless = lm_server_options_storeless(o);

	if (storeless && (o->user.count || o->accounts))
		return lm_fail(out_error, LM_E_CONFIG,
		               "%s: accounts belong to a store, and "
		               "store is none",
		               o->user.count ? "user" : "accounts");
	if (!o->tls && (o->smtps.on || o->pop3s.on))
		return lm_fail(out_error, LM_E_CONFIG,
		               "%s is for TLS alone, which is off: turn "
		               "one on or both off",
		               o->smtps.on ? "smtps" : "pop3s");
	if (!o->tls && o->require_tls)
		return lm_fail(out_error, LM_E_CONFIG, "require-tls: tls is off");
	if (o->require_client_cert && !o->client_ca)
		return lm_fail(out_error, LM_E_CONFIG,
		               "require-client-cert: client-ca must name who signs them");
	return 0;
}

int lm_server_options_check(const struct lm_server_options *o, struct lm_error *out_error)
{
	if (!lm_is_hostname(o->hostname))
		return lm_fail(out_error, LM_E_CONFIG,
		               "hostname: must have 1 to %d letters, digits, hyphens and dots",
		               NAME_MAX_LEN);
	for (size_t i = 0; i < o->domain.count; i++)
		if (!is_domain(o->domain.items[i]))
			return lm_fail(out_error, LM_E_CONFIG,
			               "domain: what stands behind \"@\" in an address is meant, "
			               "of at most %d octets",
			               NAME_MAX_LEN);
	if (!listens(o))
		return lm_fail(out_error, LM_E_CONFIG, "every listener is off: turn one on");
	if (check_parts(o, out_error) < 0)
		return LM_E_CONFIG;
	if (check_said(o, out_error) < 0)
		return LM_E_CONFIG;
	return check_auth(o->auth, out_error);
}
