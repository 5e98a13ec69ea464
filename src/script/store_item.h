/** @file
 * Items of stores between script and C.
 */
#ifndef LM_SCRIPT_STORE_ITEM_H
#define LM_SCRIPT_STORE_ITEM_H

#include "script/runtime.h"
#include "script/store.h"

/** An item as script gave it. */
struct lm_item_room {
	struct lm_mime_item item;
	struct lm_buf name, sourceid, guid, metadata; /* its slices */
};

/** Of an object with all members: strings, and numbers for size, timestamp and tag. False: thrown.
 */
bool lm_item_take(struct lm_item_room *room, struct lm_js *js, struct lm_js_value *object);
void lm_item_done(struct lm_item_room *room);

/** An array of objects {name, sourceid, guid, size, timestamp, metadata, tag}; each also has uid,
 * what POP3's UIDL may show of it, where `with_uid`. NULL: thrown. */
struct lm_js_value *lm_items_show(struct lm_js *js, const struct lm_script_items *items,
                                  bool with_uid);

#endif
