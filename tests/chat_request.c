/* The clients' half of a dialogue: requests out of text, outcomes as text. */
#include "chat.h"

#include "wire/text.h"

#include "lm_test.h"

#include <stdlib.h>

enum { RECIPIENTS_MAX = 64, KEPT = 16 };

static const char *const type_names[LM_REQUEST_COUNT] = {
	"NONE", "OPEN", "LOGIN", "CAPA", "NOOP", "RSET", "QUIT", "COMMAND", "STAT", "LIST",
	"UIDL", "RETR", "TOP",   "DELE", "UTF8", "LANG", "SEND", "VRFY",    "EXPN",
};

/* All that an R line can say; what the request points to lives here. */
struct parsed {
	const struct chat_step *step;
	struct lm_request request;
	struct lm_credentials credentials;
	struct lm_recipient recipients[RECIPIENTS_MAX];
	struct lm_envelope envelope;
	char mechanism[64];
	int result;
};

static int error_named(struct lm_bytes name)
{
	for (int e = 0; e > -100; e--)
		if (lm_bytes_equal(name, lm_str(lm_err_name(e))))
			return e;
	fail_msg("unknown error %.*s", LM_FMT(name));
	return 0;
}

static uint64_t number(struct lm_bytes text)
{
	uint64_t n = 0;

	assert_true(lm_parse_number(text, UINT64_MAX, &n));
	return n;
}

static unsigned notify(struct lm_bytes list)
{
	unsigned set = 0;

	if (memmem(list.data, list.len, "never", 5))
		set |= LM_NOTIFY_NEVER;
	if (memmem(list.data, list.len, "success", 7))
		set |= LM_NOTIFY_SUCCESS;
	if (memmem(list.data, list.len, "failure", 7))
		set |= LM_NOTIFY_FAILURE;
	if (memmem(list.data, list.len, "delay", 5))
		set |= LM_NOTIFY_DELAY;
	return set;
}

static struct lm_recipient *last_recipient(struct parsed *p)
{
	assert_true(p->envelope.recipient_count > 0);
	return &p->recipients[p->envelope.recipient_count - 1];
}

static bool take_envelope(struct parsed *p, struct lm_bytes key, struct lm_bytes value)
{
	struct lm_envelope *e = &p->envelope;

	if (lm_bytes_equal(key, lm_str("from"))) {
		e->sender = value;
	} else if (lm_bytes_equal(key, lm_str("to"))) {
		assert_true(e->recipient_count < RECIPIENTS_MAX);
		p->recipients[e->recipient_count++].address = value;
	} else if (lm_bytes_equal(key, lm_str("notify"))) {
		last_recipient(p)->notify = notify(value);
	} else if (lm_bytes_equal(key, lm_str("orcpt"))) {
		last_recipient(p)->orcpt = value;
	} else if (lm_bytes_equal(key, lm_str("size"))) {
		e->size = number(value);
	} else if (lm_bytes_equal(key, lm_str("ret"))) {
		e->dsn_ret = (char)value.data[0];
	} else if (lm_bytes_equal(key, lm_str("envid"))) {
		e->envid = value;
	} else if (lm_bytes_equal(key, lm_str("auth"))) {
		e->auth = value;
	} else {
		return false;
	}
	return true;
}

static bool take_flag(struct parsed *p, struct lm_bytes word)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{ "ask_token", &p->credentials.ask_token },
		{ "certificate", &p->credentials.certificate },
		{ "eight_bit", &p->envelope.eight_bit },
		{ "binary", &p->envelope.binary },
		{ "smtputf8", &p->envelope.smtputf8 },
		{ "requiretls", &p->envelope.require_tls },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (lm_bytes_equal(word, lm_str(flags[i].name)))
			return *flags[i].flag = true;
	return false;
}

static bool take_credential(struct parsed *p, struct lm_bytes key, struct lm_bytes value)
{
	struct lm_credentials *c = &p->credentials;

	if (lm_bytes_equal(key, lm_str("user"))) {
		c->user = value;
	} else if (lm_bytes_equal(key, lm_str("password"))) {
		c->password = value;
	} else if (lm_bytes_equal(key, lm_str("authzid"))) {
		c->authzid = value;
	} else if (lm_bytes_equal(key, lm_str("token"))) {
		c->token = value;
	} else if (lm_bytes_equal(key, lm_str("mechanism"))) {
		snprintf(p->mechanism, sizeof(p->mechanism), "%.*s", LM_FMT(value));
		c->mechanism = p->mechanism;
	} else {
		return false;
	}
	return true;
}

static void take_word(struct parsed *p, struct lm_bytes word)
{
	const uint8_t *eq = memchr(word.data, '=', word.len);
	struct lm_bytes key, value;

	if (!eq) {
		if (!take_flag(p, word))
			fail_msg("line %d: %.*s?", p->step->line, LM_FMT(word));
		return;
	}
	key = lm_bytes(word.data, (size_t)(eq - word.data));
	value = lm_bytes(eq + 1, word.len - key.len - 1);
	if (lm_bytes_equal(key, lm_str("number")))
		p->request.number = number(value);
	else if (lm_bytes_equal(key, lm_str("lines")))
		p->request.lines = (int64_t)number(value);
	else if (lm_bytes_equal(key, lm_str("expected")))
		p->request.expected = number(value);
	else if (lm_bytes_equal(key, lm_str("result")))
		p->result = error_named(value);
	else if (!take_credential(p, key, value) && !take_envelope(p, key, value))
		fail_msg("line %d: %.*s?", p->step->line, LM_FMT(word));
}

static enum lm_request_type type_named(struct lm_bytes name)
{
	for (int t = 0; t < LM_REQUEST_COUNT; t++)
		if (lm_bytes_equal(name, lm_str(type_names[t])))
			return (enum lm_request_type)t;
	fail_msg("unknown request %.*s", LM_FMT(name));
	return LM_REQUEST_NONE;
}

void chat_request(const struct chat *chat, const struct chat_step *step, struct lm_session *session,
                  lm_time_ms now)
{
	static struct parsed kept[KEPT]; /* an envelope lives until its outcome */
	static size_t turn;
	struct lm_bytes rest = step->text;
	struct parsed *p = &kept[turn++ % KEPT];
	int result;

	*p = (struct parsed){ .step = step };
	p->request = LM_REQUEST_INIT(type_named(lm_next_word(&rest)));
	p->envelope.recipients = p->recipients;
	while (rest.len) {
		if (lm_starts_nocase(rest, "argument=")) {
			p->request.argument = lm_bytes_from(rest, 9);
			break;
		}
		take_word(p, lm_next_word(&rest));
	}
	p->request.credentials = &p->credentials;
	p->request.envelope = &p->envelope;
	result = lm_session_request(session, &p->request, now);
	if (result != p->result)
		fail_msg("%s:%d: the request gives %s, should be %s", chat->file, step->line,
		         lm_err_name(result), lm_err_name(p->result));
}

/* ---- outcomes ---- */

static void put_bytes(struct lm_buf *b, const char *key, struct lm_bytes value)
{
	assert_err(lm_buf_printf(b, " %s=", key), 0);
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.data[i];
		bool is_plain = c >= 0x20 && c < 0x7F;

		assert_err(lm_buf_printf(b, is_plain ? "%c" : "\\x%02x", c), 0);
	}
}

static void put_short(struct lm_buf *b, const struct lm_outcome *o)
{
	static const char *const sides[] = { "NONE", "CLIENT", "SERVER", "PEER", "NETWORK" };
	static const char *const codes[] = { "NONE",     "AUTH",     "IN_USE", "LOGIN_DELAY",
		                             "SYS_TEMP", "SYS_PERM", "UTF8" };

	assert_err(lm_buf_printf(b, " result=%s side=%s code=%d enhanced=%u.%u.%u pop3=%s",
	                         lm_err_name(o->result), sides[o->side], o->smtp_code,
	                         o->enhanced[0], o->enhanced[1], o->enhanced[2],
	                         codes[o->pop3_code]),
	           0);
	put_bytes(b, "text", o->text);
}

void chat_put_outcome(struct lm_buf *b, const struct lm_outcome *outcome)
{
	assert_err(lm_buf_printf(b, " type=%s", type_names[outcome->type]), 0);
	put_short(b, outcome);
	put_bytes(b, "command", outcome->command);
	assert_err(lm_buf_printf(b, " count=%llu size=%llu unknown=%d odd=%d",
	                         (unsigned long long)outcome->count,
	                         (unsigned long long)outcome->octets, outcome->unknown,
	                         outcome->odd_size),
	           0);
	for (size_t i = 0; i < outcome->recipient_count; i++) {
		assert_err(lm_buf_printf(b, " rcpt%zu=%s", i + 1,
		                         lm_err_name(outcome->recipients[i].result)),
		           0);
		assert_err(lm_buf_printf(b, " rcpt%zu_code=%d", i + 1,
		                         outcome->recipients[i].smtp_code),
		           0);
	}
}
