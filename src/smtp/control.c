/* Commands around the transaction: greeting, NOOP, QUIT, VRFY, EXPN, STARTTLS, XCLIENT. */
#include "smtp/smtp.h"

#include "smtp/path.h"
#include "wire/text.h"

#include <arpa/inet.h>

enum lm_smtp_reply_id lm_smtp_check_nothing(struct lm_smtp *s, struct lm_bytes argument)
{
	(void)s, (void)argument;
	return LM_SMTP_GOOD;
}

void lm_smtp_apply_say(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	lm_smtp_say_words(s, &v->words);
}

void lm_smtp_apply_command(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	if (v->reply)
		lm_smtp_say_words(s, &v->words);
	else
		lm_smtp_say_bad(s, LM_SMTP_R_UNKNOWN_COMMAND);
}

/* RFC 5321 4.2: the greeting begins with the domain. */
void lm_smtp_apply_connect(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	const char *name = s->params->protocol == LM_LMTP ? "LMTP" : "ESMTP";
	struct lm_smtp_words w = v->words;
	struct lm_buf text;
	int err;

	if (!v->yes) {
		lm_smtp_say_words(s, &w);
		lm_smtp_close(s);
		return;
	}
	lm_buf_init(&text, 2 * LM_SMTP_TEXT);
	if (s->params->banner && !(v->reply && v->reply->text.len))
		w.text = lm_str(s->params->banner);
	err = lm_buf_printf(&text, "%s %s ", s->params->hostname, name);
	if (!err)
		err = lm_buf_add(&text, w.text);
	if (err)
		lm_smtp_fail(s, err);
	w.text = lm_buf_bytes(&text);
	lm_smtp_say_words(s, &w);
	lm_buf_done(&text);
	s->greeted = true;
	if (!s->fatal)
		lm_smtp_set_state(s, LM_SMTP_START);
}

/* The session ends whatever a handler thinks of it. */
void lm_smtp_apply_quit(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	lm_smtp_say_words(s, &v->words);
	lm_smtp_close(s);
}

/* RFC 6531 3.7.4.2: SMTPUTF8 as a last word lets VRFY and EXPN carry UTF-8. */
enum lm_smtp_reply_id lm_smtp_check_lookup(struct lm_smtp *s, struct lm_bytes argument)
{
	struct lm_bytes word = lm_str(" SMTPUTF8");
	bool utf8 = argument.len > word.len && lm_smtp_works(s, "SMTPUTF8") &&
	            lm_equal_nocase(lm_bytes_from(argument, argument.len - word.len), word);

	if (!lm_path_is_8bit(argument))
		return LM_SMTP_GOOD;
	return utf8 && lm_is_utf8(argument) ? LM_SMTP_GOOD : LM_SMTP_R_LINE_8BIT;
}

enum lm_smtp_reply_id lm_smtp_check_starttls(struct lm_smtp *s, struct lm_bytes argument)
{
	(void)argument;
	if (s->info.tls.active)
		return LM_SMTP_R_TLS_TWICE;
	return s->params->tls ? LM_SMTP_GOOD : LM_SMTP_R_TLS_OFF;
}

void lm_smtp_apply_starttls(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	lm_smtp_say_words(s, &v->words);
	if (!s->fatal)
		lm_smtp_set_state(s, LM_SMTP_TLS);
}

enum { PROXY_MAX = 4096 }; /* octets of attributes kept */

/* What a proxy says in several commands counts together. */
static bool keep_attributes(struct lm_bytes *kept, struct lm_bytes text)
{
	struct lm_buf all;
	bool good;

	lm_buf_init(&all, PROXY_MAX + 1);
	good = lm_buf_add(&all, *kept) == 0 && (!kept->len || lm_buf_add_str(&all, " ") == 0) &&
	       lm_buf_add(&all, text) == 0 && lm_smtp_keep(kept, lm_buf_bytes(&all));
	lm_buf_done(&all);
	return good;
}

/* What XCLIENT may say of the peer; `unknown` says that the proxy does not know. */
struct xclient {
	char address[64], local_address[64];
	uint64_t port, local_port;
	struct lm_buf login;
	bool has_login, has_address, has_local, has_port, has_local_port;
};

static bool read_address(struct lm_bytes v, char out[64])
{
	struct in6_addr room;
	bool six = lm_starts_nocase(v, "IPV6:");

	if (six)
		v = lm_bytes_from(v, 5);
	if (!v.len || v.len > 63 || memchr(v.data, 0, v.len))
		return false;
	memcpy(out, v.data, v.len);
	out[v.len] = '\0';
	return inet_pton(six ? AF_INET6 : AF_INET, out, &room) == 1;
}

static bool is_unknown(struct lm_bytes v)
{
	return lm_equal_nocase(v, lm_str("[UNAVAILABLE]")) ||
	       lm_equal_nocase(v, lm_str("[TEMPUNAVAIL]"));
}

static bool read_value(struct xclient *x, struct lm_bytes name, struct lm_bytes v)
{
	bool unknown = is_unknown(v);

	if (lm_equal_nocase(name, lm_str("ADDR")))
		return unknown || (x->has_address = read_address(v, x->address));
	if (lm_equal_nocase(name, lm_str("DESTADDR")))
		return unknown || (x->has_local = read_address(v, x->local_address));
	if (lm_equal_nocase(name, lm_str("PORT")))
		return unknown || (x->has_port = lm_parse_number(v, UINT16_MAX, &x->port));
	if (lm_equal_nocase(name, lm_str("DESTPORT")))
		return unknown ||
		       (x->has_local_port = lm_parse_number(v, UINT16_MAX, &x->local_port));
	if (lm_equal_nocase(name, lm_str("LOGIN"))) {
		lm_buf_clear(&x->login);
		x->has_login = !unknown;
		return unknown || lm_buf_add(&x->login, v) == 0;
	}
	return lm_equal_nocase(name, lm_str("NAME")) || lm_equal_nocase(name, lm_str("HELO")) ||
	       lm_equal_nocase(name, lm_str("PROTO"));
}

static bool has_control(struct lm_bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i] < 0x20 || b.data[i] == 0x7F)
			return true;
	return false;
}

static bool read_attribute(struct xclient *x, struct lm_bytes word)
{
	const uint8_t *equals = word.len ? memchr(word.data, '=', word.len) : NULL;
	struct lm_bytes name = lm_bytes(word.data, equals ? (size_t)(equals - word.data) : 0);
	struct lm_buf value;
	bool good;

	lm_buf_init(&value, LM_SMTP_TEXT);
	good = name.len && lm_xtext_decode(lm_bytes_from(word, name.len + 1), &value) == 0 &&
	       lm_buf_len(&value) && !has_control(lm_buf_bytes(&value)) &&
	       read_value(x, name, lm_buf_bytes(&value));
	lm_buf_done(&value);
	return good;
}

static bool read_attributes(struct xclient *x, struct lm_bytes text)
{
	*x = (struct xclient){ .port = 0 };
	lm_buf_init(&x->login, LM_SMTP_TEXT);
	while (text.len)
		if (!read_attribute(x, lm_next_word(&text)))
			return false;
	return true;
}

enum lm_smtp_reply_id lm_smtp_check_xclient(struct lm_smtp *s, struct lm_bytes argument)
{
	struct xclient x;
	bool good;

	if (!s->xclient)
		return LM_SMTP_R_XCLIENT_DENIED;
	if (s->info.xclient.len + argument.len >= PROXY_MAX)
		return LM_SMTP_R_PROXY_TOO_LONG;
	good = read_attributes(&x, argument);
	lm_buf_done(&x.login);
	return good ? LM_SMTP_GOOD : LM_SMTP_R_SYNTAX;
}

static bool become(struct lm_smtp *s, const struct xclient *x)
{
	struct lm_session_info *info = &s->info;

	if (x->has_login && (!lm_smtp_keep(&info->user, lm_buf_bytes(&x->login)) ||
	                     !lm_smtp_keep(&info->mechanism, lm_str("XCLIENT"))))
		return false;
	if (x->has_address)
		memcpy(info->peer_address, x->address, sizeof(x->address));
	if (x->has_local)
		memcpy(info->local_address, x->local_address, sizeof(x->local_address));
	if (x->has_port)
		info->peer_port = (uint16_t)x->port;
	if (x->has_local_port)
		info->local_port = (uint16_t)x->local_port;
	return true;
}

/* The session begins anew, as the peer it speaks for: CONNECT is decided again, and what was
 * forwarded was of the one before. */
void lm_smtp_apply_xclient(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	struct xclient x;
	bool good;

	(void)v;
	lm_smtp_drop(&s->info.helo);
	lm_smtp_drop(&s->info.user);
	lm_smtp_drop(&s->info.mechanism);
	lm_smtp_drop(&s->info.xforward);
	s->info.esmtp = false;
	good = read_attributes(&x, s->argument) && become(s, &x) &&
	       keep_attributes(&s->info.xclient, s->argument);
	lm_buf_done(&x.login);
	if (!good) {
		lm_smtp_say(s, LM_SMTP_R_NO_MEMORY);
		lm_smtp_close(s);
		return;
	}
	lm_smtp_set_state(s, LM_SMTP_CONNECTING);
	lm_smtp_decide(s, lm_smtp_row_of(LM_EVENT_CONNECT), lm_bytes(NULL, 0));
}

/* NAME=value, the value in xtext. */
static bool is_forwarded(struct lm_bytes word)
{
	static const char *const names[] = { "NAME", "ADDR",  "PORT",  "PROTO",
		                             "HELO", "IDENT", "SOURCE" };
	struct lm_buf value;
	bool known = false;

	for (size_t i = 0; !known && i < sizeof(names) / sizeof(*names); i++) {
		size_t n = strlen(names[i]);

		known = lm_starts_nocase(word, names[i]) && word.len > n && word.data[n] == '=';
		if (known)
			word = lm_bytes_from(word, n + 1);
	}
	lm_buf_init(&value, LM_SMTP_TEXT);
	known = known && word.len && lm_xtext_decode(word, &value) == 0 &&
	        !has_control(lm_buf_bytes(&value));
	lm_buf_done(&value);
	return known;
}

enum lm_smtp_reply_id lm_smtp_check_xforward(struct lm_smtp *s, struct lm_bytes argument)
{
	if (!s->xforward)
		return LM_SMTP_R_XCLIENT_DENIED;
	if (s->info.xforward.len + argument.len >= PROXY_MAX)
		return LM_SMTP_R_PROXY_TOO_LONG;
	while (argument.len)
		if (!is_forwarded(lm_next_word(&argument)))
			return LM_SMTP_R_SYNTAX;
	return LM_SMTP_GOOD;
}

void lm_smtp_apply_xforward(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	if (keep_attributes(&s->info.xforward, s->argument))
		lm_smtp_say_words(s, &v->words);
	else
		lm_smtp_say(s, LM_SMTP_R_NO_MEMORY);
}
