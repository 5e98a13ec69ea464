/* Runs the hook of one event: one call into the VM, now or settled later. */
#include "base/error.h"
#include "script/handler_impl.h"
#include "script/js/sources.h"

/* ---- a VM's calls ---- */

static bool run_source(struct lm_sp_place *place, const struct lm_js_source *source,
                       struct lm_js_value *native, struct lm_js_value **out_value)
{
	const char *name = lm_script_namespace(place->handler->protocol);
	struct lm_js_value *args[] = { place->rt->infinity, native, place->rt->internal,
		                       lm_js_string(place->js, lm_str(name)) };
	struct lm_js_value *body = lm_js_compile(place->js, source,
	                                         "infinity, native, internal, protocol");

	*out_value = body ? lm_js_call(place->js, body, NULL, 4, args) : NULL;
	return *out_value != NULL;
}

#define CALLS(C)                         \
	C(open, "open")                  \
	C(move, "move")                  \
	C(bind, "bind")                  \
	C(bind_function, "bindFunction") \
	C(allow, "allow")                \
	C(accept, "accept")              \
	C(tell, "tell")                  \
	C(hear, "hear")                  \
	C(login, "login")                \
	C(maildrop, "maildrop")          \
	C(retrieve, "retrieve")          \
	C(remove, "remove")              \
	C(look, "look")                  \
	C(mark, "mark")                  \
	C(receive, "receive")            \
	C(end, "end")                    \
	C(restore, "restore")            \
	C(replace, "replace")            \
	C(explain, "explain")

bool lm_ss_setup(struct lm_sp_place *place)
{
	struct lm_ss_calls *calls = &place->calls;
	struct lm_js_value *native = lm_ss_natives(place), *table;

	if (!native || !run_source(place, &lm_js_session_reply, native, &table) ||
	    !run_source(place, &lm_js_session, native, &table))
		return false;
#define C(member, name)                                    \
	calls->member = lm_js_get(place->js, table, name); \
	if (!calls->member)                                \
		return false;
	CALLS(C)
#undef C
	calls->table = table;
	lm_js_hold(place->js, table);
#define C(member, name) lm_js_hold(place->js, calls->member);
	CALLS(C)
#undef C
	return true;
}

void lm_ss_setdown(struct lm_sp_place *place)
{
	struct lm_ss_calls *calls = &place->calls;

	if (!calls->table || !place->js)
		return;
	lm_js_drop(place->js, calls->table);
#define C(member, name) lm_js_drop(place->js, calls->member);
	CALLS(C)
#undef C
	*calls = (struct lm_ss_calls){ .table = NULL };
}

/* ---- calling ---- */

enum called { CALLED, THREW, LOST };

/* A guest's VM has no limits of its own. */
static enum called call(struct lm_sp_place *place, struct lm_js_value *function, size_t count,
                        struct lm_js_value *const args[], struct lm_js_value **out_value)
{
	if (place->is_guest)
		lm_js_set_limits(place->js, &place->handler->limits);
	lm_sp_leave(place);
	*out_value = lm_js_call(place->js, function, NULL, count, args);
	if (!lm_sp_enter(place))
		return LOST;
	if (place->is_guest)
		lm_js_set_limits(place->js, NULL);
	return *out_value ? CALLED : THREW;
}

static void fail_caught(struct lm_sp_place *place, struct lm_ss_message *m)
{
	struct lm_js_error error = { .message = "out of memory", .file = "", .stack = "" };

	(void)lm_js_catch(place->js, &error, NULL);
	lm_ss_fail(place, m, &error);
}

/* ---- the session's object ---- */

static struct lm_js_value *box_new(struct lm_js *js, struct lm_ss *ss)
{
	struct lm_ss_box *box = lm_alloc(sizeof(*box));
	struct lm_js_value *wrapped;

	if (!box)
		return lm_js_throw(js, LM_JS_ERROR, "out of memory");
	box->session = ss;
	wrapped = lm_js_wrap(js, &lm_ss_box_class, box, sizeof(*ss));
	if (!wrapped) {
		lm_free(box);
		return NULL;
	}
	if (ss->box)
		ss->box->session = NULL;
	ss->box = box;
	return wrapped;
}

static void keep_state(struct lm_js *js, struct lm_ss *ss, struct lm_js_value *state)
{
	lm_js_hold(js, state);
	if (ss->state)
		lm_js_drop(js, ss->state);
	ss->state = state;
}

/* size, length of uid, id, deleted of each message, as js/session.js wants them. */
static struct lm_js_value *list_numbers(struct lm_js *js, const struct lm_ss_drop *drop)
{
	size_t size = drop->count * 4 * sizeof(double);
	double *numbers = lm_alloc(size + 1);
	struct lm_js_value *value;

	if (!numbers)
		return lm_js_throw(js, LM_JS_ERROR, "out of memory");
	for (size_t i = 0; i < drop->count; i++) {
		numbers[4 * i] = (double)drop->messages[i].octets;
		numbers[4 * i + 1] = (double)drop->messages[i].uidl.len;
		numbers[4 * i + 2] = drop->ids[i];
		numbers[4 * i + 3] = drop->deleted[i];
	}
	value = lm_js_bytes(js, lm_bytes(numbers, size));
	lm_free(numbers);
	return value;
}

static enum called restore(struct lm_sp_place *place, struct lm_ss *ss)
{
	const struct lm_ss_drop *drop = &ss->drop;
	size_t octets = 0;
	struct lm_js_value *args[3] = { ss->state, list_numbers(place->js, drop) }, *unused;

	for (size_t i = 0; i < drop->count; i++)
		octets += drop->messages[i].uidl.len;
	args[2] = lm_js_string(place->js, lm_bytes(drop->uids, octets));
	return args[1] && args[2] ? call(place, place->calls.restore, 3, args, &unused) : THREW;
}

static enum called open_state(struct lm_sp_place *place, struct lm_ss *ss)
{
	const struct lm_session_info *info = &ss->known->info;
	struct lm_js_value *args[4] = { box_new(place->js, ss),
		                        lm_js_number(place->js, (double)ss->id),
		                        lm_js_string(place->js, lm_str(info->peer_address)),
		                        lm_js_number(place->js, info->peer_port) };
	struct lm_js_value *state;
	enum called called;

	if (!args[0])
		return THREW;
	called = call(place, place->calls.open, 4, args, &state);
	if (called != CALLED)
		return called;
	keep_state(place->js, ss, state);
	if (!ss->renewed)
		return CALLED;
	ss->renewed = false;
	lm_log(place->handler->script->log, LM_LOG_WARN, "script.renewed",
	       LM_LOG_NUMBER("session", ss->id), LM_LOG_NUMBER("worker", place->number));
	return ss->drop.is_given ? restore(place, ss) : CALLED;
}

/* What an old hook still holds must not be what the next one sees. */
static enum called replace_state(struct lm_sp_place *place, struct lm_ss *ss)
{
	struct lm_js_value *args[2] = { ss->state, box_new(place->js, ss) }, *state;
	enum called called;

	if (!args[1])
		return THREW;
	called = call(place, place->calls.replace, 2, args, &state);
	if (called == CALLED)
		keep_state(place->js, ss, state);
	return called;
}

static void drop_state(struct lm_sp_place *place, struct lm_ss *ss)
{
	if (ss->state)
		lm_js_drop(place->js, ss->state);
	if (ss->box)
		ss->box->session = NULL;
	if (ss->compiled)
		lm_hooks_release(place, ss->compiled);
	ss->state = NULL;
	ss->box = NULL;
	ss->compiled = NULL;
}

struct lm_ss_message *lm_ss_uproot(struct lm_ss *ss, struct lm_ss_message **out_waiting)
{
	struct lm_ss_message *m = ss->now;

	if (ss->box)
		ss->box->session = NULL;
	ss->renewed |= ss->state != NULL;
	ss->state = NULL;
	ss->box = NULL;
	ss->compiled = NULL;
	ss->now = NULL;
	ss->pending = false;
	*out_waiting = ss->waiting;
	ss->waiting = NULL;
	ss->waiting_last = &ss->waiting;
	return m;
}

/* ---- what a message brings ---- */

static bool set_text(struct lm_bytes *to, struct lm_bytes from)
{
	char *copy = lm_strdup_bytes(from);

	if (!copy)
		return false;
	lm_wipe((void *)to->data, to->len);
	lm_free((void *)to->data);
	*to = lm_bytes(copy, from.len);
	return true;
}

static enum called learn_facts(struct lm_sp_place *place, struct lm_ss *ss,
                               struct lm_ss_facts *facts)
{
	bool moved = ss->known && ss->state &&
	             (strcmp(ss->known->info.peer_address, facts->info.peer_address) != 0 ||
	              ss->known->info.peer_port != facts->info.peer_port);
	struct lm_js_value *args[3], *unused;

	lm_ss_facts_unref(ss->known);
	ss->known = facts;
	if (!moved)
		return CALLED;
	args[0] = ss->state;
	args[1] = lm_js_string(place->js, lm_str(facts->info.peer_address));
	args[2] = lm_js_number(place->js, facts->info.peer_port);
	return call(place, place->calls.move, 3, args, &unused);
}

static enum called learn_marks(struct lm_sp_place *place, const struct lm_ss_message *m)
{
	struct lm_ss *ss = m->session;
	struct lm_js_value *args[2], *unused;

	if (!m->mark_count || !ss->drop.is_given)
		return CALLED;
	for (size_t i = 0; i < m->mark_count; i++) {
		if (!m->marks[i])
			memset(ss->drop.deleted, 0, ss->drop.count);
		else if (m->marks[i] <= ss->drop.count)
			ss->drop.deleted[m->marks[i] - 1] = 1;
	}
	if (!ss->state)
		return CALLED;
	args[0] = ss->state;
	args[1] = lm_js_bytes(place->js, lm_bytes(m->marks, m->mark_count * sizeof(*m->marks)));
	return args[1] ? call(place, place->calls.mark, 2, args, &unused) : THREW;
}

static enum called learn(struct lm_sp_place *place, struct lm_ss_message *m)
{
	struct lm_ss *ss = m->session;
	struct lm_ss_facts *facts = m->facts;
	enum called called = CALLED;

	m->facts = NULL;
	if (m->fresh || m->type == LM_EVENT_MAIL)
		lm_ss_forget_transaction(ss);
	while (m->type == LM_EVENT_RCPT && ss->recipients &&
	       ss->recipients->first_recipient >= m->first_recipient) {
		struct lm_ss_message *refused = ss->recipients;

		ss->recipients = refused->next;
		lm_ss_message_free(refused);
	}
	if (facts)
		called = learn_facts(place, ss, facts);
	if (called == CALLED)
		called = learn_marks(place, m);
	if (called == CALLED && m->type == LM_EVENT_AUTH &&
	    (!set_text(&ss->username, m->auth.authcid) ||
	     (m->auth.kind == LM_AUTH_PASSWORD && !set_text(&ss->password, m->auth.password))))
		called = THREW;
	return called;
}

/* Everything a hook needs, but its call. */
static enum called prepare(struct lm_sp_place *place, struct lm_ss_message *m)
{
	struct lm_ss *ss = m->session;
	enum called called;

	if (!ss->known) {
		lm_js_throw(place->js, LM_JS_ERROR, "out of memory");
		return THREW;
	}
	if (!ss->code)
		ss->code = lm_hooks_code(place);
	if (!ss->code)
		return THREW;
	if (!ss->compiled)
		ss->compiled = lm_hooks_compiled(place, ss->code);
	if (!ss->compiled)
		return THREW;
	called = ss->state ? CALLED : open_state(place, ss);
	return called == CALLED ? learn(place, m) : called;
}

/* ---- the calls of events ---- */

static struct lm_js_value *hook_of(const struct lm_ss_message *m, enum lm_event_type type,
                                   unsigned which)
{
	int at = m->session->handler->by_event[type][which];

	return at < 0 ? NULL : m->session->compiled->calls[at];
}

static enum called call_item(struct lm_sp_place *place, struct lm_ss_message *m,
                             struct lm_js_value *function, struct lm_js_value *hook,
                             struct lm_js_value **out_value)
{
	struct lm_ss *ss = m->session;
	struct lm_js *js = place->js;
	double index = ss->drop.is_given && m->number ? (double)m->number - 1 : -1;
	struct lm_js_value *args[6] = { ss->state, hook, lm_js_number(js, index),
		                        lm_js_number(js, (double)m->id),
		                        lm_js_number(js, (double)m->octets) };

	args[5] = m->type == LM_EVENT_TOP ? lm_js_number(js, (double)m->lines)
	                                  : lm_js_undefined(js);
	return call(place, function, 6, args, out_value);
}

static struct lm_js_value *simple_call(const struct lm_ss_calls *calls, enum lm_event_type type)
{
	switch (type) {
	case LM_EVENT_MAIL:
	case LM_EVENT_RCPT:
		return calls->accept;
	case LM_EVENT_VRFY:
	case LM_EVENT_EXPN:
	case LM_EVENT_HELP:
	case LM_EVENT_COMMAND:
		return calls->tell;
	case LM_EVENT_TLS:
	case LM_EVENT_ABORT:
		return calls->hear;
	case LM_EVENT_MAILDROP:
		return calls->maildrop;
	case LM_EVENT_MESSAGE:
		return calls->receive;
	case LM_EVENT_DISCONNECT:
		return calls->end;
	default:
		return calls->allow;
	}
}

static enum called call_login(struct lm_sp_place *place, struct lm_ss_message *m,
                              struct lm_js_value **out_value)
{
	struct lm_js_value *none = lm_js_undefined(place->js);
	struct lm_js_value *on_auth = hook_of(m, LM_EVENT_AUTH, 1);
	struct lm_js_value *on_login = m->auth.kind == LM_AUTH_PASSWORD
	                                       ? hook_of(m, LM_EVENT_AUTH, 0)
	                                       : NULL;
	struct lm_js_value *args[3] = { m->session->state, on_auth ? on_auth : none,
		                        on_login ? on_login : none };

	return call(place, place->calls.login, 3, args, out_value);
}

static enum called call_hook(struct lm_sp_place *place, struct lm_ss_message *m,
                             struct lm_js_value **out_value)
{
	struct lm_js_value *hook = hook_of(m, m->type, 0), *args[2];

	switch (m->type) {
	case LM_EVENT_AUTH:
		return call_login(place, m, out_value);
	case LM_EVENT_TOP:
		hook = hook ? hook : hook_of(m, LM_EVENT_RETR, 0);
		return call_item(place, m, place->calls.retrieve, hook, out_value);
	case LM_EVENT_RETR:
		return call_item(place, m, place->calls.retrieve, hook, out_value);
	case LM_EVENT_DELE:
		return call_item(place, m, place->calls.remove, hook, out_value);
	case LM_EVENT_LIST:
	case LM_EVENT_UIDL:
		return call_item(place, m, place->calls.look, hook, out_value);
	default:
		args[0] = m->session->state;
		args[1] = hook;
		return call(place, simple_call(&place->calls, m->type), 2, args, out_value);
	}
}

/* ---- the end of an event ---- */

static void end_session(struct lm_sp_place *place, struct lm_ss *ss)
{
	drop_state(place, ss);
	lm_sp_remove(place, ss);
}

static void let_waiting_go(struct lm_sp_place *place, struct lm_ss *ss)
{
	struct lm_ss_message *first = ss->waiting, **last = ss->waiting_last;

	ss->waiting = NULL;
	ss->waiting_last = &ss->waiting;
	lm_sp_requeue(place, first, last);
}

/* The event is over, and answered. Some messages are remembered: they hold the envelope. */
static void finish(struct lm_sp_place *place, struct lm_ss_message *m)
{
	struct lm_ss *ss = m->session;

	ss->now = NULL;
	if (m->type == LM_EVENT_DISCONNECT) {
		lm_ss_message_free(m);
		end_session(place, ss);
		return;
	}
	if (m->type == LM_EVENT_MAIL) {
		ss->mail = m;
	} else if (m->type == LM_EVENT_RCPT) {
		m->next = ss->recipients;
		ss->recipients = m;
	} else {
		if (m->type == LM_EVENT_MESSAGE)
			lm_ss_forget_transaction(ss);
		lm_ss_message_free(m);
	}
	let_waiting_go(place, ss);
}

static bool is_pending(struct lm_js *js, struct lm_js_value *value)
{
	return lm_js_type(js, value) == LM_JS_NUMBER && lm_js_to_number(js, value) == 3;
}

static void set_pending(struct lm_sp_place *place, struct lm_ss *ss, bool pending)
{
	ss->pending = pending;
	if (pending)
		atomic_fetch_add(&place->pending, 1);
	else
		atomic_fetch_sub(&place->pending, 1);
}

/* A promise may be settled before the call is back: then all is done, and the session may be gone.
 */
static enum called run_hook(struct lm_sp_place *place, struct lm_ss_message *m,
                            struct lm_js_value **out_value, bool *out_over)
{
	enum called called;

	place->current = m;
	set_pending(place, m->session, true);
	called = call_hook(place, m, out_value);
	*out_over = called == LOST || place->current != m ||
	            (called == CALLED && is_pending(place->js, *out_value));
	if (called != LOST)
		place->current = NULL;
	if (!*out_over)
		set_pending(place, m->session, false);
	return called;
}

static void run(struct lm_sp_place *place, struct lm_ss_message *m)
{
	struct lm_js_value *value = NULL;
	bool is_over = false;
	enum called called;

	m->session->now = m;
	m->began = lm_script_now();
	called = prepare(place, m);
	if (called == CALLED)
		called = run_hook(place, m, &value, &is_over);
	if (is_over || called == LOST)
		return;
	if (called == CALLED)
		lm_ss_conclude(place, m, value);
	else
		fail_caught(place, m);
	finish(place, m);
}

void lm_ss_settled(struct lm_sp_place *place, struct lm_ss *ss, bool good,
                   struct lm_js_value *value)
{
	struct lm_ss_message *m = ss->now;
	struct lm_js_error error;

	if (place->current == m)
		place->current = NULL;
	set_pending(place, ss, false);
	if (good) {
		lm_ss_conclude(place, m, value);
	} else {
		lm_js_describe(place->js, value, &error);
		lm_ss_fail(place, m, &error);
	}
	finish(place, m);
}

/* ---- order ---- */

/* Nobody waits for the hook under way. That of a session that is gone may end in peace, but its end
 * is not waited for without end; nor is who only hears of something. Under the place's lock. */
static bool is_forsaken(const struct lm_ss *ss, lm_time_ms now)
{
	if (!ss->pending)
		return false;
	if (!ss->gone && !ss->now->ticket.event)
		return now - ss->now->began > LM_SP_NOTICE_PATIENCE;
	return ss->gone ? now - ss->gone > ss->handler->gone_patience : ss->now->late;
}

/* Its session goes on without the hook under way. */
static void give_up(struct lm_sp_place *place, struct lm_ss *ss)
{
	struct lm_ss_message *m = ss->now;
	enum called called = replace_state(place, ss);

	if (called == LOST)
		return;
	if (called == THREW) {
		struct lm_js_error unused;

		(void)lm_js_catch(place->js, &unused, NULL);
		drop_state(place, ss);
	}
	set_pending(place, ss, false);
	finish(place, m);
}

static bool has_hook(const struct lm_ss_message *m)
{
	return lm_hooks_of(m->session->handler, m->type) != NULL;
}

/* What came too late is not begun, but what it tells is true. */
static void pass_by(struct lm_sp_place *place, struct lm_ss_message *m)
{
	struct lm_ss *ss = m->session;
	struct lm_js_error unused;
	enum called called;

	ss->now = m;
	called = learn(place, m);
	if (called == LOST)
		return;
	if (called == THREW)
		(void)lm_js_catch(place->js, &unused, NULL);
	ss->now = NULL;
	if (m->type == LM_EVENT_DISCONNECT)
		end_session(place, ss);
	lm_ss_message_free(m);
}

void lm_ss_run(struct lm_sp_place *place, struct lm_ss_message *m)
{
	struct lm_ss *ss = m->session;
	bool forsaken;

	if (ss->pending) {
		*ss->waiting_last = m;
		ss->waiting_last = &m->next;
		pthread_mutex_lock(&place->lock);
		forsaken = is_forsaken(ss, lm_script_now());
		pthread_mutex_unlock(&place->lock);
		if (forsaken)
			give_up(place, ss);
		return;
	}
	if (m->facts && !ss->known) {
		ss->known = m->facts;
		m->facts = NULL;
	}
	if (has_hook(m) && !lm_sp_is_late(place, m))
		run(place, m);
	else
		pass_by(place, m);
}

static struct lm_ss *find_forsaken(struct lm_sp_place *place)
{
	lm_time_ms now = lm_script_now();
	struct lm_ss *ss;

	pthread_mutex_lock(&place->lock);
	for (ss = place->sessions; ss; ss = ss->next)
		if (is_forsaken(ss, now) && (ss->waiting || ss->now->type == LM_EVENT_DISCONNECT))
			break;
	pthread_mutex_unlock(&place->lock);
	return ss;
}

void lm_ss_sweep(struct lm_sp_place *place)
{
	struct lm_ss *ss;

	while (!atomic_load(&place->losing) && (ss = find_forsaken(place)))
		give_up(place, ss);
}
