/** @file
 * What tests of whole clients share: a server in this process, settings to reach it, and sinks.
 */
#ifndef LM_TESTS_CLIENT_RIG_H
#define LM_TESTS_CLIENT_RIG_H

#include "base/buf.h"
#include "lm_test.h"
#include "net/test_certs.h"
#include "server/serve_rig.h"

#include <lettermill/lettermill.h>

enum { CLIENT_SINK_MAX = 64 * 1024 * 1024 };

/** Settings for a listener of the rig ("pop3s" …): anna's, TLS as the name says, trusting ca.pem,
 * 10 s. The host is "localhost" for TLS, else the address; `host` (may be NULL) wins. */
struct lm_client_params client_params(const struct lm_rig *rig, const char *listener);

/** Opened, or the test fails. */
struct lm_client *client_open(const struct lm_client_params *params);
/** Does not open: the error, and words of its text. */
void client_refused(const struct lm_client_params *params, int err, const char *words);
/** An lm_sink_fn into a struct lm_buf. */
int client_sink(void *buf, struct lm_bytes octets);

#endif
