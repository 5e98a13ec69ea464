/* Answers: what script says to the decision under way in a session. */
#include "bridge/session.h"

#include "sasl/sasl.h"
#include "wire/ends.h"

#include <openssl/rand.h>

enum {
	TEXT_MAX = 64 * 1024,
	NAME_MAX_OCTETS = 4096,
	PEM_MAX = 1 << 20,
	RECIPIENTS_MAX = 100000,
	SCRAM_ITERATIONS = 4096,
	ERROR_LAST = 24,
};

/* False: thrown. True with NULL: it is too late, and no matter. */
bool lm_bx_decision_of(const struct lm_bx_call *call, struct lm_bx_session **out_session)
{
	struct lm_bx_thing *thing;
	struct lm_bx_session *s;
	uint64_t event;

	*out_session = NULL;
	if (!lm_bx_arg_thing(call, 0, "session", LM_BX_SESSION, &thing) ||
	    !lm_bx_arg_count(call, 1, "event", &event))
		return false;
	s = thing ? lm_container(thing, struct lm_bx_session, thing) : NULL;
	if (s && event && s->open.event == event)
		*out_session = s;
	return true;
}

struct lm_host_value *lm_bx_answer_with(const struct lm_bx_call *call, struct lm_bx_session *s,
                                        const struct lm_reply *reply)
{
	struct lm_ticket ticket = s->open;

	s->open.event = 0;
	lm_ticket_answer(ticket, reply);
	return lm_bx_undefined(call);
}

static struct lm_host_value *no_memory(const struct lm_bx_call *call)
{
	return lm_bx_throw(call, LM_E_NOMEM, "%s", lm_err_text(LM_E_NOMEM));
}

struct lm_host_value *lm_bx_proceed(const struct lm_bx_call *call)
{
	struct lm_bx_session *s;

	if (!lm_bx_decision_of(call, &s))
		return NULL;
	return s ? lm_bx_answer_with(call, s, NULL) : lm_bx_undefined(call);
}

/* ---- yes and no ---- */

/* One number of an enhanced code, up to `end`. */
static bool read_part(struct lm_bytes text, size_t *io_at, uint8_t *out_part, bool last)
{
	unsigned n = 0;
	size_t at = *io_at, digits = 0;

	for (; at < text.len && digits < 3; at++, digits++) {
		uint8_t c = text.data[at];

		if (c < '0' || c > '9')
			break;
		n = n * 10 + (c - '0');
	}
	if (!digits || n > UINT8_MAX ||
	    (last ? at != text.len : at == text.len || text.data[at] != '.'))
		return false;
	*out_part = (uint8_t)n;
	*io_at = at + 1;
	return true;
}

static bool read_enhanced(const struct lm_bx_call *call, const struct lm_bx_string *text,
                          uint8_t *out_code)
{
	uint8_t part[3];
	size_t at = 0;

	if (!text->octets.len)
		return true;
	if (read_part(text->octets, &at, &part[0], false) &&
	    read_part(text->octets, &at, &part[1], false) &&
	    read_part(text->octets, &at, &part[2], true) &&
	    (part[0] == 2 || part[0] == 4 || part[0] == 5)) {
		memcpy(out_code, part, sizeof(part));
		return true;
	}
	(void)lm_bx_throw(call, LM_E_MISUSE, "\"enhanced\" must be like \"5.7.1\"");
	return false;
}

static bool set_code(const struct lm_bx_call *call, bool is_pop3, int code, struct lm_reply *reply)
{
	bool ok = is_pop3 ? code <= LM_POP3_UTF8 : code == 0 || (code >= 200 && code <= 599);

	if (!ok) {
		(void)lm_bx_throw(call, LM_E_MISUSE, "\"code\" must be %s",
		                  is_pop3 ? "one of constants().codes" : "from 200 to 599");
		return false;
	}
	if (is_pop3)
		reply->pop3_code = (enum lm_pop3_code)code;
	else
		reply->smtp_code = code;
	return true;
}

struct lm_host_value *lm_bx_answer(const struct lm_bx_call *call)
{
	struct lm_bx_session *s;
	struct lm_reply reply = LM_REPLY_INIT;
	struct lm_bx_string text = { .memory = NULL }, enhanced = { .memory = NULL };
	struct lm_host_value *result = NULL;
	int code, flags;

	if (!lm_bx_decision_of(call, &s) ||
	    !lm_bx_arg_int(call, 2, "result", -ERROR_LAST, 0, 0, &reply.result) ||
	    !lm_bx_arg_int(call, 4, "code", 0, 599, 0, &code) ||
	    !lm_bx_arg_int(call, 6, "flags", 0, 15, 0, &flags))
		return NULL;
	if (lm_bx_arg_string(call, 3, "text", true, TEXT_MAX, &text) &&
	    lm_bx_arg_string(call, 5, "enhanced", true, TEXT_MAX, &enhanced) &&
	    (!s || set_code(call, s->protocol == LM_POP3, code, &reply)) &&
	    read_enhanced(call, &enhanced, reply.enhanced)) {
		reply.text = text.octets;
		reply.flags = (unsigned)flags;
		result = s ? lm_bx_answer_with(call, s, &reply) : lm_bx_undefined(call);
	}
	lm_bx_string_done(&text);
	lm_bx_string_done(&enhanced);
	return result;
}

/* ---- logins ---- */

struct lm_host_value *lm_bx_answerUser(const struct lm_bx_call *call)
{
	struct lm_bx_session *s;
	struct lm_reply reply = LM_REPLY_INIT;
	struct lm_bx_string name;
	struct lm_host_value *result;

	if (!lm_bx_decision_of(call, &s) ||
	    !lm_bx_arg_string(call, 2, "name", true, NAME_MAX_OCTETS, &name))
		return NULL;
	reply.user = name.octets;
	result = s ? lm_bx_answer_with(call, s, &reply) : lm_bx_undefined(call);
	lm_bx_string_done(&name);
	return result;
}

struct keys {
	uint8_t salt[16], stored[32], server[32];
};

/* SCRAM wants keys, and script gives the secret they are made of. */
static int derive_keys(struct keys *keys, bool sha256, struct lm_secret *secret)
{
	size_t len;
	int err = RAND_bytes(keys->salt, sizeof(keys->salt)) == 1 ? 0 : LM_E_IO;

	secret->salt = lm_bytes(keys->salt, sizeof(keys->salt));
	if (!err)
		err = lm_scram_keys(sha256, secret->plain, secret->salt, SCRAM_ITERATIONS,
		                    keys->stored, keys->server, &len);
	if (err)
		return err;
	secret->stored_key = lm_bytes(keys->stored, len);
	secret->server_key = lm_bytes(keys->server, len);
	secret->iterations = SCRAM_ITERATIONS;
	return 0;
}

struct lm_host_value *lm_bx_answerSecret(const struct lm_bx_call *call)
{
	struct lm_bx_session *s;
	struct lm_reply reply = LM_REPLY_INIT;
	struct lm_bx_string secret;
	struct lm_host_value *result;
	struct keys keys;

	if (!lm_bx_decision_of(call, &s) ||
	    !lm_bx_arg_string(call, 2, "secret", false, NAME_MAX_OCTETS, &secret))
		return NULL;
	reply.secret.plain = secret.octets;
	if (s && s->need != LM_NEED_PLAIN)
		reply.result = derive_keys(&keys, s->need == LM_NEED_SCRAM_SHA256, &reply.secret);
	result = s ? lm_bx_answer_with(call, s, &reply) : lm_bx_undefined(call);
	lm_wipe(&keys, sizeof(keys));
	lm_bx_string_done(&secret);
	return result;
}

/* ---- messages ---- */

/* Takes the source; lines get the ends they lack. */
static struct lm_host_value *answer_source(const struct lm_bx_call *call, struct lm_bx_session *s,
                                           struct lm_source *source)
{
	struct lm_reply reply = LM_REPLY_INIT;

	reply.result = lm_source_lines(source, &reply.source);
	return lm_bx_answer_with(call, s, &reply);
}

struct lm_host_value *lm_bx_answerBytes(const struct lm_bx_call *call)
{
	struct lm_bx_session *s;
	struct lm_source *source;
	int err;

	if (!lm_bx_decision_of(call, &s))
		return NULL;
	if (lm_bx_arg_kind(call, 2) != LM_HOST_BYTES)
		return lm_bx_throw(call, LM_E_MISUSE, "\"bytes\" must be a Uint8Array");
	if (!s)
		return lm_bx_undefined(call);
	err = lm_bx_source_bytes(call, call->args[2], &source);
	if (err)
		return lm_bx_throw(call, err, "%s", lm_err_text(err));
	return answer_source(call, s, source);
}

struct lm_host_value *lm_bx_answerPipe(const struct lm_bx_call *call)
{
	struct lm_bx_session *s;
	struct lm_source *source;
	uint64_t pipe;
	int err;

	if (!lm_bx_decision_of(call, &s))
		return NULL;
	/* A number that nothing has, for who is late. */
	if (!s)
		return call->ops->number(call->host, 0);
	err = lm_bx_pipe_new(call->bridge, lm_worker_loop(s->open.worker), &pipe, &source);
	if (err)
		return lm_bx_throw(call, err, "%s", lm_err_text(err));
	(void)answer_source(call, s, source);
	return call->ops->number(call->host, (double)pipe);
}

struct lm_host_value *lm_bx_answerCertificate(const struct lm_bx_call *call)
{
	struct lm_bx_session *s;
	struct lm_reply reply = LM_REPLY_INIT;
	struct lm_bx_string certificate = { .memory = NULL }, key = { .memory = NULL };
	struct lm_host_value *result = NULL;

	if (!lm_bx_decision_of(call, &s))
		return NULL;
	if (lm_bx_arg_string(call, 2, "certificate", false, PEM_MAX, &certificate) &&
	    lm_bx_arg_string(call, 3, "key", false, PEM_MAX, &key)) {
		reply.certificate = certificate.octets;
		reply.key = key.octets;
		result = s ? lm_bx_answer_with(call, s, &reply) : lm_bx_undefined(call);
	}
	lm_bx_string_done(&certificate);
	lm_bx_string_done(&key);
	return result;
}

/* ---- one answer a recipient ---- */

struct each {
	size_t count;
	struct lm_reply *replies;
	struct lm_bx_string *texts;
};

static bool read_reply(const struct lm_bx_call *call, struct each *each, size_t i)
{
	struct lm_host_value *list = call->ops->at(call->host, call->args[2], i), *part[4];
	struct lm_reply *reply = &each->replies[i];
	struct lm_bx_string enhanced = { .memory = NULL };
	int code;
	bool ok;

	if (!list || call->ops->kind(call->host, list) != LM_HOST_ARRAY) {
		(void)lm_bx_throw(call, LM_E_MISUSE,
		                  "recipient %zu must be [result, text, code, enhanced]", i);
		return false;
	}
	*reply = LM_REPLY_INIT;
	for (size_t n = 0; n < 4; n++)
		part[n] = n < call->ops->length(call->host, list)
		                  ? call->ops->at(call->host, list, n)
		                  : NULL;
	ok = lm_bx_to_int(call, part[0], "result", -ERROR_LAST, 0, 0, &reply->result) &&
	     lm_bx_to_string(call, part[1], "text", true, TEXT_MAX, &each->texts[i]) &&
	     lm_bx_to_int(call, part[2], "code", 0, 599, 0, &code) &&
	     set_code(call, false, code, reply) &&
	     lm_bx_to_string(call, part[3], "enhanced", true, TEXT_MAX, &enhanced) &&
	     read_enhanced(call, &enhanced, reply->enhanced);
	reply->text = each->texts[i].octets;
	lm_bx_string_done(&enhanced);
	return ok;
}

static bool read_each(const struct lm_bx_call *call, struct each *each)
{
	each->replies = lm_alloc_zero(each->count + 1, sizeof(*each->replies));
	each->texts = lm_alloc_zero(each->count + 1, sizeof(*each->texts));
	if (!each->replies || !each->texts) {
		(void)no_memory(call);
		return false;
	}
	for (size_t i = 0; i < each->count; i++)
		if (!read_reply(call, each, i))
			return false;
	return true;
}

struct lm_host_value *lm_bx_answerRecipients(const struct lm_bx_call *call)
{
	struct lm_bx_session *s;
	struct lm_reply reply = LM_REPLY_INIT;
	struct lm_host_value *result = NULL;
	struct each each = { .count = 0 };

	if (!lm_bx_decision_of(call, &s) ||
	    !lm_bx_arg_array(call, 2, "recipients", RECIPIENTS_MAX, &each.count))
		return NULL;
	if (read_each(call, &each)) {
		reply.recipients = each.replies;
		reply.recipient_count = each.count;
		result = s ? lm_bx_answer_with(call, s, &reply) : lm_bx_undefined(call);
	}
	for (size_t i = 0; each.texts && i < each.count; i++)
		lm_bx_string_done(&each.texts[i]);
	lm_free(each.texts);
	lm_free(each.replies);
	return result;
}

/* ---- without a decision ---- */

struct lm_host_value *lm_bx_disconnect(const struct lm_bx_call *call)
{
	struct lm_bx_thing *thing;

	if (!lm_bx_arg_thing(call, 0, "session", LM_BX_SESSION, &thing))
		return NULL;
	if (thing)
		lm_bx_session_cut(call->bridge, lm_container(thing, struct lm_bx_session, thing));
	return lm_bx_undefined(call);
}

static void take(struct lm_bridge *bridge, struct lm_bx_session *s, uint64_t octets)
{
	struct lm_reply yes = LM_REPLY_INIT;
	struct lm_ticket paused;

	pthread_mutex_lock(&bridge->lock);
	s->untaken -= octets < s->untaken ? octets : s->untaken;
	paused = s->paused;
	if (s->untaken < LM_BX_BODY_LOW)
		s->paused.event = 0;
	else
		paused.event = 0;
	pthread_mutex_unlock(&bridge->lock);
	if (paused.event)
		lm_ticket_answer(paused, &yes);
}

struct lm_host_value *lm_bx_taken(const struct lm_bx_call *call)
{
	struct lm_bx_thing *thing, *client;
	uint64_t octets;

	if (!lm_bx_arg_thing(call, 0, "session", LM_BX_SESSION, &thing) ||
	    !lm_bx_arg_thing(call, 0, "session", LM_BX_CLIENT, &client) ||
	    !lm_bx_arg_count(call, 1, "octets", &octets))
		return NULL;
	if (thing)
		take(call->bridge, lm_container(thing, struct lm_bx_session, thing), octets);
	else if (client)
		lm_bx_client_taken(call->bridge, client, octets);
	return lm_bx_undefined(call);
}
