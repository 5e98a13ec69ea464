/* What js/session.js asks of C: facts of a session, messages, and the ends of promises. */
#include "script/handler_impl.h"
#include "script/js/sources.h"
#include "script/stream.h"

/* Facts by number; the names are those of js/session.js. */
#define FACTS(F)         \
	F(username)      \
	F(password)      \
	F(user)          \
	F(mechanism)     \
	F(argument)      \
	F(verb)          \
	F(address)       \
	F(helo)          \
	F(esmtp)         \
	F(size)          \
	F(language)      \
	F(utf8)          \
	F(serverAddress) \
	F(serverPort)    \
	F(authKind)      \
	F(authMechanism) \
	F(authName)      \
	F(authActsAs)    \
	F(authToken)     \
	F(authOk)

enum fact {
#define F(name) FACT_##name,
	FACTS(F)
#undef F
	        FACT_COUNT
};

static void box_gone(void *data)
{
	struct lm_ss_box *box = data;

	if (box->session)
		box->session->box = NULL;
	lm_free(box);
}

const struct lm_js_class lm_ss_box_class = { "Session", box_gone };

/* ---- among sessions, and out again ---- */

struct visit {
	struct lm_sp_place *place;
	struct lm_ss *session; /* NULL: over, or not of this VM any more */
	bool was_inside;
};

static bool visit(const struct lm_js_call *call, struct visit *v)
{
	struct lm_ss_box *box;

	v->place = call->data;
	v->session = NULL;
	v->was_inside = atomic_load(&v->place->inside);
	if (!lm_sp_enter(v->place)) {
		lm_js_throw(call->js, LM_JS_ERROR, "the script took too long and was given up");
		return false;
	}
	box = lm_js_unwrap(call->js, lm_js_arg(call, 0), &lm_ss_box_class);
	v->session = box ? box->session : NULL;
	return true;
}

static struct lm_js_value *leave(const struct visit *v, struct lm_js_value *result)
{
	if (!v->was_inside)
		lm_sp_leave(v->place);
	return result;
}

/* ---- facts ---- */

static struct lm_js_value *text_or_none(struct lm_js *js, struct lm_bytes text)
{
	return text.len ? lm_js_string(js, text) : lm_js_undefined(js);
}

static struct lm_js_value *kind_of(struct lm_js *js, const struct lm_ss_message *m)
{
	static const char *const kinds[] = { NULL, "password", "secret", "token", "external" };
	unsigned kind = (unsigned)m->auth.kind;

	if (m->type == LM_EVENT_AUTH_DONE && !kind)
		return lm_js_string(js, lm_str("done"));
	return kind && kind < sizeof(kinds) / sizeof(*kinds) ? lm_js_string(js, lm_str(kinds[kind]))
	                                                     : lm_js_undefined(js);
}

static struct lm_bytes address_of(const struct lm_ss_message *m)
{
	const struct lm_envelope *e = &m->envelope;

	if (m->type == LM_EVENT_RCPT && e->recipient_count)
		return e->recipients[e->recipient_count - 1].address;
	return m->has_envelope ? e->sender : lm_bytes(NULL, 0);
}

/* What belongs to the event. */
static struct lm_js_value *event_fact(struct lm_js *js, const struct lm_ss_message *m, unsigned n)
{
	switch (n) {
	case FACT_argument:
		return lm_js_string(js, m->argument);
	case FACT_verb:
		return lm_js_string(js, m->verb);
	case FACT_address:
		return m->has_envelope ? lm_js_string(js, address_of(m)) : lm_js_undefined(js);
	case FACT_size:
		return m->type == LM_EVENT_MESSAGE ? lm_js_number(js, (double)m->octets)
		                                   : lm_js_undefined(js);
	case FACT_authKind:
		return kind_of(js, m);
	case FACT_authMechanism:
		return text_or_none(js, m->auth.mechanism);
	case FACT_authName:
		return text_or_none(js, m->auth.authcid);
	case FACT_authActsAs:
		return text_or_none(js, m->auth.authzid);
	case FACT_authToken:
		return text_or_none(js, m->auth.token);
	case FACT_authOk:
		return m->type == LM_EVENT_AUTH_DONE ? lm_js_bool(js, m->auth.ok)
		                                     : lm_js_undefined(js);
	default:
		return lm_js_undefined(js);
	}
}

static struct lm_js_value *session_fact(struct lm_js *js, const struct lm_ss *ss, unsigned n)
{
	const struct lm_session_info *info = &ss->known->info;

	switch (n) {
	case FACT_username:
		return ss->username.data ? lm_js_string(js, ss->username) : lm_js_undefined(js);
	case FACT_password:
		return ss->password.data ? lm_js_string(js, ss->password) : lm_js_undefined(js);
	case FACT_user:
		return text_or_none(js, info->user);
	case FACT_mechanism:
		return text_or_none(js, info->mechanism);
	case FACT_helo:
		return text_or_none(js, info->helo);
	case FACT_esmtp:
		return lm_js_bool(js, info->esmtp);
	case FACT_language:
		return text_or_none(js, lm_str(info->language));
	case FACT_utf8:
		return lm_js_bool(js, info->utf8);
	case FACT_serverAddress:
		return lm_js_string(js, lm_str(info->local_address));
	case FACT_serverPort:
		return lm_js_number(js, info->local_port);
	default:
		return ss->now ? event_fact(js, ss->now, n) : lm_js_undefined(js);
	}
}

static struct lm_js_value *native_fact(const struct lm_js_call *call)
{
	double n = lm_js_to_number(call->js, lm_js_arg(call, 1));
	struct lm_js_value *value;
	struct visit v;

	if (!visit(call, &v))
		return NULL;
	value = v.session && v.session->known && n >= 0 && n < FACT_COUNT
	                ? session_fact(call->js, v.session, (unsigned)n)
	                : lm_js_undefined(call->js);
	return leave(&v, value);
}

static struct lm_js_value *native_tls(const struct lm_js_call *call)
{
	struct lm_js *js = call->js;
	struct lm_js_value *found = lm_js_undefined(js);
	struct visit v;

	if (!visit(call, &v))
		return NULL;
	if (v.session && v.session->known && v.session->known->info.tls.active) {
		const struct lm_tls_info *tls = &v.session->known->info.tls;
		struct lm_js_value *parts[] = {
			lm_js_string(js, lm_str(tls->version)),
			lm_js_string(js, lm_str(tls->cipher)),
			lm_js_number(js, tls->bits),
			text_or_none(js, lm_str(tls->server_name)),
			text_or_none(js, lm_str(tls->peer_subject)),
			text_or_none(js, lm_str(tls->peer_name)),
		};

		found = lm_js_array(js, sizeof(parts) / sizeof(*parts), parts);
	}
	return leave(&v, found);
}

/* ---- the envelope ---- */

static struct lm_js_value *recipient(struct lm_js *js, const struct lm_recipient *r)
{
	struct lm_js_value *parts[] = { lm_js_string(js, r->address), text_or_none(js, r->orcpt),
		                        lm_js_number(js, r->notify) };

	return lm_js_array(js, 3, parts);
}

/* All recipients as far as they are known; *io_at moves down to 0. */
static void add_recipients(struct lm_js *js, const struct lm_envelope *e, struct lm_js_value **out,
                           size_t *io_at)
{
	for (size_t i = e->recipient_count; i > 0 && *io_at > 0; i--)
		if ((out[*io_at - 1] = recipient(js, &e->recipients[i - 1])))
			lm_js_hold(js, out[--*io_at]);
}

static size_t count_recipients(const struct lm_ss *ss, bool has_all)
{
	size_t count = ss->now && ss->now->has_envelope ? ss->now->envelope.recipient_count : 0;

	for (const struct lm_ss_message *m = has_all ? NULL : ss->recipients; m; m = m->next)
		count += m->envelope.recipient_count;
	return count;
}

static struct lm_js_value *recipients(struct lm_js *js, const struct lm_ss *ss)
{
	bool has_all = ss->now && ss->now->has_envelope && ss->now->type != LM_EVENT_RCPT;
	size_t count = count_recipients(ss, has_all), at = count;
	struct lm_js_value *array = lm_js_array(js, 0, NULL), **list;

	if (!count)
		return array;
	/* What is on the heap must be held. */
	list = lm_alloc_zero(count, sizeof(struct lm_js_value *));
	if (!list)
		return lm_js_throw(js, LM_JS_ERROR, "out of memory");
	if (ss->now && ss->now->has_envelope)
		add_recipients(js, &ss->now->envelope, list, &at);
	for (const struct lm_ss_message *m = has_all ? NULL : ss->recipients; m; m = m->next)
		add_recipients(js, &m->envelope, list, &at);
	array = lm_js_array(js, count - at, list + at);
	for (size_t i = at; i < count; i++)
		lm_js_drop(js, list[i]);
	lm_free(list);
	return array;
}

static struct lm_js_value *envelope(struct lm_js *js, const struct lm_ss *ss)
{
	const struct lm_envelope *e = lm_ss_sender(ss);
	struct lm_js_value *parts[7];

	if (!e)
		return lm_js_undefined(js);
	parts[0] = lm_js_string(js, e->sender);
	parts[1] = e->size ? lm_js_number(js, (double)e->size) : lm_js_undefined(js);
	parts[2] = lm_js_number(js, e->eight_bit + 2 * e->binary + 4 * e->smtputf8 +
	                                    8 * e->require_tls);
	parts[3] = text_or_none(js, lm_bytes(&e->dsn_ret, e->dsn_ret != 0));
	parts[4] = text_or_none(js, e->envid);
	parts[5] = text_or_none(js, e->auth);
	parts[6] = recipients(js, ss);
	return parts[6] ? lm_js_array(js, 7, parts) : NULL;
}

static struct lm_js_value *native_envelope(const struct lm_js_call *call)
{
	struct visit v;

	if (!visit(call, &v))
		return NULL;
	return leave(&v, v.session ? envelope(call->js, v.session) : lm_js_undefined(call->js));
}

/* ---- messages ---- */

static struct lm_js_value *with_body(const struct lm_js_call *call,
                                     struct lm_js_value *(*make)(struct lm_js *js,
                                                                 struct lm_ss_body *body))
{
	struct lm_js_value *value = lm_js_undefined(call->js);
	struct visit v;

	if (!visit(call, &v))
		return NULL;
	if (v.session && v.session->now && v.session->now->body)
		value = make(call->js, v.session->now->body);
	return leave(&v, value);
}

static struct lm_js_value *native_message(const struct lm_js_call *call)
{
	return with_body(call, lm_ss_body_text);
}

static struct lm_js_value *native_bytes(const struct lm_js_call *call)
{
	return with_body(call, lm_ss_body_bytes);
}

static struct lm_js_value *native_stream(const struct lm_js_call *call)
{
	return with_body(call, lm_ss_body_stream);
}

static struct lm_js_value *native_is_stream(const struct lm_js_call *call)
{
	return lm_js_bool(call->js, lm_stream_of(call->js, lm_js_arg(call, 0)) != NULL);
}

/* ---- ends ---- */

static struct lm_js_value *settled(const struct lm_js_call *call, bool good)
{
	struct visit v;

	if (!visit(call, &v))
		return NULL;
	if (v.session && v.session->pending)
		lm_ss_settled(v.place, v.session, good, lm_js_arg(call, 1));
	return leave(&v, lm_js_undefined(call->js));
}

static struct lm_js_value *native_done(const struct lm_js_call *call)
{
	return settled(call, true);
}

static struct lm_js_value *native_failed(const struct lm_js_call *call)
{
	return settled(call, false);
}

static struct lm_js_value *native_close(const struct lm_js_call *call)
{
	struct visit v;

	if (!visit(call, &v))
		return NULL;
	if (v.session)
		atomic_store(&v.session->closes, true);
	return leave(&v, lm_js_undefined(call->js));
}

static struct lm_js_value *native_warn(const struct lm_js_call *call)
{
	struct lm_buf member, found;
	struct visit v;

	if (!visit(call, &v))
		return NULL;
	lm_buf_init(&member, 200);
	lm_buf_init(&found, 200);
	lm_js_add_text(call->js, lm_js_arg(call, 1), &member);
	lm_js_add_text(call->js, lm_js_arg(call, 2), &found);
	if (v.session && v.session->now)
		lm_ss_warn(v.place, v.session->now, lm_buf_bytes(&member), lm_buf_bytes(&found));
	lm_buf_done(&member);
	lm_buf_done(&found);
	return leave(&v, lm_js_undefined(call->js));
}

static struct lm_js_value *facts(struct lm_js *js)
{
	struct lm_js_value *object = lm_js_object(js);

#define F(name)                                                           \
	if (!lm_js_set(js, object, #name, lm_js_number(js, FACT_##name))) \
		return NULL;
	FACTS(F)
#undef F
	return object;
}

struct lm_js_value *lm_ss_natives(struct lm_sp_place *place)
{
	static const struct {
		const char *name;
		lm_js_fn fn;
	} all[] = {
		{ "fact", native_fact },          { "tls", native_tls },
		{ "envelope", native_envelope },  { "message", native_message },
		{ "messageBytes", native_bytes }, { "messageStream", native_stream },
		{ "isStream", native_is_stream }, { "done", native_done },
		{ "failed", native_failed },      { "close", native_close },
		{ "warn", native_warn },
	};
	struct lm_js *js = place->js;
	struct lm_js_value *object = lm_js_object(js), *names = facts(js);

	if (!names || !lm_js_set(js, object, "facts", names))
		return NULL;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct lm_js_value *fn = lm_js_function(js, all[i].name, all[i].fn, place);

		if (!fn || !lm_js_set(js, object, all[i].name, fn))
			return NULL;
	}
	return object;
}
