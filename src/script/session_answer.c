/* What a hook's call gave becomes the answer to its event, or the story of what went wrong. */
#include "script/handler_impl.h"
#include "script/octets.h"
#include "sasl/sasl.h"
#include "script/stream.h"
#include "wire/ends.h"

#include <math.h>
#include <openssl/rand.h>
#include <stdio.h>

/* As in js/session.js. */
enum { NO, YES, PROCEED, PENDING, VERDICT = 3, CLOSE = 16 };
/* The places of the array there. */
enum { AT_VERDICT, AT_CODE, AT_CLASS, AT_TEXT = 5, AT_POP3, AT_PAYLOAD, AT_UIDS, REPLY_PARTS = 7 };
enum { SCRAM_ITERATIONS = 4096 }; /* RFC 5802 5.1: at least */
enum { TEXT_MAX = 16 * 1024, SECRET_MAX = 4096, MESSAGE_MAX = 1 << 30, UIDL_MAX = 70 };

struct said {
	struct lm_ss_message *message;
	unsigned verdict;
	bool closes;
	struct lm_reply reply;
	struct lm_buf text, secrets[4];
	struct lm_js_value *payload, *uids; /* NULL: none */
	struct lm_reply *each;              /* LMTP: one a recipient */
	struct lm_buf *each_text;
	size_t each_count;
};

/* ---- telling people ---- */

/* Of a login's two hooks the one that ran last. */
static const struct lm_hooked *hook_of(const struct lm_sp_place *place,
                                       const struct lm_ss_message *m)
{
	const struct lm_script_handler *h = m->session->handler;
	struct lm_js_value *stage;

	if (m->type != LM_EVENT_AUTH || h->by_event[m->type][1] < 0 || !m->session->state)
		return lm_hooks_of(h, m->type);
	stage = lm_js_get(place->js, m->session->state, "stage");
	return stage && lm_js_to_number(place->js, stage) == 1 ? &h->hooked[h->by_event[m->type][1]]
	                                                       : lm_hooks_of(h, m->type);
}

static const char *file_of(const struct lm_hooked *hooked)
{
	return hooked && hooked->path ? hooked->path : "a function";
}

static const char *property_of(const struct lm_hooked *hooked)
{
	return hooked ? hooked->hook->property : "";
}

void lm_ss_warn(struct lm_sp_place *place, const struct lm_ss_message *m, struct lm_bytes member,
                struct lm_bytes found)
{
	struct lm_script *script = place->handler->script;
	const struct lm_hooked *hooked = hook_of(place, m);

	lm_log(script->log, LM_LOG_WARN, "script.result",
	       LM_LOG_TEXT("script", lm_str(file_of(hooked))),
	       LM_LOG_TEXT("hook", lm_str(property_of(hooked))),
	       LM_LOG_NUMBER("session", m->session->id), LM_LOG_TEXT("member", member),
	       LM_LOG_TEXT("found", found));
}

static void report(struct lm_sp_place *place, const struct lm_ss_message *m,
                   const struct lm_js_error *error)
{
	struct lm_script *script = place->handler->script;
	const struct lm_hooked *hooked = hook_of(place, m);
	const char *file = *error->file ? error->file : file_of(hooked);
	char where[120];

	snprintf(where, sizeof(where), "%s %s, session %llu",
	         lm_script_namespace(place->handler->protocol), property_of(hooked),
	         (unsigned long long)m->session->id);
	lm_log(script->log, LM_LOG_ERROR, "script.error", LM_LOG_TEXT("script", lm_str(file)),
	       LM_LOG_NUMBER("line", error->line), LM_LOG_NUMBER("column", error->column),
	       LM_LOG_TEXT("hook", lm_str(property_of(hooked))),
	       LM_LOG_NUMBER("session", m->session->id),
	       LM_LOG_TEXT("message", lm_str(error->message)));
	lm_script_report(script, where, error);
}

void lm_ss_fail(struct lm_sp_place *place, struct lm_ss_message *m, const struct lm_js_error *error)
{
	struct lm_reply reply = LM_REPLY_INIT;

	report(place, m, error);
	lm_sp_note_end(place, error->ended);
	reply.result = LM_E_SCRIPT;
	lm_sp_answer(place, m, &reply);
}

static void fail_thrown(struct lm_sp_place *place, struct lm_ss_message *m)
{
	struct lm_js_error error = { .message = "out of memory", .file = "", .stack = "" };

	(void)lm_js_catch(place->js, &error, NULL);
	lm_ss_fail(place, m, &error);
}

static void fail_with(struct lm_sp_place *place, struct lm_ss_message *m, int err)
{
	struct lm_js_error error = { .message = lm_err_text(err), .file = "", .stack = "" };

	lm_ss_fail(place, m, &error);
}

/* ---- reading ---- */

static double number_at(struct lm_js *js, struct lm_js_value *array, unsigned i)
{
	struct lm_js_value *value = lm_js_at(js, array, i);
	double number = value ? lm_js_to_number(js, value) : 0;

	return isnan(number) ? 0 : number;
}

static struct lm_js_value *some_at(struct lm_js *js, struct lm_js_value *array, unsigned i)
{
	struct lm_js_value *value = lm_js_at(js, array, i);

	return value && lm_js_type(js, value) != LM_JS_UNDEFINED ? value : NULL;
}

/* [verdict, code, class, subject, detail, text, POP3 code]; gives the verdict. */
static bool read_reply(struct lm_js *js, struct lm_js_value *array, struct lm_reply *reply,
                       struct lm_buf *text, unsigned *out_verdict)
{
	struct lm_js_value *words = lm_js_at(js, array, AT_TEXT);

	*out_verdict = (unsigned)number_at(js, array, AT_VERDICT);
	reply->smtp_code = (int)number_at(js, array, AT_CODE);
	for (unsigned i = 0; i < 3; i++)
		reply->enhanced[i] = (uint8_t)number_at(js, array, AT_CLASS + i);
	reply->pop3_code = (enum lm_pop3_code)number_at(js, array, AT_POP3);
	if (!words || !lm_js_add_octets(js, words, text))
		return false;
	reply->text = lm_buf_bytes(text);
	return true;
}

/* What a yes brings with it: text or octets of a message, uids of a list. */
static void read_payload(struct said *s, struct lm_js_value *value)
{
	s->verdict = YES;
	if (s->message->type == LM_EVENT_AUTH)
		s->uids = value;
	else
		s->payload = value;
}

static bool read_said(struct lm_js *js, struct lm_js_value *value, struct said *s)
{
	unsigned verdict = NO;

	switch (lm_js_type(js, value)) {
	case LM_JS_NUMBER:
		verdict = (unsigned)lm_js_to_number(js, value);
		break;
	case LM_JS_ARRAY:
		if (!read_reply(js, value, &s->reply, &s->text, &verdict))
			return false;
		s->payload = some_at(js, value, AT_PAYLOAD);
		s->uids = some_at(js, value, AT_UIDS);
		break;
	default:
		read_payload(s, value);
		return true;
	}
	s->verdict = verdict & VERDICT;
	s->closes = verdict & CLOSE;
	return true;
}

/* ---- what a no and a yes are ---- */

/* As the documents have it where a script says no more than that. */
static void refuse(const struct lm_ss_message *m, struct lm_reply *reply)
{
	bool is_pop3 = m->session->handler->protocol == LM_POP3;

	/* The words of a yes that was none. */
	if ((reply->smtp_code && reply->smtp_code < 400) || reply->enhanced[0] == 2) {
		reply->smtp_code = reply->enhanced[0] = 0;
		reply->text = lm_bytes(NULL, 0);
	}
	if (m->type == LM_EVENT_AUTH || m->type == LM_EVENT_AUTH_DONE)
		reply->result = LM_E_AUTH;
	else
		reply->result = m->type == LM_EVENT_RCPT ? LM_E_NOT_FOUND : LM_E_DENIED;
	if ((m->type == LM_EVENT_RETR || m->type == LM_EVENT_TOP) && !reply->text.len)
		reply->text = lm_str("this message cannot be had");
	if (m->type == LM_EVENT_MESSAGE && !reply->smtp_code) {
		reply->smtp_code = 554;
		memcpy(reply->enhanced, (uint8_t[]){ 5, 3, 0 }, 3);
		if (!reply->text.len)
			reply->text = lm_str("Message not taken");
	}
	/* What is temporary must not count as a wrong password. */
	if (reply->smtp_code / 100 == 4 || reply->enhanced[0] == 4 ||
	    (is_pop3 && reply->pop3_code > LM_POP3_AUTH))
		reply->result = LM_E_STORE;
	if (is_pop3) {
		reply->smtp_code = 0;
		reply->enhanced[0] = 0;
	}
}

/* A yes to these allows what the server, or a store behind, then does. */
static bool only_allows(const struct lm_ss_message *m)
{
	switch (m->type) {
	case LM_EVENT_CONNECT:
	case LM_EVENT_HELO:
	case LM_EVENT_AUTH_DONE:
	case LM_EVENT_STAT:
	case LM_EVENT_LIST:
	case LM_EVENT_UIDL:
	case LM_EVENT_RSET:
	case LM_EVENT_NOOP:
	case LM_EVENT_CAPA:
	case LM_EVENT_LANG:
	case LM_EVENT_UTF8:
		return true;
	case LM_EVENT_QUIT: /* a list that a script gave is no store's to remove from */
		return m->session->handler->has_store && !m->session->drop.is_given;
	case LM_EVENT_DATA:
		return !m->session->handler->has_store || m->session->passes;
	default:
		return false;
	}
}

static bool has_words(const struct lm_reply *reply)
{
	return reply->smtp_code || reply->enhanced[0] || reply->text.len;
}

/* Whether to leave it to whoever is asked next. */
static bool proceeds(const struct said *s)
{
	const struct lm_ss_message *m = s->message;
	bool has_store = m->session->handler->has_store;

	if (s->verdict == PROCEED)
		return true;
	return s->verdict == YES && only_allows(m) && !s->closes &&
	       (has_store || !has_words(&s->reply));
}

/* ---- what goes with a yes ---- */

static int drop_room(struct lm_ss_drop *drop, size_t count, size_t octets)
{
	drop->messages = lm_alloc_zero(count + 1, sizeof(*drop->messages));
	drop->ids = lm_alloc_zero(count + 1, sizeof(*drop->ids));
	drop->deleted = lm_alloc_zero(count + 1, 1);
	drop->uids = lm_alloc(octets + 1);
	if (drop->messages && drop->ids && drop->deleted && drop->uids)
		return 0;
	lm_ss_drop_done(drop);
	return LM_E_NOMEM;
}

static bool is_uidl(struct lm_bytes uid)
{
	for (size_t i = 0; i < uid.len; i++)
		if (uid.data[i] < 0x21 || uid.data[i] > 0x7E)
			return false;
	return uid.len >= 1 && uid.len <= UIDL_MAX;
}

static uint64_t hash_of(struct lm_bytes uid)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < uid.len; i++)
		hash = (hash ^ uid.data[i]) * UINT64_C(1099511628211);
	return hash ^ hash >> 29;
}

/* No two alike; false also when out of memory, and then what looks again finds no fault. */
static bool all_differ(const struct lm_ss_drop *drop)
{
	size_t room = 16;
	uint32_t *table;
	bool differ = true;

	while (room < drop->count * 2)
		room *= 2;
	table = lm_alloc_zero(room, sizeof(*table));
	if (!table)
		return false;
	for (size_t i = 0; i < drop->count && differ; i++) {
		struct lm_bytes uid = drop->messages[i].uidl;
		size_t at = hash_of(uid) & (room - 1);

		for (; table[at] && differ; at = (at + 1) & (room - 1))
			differ = !lm_bytes_equal(drop->messages[table[at] - 1].uidl, uid);
		table[at] = (uint32_t)i + 1;
	}
	lm_free(table);
	return differ;
}

/* numbers: count, then size, length of uid and id of each. False: something is wrong with them. */
static bool fill_drop(struct lm_ss_drop *drop, const double *numbers, struct lm_bytes uids)
{
	size_t at = 0;

	if (uids.len)
		memcpy(drop->uids, uids.data, uids.len);
	for (size_t i = 0; i < drop->count; i++, numbers += 3) {
		struct lm_message *m = &drop->messages[i];
		size_t len = (size_t)numbers[1];

		if (numbers[1] > UIDL_MAX || len > uids.len - at)
			return false;
		m->id = i + 1;
		m->octets = (uint64_t)numbers[0];
		m->uidl = lm_bytes(drop->uids + at, len);
		drop->ids[i] = numbers[2];
		at += len;
		if (!is_uidl(m->uidl))
			return false;
	}
	return at == uids.len && all_differ(drop);
}

/* The list of a login, kept in C. 0; LM_E_SYNTAX: a uid is wrong. */
static int read_drop(struct lm_sp_place *place, struct lm_js_value *value, struct lm_ss_drop *drop)
{
	struct lm_js_value *array = lm_js_get(place->js, place->calls.table, "numbers");
	struct lm_buf uids;
	struct lm_bytes octets;
	double count = 0;
	int err = LM_E_SYNTAX;

	lm_buf_init(&uids, MESSAGE_MAX);
	*drop = (struct lm_ss_drop){ .is_given = true };
	if (array && lm_js_add_octets(place->js, value, &uids)) {
		/* Nothing is called on the VM while its memory is looked at. */
		octets = lm_js_view(place->js, array);
		if (octets.len >= sizeof(count))
			memcpy(&count, octets.data, sizeof(count));
		if (count >= 0 && count <= (double)(octets.len / sizeof(double) / 3)) {
			drop->count = (size_t)count;
			err = drop_room(drop, drop->count, lm_buf_len(&uids));
		}
		if (!err && !fill_drop(drop, (const double *)(const void *)octets.data + 1,
		                       lm_buf_bytes(&uids)))
			err = LM_E_SYNTAX;
	}
	if (err)
		lm_ss_drop_done(drop);
	lm_buf_done(&uids);
	return err;
}

/* js/session.js says in words what is wrong. */
static void fail_items(struct lm_sp_place *place, struct lm_ss_message *m)
{
	struct lm_js_value *state = m->session->state;

	if (lm_js_call(place->js, place->calls.explain, NULL, 1, &state))
		fail_with(place, m, LM_E_NOMEM);
	else
		fail_thrown(place, m);
}

/* False: it was answered with a failure. */
static bool keep_list(struct lm_sp_place *place, struct said *s)
{
	struct lm_ss_message *m = s->message;
	struct lm_ss_drop drop = { .is_given = false };
	int err = s->uids ? read_drop(place, s->uids, &drop) : 0;

	if (err == LM_E_SYNTAX)
		fail_items(place, m);
	else if (err)
		fail_with(place, m, err);
	if (err)
		return false;
	lm_ss_drop_done(&m->session->drop);
	m->session->drop = drop;
	return true;
}

static int source_of(struct lm_js *js, struct lm_js_value *body, struct lm_source **out_source)
{
	struct lm_stream *stream = lm_stream_of(js, body);
	struct lm_source *inner;
	struct lm_buf octets;
	int err;

	lm_buf_init(&octets, MESSAGE_MAX);
	if (stream) {
		err = lm_stream_source(stream, &inner, NULL);
	} else {
		if (lm_js_type(js, body) == LM_JS_BYTES)
			err = lm_buf_add(&octets, lm_js_view(js, body));
		else
			err = lm_js_add_octets(js, body, &octets) ? 0 : LM_E_LIMIT;
		if (err)
			lm_buf_done(&octets);
		else
			err = lm_ss_source_memory(&octets, &inner);
	}
	return err ? err : lm_source_lines(inner, out_source);
}

/* SCRAM wants keys, and the script gave the password they are made of. */
static int derive_keys(struct said *s)
{
	bool sha256 = s->message->auth.need == LM_NEED_SCRAM_SHA256;
	struct lm_secret *secret = &s->reply.secret;
	uint8_t salt[16], stored[32], server[32];
	size_t len;
	int err = RAND_bytes(salt, sizeof(salt)) == 1 ? 0 : LM_E_IO;

	if (!err)
		err = lm_scram_keys(sha256, secret->plain, lm_bytes(salt, sizeof(salt)),
		                    SCRAM_ITERATIONS, stored, server, &len);
	if (!err)
		err = lm_buf_add(&s->secrets[1], lm_bytes(salt, sizeof(salt)));
	if (!err)
		err = lm_buf_add(&s->secrets[2], lm_bytes(stored, len));
	if (!err)
		err = lm_buf_add(&s->secrets[3], lm_bytes(server, len));
	lm_wipe(stored, sizeof(stored));
	lm_wipe(server, sizeof(server));
	secret->salt = lm_buf_bytes(&s->secrets[1]);
	secret->stored_key = lm_buf_bytes(&s->secrets[2]);
	secret->server_key = lm_buf_bytes(&s->secrets[3]);
	secret->iterations = SCRAM_ITERATIONS;
	return err;
}

static bool wants_keys(const struct said *s)
{
	const struct lm_auth *auth = &s->message->auth;
	const struct lm_secret *secret = &s->reply.secret;

	return auth->kind == LM_AUTH_SECRET && auth->need != LM_NEED_PLAIN && secret->plain.len &&
	       !secret->salt.len && !secret->stored_key.len && !secret->server_key.len;
}

static bool read_secret(struct lm_js *js, struct said *s)
{
	struct lm_bytes *to[] = { &s->reply.secret.plain, &s->reply.secret.salt,
		                  &s->reply.secret.stored_key, &s->reply.secret.server_key };
	static const unsigned at[] = { 0, 1, 3, 4 };

	for (size_t i = 0; i < 4; i++) {
		struct lm_js_value *value = some_at(js, s->payload, at[i]);

		if (!value)
			continue;
		if (!lm_octets_of(js, value, &s->secrets[i], to[i]))
			return false;
		/* What lies in the VM may move with the next call. */
		if (!lm_buf_len(&s->secrets[i]) && lm_buf_add(&s->secrets[i], *to[i]))
			return false;
		*to[i] = lm_buf_bytes(&s->secrets[i]);
	}
	s->reply.secret.iterations = (uint32_t)number_at(js, s->payload, 2);
	return true;
}

static bool read_each(struct lm_js *js, struct said *s)
{
	size_t count = s->message->envelope.recipient_count;

	s->each = lm_alloc_zero(count + 1, sizeof(*s->each));
	s->each_text = lm_alloc_zero(count + 1, sizeof(*s->each_text));
	if (!s->each || !s->each_text)
		return false;
	s->each_count = count;
	for (size_t i = 0; i < count; i++) {
		struct lm_js_value *one = lm_js_at(js, s->payload, (unsigned)i);
		unsigned verdict;

		s->each[i] = LM_REPLY_INIT;
		lm_buf_init(&s->each_text[i], TEXT_MAX);
		if (!one || lm_js_type(js, one) != LM_JS_ARRAY ||
		    !read_reply(js, one, &s->each[i], &s->each_text[i], &verdict))
			return false;
		if (verdict != YES)
			refuse(s->message, &s->each[i]);
	}
	s->reply.recipients = s->each;
	s->reply.recipient_count = count;
	return true;
}

/* False: it was answered with a failure. */
static bool add_payload(struct lm_sp_place *place, struct said *s)
{
	struct lm_ss_message *m = s->message;
	bool is_good = true;
	int err = 0;

	switch (m->type) {
	case LM_EVENT_AUTH:
		is_good = !s->payload || read_secret(place->js, s);
		if (is_good && wants_keys(s))
			err = derive_keys(s);
		/* Who names nobody is whom the certificate names (RFC 4422 A). */
		if (m->auth.kind == LM_AUTH_EXTERNAL && !m->auth.authzid.len && m->session->known)
			s->reply.user = lm_str(m->session->known->info.tls.peer_name);
		break;
	case LM_EVENT_MESSAGE:
		is_good = !s->payload || read_each(place->js, s);
		break;
	case LM_EVENT_RETR:
	case LM_EVENT_TOP:
		err = s->payload ? source_of(place->js, s->payload, &s->reply.source) : 0;
		break;
	default:
		break;
	}
	if (!is_good)
		fail_thrown(place, m);
	else if (err)
		fail_with(place, m, err);
	return is_good && !err;
}

static bool brings_list(enum lm_event_type type)
{
	return type == LM_EVENT_AUTH || type == LM_EVENT_MAILDROP;
}

/* False: it was answered with a failure. */
static bool complete(struct lm_sp_place *place, struct said *s)
{
	struct lm_ss_message *m = s->message;

	if (s->verdict != YES)
		return true;
	if (brings_list(m->type) && !keep_list(place, s))
		return false;
	if (m->type == LM_EVENT_DELE && m->number && m->number <= m->session->drop.count)
		m->session->drop.deleted[m->number - 1] = 1;
	if (m->type == LM_EVENT_MAILDROP) {
		s->reply.messages = m->session->drop.messages;
		s->reply.message_count = m->session->drop.count;
	}
	return add_payload(place, s);
}

static void answer(struct lm_sp_place *place, struct said *s)
{
	struct lm_ss_message *m = s->message;
	bool passes = proceeds(s);

	if (passes && s->closes)
		atomic_store(&m->session->closes, true);
	if (passes && m->type == LM_EVENT_RCPT)
		atomic_store(&m->session->passed, true);
	if (s->closes)
		s->reply.flags |= LM_REPLY_CLOSE;
	/* To disconnect whoever has just come is to refuse him. */
	if (s->verdict == NO || (s->closes && m->type == LM_EVENT_CONNECT))
		refuse(m, &s->reply);
	else if (m->session->handler->protocol == LM_POP3)
		s->reply.smtp_code = 0;
	lm_sp_answer(place, m, passes ? NULL : &s->reply);
}

void lm_ss_conclude(struct lm_sp_place *place, struct lm_ss_message *m, struct lm_js_value *value)
{
	struct said s = { .message = m, .reply = LM_REPLY_INIT };

	lm_buf_init(&s.text, TEXT_MAX);
	for (size_t i = 0; i < 4; i++)
		lm_buf_init(&s.secrets[i], SECRET_MAX);
	lm_sp_note_end(place, false);
	if (!read_said(place->js, value, &s))
		fail_thrown(place, m);
	else if (complete(place, &s))
		answer(place, &s);
	for (size_t i = 0; i < s.each_count; i++)
		lm_buf_done(&s.each_text[i]);
	lm_free(s.each);
	lm_free(s.each_text);
	for (size_t i = 0; i < 4; i++)
		lm_buf_wipe(&s.secrets[i]);
	lm_buf_done(&s.text);
}
