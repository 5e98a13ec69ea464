/** @file
 * infinity.store behind its JavaScript: mime stores that the scripts of a program share.
 *
 * Several workers want the same store, and most stores can be opened once only: so each is opened
 * once for a program, by URL and settings, counted, and used by one thread at a time.
 */
#ifndef LM_SCRIPT_STORE_H
#define LM_SCRIPT_STORE_H

#include <lettermill/mime_store.h>

struct lm_script_stores;

/** For struct lm_script. Errors: LM_E_NOMEM. */
LM_MUST int lm_script_stores_new(struct lm_script_stores **out_stores);
/** Behind the last runtime: closes what is open still. NULL is allowed. */
void lm_script_stores_free(struct lm_script_stores *stores);

#endif
