/** @file
 * Addresses of an envelope: the path grammar of RFC 5321 4.1.2 with the extensions of RFC 6531.
 *
 * Threads: any; nothing here keeps state.
 */
#ifndef LM_SMTP_PATH_H
#define LM_SMTP_PATH_H

#include <lettermill/base.h>

enum lm_path_kind {
	LM_PATH_SENDER,    /**< `<>` is legal */
	LM_PATH_RECIPIENT, /**< `<local>` without a domain is legal: postmaster, or an account here
	                    */
};

/**
 * Read a path in angle brackets off the front of `text`. *out_address lies in `text`, without
 * brackets and without source route; *out_used counts the octets up to the bracket. Octets of 0x80
 * and above are legal where RFC 6531 has them and form UTF-8. Limits: local part 64, domain 255,
 * path 256 octets. Errors: LM_E_SYNTAX.
 */
LM_MUST int lm_path_parse(struct lm_bytes text, enum lm_path_kind kind,
                          struct lm_bytes *out_address, size_t *out_used);

/** An octet of 0x80 or above is in it. */
LM_MUST bool lm_path_is_8bit(struct lm_bytes address);

#endif
