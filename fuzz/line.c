/* The line reader: any split gives the same lines, and never more than the limit. */
#include "target.h"

#include "wire/line.h"

static void read_all(struct lm_bytes in, size_t step, bool lenient, struct lm_buf *log)
{
	struct lm_line_reader r;

	lm_line_reader_init(&r, 40);
	r.lenient = lenient;
	while (in.len) {
		struct lm_bytes piece = lm_bytes(in.data, in.len < step ? in.len : step);
		struct lm_line line;
		size_t taken;
		int got = lm_line_read(&r, piece, &taken, &line);

		FUZZ_CHECK(got >= 0 && taken > 0 && taken <= piece.len);
		in = lm_bytes_from(in, taken);
		if (got) {
			FUZZ_CHECK(line.text.len <= 38 + 1);
			FUZZ_CHECK(lm_buf_add(log, line.text) == 0 &&
			           lm_buf_printf(log, "|%u\n", line.flags) == 0);
		}
	}
	lm_line_reader_done(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lm_buf whole, pieces;

	for (int lenient = 0; lenient < 2; lenient++) {
		lm_buf_init(&whole, 64 << 20);
		lm_buf_init(&pieces, 64 << 20);
		read_all(lm_bytes(data, size), SIZE_MAX, lenient, &whole);
		for (size_t step = 1; step < 8; step += 2) {
			lm_buf_clear(&pieces);
			read_all(lm_bytes(data, size), step, lenient, &pieces);
			FUZZ_CHECK(lm_bytes_equal(lm_buf_bytes(&whole), lm_buf_bytes(&pieces)));
		}
		lm_buf_done(&whole);
		lm_buf_done(&pieces);
	}
	return 0;
}
