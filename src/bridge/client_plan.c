/* What script says of a client or of a message, read into C. */
#include "bridge/client.h"

#include <stddef.h>

enum { TEXT_MAX = 1 << 20, RECIPIENTS_MAX = 1000000 };

void lm_bx_plan_free(struct lm_bx_plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->count; i++) {
		lm_wipe(plan->texts[i], plan->lens[i]);
		lm_free(plan->texts[i]);
	}
	lm_free(plan);
}

/* ---- Members ---- */

struct lm_host_value *lm_bx_member(const struct lm_bx_call *call, struct lm_host_value *object,
                                   const char *name, enum lm_host_kind *out_kind)
{
	struct lm_host_value *value = call->ops->get(call->host, object, name);

	*out_kind = value ? call->ops->kind(call->host, value) : LM_HOST_UNDEFINED;
	return value;
}

static bool wrong(const struct lm_bx_call *call, const char *name, const char *wanted)
{
	(void)lm_bx_throw(call, LM_E_MISUSE, "%s must be %s", name, wanted);
	return false;
}

static bool no_memory(const struct lm_bx_call *call)
{
	(void)lm_bx_throw(call, LM_E_NOMEM, "%s", lm_err_text(LM_E_NOMEM));
	return false;
}

bool lm_bx_member_number(const struct lm_bx_call *call, struct lm_host_value *object,
                         const char *name, double least, double most, double *out_number)
{
	enum lm_host_kind kind;
	struct lm_host_value *value = lm_bx_member(call, object, name, &kind);
	double number;

	if (!value)
		return false;
	if (kind == LM_HOST_UNDEFINED)
		return true;
	number = kind == LM_HOST_NUMBER ? call->ops->to_number(call->host, value) : least - 1;
	if (!(number >= least && number <= most) || number != (double)(int64_t)number)
		return wrong(call, name, "a whole number in its limits");
	*out_number = number;
	return true;
}

bool lm_bx_member_bool(const struct lm_bx_call *call, struct lm_host_value *object,
                       const char *name, bool *out_truth)
{
	enum lm_host_kind kind;
	struct lm_host_value *value = lm_bx_member(call, object, name, &kind);

	if (!value)
		return false;
	if (kind != LM_HOST_UNDEFINED && kind != LM_HOST_BOOL)
		return wrong(call, name, "true or false");
	*out_truth = kind == LM_HOST_BOOL && call->ops->to_bool(call->host, value);
	return true;
}

bool lm_bx_member_text(const struct lm_bx_call *call, struct lm_host_value *object,
                       const char *name, struct lm_arena *arena, struct lm_bytes *out_text)
{
	enum lm_host_kind kind;
	struct lm_host_value *value = lm_bx_member(call, object, name, &kind);
	struct lm_bx_string text;

	if (!value || !lm_bx_to_string(call, value, name, true, TEXT_MAX, &text))
		return false;
	if (!text.given)
		return true;
	*out_text = lm_arena_copy(arena, text.octets);
	lm_bx_string_done(&text);
	return out_text->data || no_memory(call);
}

/* ---- A client ---- */

static const struct text_field {
	const char *name;
	size_t offset;
} text_fields[] = {
#define T(name, member)                                         \
	{                                                       \
		name, offsetof(struct lm_client_params, member) \
	}
	T("host", host), T("ca", ca_file),          T("cert", cert_file),  T("key", key_file),
	T("user", user), T("password", password),   T("authzid", authzid), T("token", token),
	T("helo", helo), T("mechanism", mechanism),
#undef T
};

static bool read_text(const struct lm_bx_call *call, struct lm_host_value *options,
                      const struct text_field *field, struct lm_bx_plan *plan)
{
	enum lm_host_kind kind;
	struct lm_host_value *value = lm_bx_member(call, options, field->name, &kind);
	struct lm_bx_string text;
	char *own;

	if (!value || !lm_bx_to_string(call, value, field->name, true, TEXT_MAX, &text))
		return false;
	if (!text.given)
		return true;
	if (memchr(text.octets.data, '\0', text.octets.len)) {
		lm_bx_string_done(&text);
		return wrong(call, field->name, "text without NUL");
	}
	own = lm_strdup_bytes(text.octets);
	if (own) {
		plan->texts[plan->count] = own;
		plan->lens[plan->count++] = text.octets.len;
		*(const char **)(void *)((char *)&plan->params + field->offset) = own;
	}
	lm_bx_string_done(&text);
	return own || no_memory(call);
}

static const struct truth_field {
	const char *name;
	size_t offset;
} truth_fields[] = {
#define B(name, member)                                         \
	{                                                       \
		name, offsetof(struct lm_client_params, member) \
	}
	B("insecure", insecure),
	B("noLogin", no_login),
	B("noPlain", no_plain),
	B("noPipelining", no_pipelining),
	B("noChunking", no_chunking),
	B("force8bit", force_8bit),
	B("legacyConnect", legacy_connect),
#undef B
};

static const struct word {
	const char *name;
	int value;
} protocols[] = { { "pop3", LM_POP3 },
	          { "smtp", LM_SMTP },
	          { "submission", LM_SUBMISSION },
	          { "lmtp", LM_LMTP },
	          { NULL, 0 } },
  modes[] = { { "off", LM_TLS_OFF },
	      { "opportunistic", LM_TLS_OPPORTUNISTIC },
	      { "starttls", LM_TLS_STARTTLS },
	      { "implicit", LM_TLS_IMPLICIT },
	      { NULL, 0 } };

static bool read_word(const struct lm_bx_call *call, struct lm_host_value *options,
                      const char *name, const struct word *words, int *out_value)
{
	enum lm_host_kind kind;
	struct lm_host_value *value = lm_bx_member(call, options, name, &kind);
	struct lm_bx_string text;
	bool found = false;

	if (!value || !lm_bx_to_string(call, value, name, true, TEXT_MAX, &text))
		return false;
	for (; words->name && !found; words++) {
		found = text.given && lm_bytes_equal(text.octets, lm_str(words->name));
		if (found)
			*out_value = words->value;
	}
	found = found || !text.given;
	lm_bx_string_done(&text);
	return found || wrong(call, name, "one of the words there are for it");
}

static bool read_limits(const struct lm_bx_call *call, struct lm_host_value *options,
                        struct lm_client_params *p)
{
	const double large = 9007199254740991.0;
	double port = p->port, min = 0, max = 0, timeout = (double)p->timeout, message = 0,
	       items = 0;

	if (!lm_bx_member_number(call, options, "port", 0, 65535, &port) ||
	    !lm_bx_member_number(call, options, "tlsMin", 0, 5, &min) ||
	    !lm_bx_member_number(call, options, "tlsMax", 0, 5, &max) ||
	    !lm_bx_member_number(call, options, "timeout", 1, 2147483647, &timeout) ||
	    !lm_bx_member_number(call, options, "maxMessage", 0, large, &message) ||
	    !lm_bx_member_number(call, options, "maxItems", 0, large, &items))
		return false;
	p->port = (uint16_t)port;
	p->tls_min = (unsigned)min;
	p->tls_max = (unsigned)max;
	p->timeout = (lm_time_ms)timeout;
	p->max_message = (uint64_t)message;
	p->max_items = (uint64_t)items;
	return true;
}

/* Only whether: the clients' thread puts its own functions there. */
static void ask_token(void *ctx, struct lm_client *client)
{
	(void)ctx;
	(void)client;
}

static void trace(void *ctx, bool from_server, struct lm_bytes line)
{
	(void)ctx;
	(void)from_server;
	(void)line;
}

static bool read_plan(const struct lm_bx_call *call, struct lm_host_value *options,
                      struct lm_bx_plan *plan)
{
	int protocol = LM_POP3, tls = LM_TLS_STARTTLS;
	bool asks = false, traces = false;
	bool good = read_word(call, options, "protocol", protocols, &protocol) &&
	            read_word(call, options, "tls", modes, &tls);

	lm_client_params_init(&plan->params, (enum lm_protocol)protocol);
	plan->params.tls = (enum lm_tls_mode)tls;
	for (size_t i = 0; good && i < sizeof(text_fields) / sizeof(*text_fields); i++)
		good = read_text(call, options, &text_fields[i], plan);
	for (size_t i = 0; good && i < sizeof(truth_fields) / sizeof(*truth_fields); i++)
		good = lm_bx_member_bool(
		        call, options, truth_fields[i].name,
		        (bool *)(void *)((char *)&plan->params + truth_fields[i].offset));
	good = good && lm_bx_member_bool(call, options, "askToken", &asks) &&
	       lm_bx_member_bool(call, options, "trace", &traces) &&
	       read_limits(call, options, &plan->params);
	plan->params.ask_token = asks ? ask_token : NULL;
	plan->params.trace = traces ? trace : NULL;
	return good;
}

struct lm_bx_plan *lm_bx_plan_read(const struct lm_bx_call *call, struct lm_host_value *options)
{
	struct lm_bx_plan *plan;

	if (call->ops->kind(call->host, options) != LM_HOST_OBJECT) {
		(void)wrong(call, "options", "an object");
		return NULL;
	}
	plan = lm_alloc_zero(1, sizeof(*plan));
	if (!plan) {
		(void)no_memory(call);
		return NULL;
	}
	if (read_plan(call, options, plan))
		return plan;
	lm_bx_plan_free(plan);
	return NULL;
}

/* ---- A message ---- */

static const struct flag {
	const char *name;
	unsigned value;
} flags[] = {
	{ "keepBcc", LM_OUTGOING_KEEP_BCC },
	{ "strict", LM_OUTGOING_STRICT },
	{ "binary", LM_OUTGOING_BINARY },
	{ "addMissing", LM_OUTGOING_ADD_MISSING },
};

static bool read_recipient(const struct lm_bx_call *call, struct lm_host_value *from,
                           struct lm_arena *arena, struct lm_recipient *out_recipient)
{
	double notify = 0;

	if (call->ops->kind(call->host, from) != LM_HOST_OBJECT)
		return wrong(call, "a recipient", "an object");
	if (!lm_bx_member_text(call, from, "address", arena, &out_recipient->address) ||
	    !lm_bx_member_text(call, from, "orcpt", arena, &out_recipient->orcpt) ||
	    !lm_bx_member_number(call, from, "notify", 0, 15, &notify))
		return false;
	if (!out_recipient->address.data)
		return wrong(call, "address", "a string");
	out_recipient->notify = (unsigned)notify;
	return true;
}

static bool read_recipients(const struct lm_bx_call *call, struct lm_host_value *options,
                            struct lm_bx_letter *letter)
{
	enum lm_host_kind kind;
	struct lm_host_value *list = lm_bx_member(call, options, "recipients", &kind);
	struct lm_bx_wishes *w = &letter->wishes;
	size_t count;

	if (!list || kind == LM_HOST_UNDEFINED)
		return list != NULL;
	count = kind == LM_HOST_ARRAY ? call->ops->length(call->host, list) : 0;
	if (!count || count > RECIPIENTS_MAX)
		return wrong(call, "recipients", "an array of one to 1,000,000");
	w->recipients = lm_arena_alloc(&letter->arena, count * sizeof(*w->recipients));
	if (!w->recipients)
		return no_memory(call);
	memset(w->recipients, 0, count * sizeof(*w->recipients));
	w->recipient_count = count;
	for (size_t i = 0; i < count; i++) {
		struct lm_host_value *one = call->ops->at(call->host, list, i);

		if (!one || !read_recipient(call, one, &letter->arena, &w->recipients[i]))
			return false;
	}
	return true;
}

bool lm_bx_letter_read(const struct lm_bx_call *call, struct lm_host_value *options,
                       struct lm_bx_letter *letter)
{
	struct lm_bx_wishes *w = &letter->wishes;
	struct lm_bytes ret = { NULL, 0 };
	bool good = lm_bx_member_text(call, options, "sender", &letter->arena, &w->sender) &&
	            lm_bx_member_text(call, options, "envid", &letter->arena, &w->envid) &&
	            lm_bx_member_text(call, options, "auth", &letter->arena, &w->auth) &&
	            lm_bx_member_text(call, options, "ret", &letter->arena, &ret) &&
	            lm_bx_member_bool(call, options, "requireTls", &w->require_tls) &&
	            lm_bx_member_bool(call, options, "smtputf8", &w->smtputf8) &&
	            read_recipients(call, options, letter);

	for (size_t i = 0; good && i < sizeof(flags) / sizeof(*flags); i++) {
		bool on = false;

		good = lm_bx_member_bool(call, options, flags[i].name, &on);
		w->flags |= on ? flags[i].value : 0;
	}
	w->ret = ret.len ? (char)ret.data[0] : '\0';
	return good;
}
