/* The load itself: sessions on a loop, one begun as soon as another ended. */
#include "cli/bench.h"

#include "base/error.h"
#include "base/mem.h"

#include <lettermill/outgoing.h>
#include <time.h>

enum { MAX_SORROWS = 10 /* failures in a row until a place is given up */ };

uint64_t lm_bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

struct worker {
	struct lm_bench_plan *plan;
	struct lm_bench_result *result;
	struct lm_loop *loop;
	unsigned busy; /* places in use */
};

/* A place for one session after another. */
struct place {
	struct worker *worker;
	struct lm_client *client;
	uint64_t began;          /* the session, or what it waits for now */
	uint64_t *message_began; /* of those in flight, a ring of plan->in_flight */
	uint64_t done, pushed, wanted;
	unsigned sorrows;
	bool leaving;
};

/* ---- The message as a source: nothing is copied ---- */

struct letter {
	struct lm_source base;
	struct lm_bytes rest;
};

static int read_letter(struct lm_source *source, size_t max, struct lm_bytes *out_chunk,
                       bool *out_last)
{
	struct letter *l = lm_container(source, struct letter, base);
	size_t n = l->rest.len < max ? l->rest.len : max;

	*out_chunk = lm_bytes(l->rest.data, n);
	l->rest = lm_bytes_from(l->rest, n);
	*out_last = l->rest.len == 0;
	return 0;
}

static void close_letter(struct lm_source *source)
{
	lm_free(lm_container(source, struct letter, base));
}

static struct lm_source *new_letter(struct lm_bytes octets)
{
	static const struct lm_source_ops ops = { read_letter, close_letter };
	struct letter *l = lm_alloc_zero(1, sizeof(*l));

	if (!l)
		return NULL;
	l->base.ops = &ops;
	l->rest = octets;
	return &l->base;
}

/* ---- Sessions ---- */

static void failed(struct place *p, int code, struct lm_bytes text)
{
	struct lm_bench_result *r = p->worker->result;

	r->failures++;
	p->sorrows++;
	if (!r->first_failure.code)
		lm_fail(&r->first_failure, code, "%.*s", (int)(text.len < 200 ? text.len : 200),
		        text.len ? (const char *)text.data : "");
}

static bool is_over(const struct worker *w)
{
	return lm_bench_now() >= w->plan->until;
}

/* One more message may be begun. */
static bool claim(struct worker *w)
{
	if (is_over(w))
		return false;
	if (atomic_fetch_add(&w->plan->claimed, 1) < w->plan->messages)
		return true;
	atomic_fetch_sub(&w->plan->claimed, 1);
	return false;
}

static void push(struct place *p, enum lm_request_type type, uint64_t number)
{
	struct lm_request request = LM_REQUEST_INIT(type);

	request.number = number;
	request.envelope = type == LM_REQUEST_SEND ? &p->worker->plan->envelope : NULL;
	if (lm_client_request(p->client, &request) < 0) {
		failed(p, LM_E_NOMEM, lm_str("a request was not taken"));
		lm_client_abort(p->client);
	}
}

static void leave(struct place *p)
{
	if (p->leaving)
		return;
	p->leaving = true;
	push(p, LM_REQUEST_QUIT, 0);
}

/* As many messages as may be under way; QUIT behind the last. */
static void go_on(struct place *p)
{
	struct lm_bench_plan *plan = p->worker->plan;
	bool pop3 = plan->params->protocol == LM_POP3;
	unsigned in_flight = pop3 ? plan->in_flight : 1;

	while (!p->leaving && p->pushed - p->done < in_flight) {
		if (p->pushed >= p->wanted || !claim(p->worker))
			break;
		p->message_began[p->pushed % in_flight] = lm_bench_now();
		p->pushed++;
		push(p, pop3 ? LM_REQUEST_RETR : LM_REQUEST_SEND, p->pushed);
	}
	if (p->pushed == p->done)
		leave(p);
}

static void on_ready(struct place *p)
{
	if (p->worker->plan->params->protocol == LM_POP3) {
		push(p, LM_REQUEST_STAT, 0);
		return;
	}
	p->wanted = p->worker->plan->a_session;
	go_on(p);
}

static void on_message(struct place *p, const struct lm_outcome *o)
{
	struct lm_bench_plan *plan = p->worker->plan;
	unsigned in_flight = plan->params->protocol == LM_POP3 ? plan->in_flight : 1;
	struct lm_bench_result *r = p->worker->result;

	if (o->result) {
		failed(p, o->result, o->text);
	} else {
		lm_bench_note(&r->message, lm_bench_now() - p->message_began[p->done % in_flight]);
		r->messages++;
		r->octets += o->octets;
		p->sorrows = 0;
	}
	p->done++;
	go_on(p);
}

static bool logs_in(const struct lm_client_params *p)
{
	return !p->no_login && (p->user || p->token);
}

static void on_outcome(struct place *p, const struct lm_outcome *o)
{
	struct worker *w = p->worker;
	uint64_t now = lm_bench_now();

	if (o->type == LM_REQUEST_RETR || o->type == LM_REQUEST_SEND) {
		on_message(p, o);
		return;
	}
	if (o->result && (o->type == LM_REQUEST_OPEN || o->type == LM_REQUEST_QUIT))
		return; /* `closed` tells why */
	if (o->result) {
		failed(p, o->result, o->text);
		p->sorrows = MAX_SORROWS; /* a login does not get better by being repeated */
		leave(p);
	} else if (o->type == LM_REQUEST_OPEN) {
		lm_bench_note(&w->result->connect, now - p->began);
		p->began = now;
		if (!logs_in(w->plan->params))
			on_ready(p);
	} else if (o->type == LM_REQUEST_LOGIN) {
		lm_bench_note(&w->result->login, now - p->began);
		on_ready(p);
	} else if (o->type == LM_REQUEST_STAT) {
		p->wanted = o->count < w->plan->a_session ? o->count : w->plan->a_session;
		if (p->wanted == 0) {
			failed(p, LM_E_NOT_FOUND, lm_str("the maildrop is empty"));
			p->sorrows = MAX_SORROWS;
		}
		go_on(p);
	} else if (o->type == LM_REQUEST_QUIT) {
		w->result->sessions++;
	}
}

static void on_event(void *ctx, const struct lm_event *event)
{
	struct place *p = ctx;
	struct lm_reply reply = LM_REPLY_INIT;

	if (event->type == LM_EVENT_OUTCOME) {
		on_outcome(p, event->outcome);
	} else if (event->type == LM_EVENT_BODY) {
		(void)lm_client_answer(p->client, event->id, NULL);
	} else if (event->type == LM_EVENT_DATA) {
		reply.source = new_letter(p->worker->plan->letter);
		reply.result = reply.source ? 0 : LM_E_NOMEM;
		if (lm_client_answer(p->client, event->id, &reply) < 0 && reply.source)
			close_letter(reply.source);
	}
}

static void begin(struct place *p);

static void on_closed(void *ctx, const struct lm_error *why)
{
	struct place *p = ctx;
	struct worker *w = p->worker;

	if (why->code && !(p->leaving && why->code == LM_E_CLOSED))
		failed(p, why->code, lm_str(why->text));
	lm_client_free(p->client);
	p->client = NULL;
	if (is_over(w) || p->sorrows >= MAX_SORROWS ||
	    atomic_load(&w->plan->claimed) >= w->plan->messages) {
		if (--w->busy == 0)
			lm_loop_stop(w->loop);
		return;
	}
	begin(p);
}

static void begin(struct place *p)
{
	static const struct lm_client_owner owner = { on_event, on_closed };
	struct worker *w = p->worker;
	struct lm_error why = { 0 };

	p->done = p->pushed = p->wanted = 0;
	p->leaving = false;
	p->began = lm_bench_now();
	if (lm_client_new(w->loop, w->plan->params, &owner, p, &p->client, &why) == 0)
		return;
	failed(p, why.code, lm_str(why.text));
	if (--w->busy == 0)
		lm_loop_stop(w->loop);
}

int lm_bench_run(struct lm_bench_plan *plan, unsigned connections,
                 struct lm_bench_result *out_result)
{
	struct worker w = { .plan = plan, .result = out_result, .busy = connections };
	struct place *places = lm_alloc_zero(connections, sizeof(*places));
	uint64_t *rings = lm_alloc_zero((size_t)connections * plan->in_flight, sizeof(*rings));
	int err = places && rings ? lm_loop_new(&w.loop) : LM_E_NOMEM;

	if (err == 0) {
		for (unsigned i = 0; i < connections; i++) {
			places[i].worker = &w;
			places[i].message_began = rings + (size_t)i * plan->in_flight;
			begin(&places[i]);
		}
		if (w.busy)
			lm_loop_run(w.loop);
		lm_loop_free(w.loop);
	}
	lm_free(rings);
	lm_free(places);
	return err;
}
