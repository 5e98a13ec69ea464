/* The double that is late. */
#include "store/slow/slow.h"

#include "base/error.h"
#include "store/wrap.h"
#include "wire/text.h"

enum { DELAY_MAX = 600000 };

static int parse(const char *rest, lm_time_ms *out_delay, const char **out_url,
                 struct lm_error *out_error)
{
	const char *colon = strchr(rest, ':');
	uint64_t delay;

	if (!colon || !lm_parse_number(lm_bytes(rest, (size_t)(colon - rest)), DELAY_MAX, &delay))
		return lm_fail(out_error, LM_E_CONFIG, "slow:%s: want slow:MS:URL, at most %d ms",
		               rest, DELAY_MAX);
	*out_delay = (lm_time_ms)delay;
	*out_url = colon + 1;
	return 0;
}

int lm_slow_open(const char *rest, struct lm_store **out_store, struct lm_error *out_error)
{
	struct lm_wrap_params params = { .name = "slow" };
	const char *url = NULL;
	int err = parse(rest, &params.delay, &url, out_error);

	return err ? err : lm_wrap_open(url, &params, out_store, out_error);
}

int lm_slow_accounts(const char *rest, struct lm_accounts **out_accounts,
                     struct lm_error *out_error)
{
	lm_time_ms delay;
	const char *url = NULL;
	int err = parse(rest, &delay, &url, out_error);

	return err ? err : lm_accounts_open(url, out_accounts, out_error);
}

int lm_slow_check(const char *rest, void (*report)(void *ctx, const char *problem), void *ctx,
                  struct lm_error *out_error)
{
	lm_time_ms delay;
	const char *url = NULL;
	int err = parse(rest, &delay, &url, out_error);

	return err ? err : lm_store_check(url, report, ctx, out_error);
}
