/* The store handler's doors: what it is made of, and which event goes to which of its rooms. */
#include "server/store_handler_impl.h"

#include <time.h>

enum {
	VERIFY_ENTRIES = 4096,
	VERIFY_LIFE = 60 * 1000,
	CACHE_ENTRIES = 1024,
	CACHE_LIFE = 2000,
	ITERATIONS_USUAL = 10000,
};

static void handler_unref(struct lm_store_handler *h)
{
	if (atomic_fetch_sub(&h->refs, 1) != 1)
		return;
	for (size_t i = 0; h->domains && i < h->rules.domain_count; i++)
		lm_free(h->domains[i]);
	lm_free(h->domains);
	lm_free(h->accounts);
	lm_free(h->hostname);
	lm_free(h->catch_all);
	lm_free(h->postmaster);
	lm_verify_free(h->verify);
	lm_free(h);
}

static uint64_t first_number(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int copy_domains(struct lm_store_handler *h, const struct lm_store_handler_params *params)
{
	h->domains = lm_alloc_zero(params->domain_count, sizeof(*h->domains));
	if (!h->domains)
		return LM_E_NOMEM;
	h->rules.domains = (const char *const *)h->domains;
	for (size_t i = 0; i < params->domain_count; i++) {
		h->domains[i] = lm_strdup_bytes(lm_str(params->domains[i]));
		if (!h->domains[i])
			return LM_E_NOMEM;
		h->rules.domain_count++;
	}
	return 0;
}

static int copy_accounts(struct lm_store_handler *h, const struct lm_store_handler_params *params)
{
	h->accounts = lm_alloc_zero(params->account_count, sizeof(struct lm_accounts *));
	if (!h->accounts)
		return LM_E_NOMEM;
	for (size_t i = 0; i < params->account_count; i++)
		h->accounts[i] = params->accounts[i];
	h->account_count = params->account_count;
	return 0;
}

static int fill(struct lm_store_handler *h, const struct lm_store_handler_params *params)
{
	int err = copy_domains(h, params);

	if (!err)
		err = copy_accounts(h, params);
	if (err)
		return err;
	h->hostname = lm_strdup_bytes(lm_str(params->hostname ? params->hostname : "localhost"));
	if (params->catch_all)
		h->rules.catch_all = h->catch_all = lm_strdup_bytes(lm_str(params->catch_all));
	if (params->postmaster)
		h->rules.postmaster = h->postmaster = lm_strdup_bytes(lm_str(params->postmaster));
	if (!h->hostname || (params->catch_all && !h->catch_all) ||
	    (params->postmaster && !h->postmaster))
		return LM_E_NOMEM;
	return lm_verify_new(VERIFY_ENTRIES, VERIFY_LIFE, &h->verify);
}

int lm_store_handler_new(const struct lm_store_handler_params *params,
                         struct lm_store_handler **out_handler)
{
	struct lm_store_handler *h = lm_alloc_zero(1, sizeof(*h));
	int err;

	if (!h)
		return LM_E_NOMEM;
	atomic_init(&h->refs, 1);
	atomic_init(&h->iterations, ITERATIONS_USUAL);
	atomic_init(&h->next_message, first_number());
	h->store = params->store;
	h->pool = params->pool;
	h->add_trace = params->add_trace;
	h->check_token = params->check_token;
	h->token_ctx = params->token_ctx;
	h->log = params->log;
	err = fill(h, params);
	if (err) {
		handler_unref(h);
		return err;
	}
	*out_handler = h;
	return 0;
}

void lm_store_handler_free(struct lm_store_handler *handler)
{
	if (handler)
		handler_unref(handler);
}

static int worker_start(void *handler, struct lm_worker *worker, void **out_context,
                        struct lm_error *out_error)
{
	struct lm_sh_worker *w = lm_alloc_zero(1, sizeof(*w));
	int err = w ? lm_resolve_cache_new(CACHE_ENTRIES, CACHE_LIFE, &w->cache) : LM_E_NOMEM;

	if (err) {
		lm_free(w);
		if (out_error)
			*out_error = (struct lm_error){ err, "out of memory for a worker" };
		return err;
	}
	w->handler = handler;
	atomic_fetch_add(&w->handler->refs, 1);
	w->worker = worker;
	w->loop = lm_worker_loop(worker);
	*out_context = w;
	return 0;
}

static void worker_check_end(struct lm_sh_worker *w)
{
	if (!w->stopped || w->pending)
		return;
	lm_resolve_cache_free(w->cache);
	handler_unref(w->handler);
	lm_free(w);
}

static void worker_stop(void *context)
{
	struct lm_sh_worker *w = context;

	w->stopped = true;
	worker_check_end(w);
}

void lm_sh_begin(struct lm_sh_worker *w)
{
	w->pending++;
	lm_worker_hold(w->worker);
}

void lm_sh_end(struct lm_sh_worker *w)
{
	struct lm_worker *worker = w->worker;

	w->pending--;
	worker_check_end(w);
	lm_worker_release(worker);
}

struct lm_sh_session *lm_sh_session(struct lm_sh_worker *w, void **slot)
{
	struct lm_sh_session *s = *slot;

	if (s)
		return s;
	s = lm_alloc_zero(1, sizeof(*s));
	if (!s)
		return NULL;
	s->worker = w;
	s->refs = 1;
	*slot = s;
	return s;
}

void lm_sh_forget_recipients(struct lm_sh_session *s)
{
	for (size_t i = 0; i < s->recipient_count; i++)
		lm_free(s->recipients[i].address);
	lm_free(s->recipients);
	s->recipients = NULL;
	s->recipient_count = s->recipient_room = 0;
}

void lm_sh_session_unref(struct lm_sh_session *s)
{
	if (--s->refs)
		return;
	lm_sh_forget_recipients(s);
	lm_free(s);
}

void lm_sh_answer(struct lm_ticket ticket, int result)
{
	struct lm_reply reply = LM_REPLY_INIT;

	reply.result = result;
	lm_ticket_answer(ticket, &reply);
}

static enum lm_verdict decide(void *context, void **session_slot, const struct lm_event *event,
                              struct lm_reply *out_reply, struct lm_ticket ticket)
{
	struct lm_sh_worker *w = context;
	struct lm_sh_session *s;

	if (event->type == LM_EVENT_AUTH)
		return lm_sh_auth(w, event, out_reply, ticket);
	s = lm_sh_session(w, session_slot);
	if (!s) {
		out_reply->result = LM_E_NOMEM;
		return LM_ANSWERED;
	}
	switch (event->type) {
	case LM_EVENT_MAILDROP:
		return lm_sh_maildrop(s, event, out_reply, ticket);
	case LM_EVENT_RETR:
	case LM_EVENT_TOP:
		return lm_sh_retr(s, event, out_reply, ticket);
	case LM_EVENT_QUIT:
		return lm_sh_quit(s, event, out_reply, ticket);
	case LM_EVENT_RCPT:
		return lm_sh_rcpt(w, s, event, out_reply, ticket);
	case LM_EVENT_DATA:
		return lm_sh_data(s, event, out_reply, ticket);
	case LM_EVENT_BODY:
		return lm_sh_body(s, event, out_reply, ticket);
	case LM_EVENT_MESSAGE:
		return lm_sh_message(s, event, out_reply, ticket);
	default:
		return LM_PROCEED;
	}
}

static void let_go(struct lm_sh_session *s)
{
	lm_sh_delivery_release(s->delivery);
	s->delivery = NULL;
	lm_sh_forget_recipients(s);
}

static void notice(void *context, void **session_slot, const struct lm_event *event,
                   const struct lm_reply *reply)
{
	struct lm_sh_session *s = *session_slot;

	(void)context, (void)reply;
	if (!s)
		return;
	if (event->type == LM_EVENT_ABORT)
		let_go(s);
	if (event->type != LM_EVENT_DISCONNECT)
		return;
	let_go(s);
	lm_sh_drop_release(s->drop);
	s->drop = NULL;
	*session_slot = NULL;
	lm_sh_session_unref(s);
}

const struct lm_handler_ops *lm_store_handler_ops(void)
{
	static const struct lm_handler_ops ops = {
		.size = sizeof(ops),
		.name = "store",
		.worker_start = worker_start,
		.worker_stop = worker_stop,
		.decide = decide,
		.notice = notice,
		.decides = LM_EVENT_BIT(LM_EVENT_AUTH) | LM_EVENT_BIT(LM_EVENT_MAILDROP) |
		           LM_EVENT_BIT(LM_EVENT_RETR) | LM_EVENT_BIT(LM_EVENT_TOP) |
		           LM_EVENT_BIT(LM_EVENT_QUIT) | LM_EVENT_BIT(LM_EVENT_RCPT) |
		           LM_EVENT_BIT(LM_EVENT_DATA) | LM_EVENT_BIT(LM_EVENT_BODY) |
		           LM_EVENT_BIT(LM_EVENT_MESSAGE),
		.hears = LM_EVENT_BIT(LM_EVENT_ABORT) | LM_EVENT_BIT(LM_EVENT_DISCONNECT),
	};

	return &ops;
}
