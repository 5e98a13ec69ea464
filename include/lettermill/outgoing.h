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
	/** Sender or recipients do not come from the header; its fields may hold what they want. */
	LM_OUTGOING_NO_SENDER = 1 << 5,
	LM_OUTGOING_NO_RECIPIENTS = 1 << 6,
};

/** Make one; free with lm_outgoing_free. Up to 1 MB is kept in memory, more in an unlinked
 * temporary file in $TMPDIR or /tmp. `max`: octets, 0 no limit. */
LM_API LM_MUST int lm_outgoing_new(unsigned flags, uint64_t max, struct lm_outgoing **out_outgoing);
LM_API void lm_outgoing_free(struct lm_outgoing *outgoing);

/** Add octets as they come. Errors: LM_E_SYNTAX (bare CR; the text names the line), LM_E_LIMIT,
 * LM_E_FULL, LM_E_IO, LM_E_NOMEM. */
LM_API LM_MUST int lm_outgoing_write(struct lm_outgoing *outgoing, struct lm_bytes octets,
                                     struct lm_error *out_error);
/** All is there: the header is read. Errors as write, and LM_E_SYNTAX where addresses cannot be
 * read (the text names line and field). The header ends at the first line that can be no part of
 * one; an empty line is put in front of it, so a message without any header gets one at its
 * beginning. A first line "From " of an mbox file is dropped. Afterwards only the calls below are
 * left. */
LM_API LM_MUST int lm_outgoing_end(struct lm_outgoing *outgoing, struct lm_error *out_error);

/**
 * What the header says: the sender of Resent-Sender, Resent-From, Sender or From (the first address
 * of the first that has one), the recipients of Resent-To, -Cc and -Bcc if there is any Resent
 * field, else of To, Cc and Bcc, without doubles (domains are compared without case), groups
 * unfolded, comments and names left out (RFC 5322, RFC 6854). Of several blocks of Resent fields
 * the topmost counts; it ends where a Resent field comes again or a trace field comes. A sender
 * with `data` NULL was not found; one of length 0 is the null path. Afterwards *envelope may be
 * changed by the calls below. Its size, eight_bit, smtputf8 (addresses with octets of 0x80 and
 * above, or a header with such octets that is UTF-8) and, with LM_OUTGOING_BINARY, binary are set
 * from the octets that are sent; further members, and those of a recipient but its address, may be
 * set by hand behind the last of these calls. Lives as long as the object.
 */
LM_API struct lm_envelope *lm_outgoing_envelope(struct lm_outgoing *outgoing);
/** "" is the null path. No source may be open. Errors: LM_E_SYNTAX (over 1000 octets, control
 * characters, blanks or brackets out of quotes), LM_E_NOMEM. */
LM_API LM_MUST int lm_outgoing_set_sender(struct lm_outgoing *outgoing, struct lm_bytes address,
                                          struct lm_error *out_error);
/** The full name beside the address in a From that is added; before the first write. UTF-8. Errors:
 * LM_E_SYNTAX, LM_E_NOMEM. */
LM_API LM_MUST int lm_outgoing_set_name(struct lm_outgoing *outgoing, struct lm_bytes name,
                                        struct lm_error *out_error);
/** One that is there already is passed over. Errors: as set_sender. */
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
