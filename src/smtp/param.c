/* Parameters of MAIL and RCPT, by one table: legal only where what they belong to is on offer. */
#include "smtp/smtp.h"

#include "smtp/path.h"
#include "wire/text.h"

enum { ENVID_MAX = 100, ORCPT_MAX = 500, AUTH_MAX = 500 }; /* RFC 3461 4.4, 4.2; ours */

typedef enum lm_smtp_reply_id (*read_fn)(struct lm_smtp *, struct lm_bytes value,
                                         struct lm_recipient *);

struct param {
	const char *name;
	const char *extension; /* it belongs to */
	bool of_rcpt;
	bool has_value;
	bool (*legal)(const struct lm_smtp *);
	read_fn read;
};

static enum lm_smtp_reply_id good_if(bool good)
{
	return good ? LM_SMTP_GOOD : LM_SMTP_R_BAD_PARAMETER;
}

static bool always(const struct lm_smtp *s)
{
	(void)s;
	return true;
}

static bool under_tls(const struct lm_smtp *s)
{
	return lm_smtp_works(s, "REQUIRETLS");
}

static bool with_body(const struct lm_smtp *s)
{
	return lm_smtp_works(s, "8BITMIME") || lm_smtp_works(s, "BINARYMIME");
}

static bool with_auth(const struct lm_smtp *s)
{
	return s->params->mechanisms != NULL;
}

/* RFC 1870 6.1: refused before a single octet of the message was sent. */
static enum lm_smtp_reply_id read_size(struct lm_smtp *s, struct lm_bytes v, struct lm_recipient *r)
{
	uint64_t max = s->params->max_message_size, size;

	(void)r;
	if (v.len > 20 || !lm_parse_number(v, UINT64_MAX, &size))
		return LM_SMTP_R_BAD_PARAMETER;
	s->txn->envelope.size = size;
	return max && size > max ? LM_SMTP_R_TOO_BIG : LM_SMTP_GOOD;
}

static enum lm_smtp_reply_id read_body(struct lm_smtp *s, struct lm_bytes v, struct lm_recipient *r)
{
	struct lm_envelope *e = &s->txn->envelope;

	(void)r;
	e->eight_bit = lm_equal_nocase(v, lm_str("8BITMIME")) && lm_smtp_works(s, "8BITMIME");
	e->binary = lm_equal_nocase(v, lm_str("BINARYMIME")) && lm_smtp_works(s, "BINARYMIME");
	return good_if(e->eight_bit || e->binary || lm_equal_nocase(v, lm_str("7BIT")));
}

static enum lm_smtp_reply_id read_smtputf8(struct lm_smtp *s, struct lm_bytes v,
                                           struct lm_recipient *r)
{
	(void)v, (void)r;
	s->txn->envelope.smtputf8 = true;
	return LM_SMTP_GOOD;
}

static enum lm_smtp_reply_id read_requiretls(struct lm_smtp *s, struct lm_bytes v,
                                             struct lm_recipient *r)
{
	(void)v, (void)r;
	s->txn->envelope.require_tls = true;
	return LM_SMTP_GOOD;
}

static enum lm_smtp_reply_id read_ret(struct lm_smtp *s, struct lm_bytes v, struct lm_recipient *r)
{
	char *ret = &s->txn->envelope.dsn_ret;

	(void)r;
	*ret = lm_equal_nocase(v, lm_str("FULL"))   ? 'F'
	       : lm_equal_nocase(v, lm_str("HDRS")) ? 'H'
	                                            : 0;
	return good_if(*ret);
}

static bool is_printable(struct lm_bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i] < 0x20 || b.data[i] == 0x7F)
			return false;
	return true;
}

/* Decode xtext; what it hides must not hold line ends either. */
static enum lm_smtp_reply_id decode(struct lm_bytes v, size_t max, struct lm_buf *out)
{
	int err;

	lm_buf_init(out, max);
	err = lm_xtext_decode(v, out);
	if (err == LM_E_NOMEM)
		return LM_SMTP_R_NO_MEMORY;
	return good_if(!err && is_printable(lm_buf_bytes(out)));
}

static enum lm_smtp_reply_id keep(struct lm_smtp *s, struct lm_bytes v, struct lm_bytes *out)
{
	*out = lm_arena_copy(&s->txn->arena, v);
	return out->data ? LM_SMTP_GOOD : LM_SMTP_R_NO_MEMORY;
}

static enum lm_smtp_reply_id read_envid(struct lm_smtp *s, struct lm_bytes v,
                                        struct lm_recipient *r)
{
	enum lm_smtp_reply_id bad;
	struct lm_buf plain;

	(void)r;
	if (v.len > ENVID_MAX)
		return LM_SMTP_R_BAD_PARAMETER;
	bad = decode(v, ENVID_MAX, &plain);
	lm_buf_done(&plain);
	return bad ? bad : keep(s, v, &s->txn->envelope.envid);
}

/* RFC 4954 5: believed only from who is logged in, else as if it were `<>`. */
static enum lm_smtp_reply_id read_auth(struct lm_smtp *s, struct lm_bytes v, struct lm_recipient *r)
{
	enum lm_smtp_reply_id bad;
	struct lm_buf plain;

	(void)r;
	if (lm_bytes_equal(v, lm_str("<>")))
		return LM_SMTP_GOOD;
	bad = decode(v, AUTH_MAX, &plain);
	if (!bad && s->info.user.len)
		bad = keep(s, lm_buf_bytes(&plain), &s->txn->envelope.auth);
	lm_buf_done(&plain);
	return bad;
}

static enum lm_smtp_reply_id read_notify(struct lm_smtp *s, struct lm_bytes v,
                                         struct lm_recipient *r)
{
	static const struct {
		const char *name;
		unsigned bit;
	} words[] = { { "NEVER", LM_NOTIFY_NEVER },
		      { "SUCCESS", LM_NOTIFY_SUCCESS },
		      { "FAILURE", LM_NOTIFY_FAILURE },
		      { "DELAY", LM_NOTIFY_DELAY } };

	(void)s;
	for (bool more = true; more;) {
		const uint8_t *comma = memchr(v.data, ',', v.len);
		struct lm_bytes word = lm_bytes(v.data, comma ? (size_t)(comma - v.data) : v.len);
		unsigned bit = 0;

		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
			if (lm_equal_nocase(word, lm_str(words[i].name)))
				bit = words[i].bit;
		if (!bit || (r->notify & bit))
			return LM_SMTP_R_BAD_PARAMETER;
		r->notify |= bit;
		more = comma != NULL && word.len + 1 < v.len;
		if (comma && !more)
			return LM_SMTP_R_BAD_PARAMETER;
		v = lm_bytes_from(v, word.len + 1);
	}
	return good_if(!(r->notify & LM_NOTIFY_NEVER) || r->notify == LM_NOTIFY_NEVER);
}

/* RFC 6533 3: `utf-8;` may carry UTF-8 as it is, where SMTPUTF8 was given. */
static enum lm_smtp_reply_id check_utf8_orcpt(const struct lm_smtp *s, struct lm_bytes v)
{
	if (lm_path_is_8bit(v) && !s->txn->envelope.smtputf8)
		return LM_SMTP_R_BAD_PARAMETER;
	return good_if(lm_is_utf8(v) && is_printable(v));
}

static enum lm_smtp_reply_id read_orcpt(struct lm_smtp *s, struct lm_bytes v,
                                        struct lm_recipient *r)
{
	const uint8_t *semicolon = memchr(v.data, ';', v.len);
	struct lm_bytes type = lm_bytes(v.data, semicolon ? (size_t)(semicolon - v.data) : 0);
	struct lm_bytes address = lm_bytes_from(v, type.len + 1);
	enum lm_smtp_reply_id bad;
	struct lm_buf plain;

	if (!type.len || !address.len || v.len > ORCPT_MAX || lm_path_is_8bit(type))
		return LM_SMTP_R_BAD_PARAMETER;
	r->orcpt = v;
	if (lm_equal_nocase(type, lm_str("utf-8")))
		return check_utf8_orcpt(s, address);
	bad = decode(address, ORCPT_MAX, &plain);
	lm_buf_done(&plain);
	return bad;
}

static const struct param params[] = {
	{ "SIZE", "SIZE", false, true, always, read_size },
	{ "BODY", "", false, true, with_body, read_body },
	{ "SMTPUTF8", "SMTPUTF8", false, false, always, read_smtputf8 },
	{ "RET", "DSN", false, true, always, read_ret },
	{ "ENVID", "DSN", false, true, always, read_envid },
	{ "AUTH", "AUTH", false, true, with_auth, read_auth },
	{ "REQUIRETLS", "REQUIRETLS", false, false, under_tls, read_requiretls },
	{ "NOTIFY", "DSN", true, true, always, read_notify },
	{ "ORCPT", "DSN", true, true, always, read_orcpt },
};
enum { PARAMS = sizeof(params) / sizeof(*params) };

static size_t find(const struct lm_smtp *s, bool of_rcpt, struct lm_bytes name)
{
	for (size_t i = 0; i < PARAMS; i++)
		if (params[i].of_rcpt == of_rcpt && lm_equal_nocase(name, lm_str(params[i].name)) &&
		    params[i].legal(s) && !lm_smtp_hides(s, lm_str(params[i].extension)))
			return i;
	return PARAMS;
}

/* RFC 5321 4.1.2: esmtp-param. The value's own form nobody knows. */
static bool is_wellformed(struct lm_bytes name, struct lm_bytes value, bool has_value)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = lm_upper(name.data[i]);

		if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && (c != '-' || !i))
			return false;
	}
	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] <= ' ' || value.data[i] == '=' || value.data[i] == 0x7F)
			return false;
	return has_value == (value.len > 0);
}

static enum lm_smtp_reply_id read_one(struct lm_smtp *s, struct lm_bytes word,
                                      struct lm_recipient *r, unsigned *seen)
{
	const uint8_t *equals = word.len ? memchr(word.data, '=', word.len) : NULL;
	struct lm_bytes name = lm_bytes(word.data,
	                                equals ? (size_t)(equals - word.data) : word.len);
	struct lm_bytes value = lm_bytes_from(word, name.len + 1);
	size_t i;

	if (!name.len)
		return LM_SMTP_R_SYNTAX;
	i = find(s, r != NULL, name);
	if (!s->info.esmtp || (i == PARAMS && !s->params->unknown_parameters))
		return LM_SMTP_R_NO_PARAMETER;
	if (i == PARAMS)
		return good_if(is_wellformed(name, value, equals != NULL) &&
		               (s->txn->envelope.smtputf8 || !lm_path_is_8bit(value)));
	if ((*seen & (1u << i)) || params[i].has_value != (value.len > 0) || (equals && !value.len))
		return LM_SMTP_R_BAD_PARAMETER;
	*seen |= 1u << i;
	return params[i].read(s, value, r);
}

static enum lm_smtp_reply_id read_all(struct lm_smtp *s, struct lm_bytes text,
                                      struct lm_recipient *r)
{
	enum lm_smtp_reply_id bad = LM_SMTP_GOOD;
	unsigned seen = 0;

	while (!bad && text.len) {
		text = lm_bytes_from(text, 1); /* the space */
		bad = read_one(s, lm_next_word(&text), r, &seen);
		if (text.len)
			text = lm_bytes(text.data - 1, text.len + 1);
	}
	return bad;
}

enum lm_smtp_reply_id lm_smtp_mail_params(struct lm_smtp *s, struct lm_bytes text)
{
	return read_all(s, text, NULL);
}

enum lm_smtp_reply_id lm_smtp_rcpt_params(struct lm_smtp *s, struct lm_bytes text,
                                          struct lm_recipient *recipient)
{
	return read_all(s, text, recipient);
}
