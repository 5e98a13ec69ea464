/* The modules of the three protocols: which scripts and natives they are made of, and what a
 * runtime keeps of each. */
#include "script/protocols.h"

#include "base/error.h"
#include "base/mem.h"
#include "script/client.h"
#include "script/js/sources.h"

extern const struct lm_js_source lm_js_client, lm_js_client_pop3, lm_js_client_mailer,
        lm_js_client_smtp, lm_js_client_lmtp, lm_js_server_lazy, lm_js_server_pop3,
        lm_js_server_smtp, lm_js_server_lmtp;

static int open_protocol(struct lm_runtime *rt, void **out_state, struct lm_error *out_error)
{
	struct lm_script_protocol *p = lm_alloc_zero(1, sizeof(*p));
	int err = p ? lm_clients_new(rt, &p->clients) : LM_E_NOMEM;

	if (err) {
		lm_free(p);
		return lm_fail(out_error, err, "%s", lm_err_text(err));
	}
	*out_state = p;
	return 0;
}

static void close_protocol(void *state)
{
	struct lm_script_protocol *p = state;

	lm_clients_free(p->clients);
	lm_free(p);
}

static const struct lm_script_native natives[] = {
	{ "clientNew", lm_client_native_new },
	{ "clientState", lm_client_native_state },
	{ "clientClose", lm_client_native_close },
	{ "clientConnect", lm_client_native_connect },
	{ "clientLogin", lm_client_native_login },
	{ "clientPlain", lm_client_native_plain },
	{ "clientFetch", lm_client_native_fetch },
	{ "clientSend", lm_client_native_send },
	{ NULL, NULL },
};

static const struct lm_js_source *const pop3_sources[] = { &lm_js_client, &lm_js_client_pop3,
	                                                   &lm_js_server_lazy, &lm_js_server_pop3,
	                                                   NULL };
static const struct lm_js_source *const smtp_sources[] = { &lm_js_client,      &lm_js_client_mailer,
	                                                   &lm_js_client_smtp, &lm_js_server_lazy,
	                                                   &lm_js_server_smtp, NULL };
static const struct lm_js_source *const lmtp_sources[] = { &lm_js_client,      &lm_js_client_mailer,
	                                                   &lm_js_client_lmtp, &lm_js_server_lazy,
	                                                   &lm_js_server_lmtp, NULL };

const struct lm_script_module lm_script_module_pop3 = {
	.name = "infinity.pop3",
	.sources = pop3_sources,
	.natives = natives,
	.open = open_protocol,
	.close = close_protocol,
};
const struct lm_script_module lm_script_module_smtp = {
	.name = "infinity.smtp",
	.sources = smtp_sources,
	.natives = natives,
	.open = open_protocol,
	.close = close_protocol,
};
const struct lm_script_module lm_script_module_lmtp = {
	.name = "infinity.lmtp",
	.sources = lmtp_sources,
	.natives = natives,
	.open = open_protocol,
	.close = close_protocol,
};

struct lm_script_protocol *lm_script_protocol_of(const struct lm_runtime *rt,
                                                 enum lm_protocol protocol)
{
	return lm_runtime_state(rt, protocol == LM_POP3   ? &lm_script_module_pop3
	                            : protocol == LM_LMTP ? &lm_script_module_lmtp
	                                                  : &lm_script_module_smtp);
}
