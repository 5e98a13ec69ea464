/* A session of the script handler: its memory, and events copied into messages. */
#include "script/handler_impl.h"

/* ---- facts ---- */

struct copy {
	uint8_t *at; /* NULL: only measures */
	size_t size;
};

static struct lm_bytes copy_bytes(struct copy *c, struct lm_bytes b)
{
	uint8_t *to = c->at ? c->at + c->size : NULL;

	c->size += b.len;
	if (to && b.len)
		memcpy(to, b.data, b.len);
	return lm_bytes(to, b.len);
}

static const char *copy_text(struct copy *c, const char *text)
{
	struct lm_bytes with_nul = lm_bytes(text ? text : "", text ? strlen(text) + 1 : 1);

	return (const char *)copy_bytes(c, with_nul).data;
}

static size_t copy_info(char *memory, const struct lm_session_info *from,
                        struct lm_session_info *to)
{
	struct copy c = { (uint8_t *)memory, 0 };

	*to = *from;
	to->helo = copy_bytes(&c, from->helo);
	to->user = copy_bytes(&c, from->user);
	to->mechanism = copy_bytes(&c, from->mechanism);
	to->language = copy_text(&c, from->language);
	to->tls.version = copy_text(&c, from->tls.version);
	to->tls.cipher = copy_text(&c, from->tls.cipher);
	to->tls.server_name = copy_text(&c, from->tls.server_name);
	to->tls.peer_subject = copy_text(&c, from->tls.peer_subject);
	to->tls.peer_name = copy_text(&c, from->tls.peer_name);
	to->tls.exporter = lm_bytes(NULL, 0);
	return c.size;
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

/* TLS does not change once it is there. */
static bool is_known(const struct lm_session_info *a, const struct lm_session_info *b)
{
	return a->tls.active == b->tls.active && a->esmtp == b->esmtp && a->utf8 == b->utf8 &&
	       a->peer_port == b->peer_port && same_text(a->peer_address, b->peer_address) &&
	       lm_bytes_equal(a->helo, b->helo) && lm_bytes_equal(a->user, b->user) &&
	       lm_bytes_equal(a->mechanism, b->mechanism) && same_text(a->language, b->language);
}

static struct lm_ss_facts *facts_new(const struct lm_session_info *info)
{
	struct lm_session_info unused;
	struct lm_ss_facts *f = lm_alloc(sizeof(*f) + copy_info(NULL, info, &unused));

	if (!f)
		return NULL;
	atomic_init(&f->refs, 1);
	copy_info(f->octets, info, &f->info);
	return f;
}

bool lm_ss_facts_update(struct lm_ss_facts **io_facts, const struct lm_session_info *info)
{
	struct lm_ss_facts *f;

	if (*io_facts && is_known(&(*io_facts)->info, info))
		return false;
	f = facts_new(info);
	if (!f)
		return false;
	lm_ss_facts_unref(*io_facts);
	*io_facts = f;
	return true;
}

struct lm_ss_facts *lm_ss_facts_ref(struct lm_ss_facts *facts)
{
	atomic_fetch_add_explicit(&facts->refs, 1, memory_order_relaxed);
	return facts;
}

void lm_ss_facts_unref(struct lm_ss_facts *facts)
{
	if (facts && atomic_fetch_sub_explicit(&facts->refs, 1, memory_order_acq_rel) == 1)
		lm_free(facts);
}

/* ---- messages ---- */

static void copy_auth(struct copy *c, const struct lm_auth *from, struct lm_auth *to)
{
	*to = *from;
	to->mechanism = copy_bytes(c, from->mechanism);
	to->authcid = copy_bytes(c, from->authcid);
	to->authzid = copy_bytes(c, from->authzid);
	to->password = copy_bytes(c, from->password);
	to->token = copy_bytes(c, from->token);
}

/* Which recipients go with an event: RCPT has those before it already, others look at all. */
static size_t first_recipient(const struct lm_event *event)
{
	size_t count = event->envelope->recipient_count;

	return event->type == LM_EVENT_RCPT && count ? count - 1 : 0;
}

static void copy_envelope(struct copy *c, const struct lm_event *event, struct lm_ss_message *m)
{
	const struct lm_envelope *from = event->envelope;
	size_t first = first_recipient(event), count = from->recipient_count - first;
	struct lm_recipient *to = (struct lm_recipient *)(void *)(c->at ? c->at + c->size : NULL);

	/* The arrays come first: they must be aligned. */
	c->size += count * sizeof(*to);
	m->has_envelope = true;
	m->first_recipient = first;
	m->envelope = *from;
	m->envelope.recipients = to;
	m->envelope.recipient_count = count;
	for (size_t i = 0; i < count; i++) {
		struct lm_recipient copy = from->recipients[first + i];

		copy.address = copy_bytes(c, copy.address);
		copy.orcpt = copy_bytes(c, copy.orcpt);
		if (to)
			to[i] = copy;
	}
	m->envelope.sender = copy_bytes(c, from->sender);
	m->envelope.envid = copy_bytes(c, from->envid);
	m->envelope.auth = copy_bytes(c, from->auth);
}

static bool shows_envelope(const struct lm_event *event)
{
	return event->envelope && (event->type == LM_EVENT_MAIL || event->type == LM_EVENT_RCPT ||
	                           event->type == LM_EVENT_DATA || event->type == LM_EVENT_MESSAGE);
}

static void copy_marks(struct copy *c, const struct lm_ss_marks *marks,
                       const struct lm_event *event, struct lm_ss_message *m)
{
	bool all = event->type == LM_EVENT_QUIT;
	size_t count = all ? event->deleted_count + 1 : marks->count;
	uint32_t *to = (uint32_t *)(void *)(c->at ? c->at + c->size : NULL);

	c->size += count * sizeof(*to);
	m->marks = to;
	m->mark_count = count;
	if (!to || !count)
		return;
	if (!all) {
		memcpy(to, marks->list, count * sizeof(*to));
		return;
	}
	/* What QUIT says is what counts, whatever was said before. */
	to[0] = 0;
	for (size_t i = 0; i < event->deleted_count; i++)
		to[i + 1] = (uint32_t)event->deleted[i];
}

static size_t copy_event(uint8_t *memory, const struct lm_ss *ss, const struct lm_event *event,
                         struct lm_ss_message *m)
{
	struct copy c = { memory, 0 };

	if (shows_envelope(event))
		copy_envelope(&c, event, m);
	else if (event->info->protocol == LM_POP3)
		copy_marks(&c, &ss->marks, event, m);
	m->argument = copy_bytes(&c, event->argument);
	m->verb = copy_bytes(&c, event->verb);
	if (event->auth.kind || event->type == LM_EVENT_AUTH_DONE)
		copy_auth(&c, &event->auth, &m->auth);
	return c.size;
}

struct lm_ss_message *lm_ss_message_new(struct lm_ss *ss, const struct lm_event *event,
                                        struct lm_ticket ticket)
{
	struct lm_ss_message measured = { 0 }, *m;
	size_t size = copy_event(NULL, ss, event, &measured);

	m = lm_alloc(sizeof(*m) + size);
	if (!m)
		return NULL;
	*m = (struct lm_ss_message){ .session = ss,
		                     .type = event->type,
		                     .ticket = ticket,
		                     .fresh = ss->fresh,
		                     .number = event->message.number,
		                     .id = event->message.id,
		                     .octets = event->type == LM_EVENT_MESSAGE
		                                       ? event->octets
		                                       : event->message.octets,
		                     .lines = event->message.lines,
		                     .size = size };
	copy_event(m->memory, ss, event, m);
	ss->marks.count = 0;
	ss->fresh = false;
	if (lm_ss_facts_update(&ss->facts, event->info))
		m->facts = lm_ss_facts_ref(ss->facts);
	return m;
}

void lm_ss_message_free(struct lm_ss_message *m)
{
	if (!m)
		return;
	lm_ss_facts_unref(m->facts);
	lm_ss_body_unref(m->body);
	if (m->auth.kind)
		lm_wipe(m->memory, m->size);
	lm_free(m);
}

/* ---- sessions ---- */

struct lm_ss *lm_ss_new(struct lm_script_handler *handler, const struct lm_session_info *info)
{
	struct lm_ss *ss = lm_alloc_zero(1, sizeof(*ss));
	struct lm_ss_message *last = ss ? lm_alloc(sizeof(*last)) : NULL;

	if (!last) {
		lm_free(ss);
		return NULL;
	}
	*last = (struct lm_ss_message){ .session = ss, .type = LM_EVENT_DISCONNECT };
	ss->last = last;
	ss->handler = handler;
	ss->id = info->id;
	ss->waiting_last = &ss->waiting;
	return ss;
}

void lm_ss_drop_done(struct lm_ss_drop *drop)
{
	lm_free(drop->messages);
	lm_free(drop->uids);
	lm_free(drop->ids);
	lm_free(drop->deleted);
	*drop = (struct lm_ss_drop){ .count = 0 };
}

void lm_ss_forget_transaction(struct lm_ss *ss)
{
	while (ss->recipients) {
		struct lm_ss_message *m = ss->recipients;

		ss->recipients = m->next;
		lm_ss_message_free(m);
	}
	lm_ss_message_free(ss->mail);
	ss->mail = NULL;
}

void lm_ss_free(struct lm_ss *ss)
{
	while (ss->waiting) {
		struct lm_ss_message *m = ss->waiting;

		ss->waiting = m->next;
		lm_ss_message_free(m);
	}
	lm_ss_forget_transaction(ss);
	lm_ss_message_free(ss->now);
	lm_free(ss->last);
	lm_hooks_code_unref(ss->code);
	lm_ss_facts_unref(ss->known);
	lm_ss_facts_unref(ss->facts);
	lm_ss_body_unref(ss->body);
	lm_ss_drop_done(&ss->drop);
	lm_free(ss->marks.list);
	lm_free((void *)ss->username.data);
	lm_wipe((void *)ss->password.data, ss->password.len);
	lm_free((void *)ss->password.data);
	lm_free(ss);
}

void lm_ss_mark(struct lm_ss *ss, uint32_t number)
{
	struct lm_ss_marks *marks = &ss->marks;

	if (number == 0)
		marks->count = 0;
	if (marks->count == marks->room) {
		size_t room = marks->room ? marks->room * 2 : 8;
		uint32_t *more = lm_realloc(marks->list, room, sizeof(*more));

		/* QUIT brings them all again. */
		if (!more)
			return;
		marks->list = more;
		marks->room = room;
	}
	marks->list[marks->count++] = number;
}

const struct lm_envelope *lm_ss_sender(const struct lm_ss *ss)
{
	if (ss->now && ss->now->has_envelope)
		return &ss->now->envelope;
	if (ss->recipients)
		return &ss->recipients->envelope;
	return ss->mail ? &ss->mail->envelope : NULL;
}
