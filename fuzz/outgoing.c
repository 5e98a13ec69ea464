/* Messages on their way out: any split gives the same octets and envelope, with CRLF line ends
 * only, and addresses that can stand in a command. The first octet is the flags. */
#include "target.h"

#include <lettermill/outgoing.h>

struct result {
	int err;
	struct lm_buf octets, names;
};

static void add_name(struct result *r, struct lm_bytes name)
{
	for (size_t i = 0; i < name.len; i++)
		FUZZ_CHECK(name.data[i] >= ' ' && name.data[i] != 0x7F);
	FUZZ_CHECK(lm_buf_add(&r->names, name) == 0 && lm_buf_add_str(&r->names, "\n") == 0);
}

static void read_message(struct lm_outgoing *o, size_t step, struct result *r)
{
	struct lm_envelope *e = lm_outgoing_envelope(o);
	struct lm_source *s = lm_outgoing_source(o);
	struct lm_bytes chunk;
	bool last = false;

	FUZZ_CHECK(s);
	while (!last) {
		FUZZ_CHECK(s->ops->read(s, step, &chunk, &last) == 0 && chunk.len <= step);
		FUZZ_CHECK(lm_buf_add(&r->octets, chunk) == 0);
	}
	s->ops->close(s);
	FUZZ_CHECK(e->size == lm_buf_len(&r->octets));
	add_name(r, e->sender);
	for (size_t i = 0; i < e->recipient_count; i++)
		add_name(r, e->recipients[i].address);
}

static struct result run(unsigned flags, struct lm_bytes in, size_t step)
{
	struct result r = { 0 };
	struct lm_outgoing *o;

	lm_buf_init(&r.octets, 64 << 20);
	lm_buf_init(&r.names, 64 << 20);
	FUZZ_CHECK(lm_outgoing_new(flags, 4 << 20, &o) == 0);
	while (in.len && r.err == 0) {
		struct lm_bytes piece = lm_bytes(in.data, in.len < step ? in.len : step);

		r.err = lm_outgoing_write(o, piece, NULL);
		in = lm_bytes_from(in, piece.len);
	}
	if (r.err == 0)
		r.err = lm_outgoing_end(o, NULL);
	if (r.err == 0)
		read_message(o, step, &r);
	lm_outgoing_free(o);
	return r;
}

static void check_line_ends(struct lm_bytes b)
{
	FUZZ_CHECK(b.len >= 2 && b.data[b.len - 1] == '\n');
	for (size_t i = 0; i < b.len; i++) {
		if (b.data[i] == '\n')
			FUZZ_CHECK(i && b.data[i - 1] == '\r');
		if (b.data[i] == '\r')
			FUZZ_CHECK(i + 1 < b.len && b.data[i + 1] == '\n');
	}
}

static void forget(struct result *r)
{
	lm_buf_done(&r->octets);
	lm_buf_done(&r->names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* What is added holds the time: not twice the same. */
	unsigned flags = size ? data[0] & 0x7F & ~LM_OUTGOING_ADD_MISSING : 0;
	struct lm_bytes in = lm_bytes_from(lm_bytes(data, size), 1);
	struct result whole = run(flags, in, SIZE_MAX);

	if (whole.err == 0 && !(flags & LM_OUTGOING_BINARY) && lm_buf_len(&whole.octets))
		check_line_ends(lm_buf_bytes(&whole.octets));
	for (size_t step = 1; step < 8; step += 3) {
		struct result pieces = run(flags, in, step);

		FUZZ_CHECK(whole.err == pieces.err);
		FUZZ_CHECK(
		        lm_bytes_equal(lm_buf_bytes(&whole.octets), lm_buf_bytes(&pieces.octets)));
		FUZZ_CHECK(lm_bytes_equal(lm_buf_bytes(&whole.names), lm_buf_bytes(&pieces.names)));
		forget(&pieces);
	}
	forget(&whole);
	return 0;
}
