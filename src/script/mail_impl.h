/** @file
 * What the files of infinity.mail share: letters in the engine, and contents from anywhere.
 */
#ifndef LM_SCRIPT_MAIL_IMPL_H
#define LM_SCRIPT_MAIL_IMPL_H

#include "mime/letter.h"
#include "mime/letter_writer.h"
#include "script/mail.h"
#include "script/stream.h"

enum { LM_MAIL_AT_ONCE = 1 << 30 }; /**< octets of what becomes one string or array */

/** A handle for a letter, whose reference it takes in any case; NULL: thrown. */
struct lm_js_value *lm_mail_wrap(struct lm_js *js, struct lm_letter *letter);
/** Of argument `i`, borrowed; NULL: thrown (it is none, or was freed). */
struct lm_letter *lm_mail_letter(const struct lm_js_call *call, size_t i);

/** The octets of an attachment, piece by piece, wherever they are. */
struct lm_mail_content {
	struct lm_letter_reader *reader;
	struct lm_bytes held; /* of the reader */
	struct lm_stream *stream;
	int fd;
	uint64_t at;
};
/** Arguments `i` and i + 1: a letter and a part's number; or a data file's name, or a stream's
 * handle, and nothing. False: thrown. */
bool lm_mail_content_open(const struct lm_js_call *call, size_t i, struct lm_mail_content *out);
void lm_mail_content_close(struct lm_mail_content *content);
/** As struct lm_letter_writer_file wants it. */
LM_MUST int lm_mail_content_read(void *ctx, uint8_t *out, size_t room, size_t *out_len,
                                 struct lm_error *out_error);

/** A C string of argument `i`; NULL: thrown. Free with lm_free. NUL: RangeError. */
char *lm_mail_text(const struct lm_js_call *call, size_t i);
/** err 0: undefined; else thrown. */
struct lm_js_value *lm_mail_done(struct lm_js *js, int err, struct lm_error *error);

/** The natives of mail_content.c and mail_write.c: N(name for scripts, function). */
#define LM_MAIL_NATIVES(N)                             \
	N("mailContentSize", lm_mail_content_size)     \
	N("mailContentBytes", lm_mail_content_bytes)   \
	N("mailContentBase64", lm_mail_content_base64) \
	N("mailContentStream", lm_mail_content_stream) \
	N("mailContentSave", lm_mail_content_save)     \
	N("mailContentStore", lm_mail_content_store)   \
	N("mailFolder", lm_mail_folder)                \
	N("mailFolderRemove", lm_mail_folder_remove)   \
	N("mailHold", lm_mail_hold)                    \
	N("mailWriter", lm_mail_writer)                \
	N("mailDrop", lm_mail_drop)                    \
	N("mailField", lm_mail_field)                  \
	N("mailKeep", lm_mail_keep)                    \
	N("mailAppend", lm_mail_append)                \
	N("mailOpen", lm_mail_open)                    \
	N("mailClose", lm_mail_close)                  \
	N("mailRawPart", lm_mail_raw_part)             \
	N("mailTextPart", lm_mail_text_part)           \
	N("mailFilePart", lm_mail_file_part)           \
	N("mailFinish", lm_mail_finish)
#define N(name, fn) struct lm_js_value *fn(const struct lm_js_call *call);
LM_MAIL_NATIVES(N)
#undef N

#endif
