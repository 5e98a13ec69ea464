/* What a client is told at its beginning: defaults, and a copy of all that is its own. */
#include <lettermill/client.h>

void lm_client_params_init(struct lm_client_params *params, enum lm_protocol protocol)
{
	*params = (struct lm_client_params){
		.size = sizeof(*params),
		.protocol = protocol,
		.tls = LM_TLS_STARTTLS,
		.timeout = 60000,
	};
}
