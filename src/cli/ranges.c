/* Numbers of messages as people write them, put in order. */
#include "cli/ranges.h"

#include "base/error.h"
#include "base/mem.h"
#include "wire/text.h"

#include <inttypes.h>
#include <stdlib.h>

void lm_ranges_done(struct lm_ranges *ranges)
{
	lm_free(ranges->items);
	*ranges = (struct lm_ranges){ 0 };
}

static int add(struct lm_ranges *ranges, struct lm_range range)
{
	struct lm_range *items = lm_realloc(ranges->items, ranges->count + 1,
	                                    sizeof(*ranges->items));

	if (!items)
		return LM_E_NOMEM;
	items[ranges->count++] = range;
	ranges->items = items;
	return 0;
}

/* "7", "3-9" or "20-" */
static bool parse_one(struct lm_bytes text, struct lm_range *out)
{
	const uint8_t *dash = text.len ? memchr(text.data, '-', text.len) : NULL;
	struct lm_bytes first = text, last = text;

	if (dash) {
		first.len = (size_t)(dash - text.data);
		last = lm_bytes_from(text, first.len + 1);
	}
	if (!lm_parse_number(first, INT64_MAX, &out->first) || out->first == 0)
		return false;
	if (dash && last.len == 0) {
		out->last = UINT64_MAX;
		return true;
	}
	return lm_parse_number(last, INT64_MAX, &out->last) && out->last >= out->first;
}

static int parse_text(struct lm_ranges *ranges, struct lm_bytes text, struct lm_error *out_error)
{
	do {
		const uint8_t *comma = text.len ? memchr(text.data, ',', text.len) : NULL;
		size_t len = comma ? (size_t)(comma - text.data) : text.len;
		struct lm_range range;

		if (!parse_one(lm_bytes(text.data, len), &range))
			return lm_fail(out_error, LM_E_SYNTAX,
			               "\"%.*s\" is no range of messages; they look like "
			               "1-10,15,20-",
			               (int)(len > 40 ? 40 : len), (const char *)text.data);
		if (add(ranges, range) < 0)
			return lm_fail(out_error, LM_E_NOMEM, "out of memory");
		if (!comma)
			return 0;
		text = lm_bytes_from(text, len + 1);
	} while (true);
}

static int by_first(const void *a, const void *b)
{
	const struct lm_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static void merge(struct lm_ranges *ranges)
{
	size_t kept = 0;

	if (ranges->count == 0)
		return;
	qsort(ranges->items, ranges->count, sizeof(*ranges->items), by_first);
	for (size_t i = 1; i < ranges->count; i++) {
		struct lm_range *last = &ranges->items[kept], next = ranges->items[i];

		if (last->last != UINT64_MAX && next.first > last->last + 1)
			ranges->items[++kept] = next;
		else if (next.last > last->last)
			last->last = next.last;
	}
	ranges->count = kept + 1;
}

int lm_ranges_parse(char *const *texts, size_t count, struct lm_ranges *out_ranges,
                    struct lm_error *out_error)
{
	int err = 0;

	*out_ranges = (struct lm_ranges){ 0 };
	for (size_t i = 0; i < count && err == 0; i++)
		err = parse_text(out_ranges, lm_str(texts[i]), out_error);
	if (err == 0)
		merge(out_ranges);
	return err;
}

bool lm_ranges_have(const struct lm_ranges *ranges, uint64_t number)
{
	size_t low = 0, high = ranges->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges->items[middle].last < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < ranges->count && ranges->items[low].first <= number;
}

int lm_ranges_check(const struct lm_ranges *ranges, uint64_t top, uint64_t count,
                    struct lm_error *out_error)
{
	for (size_t i = 0; i < ranges->count; i++) {
		const struct lm_range *r = &ranges->items[i];
		uint64_t wanted = r->last == UINT64_MAX ? 0 : r->last;

		if (wanted > top)
			return lm_fail(out_error, LM_E_NOT_FOUND,
			               "there is no message %" PRIu64 "; the maildrop has %" PRIu64,
			               r->first > top ? r->first : wanted, count);
	}
	return 0;
}
