/* The double that fails on order. */
#include "store/faulty/faulty.h"

#include "base/error.h"
#include "store/wrap.h"
#include "wire/text.h"

#include <stdatomic.h>

enum { RULES_MAX = 16 };

struct rule {
	enum lm_wrap_kind kind;
	uint64_t nth;
	bool and_later;
	int err;
};

struct faults {
	atomic_uint_fast64_t seen[LM_WRAP_KINDS];
	struct rule rules[RULES_MAX];
	size_t count;
};

static int fault(void *ctx, enum lm_wrap_kind kind)
{
	struct faults *f = ctx;
	uint64_t n = atomic_fetch_add(&f->seen[kind], 1) + 1;

	for (size_t i = 0; i < f->count; i++) {
		const struct rule *r = &f->rules[i];

		if (r->kind == kind && (n == r->nth || (r->and_later && n > r->nth)))
			return r->err;
	}
	return 0;
}

static int find_err(struct lm_bytes name)
{
	for (int err = -1; err > -100; err--)
		if (lm_bytes_equal(lm_str(lm_err_name(err)), name) && lm_err_info(err)->err == err)
			return err;
	return 0;
}

/* Cut the octets before the first of `ends` off *rest; *rest stands behind it. */
static bool cut(const char **rest, const char *ends, struct lm_bytes *out, char *out_end)
{
	size_t len = strcspn(*rest, ends);

	if (!(*rest)[len])
		return false;
	*out = lm_bytes(*rest, len);
	*out_end = (*rest)[len];
	*rest += len + 1;
	return true;
}

static bool parse_rule(const char **rest, struct rule *out, char *out_end)
{
	struct lm_bytes kind, nth, err;
	int found;
	char end;

	if (!cut(rest, "=", &kind, &end) || !cut(rest, ":", &nth, &end) ||
	    !cut(rest, ",:", &err, out_end))
		return false;
	found = lm_wrap_kind_find(kind);
	out->and_later = nth.len && nth.data[nth.len - 1] == '+';
	nth.len -= out->and_later;
	out->err = find_err(err);
	if (found < 0 || !lm_parse_number(nth, UINT32_MAX, &out->nth) || !out->nth)
		return false;
	out->kind = (enum lm_wrap_kind)found;
	return out->err != 0;
}

static int parse(const char *rest, struct faults *f, const char **out_url,
                 struct lm_error *out_error)
{
	const char *at = rest;
	char end = ',';

	while (end == ',') {
		if (f->count == RULES_MAX || !parse_rule(&at, &f->rules[f->count], &end))
			return lm_fail(out_error, LM_E_CONFIG,
			               "faulty:%s: want faulty:KIND=N[+]:ERROR[,...]:URL", rest);
		f->count++;
	}
	*out_url = at;
	return 0;
}

int lm_faulty_open(const char *rest, struct lm_store **out_store, struct lm_error *out_error)
{
	struct faults *f = lm_alloc_zero(1, sizeof(*f));
	struct lm_wrap_params params = { .name = "faulty", .fault = fault, .ctx = f };
	const char *url = NULL;
	int err = f ? parse(rest, f, &url, out_error)
	            : lm_fail(out_error, LM_E_NOMEM, "out of memory");

	if (err) {
		lm_free(f);
		return err;
	}
	return lm_wrap_open(url, &params, out_store, out_error);
}

int lm_faulty_accounts(const char *rest, struct lm_accounts **out_accounts,
                       struct lm_error *out_error)
{
	struct faults f = { 0 };
	const char *url = NULL;
	int err = parse(rest, &f, &url, out_error);

	return err ? err : lm_accounts_open(url, out_accounts, out_error);
}

int lm_faulty_check(const char *rest, void (*report)(void *ctx, const char *problem), void *ctx,
                    struct lm_error *out_error)
{
	struct faults f = { 0 };
	const char *url = NULL;
	int err = parse(rest, &f, &url, out_error);

	return err ? err : lm_store_check(url, report, ctx, out_error);
}
