/* An envelope as MAIL and RCPT say it: what may be said at all, and what this server understands.
 */
#include "smtp/client.h"

#include "smtp/path.h"
#include "wire/text.h"

enum { ENVID_MAX = 100, ORCPT_MAX = 500, AUTH_MAX = 500 }; /* RFC 3461 4.4, 4.2; ours */

bool lm_smtpc_is_word(struct lm_bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i] <= 0x20 || b.data[i] == 0x7F)
			return false;
	return b.len > 0;
}

bool lm_smtpc_is_text(struct lm_bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if ((b.data[i] < 0x20 && b.data[i] != '\t') || b.data[i] == 0x7F)
			return false;
	return true;
}

/* Less strict than RFC 5321 4.1.2, as servers have odd users; what could end the path or the
 * command is refused: controls, and outside of quotes blanks and angle brackets. */
static bool is_address(struct lm_bytes a)
{
	bool quoted = false;

	if (a.len > LM_SMTPC_ADDRESS || !lm_smtpc_is_text(a) || !lm_is_utf8(a))
		return false;
	for (size_t i = 0; i < a.len; i++) {
		uint8_t c = a.data[i];

		if (quoted && c == '\\' && ++i == a.len)
			return false;
		if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == ' ' || c == '\t' || c == '<' || c == '>' || c == '\\'))
			return false;
	}
	return !quoted;
}

static bool is_xtext(struct lm_bytes b)
{
	struct lm_buf plain;
	bool good;

	lm_buf_init(&plain, ORCPT_MAX);
	good = lm_xtext_decode(b, &plain) == 0;
	lm_buf_done(&plain);
	return good;
}

/* RFC 3461 4.2, RFC 6533 3: a type, a semicolon, the address. */
static bool is_orcpt(struct lm_bytes b)
{
	const uint8_t *semicolon = memchr(b.data, ';', b.len);
	struct lm_bytes type = lm_bytes(b.data, semicolon ? (size_t)(semicolon - b.data) : 0);
	struct lm_bytes address = lm_bytes_from(b, type.len + 1);

	if (b.len > ORCPT_MAX || !lm_smtpc_is_word(type) || !lm_smtpc_is_word(address) ||
	    !lm_is_utf8(b))
		return false;
	return lm_equal_nocase(type, lm_str("utf-8")) || is_xtext(address);
}

static bool is_recipient(const struct lm_recipient *r)
{
	unsigned all = LM_NOTIFY_NEVER | LM_NOTIFY_SUCCESS | LM_NOTIFY_FAILURE | LM_NOTIFY_DELAY;

	return r->address.len && is_address(r->address) && !(r->notify & ~all) &&
	       (!(r->notify & LM_NOTIFY_NEVER) || r->notify == LM_NOTIFY_NEVER) &&
	       (!r->orcpt.len || is_orcpt(r->orcpt));
}

int lm_smtpc_check_envelope(const struct lm_envelope *e)
{
	if (!e->recipient_count || !is_address(e->sender) || e->auth.len > AUTH_MAX ||
	    !lm_smtpc_is_text(e->auth) || e->envid.len > ENVID_MAX ||
	    (e->envid.len && !is_xtext(e->envid)) ||
	    (e->dsn_ret && e->dsn_ret != 'F' && e->dsn_ret != 'H'))
		return LM_E_SYNTAX;
	for (size_t i = 0; i < e->recipient_count; i++)
		if (!is_recipient(&e->recipients[i]))
			return LM_E_SYNTAX;
	return 0;
}

static bool wants_dsn(const struct lm_envelope *e)
{
	bool wants = e->dsn_ret || e->envid.len;

	for (size_t i = 0; i < e->recipient_count && !wants; i++)
		wants = e->recipients[i].notify || e->recipients[i].orcpt.len;
	return wants;
}

static bool wants_utf8(const struct lm_envelope *e)
{
	bool wants = e->smtputf8 || lm_path_is_8bit(e->sender);

	for (size_t i = 0; i < e->recipient_count && !wants; i++)
		wants = lm_path_is_8bit(e->recipients[i].address) ||
		        lm_path_is_8bit(e->recipients[i].orcpt);
	return wants;
}

/* What the server lacks for this envelope, in words; NULL: nothing. */
static const char *lacks(const struct lm_smtpc *s, const struct lm_envelope *e)
{
	if (wants_utf8(e) && !lm_smtpc_has(s, "SMTPUTF8", NULL))
		return "the server does not offer SMTPUTF8, which these addresses or headers need";
	if (wants_dsn(e) && !lm_smtpc_has(s, "DSN", NULL))
		return "the server does not offer delivery status notifications (DSN)";
	if (e->require_tls && !s->info.tls.active)
		return "REQUIRETLS needs a connection under TLS";
	if (e->require_tls && !lm_smtpc_has(s, "REQUIRETLS", NULL))
		return "the server does not offer REQUIRETLS";
	if (e->binary && (!lm_smtpc_has(s, "BINARYMIME", NULL) ||
	                  !lm_smtpc_has(s, "CHUNKING", NULL) || s->params->no_chunking))
		return "a binary message needs BINARYMIME and CHUNKING";
	if (e->eight_bit && !e->binary && !lm_smtpc_has(s, "8BITMIME", NULL) &&
	    !s->params->force_8bit)
		return "the server does not offer 8BITMIME, which this message needs";
	return NULL;
}

uint64_t lm_smtpc_limit(const struct lm_smtpc *s, const char *name, uint64_t none)
{
	size_t len = strlen(name);
	struct lm_bytes rest;
	uint64_t limit;

	if (!lm_smtpc_has(s, "LIMITS", &rest))
		return none;
	while (rest.len) {
		struct lm_bytes word = lm_next_word(&rest);

		if (word.len > len && word.data[len] == '=' && lm_starts_nocase(word, name) &&
		    lm_parse_number(lm_bytes_from(word, len + 1), UINT64_MAX, &limit) && limit)
			return limit;
	}
	return none;
}

bool lm_smtpc_can_send(struct lm_smtpc *s, const struct lm_envelope *e)
{
	const char *missing = lacks(s, e);
	struct lm_bytes rest;
	uint64_t max;

	if (missing) {
		lm_smtpc_finish_words(s, LM_E_UNSUPPORTED, LM_SIDE_SERVER, "%s", missing);
		return false;
	}
	if (lm_smtpc_has(s, "SIZE", &rest) && lm_parse_number(rest, UINT64_MAX, &max) && max &&
	    e->size > max) {
		lm_smtpc_finish_words(s, LM_E_LIMIT, LM_SIDE_SERVER,
		                      "the message has %llu octets, the server takes %llu",
		                      (unsigned long long)e->size, (unsigned long long)max);
		return false;
	}
	if (s->messages >= lm_smtpc_limit(s, "MAILMAX", UINT64_MAX)) {
		lm_smtpc_finish_words(s, LM_E_LIMIT, LM_SIDE_SERVER,
		                      "the server takes no more messages over one connection");
		return false;
	}
	s->send->utf8 = wants_utf8(e);
	return true;
}

/* RFC 3461 4: what is not plain goes out as +XX. */
static int add_xtext(struct lm_buf *out, struct lm_bytes b)
{
	int err = 0;

	for (size_t i = 0; i < b.len && !err; i++) {
		uint8_t c = b.data[i];

		if (c < 0x21 || c > 0x7E || c == '+' || c == '=')
			err = lm_buf_printf(out, "+%02X", c);
		else
			err = lm_buf_add(out, lm_bytes(&c, 1));
	}
	return err;
}

static int add_mail(const struct lm_smtpc *s, const struct lm_envelope *e, struct lm_buf *out)
{
	int err = lm_buf_printf(out, "MAIL FROM:<%.*s>", LM_FMT(e->sender));

	if (!err && e->size && lm_smtpc_has(s, "SIZE", NULL))
		err = lm_buf_printf(out, " SIZE=%llu", (unsigned long long)e->size);
	if (!err && e->binary)
		err = lm_buf_add_str(out, " BODY=BINARYMIME");
	else if (!err && e->eight_bit && lm_smtpc_has(s, "8BITMIME", NULL))
		err = lm_buf_add_str(out, " BODY=8BITMIME");
	if (!err && s->send->utf8)
		err = lm_buf_add_str(out, " SMTPUTF8");
	if (!err && e->require_tls)
		err = lm_buf_add_str(out, " REQUIRETLS");
	if (!err && e->dsn_ret)
		err = lm_buf_printf(out, " RET=%s", e->dsn_ret == 'F' ? "FULL" : "HDRS");
	if (!err && e->envid.len)
		err = lm_buf_printf(out, " ENVID=%.*s", LM_FMT(e->envid));
	if (err || !e->auth.len || !lm_smtpc_has(s, "AUTH", NULL))
		return err;
	err = lm_buf_add_str(out, " AUTH=");
	if (err)
		return err;
	return lm_bytes_equal(e->auth, lm_str("<>")) ? lm_buf_add_str(out, "<>")
	                                             : add_xtext(out, e->auth);
}

void lm_smtpc_say_mail(struct lm_smtpc *s)
{
	struct lm_buf line;

	lm_buf_init(&line, 4096);
	if (add_mail(s, s->send->envelope, &line))
		lm_smtpc_fail(s, LM_E_NOMEM, LM_SIDE_CLIENT, "out of memory");
	else
		lm_smtpc_say(s, "%.*s", LM_FMT(lm_buf_bytes(&line)));
	lm_buf_done(&line);
}

static int add_notify(struct lm_buf *out, unsigned notify)
{
	static const char *const names[] = { "NEVER", "SUCCESS", "FAILURE", "DELAY" };
	const char *before = " NOTIFY=";
	int err = 0;

	for (unsigned i = 0; i < 4 && !err; i++) {
		if (!(notify & (1u << i)))
			continue;
		err = lm_buf_printf(out, "%s%s", before, names[i]);
		before = ",";
	}
	return err;
}

void lm_smtpc_say_rcpt(struct lm_smtpc *s, const struct lm_recipient *r)
{
	struct lm_buf line;
	int err;

	lm_buf_init(&line, 4096);
	err = lm_buf_printf(&line, "RCPT TO:<%.*s>", LM_FMT(r->address));
	if (!err)
		err = add_notify(&line, r->notify);
	if (!err && r->orcpt.len)
		err = lm_buf_printf(&line, " ORCPT=%.*s", LM_FMT(r->orcpt));
	if (err)
		lm_smtpc_fail(s, LM_E_NOMEM, LM_SIDE_CLIENT, "out of memory");
	else
		lm_smtpc_say(s, "%.*s", LM_FMT(lm_buf_bytes(&line)));
	lm_buf_done(&line);
}
