/** @file
 * A store's URL and settings as a script says them: names of files are those of data files.
 */
#ifndef LM_SCRIPT_STORE_PLACE_H
#define LM_SCRIPT_STORE_PLACE_H

#include "script/runtime.h"
#include "script/store.h"

struct lm_place_room {
	struct lm_script_store_place place;
	struct lm_arena arena; /* of all of it */
};

/** From the arguments (url, [name, value, …], mailbox or undefined); false: thrown. */
bool lm_place_take(struct lm_place_room *room, struct lm_runtime *rt,
                   const struct lm_js_call *call);
/** Wiped first: settings may be secrets. */
void lm_place_done(struct lm_place_room *room);

#endif
