/* Answers, and the wish to close, from anywhere: at once on the session's own thread, as one posted
 * copy from others. */
#include "server/serving.h"

struct lm_answer_message {
	struct lm_answer_message *next;
	struct lm_ticket ticket;
	bool passes; /* LM_PROCEED instead of an answer */
	bool closes; /* no answer at all: the session is to end */
	struct lm_reply reply;
	size_t size; /* of `octets`, which may hold secrets */
	uint8_t octets[];
};

struct copy {
	uint8_t *at;
	size_t size;
};

/* With no memory yet it only adds up how much is needed. */
static struct lm_bytes copy_bytes(struct copy *c, struct lm_bytes b)
{
	uint8_t *to = c->at ? c->at + c->size : NULL;

	c->size += b.len;
	if (!to || b.len == 0)
		return lm_bytes(to, 0);
	memcpy(to, b.data, b.len);
	return lm_bytes(to, b.len);
}

static void copy_slices(struct copy *c, const struct lm_reply *from, struct lm_reply *to)
{
	to->text = copy_bytes(c, from->text);
	to->user = copy_bytes(c, from->user);
	to->certificate = copy_bytes(c, from->certificate);
	to->key = copy_bytes(c, from->key);
	to->secret.plain = copy_bytes(c, from->secret.plain);
	to->secret.salt = copy_bytes(c, from->secret.salt);
	to->secret.stored_key = copy_bytes(c, from->secret.stored_key);
	to->secret.server_key = copy_bytes(c, from->secret.server_key);
}

static size_t copy_all(uint8_t *memory, const struct lm_reply *from, struct lm_reply *to)
{
	/* The array comes first: it is what must be aligned. */
	struct copy c = { memory, from->recipient_count * sizeof(*from) };
	struct lm_reply *recipients = (struct lm_reply *)(void *)memory, unused;

	copy_slices(&c, from, to);
	for (size_t i = 0; i < from->recipient_count; i++) {
		if (memory)
			recipients[i] = from->recipients[i];
		copy_slices(&c, &from->recipients[i], memory ? &recipients[i] : &unused);
	}
	to->recipients = from->recipient_count ? recipients : NULL;
	return c.size;
}

static struct lm_answer_message *message_new(struct lm_ticket ticket, const struct lm_reply *reply)
{
	struct lm_answer_message *m;
	struct lm_reply measured;
	size_t size = reply ? copy_all(NULL, reply, &measured) : 0;

	m = lm_alloc(sizeof(*m) + size);
	if (!m)
		return NULL;
	*m = (struct lm_answer_message){ .ticket = ticket, .passes = !reply, .size = size };
	if (reply) {
		m->reply = *reply;
		copy_all(m->octets, reply, &m->reply);
	}
	return m;
}

static void message_free(struct lm_answer_message *m)
{
	lm_wipe(m->octets, m->size);
	lm_free(m);
}

static bool inbox_put(struct lm_worker *w, struct lm_answer_message *m)
{
	struct lm_inbox *inbox = &w->inbox;
	bool open;

	pthread_mutex_lock(&inbox->lock);
	open = !inbox->closed;
	if (open) {
		*inbox->last = m;
		inbox->last = &m->next;
		lm_inbox_wake(w);
	}
	pthread_mutex_unlock(&inbox->lock);
	return open;
}

void lm_ticket_answer(struct lm_ticket ticket, const struct lm_reply *reply)
{
	struct lm_worker *w = ticket.worker;
	struct lm_answer_message *m;

	if (lm_loop_is_own(w->loop)) {
		(void)lm_dispatch_answer(w, &ticket, reply);
		return;
	}
	m = message_new(ticket, reply);
	if (!m || !inbox_put(w, m)) {
		/* Nobody will answer, so the deadline does; or nobody is there any more. */
		lm_reply_drop(reply);
		if (m)
			message_free(m);
	}
}

void lm_ticket_close(struct lm_ticket ticket)
{
	struct lm_worker *w = ticket.worker;
	struct lm_answer_message *m;

	if (lm_loop_is_own(w->loop)) {
		lm_conn_cut(w, ticket.session);
		return;
	}
	m = message_new(ticket, NULL);
	if (!m)
		return;
	m->closes = true;
	if (!inbox_put(w, m))
		message_free(m);
}

void lm_answers_deliver(struct lm_worker *worker, struct lm_answer_message *first)
{
	while (first) {
		struct lm_answer_message *m = first;

		first = m->next;
		if (m->closes)
			lm_conn_cut(worker, m->ticket.session);
		else
			(void)lm_dispatch_answer(worker, &m->ticket, m->passes ? NULL : &m->reply);
		message_free(m);
	}
}
