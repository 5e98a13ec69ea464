/* The bridge itself: its queue, and what is left when script ends. */
#include "bridge/session.h"

int lm_bridge_new(const struct lm_bridge_host *host, struct lm_bridge **out_bridge)
{
	struct lm_bridge *b = lm_alloc_zero(1, sizeof(*b));

	if (!b)
		return LM_E_NOMEM;
	b->host = *host;
	b->last = &b->first;
	b->idle = true;
	pthread_mutex_init(&b->lock, NULL);
	*out_bridge = b;
	return 0;
}

void lm_bx_push_locked(struct lm_bridge *b, struct lm_bx_entry *entry)
{
	entry->next = NULL;
	*b->last = entry;
	b->last = &entry->next;
}

void lm_bx_push(struct lm_bridge *b, struct lm_bx_entry *entry)
{
	pthread_mutex_lock(&b->lock);
	lm_bx_push_locked(b, entry);
	lm_bx_unlock(b);
}

void lm_bx_unlock(struct lm_bridge *b)
{
	bool wakes = b->first && b->idle && !b->closed;

	if (b->first)
		b->idle = false;
	pthread_mutex_unlock(&b->lock);
	if (wakes)
		b->host.wake(b->host.ctx);
}

/* The whole queue at once, so that script's thread and the workers seldom meet. */
static struct lm_bx_entry *next_entry(struct lm_bridge *b)
{
	struct lm_bx_entry *entry;

	if (!b->batch) {
		pthread_mutex_lock(&b->lock);
		b->batch = b->first;
		b->first = NULL;
		b->last = &b->first;
		b->idle = !b->batch;
		pthread_mutex_unlock(&b->lock);
	}
	entry = b->batch;
	if (entry)
		b->batch = entry->next;
	return entry;
}

struct lm_host_value *lm_bx_take(const struct lm_bx_call *call)
{
	struct lm_host_value *value = NULL;
	struct lm_bx_entry *entry;

	while (!value && (entry = next_entry(call->bridge)))
		if (!entry->tell(call->bridge, call->host, entry, &value))
			return NULL;
	return value ? value : lm_bx_undefined(call);
}

void lm_bx_running(struct lm_bridge *b, bool begins)
{
	if (begins ? b->running++ == 0 : --b->running == 0)
		if (b->host.alive && !b->closed)
			b->host.alive(b->host.ctx, begins);
}

/* Nobody wants to know any more; what the entries hold is let go. */
static void drop_entries(struct lm_bridge *b, struct lm_host *host)
{
	struct lm_bx_entry *entry;

	while ((entry = next_entry(b)))
		entry->drop(b, host, entry);
}

void lm_bridge_free(struct lm_bridge *b, struct lm_host *host)
{
	struct lm_bx_server *servers = NULL;
	struct lm_bx_thing *thing;

	if (!b)
		return;
	pthread_mutex_lock(&b->lock);
	b->closed = true;
	pthread_mutex_unlock(&b->lock);
	lm_bx_clients_free(b, host);
	while ((thing = lm_bx_any(b, LM_BX_SERVER))) {
		struct lm_bx_server *server = lm_container(thing, struct lm_bx_server, thing);

		lm_bx_server_end(b, server);
		server->next = servers;
		servers = server;
	}
	lm_bx_pipes_free(b);
	drop_entries(b, host);
	while (servers) {
		struct lm_bx_server *server = servers;

		servers = server->next;
		lm_free(server);
	}
	lm_free(b->table.places);
	pthread_mutex_destroy(&b->lock);
	lm_free(b);
}
