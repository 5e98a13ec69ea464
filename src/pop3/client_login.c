/* LOGIN: which way, best first; USER and PASS, APOP; what follows a yes or a no. */
#include "pop3/client.h"

#include "wire/text.h"

#include <stdio.h>

#include <openssl/evp.h>

/* ---- credentials ---- */

static bool is_unfit(struct lm_bytes b, size_t max)
{
	return b.len > max || (b.len && (memchr(b.data, 0, b.len) || memchr(b.data, '\r', b.len) ||
	                                 memchr(b.data, '\n', b.len)));
}

static bool set_name(struct lm_pop3c_login *l, const char *name)
{
	size_t n = strlen(name);

	if (!n || n >= sizeof(l->named))
		return false;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = lm_upper((uint8_t)name[i]);

		if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
		l->named[i] = (char)c;
	}
	return true;
}

/* In one allocation of the right size: growing would leave copies behind. */
static int copy(struct lm_pop3c_login *l, const struct lm_credentials *from)
{
	const struct lm_bytes in[] = { from->user, from->password, from->authzid, from->token };
	struct lm_bytes *out[] = { &l->creds.user, &l->creds.password, &l->creds.authzid,
		                   &l->creds.token };
	size_t all = 1;
	uint8_t *room;
	int err;

	for (size_t i = 0; i < 4; i++)
		all += in[i].len;
	lm_buf_init(&l->secrets, all);
	err = lm_buf_room(&l->secrets, all, &room);
	if (err)
		return err;
	for (size_t i = 0; i < 4; i++) {
		if (in[i].len)
			memcpy(room, in[i].data, in[i].len);
		*out[i] = lm_bytes(room, in[i].len);
		room += in[i].len;
	}
	lm_buf_grew(&l->secrets, all - 1);
	return 0;
}

int lm_pop3c_login_new(const struct lm_credentials *credentials, struct lm_pop3c_login **out_login)
{
	struct lm_pop3c_login *l;
	int err;

	if (is_unfit(credentials->user, LM_POP3C_NAME_MAX) ||
	    is_unfit(credentials->password, LM_POP3C_NAME_MAX) ||
	    is_unfit(credentials->authzid, LM_POP3C_NAME_MAX) ||
	    is_unfit(credentials->token, LM_POP3C_TOKEN_MAX))
		return LM_E_SYNTAX;
	l = lm_alloc_zero(1, sizeof(*l));
	if (!l)
		return LM_E_NOMEM;
	lm_buf_init(&l->token, LM_POP3C_TOKEN_MAX);
	lm_buf_init(&l->initial, 4 * LM_POP3C_TOKEN_MAX);
	l->ask_token = credentials->ask_token;
	l->creds.certificate = credentials->certificate;
	err = copy(l, credentials);
	if (!err && credentials->mechanism && !set_name(l, credentials->mechanism))
		err = LM_E_SYNTAX;
	if (err)
		lm_pop3c_login_free(l);
	else
		*out_login = l;
	return err;
}

void lm_pop3c_login_free(struct lm_pop3c_login *l)
{
	if (!l)
		return;
	lm_sasl_client_free(l->sasl);
	lm_buf_wipe(&l->secrets);
	lm_buf_wipe(&l->token);
	lm_buf_wipe(&l->initial);
	lm_free(l);
}

/* ---- the steps ---- */

int lm_pop3c_login_say(struct lm_pop3c *c, struct lm_bytes line, const char *shown)
{
	struct lm_pop3c_ask *a = c->head;
	bool is_response = shown && shown[0] == '*';
	int err = 0;

	c->since = c->now;
	c->progress = 0;
	/* A response belongs to the AUTH before it, whose name the outcome keeps. */
	if (!is_response) {
		lm_buf_clear(&a->line);
		err = lm_buf_add(&a->line, shown ? lm_str(shown) : line);
	}
	return err ? err : lm_pop3c_say(c, line, shown);
}

static int say_user(struct lm_pop3c *c)
{
	struct lm_pop3c_login *l = c->head->login;
	struct lm_buf line;
	int err;

	l->step = LM_POP3C_USER;
	l->mechanism = "USER";
	lm_buf_init(&line, LM_POP3C_NAME_MAX + 16);
	err = lm_buf_add_str(&line, "USER ");
	if (!err)
		err = lm_buf_add(&line, l->creds.user);
	if (!err)
		err = lm_pop3c_login_say(c, lm_buf_bytes(&line), NULL);
	lm_buf_done(&line);
	return err;
}

static int say_pass(struct lm_pop3c *c)
{
	struct lm_pop3c_login *l = c->head->login;
	struct lm_buf line;
	uint8_t *room;
	int err;

	l->step = LM_POP3C_PASS;
	lm_buf_init(&line, LM_POP3C_NAME_MAX + 16);
	err = lm_buf_room(&line, l->creds.password.len + 5, &room);
	if (!err)
		err = lm_buf_add_str(&line, "PASS ");
	if (!err)
		err = lm_buf_add(&line, l->creds.password);
	if (!err)
		err = lm_pop3c_login_say(c, lm_buf_bytes(&line), "PASS ****");
	lm_buf_wipe(&line);
	return err;
}

/* RFC 1939 7 */
static int digest(struct lm_bytes stamp, struct lm_bytes secret, char out_hex[33])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char md[EVP_MAX_MD_SIZE];
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) == 1 &&
	          EVP_DigestUpdate(ctx, stamp.data, stamp.len) == 1 &&
	          EVP_DigestUpdate(ctx, secret.data, secret.len) == 1 &&
	          EVP_DigestFinal_ex(ctx, md, NULL) == 1;

	EVP_MD_CTX_free(ctx);
	for (size_t i = 0; ok && i < 16; i++)
		snprintf(out_hex + 2 * i, 3, "%02x", md[i]);
	return ok ? 0 : LM_E_NOMEM;
}

static int say_apop(struct lm_pop3c *c)
{
	struct lm_pop3c_login *l = c->head->login;
	struct lm_buf line, shown;
	char hex[33];
	int err = digest(lm_buf_bytes(&c->stamp), l->creds.password, hex);

	if (err)
		return err;
	l->step = LM_POP3C_APOP;
	l->mechanism = "APOP";
	lm_buf_init(&line, LM_POP3C_NAME_MAX + 64);
	lm_buf_init(&shown, LM_POP3C_NAME_MAX + 64);
	err = lm_buf_printf(&line, "APOP %.*s %s", LM_FMT(l->creds.user), hex);
	if (!err)
		err = lm_buf_printf(&shown, "APOP %.*s ****", LM_FMT(l->creds.user));
	if (!err)
		err = lm_buf_add(&shown, lm_bytes("", 1));
	if (!err)
		err = lm_pop3c_login_say(c, lm_buf_bytes(&line), (const char *)shown.data);
	lm_buf_wipe(&line);
	lm_buf_done(&shown);
	return err;
}

/* ---- which way ---- */

static int impossible(struct lm_pop3c *c, int result, const char *why)
{
	lm_pop3c_finish(c, result, LM_SIDE_CLIENT, why);
	return 0;
}

static bool is_word_of(struct lm_bytes list, const char *name)
{
	while (list.len)
		if (lm_equal_nocase(lm_next_word(&list), lm_str(name)))
			return true;
	return false;
}

static struct lm_bytes offered(const struct lm_pop3c *c)
{
	struct lm_bytes list = lm_bytes(NULL, 0);

	return lm_pop3c_has(c, "SASL", &list) ? list : lm_bytes(NULL, 0);
}

/* The best of what the server offers; a token that can be had counts as one. */
static int choose(struct lm_pop3c *c, bool plain, const char **out_name)
{
	struct lm_pop3c_login *l = c->head->login;
	struct lm_sasl_credentials creds = l->creds;
	char *list = lm_strdup_bytes(offered(c));

	if (!list)
		return LM_E_NOMEM;
	creds.plain_allowed = plain;
	creds.exporter = c->info.tls.exporter;
	if (l->ask_token && !creds.token.len)
		creds.token = lm_str("?");
	*out_name = lm_sasl_client_choose(list, &creds);
	lm_free(list);
	return 0;
}

static bool wants_token(const char *mechanism)
{
	return strcmp(mechanism, "OAUTHBEARER") == 0 || strcmp(mechanism, "XOAUTH2") == 0;
}

static bool shows_secret(const char *mechanism)
{
	return wants_token(mechanism) || strcmp(mechanism, "PLAIN") == 0 ||
	       strcmp(mechanism, "LOGIN") == 0 || strcmp(mechanism, "USER") == 0;
}

static bool may_show(const struct lm_pop3c *c)
{
	return c->info.tls.active || c->params->plain_login;
}

/* A name with a space would be two arguments. */
static bool can_apop(const struct lm_pop3c *c, const struct lm_pop3c_login *l)
{
	return lm_buf_len(&c->stamp) && l->creds.user.len && l->creds.password.len &&
	       !memchr(l->creds.user.data, ' ', l->creds.user.len);
}

static int begin_sasl(struct lm_pop3c *c, const char *mechanism)
{
	struct lm_pop3c_login *l = c->head->login;

	l->mechanism = mechanism;
	if (wants_token(mechanism) && !l->creds.token.len && l->ask_token) {
		l->step = LM_POP3C_TOKEN;
		lm_pop3c_decide(c, LM_EVENT_AUTH);
		return 0;
	}
	return lm_pop3c_sasl_begin(c);
}

static int begin_named(struct lm_pop3c *c)
{
	struct lm_pop3c_login *l = c->head->login;

	if (strcmp(l->named, "APOP") == 0) {
		if (can_apop(c, l))
			return say_apop(c);
		return impossible(c, LM_E_UNSUPPORTED, "the greeting has no valid APOP stamp");
	}
	if (shows_secret(l->named) && !may_show(c))
		return impossible(c, LM_E_DENIED, "without TLS that would show the password");
	if (strcmp(l->named, "USER") == 0)
		return l->creds.user.len && l->creds.password.len
		               ? say_user(c)
		               : impossible(c, LM_E_UNSUPPORTED, "no user name or no password");
	if (c->capa_known && !is_word_of(offered(c), l->named))
		return impossible(c, LM_E_UNSUPPORTED, "the server does not offer that mechanism");
	return begin_sasl(c, l->named);
}

/* PLAIN, else LOGIN, else USER: for who was refused by a mechanism that needs stored secrets. */
static int begin_plain(struct lm_pop3c *c)
{
	if (is_word_of(offered(c), "PLAIN"))
		return begin_sasl(c, "PLAIN");
	if (is_word_of(offered(c), "LOGIN"))
		return begin_sasl(c, "LOGIN");
	return say_user(c);
}

static bool lacks_user(const struct lm_pop3c *c)
{
	return c->capa_known && !lm_pop3c_has(c, "USER", NULL);
}

static int begin_best(struct lm_pop3c *c)
{
	struct lm_pop3c_login *l = c->head->login;
	bool tls = c->info.tls.active;
	const char *name = NULL;
	int err = choose(c, tls, &name);

	if (!err && !name && (!tls || lacks_user(c)) && can_apop(c, l))
		return say_apop(c);
	if (!err && !name && !tls && c->params->plain_login)
		err = choose(c, true, &name);
	if (err)
		return err;
	if (name)
		return begin_sasl(c, name);
	if (!l->creds.user.len || !l->creds.password.len)
		return impossible(c, LM_E_UNSUPPORTED,
		                  "the server offers no mechanism for these credentials");
	if (!may_show(c))
		return impossible(c, LM_E_DENIED,
		                  "the server offers no login that hides the password, and there "
		                  "is no TLS");
	return say_user(c);
}

int lm_pop3c_login_begin(struct lm_pop3c *c, struct lm_pop3c_ask *a)
{
	return a->login->named[0] ? begin_named(c) : begin_best(c);
}

int lm_pop3c_login_token(struct lm_pop3c *c, const struct lm_reply *reply)
{
	struct lm_pop3c_login *l = c->head->login;
	struct lm_bytes token = reply ? reply->secret.plain : lm_bytes(NULL, 0);
	int err;

	if (!reply || reply->result < 0 || !token.len || is_unfit(token, LM_POP3C_TOKEN_MAX))
		return impossible(c, reply && reply->result < 0 ? reply->result : LM_E_AUTH,
		                  "no token could be had");
	err = lm_buf_add(&l->token, token);
	if (err)
		return err;
	l->creds.token = lm_buf_bytes(&l->token);
	return lm_pop3c_sasl_begin(c);
}

/* ---- yes and no ---- */

static int note_user(struct lm_pop3c *c)
{
	const struct lm_pop3c_login *l = c->head->login;

	lm_free(c->user);
	c->user = lm_strdup_bytes(l->creds.user);
	if (!c->user)
		return LM_E_NOMEM;
	snprintf(c->mechanism, sizeof(c->mechanism), "%s", l->mechanism);
	c->info.user = lm_str(c->user);
	c->info.mechanism = lm_str(c->mechanism);
	return 0;
}

int lm_pop3c_login_done(struct lm_pop3c *c, const struct lm_pop3c_status *st)
{
	struct lm_pop3c_ask *a = c->head;
	int err = note_user(c);

	if (err)
		return err;
	if (!c->capa_known || (lm_pop3c_has(c, "UIDL", NULL) && lm_pop3c_has(c, "TOP", NULL))) {
		lm_pop3c_finish_status(c, st, 0);
		return 0;
	}
	/* Some servers tell half of what they can before a login (RFC 2449 5). */
	a->login->step = LM_POP3C_RECHECK;
	if (lm_buf_add(&a->text, st->text))
		lm_buf_clear(&a->text);
	c->since = c->now;
	return lm_pop3c_say(c, lm_str("CAPA"), NULL);
}

/* A no that speaks of the proof and not of the server or the maildrop. */
static bool is_definite(const struct lm_pop3c_status *st)
{
	return st->code == LM_POP3_NONE || st->code == LM_POP3_AUTH;
}

/* A server that keeps no clear secrets refuses APOP and CRAM-MD5 to everybody. One that refuses a
 * bound channel may be somebody in the middle: the password is not for him. */
static bool may_fall_back(const struct lm_pop3c *c, const struct lm_pop3c_status *st)
{
	const struct lm_pop3c_login *l = c->head->login;

	return !l->named[0] && !l->fell_back && is_definite(st) && may_show(c) &&
	       !shows_secret(l->mechanism) && !strstr(l->mechanism, "-PLUS") && l->creds.user.len &&
	       l->creds.password.len;
}

int lm_pop3c_login_refused(struct lm_pop3c *c, const struct lm_pop3c_status *st)
{
	struct lm_pop3c_ask *a = c->head;
	struct lm_pop3c_login *l = a->login;

	if (may_fall_back(c, st)) {
		l->fell_back = true;
		lm_sasl_client_free(l->sasl);
		l->sasl = NULL;
		lm_buf_wipe(&l->initial);
		l->has_initial = false;
		return begin_plain(c);
	}
	lm_pop3c_finish_status(c, st, lm_pop3c_refusal(c, a, st));
	return 0;
}

int lm_pop3c_login_reply(struct lm_pop3c *c, struct lm_pop3c_ask *a,
                         const struct lm_pop3c_status *st)
{
	switch (a->login->step) {
	case LM_POP3C_SASL:
	case LM_POP3C_CANCEL:
		return lm_pop3c_sasl_reply(c, st);
	case LM_POP3C_USER:
		return st->ok ? say_pass(c) : lm_pop3c_login_refused(c, st);
	case LM_POP3C_RECHECK:
		if (st->ok)
			return lm_pop3c_capa_reply(c, a, st);
		lm_pop3c_finish(c, 0, LM_SIDE_NONE, NULL);
		return 0;
	default:
		return st->ok ? lm_pop3c_login_done(c, st) : lm_pop3c_login_refused(c, st);
	}
}

int lm_pop3c_login_line(struct lm_pop3c *c, struct lm_pop3c_ask *a, const struct lm_line *line,
                        bool end)
{
	if (end) {
		lm_pop3c_finish(c, 0, LM_SIDE_NONE, NULL);
		return 0;
	}
	if (++a->items > c->params->max_items)
		lm_pop3c_end(c, LM_E_LIMIT, LM_SIDE_PEER, "capabilities without end");
	return lm_pop3c_capa_add(c, line->text);
}
