/** @file
 * A message as a tree of parts: what mail clients see in the octets of RFC 5322 and MIME (RFC 2045
 * to 2049), well formed or not.
 *
 * Octets stay where they are, in memory or in a file: parts are places in them, and what they hold
 * is decoded when it is asked for. So a message gives its very octets back, and 1 GB of it costs
 * no more memory than its structure. Text comes out as valid UTF-8, whatever went in.
 *
 * Threads: a letter does not change once it is made; any number may read it, each with readers and
 * sources of its own. References are counted atomically.
 */
#ifndef LM_MIME_LETTER_H
#define LM_MIME_LETTER_H

#include "mime/stash.h"

#include <lettermill/reply.h>

enum {
	LM_LETTER_DEPTH = 100,       /**< multiparts in each other; what is deeper is one leaf */
	LM_LETTER_PARTS = 100000,    /**< more are an error */
	LM_LETTER_HEADER = 16 << 20, /**< octets of the message's own header; more are an error */
	LM_LETTER_FIELDS = 1000000,  /**< in it; more are an error */
	LM_LETTER_PART_HEADER = 1 << 20, /**< of a part's header so much is looked at */
	LM_LETTER_VALUE = 1 << 20,       /**< of a field's body so much is decoded */
	LM_LETTER_TEXT = 256 << 20,      /**< octets of a text decoded into memory */
};

/** Numbered as infinity.mail.transferEncoding. */
enum lm_transfer {
	LM_TRANSFER_7BIT,
	LM_TRANSFER_8BIT,
	LM_TRANSFER_BINARY,
	LM_TRANSFER_QP,
	LM_TRANSFER_BASE64,
	LM_TRANSFER_UU,
};

struct lm_letter;

/** Read a message: `stash`, ended, is moved into the letter in any case. Lines end at LF, or at CR
 * where there is no LF in the first 64 KB. Errors: LM_E_LIMIT (the text names the limit), LM_E_IO,
 * LM_E_NOMEM. */
LM_MUST int lm_letter_of_stash(struct lm_stash *stash, struct lm_letter **out_letter,
                               struct lm_error *out_error);
LM_MUST int lm_letter_of_bytes(struct lm_bytes octets, struct lm_letter **out_letter,
                               struct lm_error *out_error);
/** A regular file: up to 1 MB is copied, of a larger one the descriptor is kept, so it should not
 * be written to meanwhile; replacing it does no harm. Errors: also LM_E_NOT_FOUND, LM_E_DENIED,
 * LM_E_UNSUPPORTED (no regular file). */
LM_MUST int lm_letter_of_file(const char *path, struct lm_letter **out_letter,
                              struct lm_error *out_error);
struct lm_letter *lm_letter_ref(struct lm_letter *letter);
/** NULL is allowed. */
void lm_letter_unref(struct lm_letter *letter);

uint64_t lm_letter_size(const struct lm_letter *letter);
/** Octets as they came; *out_len 0: the end. Errors: LM_E_IO. */
LM_MUST int lm_letter_read_at(const struct lm_letter *letter, uint64_t at, uint8_t *out,
                              size_t room, size_t *out_len);
/** A source over the message as it came; it holds a reference of its own. NULL: no memory. */
struct lm_source *lm_letter_source(struct lm_letter *letter);
/** "\r\n", "\n" or "\r": the end of its first line; "\r\n" when there is none. */
const char *lm_letter_eol(const struct lm_letter *letter);

/** @name The header's fields, in their order */
/**@{*/
enum { LM_LETTER_NO_FIELD = -1 };
size_t lm_letter_field_count(const struct lm_letter *letter);
/** Slices live as long as the letter; the body is what stands behind the colon, as it came. */
void lm_letter_field(const struct lm_letter *letter, size_t index, struct lm_bytes *out_name,
                     struct lm_bytes *out_body);
/** The first field of a name (without ASCII case) from `from` on, or LM_LETTER_NO_FIELD. */
long lm_letter_find(const struct lm_letter *letter, const char *name, size_t from);

/** Add the text of a field's body in UTF-8: unfolded, encoded words (RFC 2047) decoded wherever
 * they stand, other octets taken for UTF-8 if all of them are, else for windows-1252; NUL and line
 * ends become spaces; blanks at both ends go. Errors: LM_E_NOMEM, LM_E_LIMIT. */
LM_MUST int lm_letter_decode_text(struct lm_bytes body, struct lm_buf *out);
/** Gets one address of a list, name decoded, address as it stands; both live for the call only. */
typedef int (*lm_letter_address_fn)(void *ctx, struct lm_bytes name, struct lm_bytes address);
/** Call `each` for every address of a body, groups unfolded; what is none comes as a name with an
 * empty address. Errors: LM_E_NOMEM, those of `each`. */
LM_MUST int lm_letter_decode_addresses(struct lm_bytes body, lm_letter_address_fn each, void *ctx);
/** Milliseconds since 1970; false: it is no date. */
LM_MUST bool lm_letter_decode_date(struct lm_bytes body, int64_t *out_ms);
/**@}*/

/** @name Parts
 * Part 0 is the message; a part's children have higher numbers than it. Attached messages are
 * leaves: they are messages of their own. */
/**@{*/
#define LM_LETTER_NO_PART UINT32_MAX

struct lm_letter_part {
	uint32_t parent, child, next; /**< LM_LETTER_NO_PART: none */
	bool multipart;               /**< it has children, or may have */
	const char *type;             /**< "text/plain", in small letters */
	uint64_t start, body, end;    /**< of its header, of its body, behind it */
	/** Of a multipart: where the line end before its closing boundary is, or the boundary
	 * itself when that line end belongs to a header; 0: it has none.
	 */
	uint64_t close;
};

size_t lm_letter_part_count(const struct lm_letter *letter);
const struct lm_letter_part *lm_letter_part(const struct lm_letter *letter, uint32_t index);

/** What a part's header says. Strings are valid UTF-8 without line ends, NUL-terminated, "" where
 * nothing is said. */
struct lm_letter_info {
	const char *charset, *boundary, *id; /**< id without its brackets */
	const char *disposition;             /**< "attachment", "inline", in small letters */
	const char *name;                    /**< as it came: see lm_letter_safe_name */
	const char *parameters; /**< those of Content-Type but for charset, boundary and name, ready
	                           to stand behind it: "; method=REQUEST" */
	enum lm_transfer transfer;
	char *memory; /**< its own */
};
/** Free with lm_letter_info_done. Errors: LM_E_IO, LM_E_NOMEM. */
LM_MUST int lm_letter_info(const struct lm_letter *letter, uint32_t index,
                           struct lm_letter_info *out_info);
void lm_letter_info_done(struct lm_letter_info *info);

/** A reader of a part's content, transfer encoding undone; what is cut off or damaged gives what
 * can be had. The letter must outlive it. */
struct lm_letter_reader;
LM_MUST int lm_letter_reader_new(const struct lm_letter *letter, uint32_t index,
                                 struct lm_letter_reader **out_reader);
void lm_letter_reader_free(struct lm_letter_reader *reader);
/** The next octets, in the reader's memory until the next call; none: the end. Errors: LM_E_IO. */
LM_MUST int lm_letter_reader_next(struct lm_letter_reader *reader, struct lm_bytes *out_octets);

/** Add a part's content as UTF-8. The charset is the declared one; none, us-ascii, an unknown one:
 * UTF-8 if it is that, else windows-1252. Errors: LM_E_LIMIT, LM_E_IO, LM_E_NOMEM. */
LM_MUST int lm_letter_text(const struct lm_letter *letter, uint32_t index, struct lm_buf *out);
/**@}*/

/** Add a name that is safe as a file's in a folder: folders, control characters, leading dots,
 * names of devices are gone, 120 octets of UTF-8 at most. May add nothing. Errors: LM_E_NOMEM. */
LM_MUST int lm_letter_safe_name(const char *name, struct lm_buf *out);

#endif
