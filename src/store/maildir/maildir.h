/** @file
 * "maildir:PATH": mail in Maildir folders, as other programs read and fill them.
 */
#ifndef LM_STORE_MAILDIR_MAILDIR_H
#define LM_STORE_MAILDIR_MAILDIR_H

#include "store/store_impl.h"

/**
 * Mailbox USER is the Maildir PATH/USER; where PATH holds "%u", that stands for USER. A mailbox
 * USER/TAG is the sub-folder ".TAG" of USER's Maildir (Maildir++). Without "%u" the mailbox "",
 * alone in its delivery, is PATH itself, and "/TAG" its sub-folder.
 */
LM_MUST int lm_maildir_open(const char *path, struct lm_store **out_store,
                            struct lm_error *out_error);
LM_MUST int lm_maildir_check(const char *path, void (*report)(void *ctx, const char *problem),
                             void *ctx, struct lm_error *out_error);

#endif
