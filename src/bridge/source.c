/* Messages out of script's memory: read in place, and let go on the script's thread. */
#include "bridge/bridge_impl.h"

struct bytes_source {
	struct lm_source head;
	struct lm_bx_entry release;
	struct lm_bridge *bridge;
	struct lm_host_ref *ref;
	struct lm_bytes rest;
};

static int bytes_read(struct lm_source *head, size_t max, struct lm_bytes *out_chunk,
                      bool *out_last)
{
	struct bytes_source *s = lm_container(head, struct bytes_source, head);
	size_t n = s->rest.len < max ? s->rest.len : max;

	*out_chunk = lm_bytes(s->rest.data, n);
	*out_last = n == s->rest.len;
	s->rest = lm_bytes_from(s->rest, n);
	return 0;
}

static void bytes_close(struct lm_source *head)
{
	struct bytes_source *s = lm_container(head, struct bytes_source, head);

	lm_bx_push(s->bridge, &s->release);
}

static void release_drop(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_entry *entry)
{
	struct bytes_source *s = lm_container(entry, struct bytes_source, release);

	if (host)
		bridge->host.ops->drop(host, s->ref);
	lm_free(s);
}

static bool release_tell(struct lm_bridge *bridge, struct lm_host *host, struct lm_bx_entry *entry,
                         struct lm_host_value **out_value)
{
	(void)out_value;
	release_drop(bridge, host, entry);
	return true;
}

int lm_bx_source_bytes(const struct lm_bx_call *call, struct lm_host_value *bytes,
                       struct lm_source **out_source)
{
	static const struct lm_source_ops ops = { .read = bytes_read, .close = bytes_close };
	struct bytes_source *s = lm_alloc_zero(1, sizeof(*s));

	if (!s)
		return LM_E_NOMEM;
	s->ref = call->ops->keep(call->host, bytes);
	if (!s->ref) {
		lm_free(s);
		return LM_E_NOMEM;
	}
	s->head.ops = &ops;
	s->bridge = call->bridge;
	s->release.tell = release_tell;
	s->release.drop = release_drop;
	s->rest = call->ops->view(call->host, bytes);
	*out_source = &s->head;
	return 0;
}
