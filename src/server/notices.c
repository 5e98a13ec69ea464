/* What the log says of settings that lead to no account. */
#include "server/server.h"

/* An error counts as an account: what cannot be known is not complained about. */
static bool is_account(const struct lm_server *s, const char *name)
{
	char found[256];

	for (size_t i = 0; i < s->base.account_count; i++) {
		struct lm_accounts *accounts = s->base.accounts[i];

		if (accounts->ops->find(accounts, lm_str(name), found) != LM_E_NOT_FOUND)
			return true;
	}
	return false;
}

static void expect_account(const struct lm_server *s, const char *option, const char *name)
{
	if (name && s->shared.has_store && !is_account(s, name))
		lm_log(s->shared.log, LM_LOG_WARN, "config.no_account",
		       LM_LOG_TEXT("option", lm_str(option)), LM_LOG_TEXT("name", lm_str(name)));
}

void lm_server_check_names(const struct lm_server *s, const struct lm_server_options *o)
{
	expect_account(s, "catch-all", o->catch_all);
	expect_account(s, "postmaster", o->postmaster);
}

static bool takes_mail(const struct lm_server_options *o)
{
	return o->smtp.on || o->smtps.on || o->submission.on || o->lmtp.on;
}

void lm_server_check_postmaster(const struct lm_server *s, const struct lm_server_options *o)
{
	const struct lm_resolve_rules rules = { .domains = (const char *const *)o->domain.items,
		                                .domain_count = o->domain.count };
	struct lm_candidates names;

	if (!s->shared.has_store || !takes_mail(o) || o->catch_all || o->postmaster)
		return;
	lm_resolve_address(&rules, lm_str("postmaster"), &names);
	for (size_t i = 0; i < names.count; i++)
		if (is_account(s, names.names[i]))
			return;
	lm_log(s->shared.log, LM_LOG_INFO, "config.no_postmaster",
	       LM_LOG_TEXT("option", lm_str("postmaster")),
	       LM_LOG_TEXT("why", lm_str("mail for postmaster is refused: no account has that name "
	                                 "and --postmaster names none")));
}
