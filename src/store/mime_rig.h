/** @file
 * For the tests of mime stores: a store in a fresh place, and short ways to use it.
 */
#ifndef LM_STORE_MIME_RIG_H
#define LM_STORE_MIME_RIG_H

#include "lm_test.h"

#include "base/buf.h"
#include "store/mime.h"

struct mime_rig {
	const char *pattern;
	char folder[64];
	char url[256], table[32];
	struct lm_mime_store *store;
};

/** A fresh store; in its folder archive/, staged/ and dup/, too. A failure ends the test. */
struct mime_rig *mime_rig_new(const char *pattern);
void mime_rig_free(struct mime_rig *rig);
int mime_rig_setup(void **state);
int mime_rig_teardown(void **state);
/** Close and open with one setting more (NULL: none); the result of opening. */
int mime_rig_reopen(struct mime_rig *rig, const char *name, const char *value);
/** Add one message; out_name may be NULL. */
int mime_rig_add(struct mime_rig *rig, const char *sourceid, const char *guid,
                 struct lm_bytes octets, char *out_name);
struct lm_mime_query mime_rig_query(struct mime_rig *rig, unsigned tags, size_t limit);
/** The octets of an item equal `want`. */
void mime_rig_expect(struct mime_rig *rig, const struct lm_mime_item *item, struct lm_bytes want);
/** An lm_buf's sink. */
int mime_rig_sink(void *ctx, struct lm_bytes octets);

#endif
