/* Dot-stuffing: decode(encode(x)) is x for whatever has CRLF line ends, for a lenient decoder
 * whatever x has, and any split decodes alike. */
#include "target.h"

#include "wire/dot.h"

static void decode_all(struct lm_bytes in, size_t step, bool lenient, struct lm_buf *out,
                       struct lm_dot_decoder *d)
{
	lm_dot_decoder_init(d);
	d->lenient = lenient;
	while (in.len && !d->done) {
		struct lm_bytes piece = lm_bytes(in.data, in.len < step ? in.len : step);
		uint8_t *room;
		size_t taken, n;

		FUZZ_CHECK(lm_buf_room(out, piece.len + 2, &room) == 0);
		n = lm_dot_decode(d, piece, room, &taken);
		FUZZ_CHECK(n <= piece.len + 2 && taken <= piece.len &&
		           (d->done || taken == piece.len));
		lm_buf_grew(out, n);
		in = lm_bytes_from(in, taken);
	}
}

static void round_trip(struct lm_bytes in, bool lenient)
{
	struct lm_dot_encoder e;
	struct lm_dot_decoder d;
	struct lm_buf stuffed, back;

	lm_dot_encoder_init(&e);
	lm_buf_init(&stuffed, 64 << 20);
	lm_buf_init(&back, 64 << 20);
	FUZZ_CHECK(lm_dot_encode(&e, in, &stuffed) == 0 && lm_dot_encode_end(&e, &stuffed) == 0);
	decode_all(lm_buf_bytes(&stuffed), SIZE_MAX, lenient, &back, &d);
	FUZZ_CHECK(d.done);
	if (lenient || !d.has_bare)
		FUZZ_CHECK(lm_buf_len(&back) >= in.len && lm_buf_len(&back) <= in.len + 2 &&
		           memcmp(back.data ? back.data : (uint8_t *)"", in.data, in.len) == 0);
	lm_buf_done(&stuffed);
	lm_buf_done(&back);
}

static void any_split(struct lm_bytes in, bool lenient)
{
	struct lm_dot_decoder a, b;
	struct lm_buf whole, pieces;

	lm_buf_init(&whole, 64 << 20);
	lm_buf_init(&pieces, 64 << 20);
	decode_all(in, SIZE_MAX, lenient, &whole, &a);
	for (size_t step = 1; step < 6; step++) {
		lm_buf_clear(&pieces);
		decode_all(in, step, lenient, &pieces, &b);
		FUZZ_CHECK(lm_bytes_equal(lm_buf_bytes(&whole), lm_buf_bytes(&pieces)));
		FUZZ_CHECK(a.done == b.done && a.has_bare == b.has_bare && a.has_nul == b.has_nul);
		FUZZ_CHECK(a.keeps == b.keeps && a.keeps_behind_lf == b.keeps_behind_lf);
	}
	lm_buf_done(&whole);
	lm_buf_done(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int lenient = 0; lenient < 2; lenient++) {
		any_split(lm_bytes(data, size), lenient);
		if (size)
			round_trip(lm_bytes(data, size), lenient);
	}
	return 0;
}
