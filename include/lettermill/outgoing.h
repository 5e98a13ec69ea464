/** @file
 * A message made ready for sending: CRLF line ends, the envelope its header names, no Bcc.
 */
#ifndef LETTERMILL_OUTGOING_H
#define LETTERMILL_OUTGOING_H

#include "event.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lm_outgoing;

enum lm_outgoing_flag {
	LM_OUTGOING_KEEP_BCC = 1 << 0, /**< leave Bcc and Resent-Bcc fields in the message */
	/** A lone CR or LF is an error (LM_E_SYNTAX). Without this a lone LF is the line end of a
	 * Unix file and becomes CRLF; a lone CR is an error in any case. */
	LM_OUTGOING_STRICT = 1 << 1,
	/** Octets as they are: for BDAT with BINARYMIME. */
	LM_OUTGOING_BINARY = 1 << 2,
	LM_OUTGOING_ADD_MISSING = 1 << 3, /**< add Date, Message-ID and From where there are none */
	LM_OUTGOING_DOT_ENDS = 1 << 4,    /**< a line that is a single dot ends the input (sendmail
	                                     without -i); what follows is dropped */
};

/** Make one; free with lm_outgoing_free. Up to 1 MB is kept in memory, more in an unlinked
 * temporary file in $TMPDIR or /tmp. `max`: octets, 0 no limit. */
LM_API LM_MUST int lm_outgoing_new(unsigned flags, uint64_t max, struct lm_outgoing **out_outgoing);
LM_API void lm_outgoing_free(struct lm_outgoing *outgoing);

/** Add octets as they come. Errors: LM_E_SYNTAX (bare CR; the text names the line), LM_E_LIMIT,
 * LM_E_FULL, LM_E_IO, LM_E_NOMEM. */
LM_API LM_MUST int lm_outgoing_write(struct lm_outgoing *outgoing, struct lm_bytes octets,
                                     struct lm_error *out_error);
/** All is there: the header is read. Errors as write. A message without any header is given an
 * empty line in front of it. */
LM_API LM_MUST int lm_outgoing_end(struct lm_outgoing *outgoing, struct lm_error *out_error);

/**
 * What the header says: the sender of Resent-Sender, Resent-From, Sender or From (the first address
 * of the first there is), the recipients of Resent-To, -Cc and -Bcc if there is any Resent field,
 * else of To, Cc and Bcc, without doubles, groups unfolded, comments and names left out (RFC 5322,
 * RFC 6854). Afterwards *envelope may be changed by the two calls below. Its size, eight_bit,
 * smtputf8 and (with LM_OUTGOING_BINARY) binary are set from the octets. Lives as long as the
 * object.
 */
LM_API struct lm_envelope *lm_outgoing_envelope(struct lm_outgoing *outgoing);
/** "" is the null path. Errors: LM_E_SYNTAX (CR, LF, NUL, blanks or brackets), LM_E_NOMEM. */
LM_API LM_MUST int lm_outgoing_set_sender(struct lm_outgoing *outgoing, struct lm_bytes address,
                                          struct lm_error *out_error);
LM_API LM_MUST int lm_outgoing_add_recipient(struct lm_outgoing *outgoing, struct lm_bytes address,
                                             struct lm_error *out_error);
LM_API void lm_outgoing_clear_recipients(struct lm_outgoing *outgoing);

/** A new source over the whole message; several may be read one after another. It must be closed
 * before lm_outgoing_free. NULL: out of memory. */
LM_API struct lm_source *lm_outgoing_source(struct lm_outgoing *outgoing);

#ifdef __cplusplus
}
#endif
#endif
