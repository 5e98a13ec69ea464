/** @file
 * Drives any session with octets, cut in different ways, and checks the law: same events, same
 * output.
 */
#ifndef LM_FUZZ_SESSION_DRIVER_H
#define LM_FUZZ_SESSION_DRIVER_H

#include "target.h"

#include <lettermill/session.h>

typedef struct lm_session *(*fuzz_factory_fn)(void);

/** Three runs (whole, octet by octet, pieces of seven) must agree. */
void fuzz_session(fuzz_factory_fn factory, struct lm_bytes in);

#endif
