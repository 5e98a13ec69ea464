/* The option table: every kind reads and writes its values, and refuses what is not one. */
#include "server/options.h"

#include <lettermill/log.h>
#include <lettermill/smtp.h>

#include "lm_test.h"

#include <ctype.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int setup(void **state)
{
	struct lm_server_options *o = calloc(1, sizeof(*o));

	*state = o;
	return o ? lm_server_options_init(o) : -1;
}

static int teardown(void **state)
{
	lm_server_options_done(*state);
	free(*state);
	return 0;
}

#define assert_set(name, value) assert_err(lm_server_options_set(o, name, value, NULL), 0)

static void assert_refused(struct lm_server_options *o, const char *name, const char *value,
                           const char *words)
{
	struct lm_error why = { 0 };

	assert_err(lm_server_options_set(o, name, value, &why), LM_E_CONFIG);
	assert_int_equal(why.code, LM_E_CONFIG);
	if (!strstr(why.text, words))
		fail_msg("\"%s\" does not say \"%s\"", why.text, words);
}

static void every_row_is_whole(void **state)
{
	size_t count;
	const struct lm_option *t = lm_option_table(&count);

	(void)state;
	assert_true(count > 40);
	for (size_t i = 0; i < count; i++) {
		assert_ptr_equal(lm_option_find(t[i].name), &t[i]);
		for (const char *p = t[i].name; *p; p++)
			assert_true(islower((unsigned char)*p) || *p == '-' ||
			            isdigit((unsigned char)*p));
		assert_true(strlen(t[i].name) <= 40);
		assert_true(strlen(t[i].help) > 20 && strlen(t[i].section) > 2);
		assert_int_equal(t[i].help[strlen(t[i].help) - 1], '.');
		for (const char *p = t[i].placeholder; t[i].kind == LM_OPTION_CHOICE && *p;) {
			size_t len = strcspn(p, "|");

			assert_true(len > 0 && len < sizeof(((struct lm_option_choice *)0)->word));
			p += len + (p[len] == '|');
		}
	}
}

static void defaults_are_the_promised_ones(void **state)
{
	struct lm_server_options *o = *state;

	assert_true(o->smtp.on && o->smtps.on && o->submission.on && o->pop3.on && o->pop3s.on);
	assert_false(o->lmtp.on);
	assert_string_equal(o->pop3.at.text, "127.0.0.1");
	assert_int_equal(o->smtp.at.port, 2525);
	assert_int_equal(o->smtps.at.port, 2465);
	assert_int_equal(o->submission.at.port, 2587);
	assert_int_equal(o->pop3.at.port, 2110);
	assert_int_equal(o->pop3s.at.port, 2995);
	assert_null(o->store);
	assert_int_equal(o->expire, -1);
	assert_int_equal(o->bare_newlines.index, LM_BARE_REFUSE);
	assert_int_equal(o->tls_min.index + LM_TLS_1_0, LM_TLS_1_2);
	assert_int_equal(o->tls_max.index + LM_TLS_1_0, LM_TLS_1_3);
	assert_int_equal(o->log_level.index, LM_LOG_INFO);
	assert_string_equal(o->language, "en");
	assert_null(strstr(o->auth, "CRAM-MD5"));
}

static void addresses_are_read(void **state)
{
	struct lm_server_options *o = *state;

	assert_set("pop3", "0");
	assert_true(o->pop3.on);
	assert_int_equal(o->pop3.at.port, 0);
	assert_set("pop3", "[::1]:995");
	assert_string_equal(o->pop3.at.text, "::1");
	assert_int_equal(o->pop3.at.port, 995);
	assert_set("pop3", "off");
	assert_false(o->pop3.on);
	assert_set("lmtp", "/run/lm.sock");
	assert_true(o->lmtp.on && o->lmtp.at.is_unix);
}

static void wrong_addresses_are_refused(void **state)
{
	struct lm_server_options *o = *state;

	assert_refused(o, "pop3", "65536", "65536");
	assert_refused(o, "pop3", "-1", "-1");
	assert_refused(o, "pop3", "", "pop3");
	assert_refused(o, "pop3", "11x", "11x");
	assert_refused(o, "pop3", "localhost:110", "localhost");
	assert_refused(o, "pop3", "/run/pop3.sock", "lmtp");
	assert_int_equal(o->pop3.at.port, 2110);
}

static void numbers_have_units(void **state)
{
	struct lm_server_options *o = *state;

	assert_set("idle-timeout", "500ms");
	assert_int_equal(o->idle_timeout, 500);
	assert_set("idle-timeout", "30s");
	assert_int_equal(o->idle_timeout, 30000);
	assert_set("idle-timeout", "10M");
	assert_int_equal(o->idle_timeout, 600000);
	assert_set("auth-delay", "0");
	assert_int_equal(o->auth_delay, 0);
	assert_set("max-message-size", "25M");
	assert_int_equal(o->max_message_size, 25 << 20);
	assert_set("max-message-size", "1g");
	assert_int_equal(o->max_message_size, 1 << 30);
	assert_set("max-message-size", "12345");
	assert_int_equal(o->max_message_size, 12345);
	assert_set("workers", "3");
	assert_int_equal(o->workers, 3);
	assert_set("expire", "30");
	assert_set("expire", "Never");
	assert_int_equal(o->expire, -1);
}

static void wrong_numbers_are_refused(void **state)
{
	struct lm_server_options *o = *state;

	assert_refused(o, "idle-timeout", "30", "unit");
	assert_refused(o, "idle-timeout", "30 s", "unit");
	assert_refused(o, "idle-timeout", "-3s", "unit");
	assert_refused(o, "idle-timeout", "0s", "between");
	assert_refused(o, "idle-timeout", "99999999999999999999s", "unit");
	assert_refused(o, "idle-timeout", "9223372036854775807h", "unit");
	assert_refused(o, "max-message-size", "25X", "25M");
	assert_refused(o, "max-message-size", "9223372036854775807G", "25M");
	assert_refused(o, "max-message-size", "", "max-message-size");
	assert_refused(o, "workers", "257", "between 0 and 256 threads");
	assert_refused(o, "workers", "never", "whole number");
	assert_refused(o, "max-recipients", "99", "between 100");
	assert_refused(o, "expire", "-1", "whole number");
	assert_int_equal(o->idle_timeout, 600000);
}

static void flags_and_choices(void **state)
{
	struct lm_server_options *o = *state;

	assert_set("require-tls", "");
	assert_true(o->require_tls);
	assert_set("require-tls", "off");
	assert_false(o->require_tls);
	assert_set("require-tls", "TRUE");
	assert_true(o->require_tls);
	assert_refused(o, "require-tls", "maybe", "yes or no");
	assert_set("bare-newlines", "keep");
	assert_int_equal(o->bare_newlines.index, LM_BARE_KEEP);
	assert_set("apop", "YES");
	assert_string_equal(o->apop.word, "yes");
	assert_refused(o, "apop", "y", "auto|yes|no");
	assert_refused(o, "apop", "yes|no", "auto|yes|no");
	assert_refused(o, "tls-min", "", "1.0|1.1");
}

static void repeatable_options_add(void **state)
{
	struct lm_server_options *o = *state;

	assert_set("domain", "a.example");
	assert_set("domain", "b.example");
	assert_int_equal(o->domain.count, 2);
	assert_string_equal(o->domain.items[1], "b.example");
	assert_set("domain", NULL);
	assert_int_equal(o->domain.count, 0);
	assert_refused(o, "domain", "", "needs a value");
	assert_set("user", "u:p:q");
	assert_string_equal(o->user.items[0], "u:p:q");
	assert_set("proxy-from", "10.0.0.0/8");
	assert_set("proxy-from", "::1");
	assert_true(lm_network_contains(o->proxy_from.items, o->proxy_from.count, "10.1.2.3"));
	assert_set("tls-cert-for", "a.example=/c,1.pem,/k=1.pem");
	assert_string_equal(o->tls_cert_for.items[0].cert_file, "/c");
	assert_string_equal(o->tls_cert_for.items[0].key_file, "1.pem,/k=1.pem");
}

static void wrong_repeatable_values_are_refused(void **state)
{
	struct lm_server_options *o = *state;

	assert_refused(o, "user", "nopassword", "NAME:PASSWORD");
	assert_refused(o, "user", ":secretword", "NAME:PASSWORD");
	assert_refused(o, "user", "u:", "NAME:PASSWORD");
	assert_refused(o, "proxy-from", "10.0.0.1/8", "behind its prefix");
	assert_refused(o, "tls-cert-for", "a.example=/c", "NAME=CERT,KEY");
	assert_refused(o, "tls-cert-for", "a.example", "NAME=CERT,KEY");
	assert_refused(o, "tls-cert-for", "=c,k", "NAME=CERT,KEY");
	assert_refused(o, "tls-cert-for", "a=,k", "NAME=CERT,KEY");
	assert_refused(o, "tls-cert-for", "a=c,", "NAME=CERT,KEY");
	assert_int_equal(o->user.count + o->proxy_from.count + o->tls_cert_for.count, 0);
}

static void a_refused_secret_is_not_repeated(void **state)
{
	struct lm_error why = { 0 };

	assert_err(lm_server_options_set(*state, "user", ":secretword", &why), LM_E_CONFIG);
	assert_null(strstr(why.text, "secretword"));
}

static void words_are_joined(void **state)
{
	struct lm_server_options *o = *state;

	assert_set("auth", " PLAIN,,LOGIN ,\tCRAM-MD5, ");
	assert_string_equal(o->auth, "PLAIN LOGIN CRAM-MD5");
	assert_set("auth", "none");
	assert_string_equal(o->auth, "");
	assert_refused(o, "auth", "", "none");
	assert_refused(o, "auth", " , ", "none");
}

static void unknown_names_show_the_nearest(void **state)
{
	struct lm_server_options *o = *state;

	assert_refused(o, "pop", "1", "\"pop3\"");
	assert_refused(o, "max-mesage-size", "1", "\"max-message-size\"");
	assert_refused(o, "idle_timeout", "1", "\"idle-timeout\"");
	assert_refused(o, "", "1", "no option");
	assert_refused(o, "zzzzzzzzzzzzzzzz", "1", "no option");
	assert_refused(o, "a-name-that-is-longer-than-any-option-could-be", "1", "no option");
	assert_refused(o, "config", "/etc/x", "command line only");
	assert_string_equal(lm_option_nearest(lm_option_find("smtp"), 1, "smtq"), "smtp");
	assert_null(lm_option_nearest(lm_option_find("smtp"), 1, "zzzzzzzzzzzzzzzz"));
}

static void too_long_values_are_refused(void **state)
{
	char value[LM_OPTION_MAX_VALUE + 2];

	memset(value, 'a', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	assert_refused(*state, "hostname", value, "longer than 4000");
	value[sizeof(value) - 2] = '\0';
	assert_err(lm_server_options_set(*state, "hostname", value, NULL), 0);
}

/* PEM text of `len` octets. */
static char *pem_of(size_t len)
{
	char *text = malloc(len + 1);

	assert_non_null(text);
	memset(text, 'A', len);
	memcpy(text, " -----BEGIN", 11);
	text[len] = '\0';
	return text;
}

static void texts_may_be_long_and_are_copied(void **state)
{
	static const char *const names[] = { "cert", "key", "client-ca" };
	struct lm_server_options *o = *state, copy;
	char *most = pem_of(LM_OPTION_MAX_PEM), *more = pem_of(LM_OPTION_MAX_PEM + 1);

	for (size_t i = 0; i < 3; i++) {
		assert_set(names[i], most);
		assert_refused(o, names[i], more, "longer than 1048576");
		/* The name of a file is not that long. */
		assert_refused(o, names[i], most + LM_OPTION_MAX_PEM - 4001, "longer than 4000");
	}
	assert_refused(o, "hostname", most, "longer than 4000");
	assert_err(lm_server_options_copy(o, &copy), 0);
	assert_string_equal(copy.cert, most);
	assert_string_equal(copy.key, most);
	assert_string_equal(copy.client_ca, most);
	assert_ptr_not_equal(copy.key, o->key);
	lm_server_options_done(&copy);
	free(most);
	free(more);
}

static void what_must_not_be_shown(void **state)
{
	(void)state;
	assert_true(lm_server_options_is_hidden(lm_option_find("key"), "-----BEGIN PRIVATE KEY"));
	assert_true(lm_server_options_is_hidden(lm_option_find("cert"), "\n-----BEGIN CERT"));
	assert_false(lm_server_options_is_hidden(lm_option_find("key"), "/k.pem"));
	assert_true(lm_server_options_is_hidden(lm_option_find("user"), "anna:secret"));
	assert_true(lm_server_options_is_hidden(lm_option_find("key-passphrase"), "x"));
	assert_false(lm_server_options_is_hidden(lm_option_find("hostname"), "-----BEGIN X"));
}

static void fill_in_something(struct lm_server_options *o)
{
	assert_set("user", "a:b");
	assert_set("user", "c:d");
	assert_set("lmtp", "/run/x.sock");
	assert_set("pop3s", "[::1]:0");
	assert_set("proxy-from", "2001:db8::/32");
	assert_set("tls-cert-for", "n=c,k");
	assert_set("auth", "none");
	assert_set("expire", "7");
	assert_set("idle-timeout", "90s");
	assert_set("max-message-size", "3000K");
	assert_set("tls-min", "1.0");
}

static void what_is_printed_reads_back(void **state)
{
	struct lm_server_options *o = *state, copy;
	char text[LM_OPTION_MAX_VALUE + 1];

	fill_in_something(o);
	assert_err(lm_server_options_copy(o, &copy), 0);
	assert_null(lm_server_options_fixed_change(o, &copy));
	assert_int_equal(copy.user.count, 2);
	assert_string_equal(copy.user.items[1], "c:d");
	assert_int_equal(copy.idle_timeout, 90000);
	assert_int_equal(copy.max_message_size, 3000 << 10);
	assert_string_equal(copy.auth, "");
	assert_true(copy.lmtp.at.is_unix);
	assert_int_equal(lm_server_options_text(&copy, lm_option_find("idle-timeout"), 0, text,
	                                        sizeof(text)),
	                 1);
	assert_string_equal(text, "90s");
	assert_int_equal(
	        lm_server_options_text(&copy, lm_option_find("proxy-from"), 0, text, sizeof(text)),
	        1);
	assert_string_equal(text, "2001:db8::/32");
	lm_server_options_done(&copy);
}

static void fixed_changes_are_found(void **state)
{
	struct lm_server_options *o = *state, other;

	assert_err(lm_server_options_init(&other), 0);
	assert_set("idle-timeout", "1m");
	assert_null(lm_server_options_fixed_change(o, &other));
	assert_set("workers", "2");
	assert_string_equal(lm_server_options_fixed_change(o, &other), "workers");
	assert_err(lm_server_options_set(&other, "workers", "2", NULL), 0);
	assert_set("user", "a:b");
	assert_string_equal(lm_server_options_fixed_change(o, &other), "user");
	lm_server_options_done(&other);
}

static void copies_survive_no_memory(void **state)
{
	struct lm_server_options copy;
	int err = LM_E_NOMEM;

	fill_in_something(*state);
	for (unsigned long n = 1; err == LM_E_NOMEM; n++) {
		lm_alloc_fail_at(n);
		err = lm_server_options_copy(*state, &copy);
		lm_alloc_fail_at(0);
		assert_true(n < 1000);
	}
	assert_err(err, 0);
	lm_server_options_done(&copy);
}

static void what_was_not_given_is_filled_in(void **state)
{
	struct lm_server_options *o = *state;
	bool own = false;

	assert_int_equal(setenv("XDG_DATA_HOME", "/data", 1), 0);
	assert_err(lm_server_options_complete(o, &own, NULL), 0);
	assert_string_equal(o->data_dir, "/data/lettermill");
	assert_string_equal(o->store, "sqlite:/data/lettermill/lettermill.db");
	assert_string_equal(o->cert, "/data/lettermill/cert.pem");
	assert_string_equal(o->key, "/data/lettermill/key.pem");
	assert_non_null(o->hostname);
	assert_true(own);
	unsetenv("XDG_DATA_HOME");
}

static void what_was_given_is_kept(void **state)
{
	struct lm_server_options *o = *state;
	bool own = true;

	assert_set("data-dir", "/d");
	assert_set("store", "memory:");
	assert_set("cert", "/both.pem");
	assert_err(lm_server_options_complete(o, &own, NULL), 0);
	assert_string_equal(o->store, "memory:");
	assert_string_equal(o->key, "/both.pem");
	assert_false(own);
}

static void a_text_alone_is_the_key_too(void **state)
{
	struct lm_server_options *o = *state;
	char *text = pem_of(300000);

	assert_set("data-dir", "/d");
	assert_set("cert", text);
	assert_err(lm_server_options_complete(o, NULL, NULL), 0);
	assert_string_equal(o->key, text);
	free(text);
}

static void without_a_store_nothing_needs_a_folder(void **state)
{
	struct lm_server_options *o = *state;
	bool own = false;

	assert_int_equal(setenv("XDG_DATA_HOME", "/data", 1), 0);
	assert_set("store", "none");
	assert_err(lm_server_options_complete(o, &own, NULL), 0);
	assert_true(own);
	assert_true(!o->data_dir && !o->cert && !o->key);
	assert_set("data-dir", "/d");
	own = false;
	assert_err(lm_server_options_complete(o, &own, NULL), 0);
	assert_true(own);
	assert_string_equal(o->cert, "/d/cert.pem");
	unsetenv("XDG_DATA_HOME");
}

static void what_contradicts_is_refused(void **state)
{
	struct lm_server_options *o = *state;
	struct lm_error why;

	assert_set("data-dir", "/d");
	assert_set("tls-min", "1.3");
	assert_set("tls-max", "1.2");
	assert_err(lm_server_options_complete(o, NULL, &why), LM_E_CONFIG);
	assert_non_null(strstr(why.text, "tls-min"));
	assert_set("tls-max", NULL);
	assert_set("key", "/k.pem");
	assert_err(lm_server_options_complete(o, NULL, &why), LM_E_CONFIG);
	assert_non_null(strstr(why.text, "cert"));
	assert_set("key", NULL);
	assert_set("store", "none");
	assert_set("accounts", "sqlite:/a.db");
	assert_err(lm_server_options_complete(o, NULL, &why), LM_E_CONFIG);
	assert_non_null(strstr(why.text, "accounts"));
	assert_set("accounts", NULL);
	assert_set("tls", "no");
	assert_err(lm_server_options_complete(o, NULL, &why), LM_E_CONFIG);
	assert_non_null(strstr(why.text, "smtps"));
	assert_set("smtps", "off");
	assert_set("pop3s", "off");
	assert_set("require-tls", "yes");
	assert_err(lm_server_options_complete(o, NULL, &why), LM_E_CONFIG);
	assert_non_null(strstr(why.text, "require-tls"));
	assert_set("require-tls", "no");
	assert_set("require-client-cert", "yes");
	assert_err(lm_server_options_complete(o, NULL, &why), LM_E_CONFIG);
	assert_non_null(strstr(why.text, "client-ca"));
	assert_set("client-ca", "/ca.pem");
	assert_err(lm_server_options_complete(o, NULL, &why), 0);
	assert_set("require-client-cert", "no");
	assert_err(lm_server_options_complete(o, NULL, &why), 0);
}

static void assert_incomplete(struct lm_server_options *o, const char *name, const char *value)
{
	struct lm_error why;

	assert_set(name, value);
	assert_err(lm_server_options_complete(o, NULL, &why), LM_E_CONFIG);
	assert_non_null(strstr(why.text, name));
	assert_set(name, NULL);
}

static void what_can_be_hidden_is_known(void **state)
{
	struct lm_server_options *o = *state;
	struct lm_error why;

	assert_set("data-dir", "/d");
	assert_null(o->hide);
	assert_incomplete(o, "hide", "APOP,UPOP");
	assert_incomplete(o, "hide", "RETR");
	assert_set("hide", "APOP, UPOP stls");
	assert_err(lm_server_options_complete(o, NULL, &why), LM_E_CONFIG);
	assert_non_null(strstr(why.text, "\"UPOP\""));
	assert_set("hide", "apop, STLS,,PIPELINING 8BITMIME vrfy");
	assert_err(lm_server_options_complete(o, NULL, &why), 0);
	assert_string_equal(o->hide, "apop STLS PIPELINING 8BITMIME vrfy");
	assert_set("hide", "none");
	assert_err(lm_server_options_complete(o, NULL, &why), 0);
}

static void what_smtp_says_is_checked(void **state)
{
	struct lm_server_options *o = *state;
	struct lm_error why;
	char text[256];

	assert_set("data-dir", "/d");
	assert_incomplete(o, "unannounced", "SIZE,VRFY");
	assert_incomplete(o, "banner", "gr\xC3\xBC\xC3\x9F dich");
	memset(text, 'x', 201);
	text[201] = '\0';
	assert_incomplete(o, "banner", text);
	assert_incomplete(o, "banner", "a\r\nb");
	assert_err(lm_server_options_set(o, "unknown-parameters", "keep", &why), LM_E_CONFIG);
	assert_err(lm_server_options_set(o, "max-unauthenticated-commands", "-1", &why),
	           LM_E_CONFIG);
	assert_err(lm_server_options_set(o, "xforward-from", "nowhere", &why), LM_E_CONFIG);
	assert_set("unannounced", "size, Starttls");
	assert_set("banner", text + 1);
	assert_set("unknown-parameters", "accept");
	assert_err(lm_server_options_complete(o, NULL, &why), 0);
	assert_string_equal(o->unannounced, "size Starttls");
	assert_int_equal(o->unknown_parameters.index, 1);
	assert_int_equal(o->max_unauthenticated_commands, 0);
}

static void names_that_reach_the_wire_are_checked(void **state)
{
	static const char *const good[] = { "mx.example.org", "a_b-c", "[127.0.0.1]",
		                            "[IPv6:::1]" };
	static const char *const bad[] = { "two words", "a\r\nb", "<x>", "m\xc3\xa9l.example" };
	static const char *const bad_domains[] = { "two words", "a@b", "a\r\n", "\xff.org", "a/b" };
	struct lm_server_options *o = *state;

	assert_set("data-dir", "/d");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_incomplete(o, "hostname", bad[i]);
	for (size_t i = 0; i < sizeof(bad_domains) / sizeof(*bad_domains); i++)
		assert_incomplete(o, "domain", bad_domains[i]);
	assert_incomplete(o, "implementation", "two\nlines");
	assert_incomplete(o, "implementation", "m\xc3\xa9l");
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_set("hostname", good[i]);
		assert_err(lm_server_options_complete(o, NULL, NULL), 0);
	}
	assert_set("domain", "example.org");
	assert_set("domain", "m\xc3\xa9l.example");
	assert_err(lm_server_options_complete(o, NULL, NULL), 0);
}

static void mechanisms_are_known_ones(void **state)
{
	struct lm_server_options *o = *state;

	assert_set("data-dir", "/d");
	assert_incomplete(o, "auth", "PLAIN,SCRAM-SHA-265");
	assert_incomplete(o, "auth", "PLAI");
	assert_set("auth", "plain cram-md5");
	assert_err(lm_server_options_complete(o, NULL, NULL), 0);
	assert_set("auth", "none");
	assert_err(lm_server_options_complete(o, NULL, NULL), 0);
}

static void something_must_listen(void **state)
{
	static const char *const listeners[] = { "smtp", "smtps", "submission",
		                                 "lmtp", "pop3",  "pop3s" };
	struct lm_server_options *o = *state;
	struct lm_error why;

	assert_set("data-dir", "/d");
	for (size_t i = 0; i < sizeof(listeners) / sizeof(*listeners); i++)
		assert_set(listeners[i], "off");
	assert_err(lm_server_options_complete(o, NULL, &why), LM_E_CONFIG);
	assert_non_null(strstr(why.text, "listener"));
	assert_set("lmtp", "/run/lmtp");
	assert_err(lm_server_options_complete(o, NULL, NULL), 0);
}

static void directories_are_made(void **state)
{
	char top[] = "/tmp/lm-options-XXXXXX", path[64];
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(top));
	snprintf(path, sizeof(path), "%s/a/b", top);
	assert_err(lm_make_directory(path, NULL), 0);
	assert_err(lm_make_directory(path, NULL), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(rmdir(path), 0);
	snprintf(path, sizeof(path), "%s/a", top);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(top), 0);
	assert_err(lm_make_directory("/proc/no/such", NULL) < 0 ? -1 : 0, -1);
	assert_err(lm_make_directory("", NULL), LM_E_CONFIG);
}

static void networks_contain_their_addresses(void **state)
{
	struct lm_network net;
	char text[64];

	(void)state;
	assert_err(lm_network_parse("192.0.2.0/25", &net, NULL), 0);
	assert_true(lm_network_contains(&net, 1, "192.0.2.127"));
	assert_true(lm_network_contains(&net, 1, "::ffff:192.0.2.1"));
	assert_false(lm_network_contains(&net, 1, "192.0.2.128"));
	assert_false(lm_network_contains(&net, 1, "/run/socket"));
	assert_false(lm_network_contains(&net, 1, ""));
	lm_network_format(&net, text);
	assert_string_equal(text, "192.0.2.0/25");
	assert_err(lm_network_parse("0.0.0.0/0", &net, NULL), 0);
	assert_true(lm_network_contains(&net, 1, "255.1.2.3"));
	assert_false(lm_network_contains(&net, 1, "2001:db8::1"));
	assert_err(lm_network_parse("::/0", &net, NULL), 0);
	assert_true(lm_network_contains(&net, 1, "2001:db8::1"));
	assert_err(lm_network_parse("192.0.2.0/33", &net, NULL), LM_E_CONFIG);
	assert_err(lm_network_parse("192.0.2.0/", &net, NULL), LM_E_CONFIG);
	assert_err(lm_network_parse("192.0.2/24", &net, NULL), LM_E_CONFIG);
	assert_err(lm_network_parse("example.org", &net, NULL), LM_E_CONFIG);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_row_is_whole),
		T(defaults_are_the_promised_ones),
		T(addresses_are_read),
		T(wrong_addresses_are_refused),
		T(numbers_have_units),
		T(wrong_numbers_are_refused),
		T(flags_and_choices),
		T(repeatable_options_add),
		T(wrong_repeatable_values_are_refused),
		T(a_refused_secret_is_not_repeated),
		T(words_are_joined),
		T(unknown_names_show_the_nearest),
		T(too_long_values_are_refused),
		T(texts_may_be_long_and_are_copied),
		T(what_must_not_be_shown),
		T(a_text_alone_is_the_key_too),
		T(without_a_store_nothing_needs_a_folder),
		T(what_is_printed_reads_back),
		T(fixed_changes_are_found),
		T(copies_survive_no_memory),
		T(what_was_not_given_is_filled_in),
		T(what_was_given_is_kept),
		T(what_contradicts_is_refused),
		T(names_that_reach_the_wire_are_checked),
		T(what_can_be_hidden_is_known),
		T(what_smtp_says_is_checked),
		T(mechanisms_are_known_ones),
		T(something_must_listen),
		T(directories_are_made),
		T(networks_contain_their_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
