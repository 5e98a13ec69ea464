/* Messages on their way out: memory that is given away. */
#include "script/session.h"

struct memory_source {
	struct lm_source head;
	struct lm_buf octets;
};

static int memory_read(struct lm_source *head, size_t max, struct lm_bytes *out_chunk,
                       bool *out_last)
{
	struct memory_source *s = lm_container(head, struct memory_source, head);
	struct lm_bytes rest = lm_buf_bytes(&s->octets);
	size_t n = rest.len < max ? rest.len : max;

	*out_chunk = lm_bytes(rest.data, n);
	*out_last = n == rest.len;
	lm_buf_drop(&s->octets, n);
	return 0;
}

static void memory_close(struct lm_source *head)
{
	struct memory_source *s = lm_container(head, struct memory_source, head);

	lm_buf_done(&s->octets);
	lm_free(s);
}

int lm_ss_source_memory(struct lm_buf *octets, struct lm_source **out_source)
{
	static const struct lm_source_ops ops = { .read = memory_read, .close = memory_close };
	struct memory_source *s = lm_alloc_zero(1, sizeof(*s));

	if (!s) {
		lm_buf_done(octets);
		return LM_E_NOMEM;
	}
	s->head.ops = &ops;
	s->octets = *octets;
	*octets = (struct lm_buf){ .max = octets->max };
	*out_source = &s->head;
	return 0;
}
