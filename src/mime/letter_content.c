/* What a writer writes into parts: texts and files. */
#include "mime/letter_writer_private.h"

#include "base/error.h"

#include <gmime/gmime.h>

enum { CHUNK = 65536, MAX_TYPE = 4096 };

/* A media type as it can stand in a header; none is `or_else`. */
int lm_letter_writer_put_type(struct lm_letter_writer *w, const char *type, const char *or_else,
                              const char *charset, const char *name)
{
	struct lm_buf line, unused;
	char lead[8];
	int err = 0;

	lm_buf_init(&line, 64 * MAX_TYPE);
	lm_buf_init(&unused, MAX_TYPE);
	g_snprintf(lead, sizeof(lead), "%s\t", w->eol);
	err = lm_buf_add_str(&line, "Content-Type: ");
	if (err == 0 && *type)
		err = lm_letter_type(lm_str(type), &line, &unused);
	else if (err == 0)
		err = lm_buf_add_str(&line, or_else);
	if (err == 0 && *charset)
		err = lm_compose_parameter("charset", lm_str(charset), " ", &line);
	if (err == 0)
		err = lm_letter_parameters(lm_str(type), &line);
	if (err == 0 && *name)
		err = lm_compose_parameter("name", lm_str(name), lead, &line);
	if (err == LM_E_SYNTAX)
		err = lm_fail(w->out_error, err, "CR, LF and NUL cannot stand in a header");
	if (err == 0)
		err = lm_letter_writer_put(w, lm_buf_bytes(&line));
	lm_buf_done(&line);
	lm_buf_done(&unused);
	return err;
}

static int put_transfer(struct lm_letter_writer *w, enum lm_transfer transfer)
{
	static const char *const names[] = { "7bit", "8bit", "binary", "quoted-printable",
		                             "base64" };
	int err = lm_letter_writer_put_eol(w);

	if (err == 0)
		err = lm_letter_writer_put_str(w, "Content-Transfer-Encoding: ");
	if (err == 0)
		err = lm_letter_writer_put_str(w, names[transfer]);
	return err ? err : lm_letter_writer_put_eol(w);
}

static int sink(void *ctx, struct lm_bytes octets)
{
	return lm_letter_writer_put(ctx, octets);
}

/* Alone, a text ends with a line end; in a multipart the boundary brings one. */
static int put_encoded(struct lm_letter_writer *w, enum lm_transfer transfer,
                       struct lm_bytes octets)
{
	struct lm_compose_encoder e;
	int err, end_err;

	lm_compose_begin(&e, transfer, w->eol, sink, w);
	err = lm_compose_feed(&e, octets);
	end_err = lm_compose_end(&e);
	if (err == 0)
		err = end_err;
	return err == 0 && w->depth == 0 && !e.at_start ? lm_letter_writer_put_eol(w) : err;
}

/* Lone LF, and CR LF, become CR LF. */
static int add_lines(struct lm_bytes text, struct lm_buf *out)
{
	int err = 0;

	while (text.len && err == 0) {
		const uint8_t *lf = memchr(text.data, '\n', text.len);
		size_t len = lf ? (size_t)(lf - text.data) : text.len;
		size_t plain = lf && len && text.data[len - 1] == '\r' ? len - 1 : len;

		err = lm_buf_add(out, lm_bytes(text.data, plain));
		if (lf && err == 0)
			err = lm_buf_add_str(out, "\r\n");
		text = lm_bytes_from(text, len + (lf != NULL));
	}
	return err;
}

static bool holds_boundary(const struct lm_letter_writer *w, struct lm_bytes text)
{
	for (size_t i = 0; i < w->depth; i++)
		if (text.len &&
		    memmem(text.data, text.len, w->boundaries[i], strlen(w->boundaries[i])))
			return true;
	return false;
}

static int put_text(struct lm_letter_writer *w, const struct lm_letter_writer_text *t,
                    const char *charset, struct lm_bytes octets)
{
	struct lm_compose_look look = { 0 };
	enum lm_transfer transfer;
	int err;

	lm_compose_look(&look, octets);
	transfer = lm_compose_choose(&look, t->transfer);
	if (transfer < LM_TRANSFER_QP && holds_boundary(w, octets))
		transfer = LM_TRANSFER_QP;
	err = lm_letter_writer_begin_part(w);
	if (err == 0)
		err = lm_letter_writer_put_type(w, t->type, "text/plain", charset, "");
	if (err == 0)
		err = put_transfer(w, transfer);
	if (err == 0)
		err = lm_letter_writer_put_eol(w);
	return err ? err : put_encoded(w, transfer, octets);
}

int lm_letter_writer_text(struct lm_letter_writer *writer, const struct lm_letter_writer_text *text,
                          struct lm_error *out_error)
{
	const char *charset = *text->charset ? text->charset : "utf-8";
	struct lm_buf lines, converted;
	int err;

	lm_letter_writer_enter(writer, out_error);
	lm_buf_init(&lines, 2 * (size_t)LM_LETTER_TEXT);
	lm_buf_init(&converted, 2 * (size_t)LM_LETTER_TEXT);
	err = add_lines(text->text, &lines);
	if (err == 0 && g_ascii_strcasecmp(charset, "utf-8")) {
		err = lm_letter_from_utf8(lm_buf_bytes(&lines), charset, &converted);
		if (err == LM_E_SYNTAX) {
			charset = "utf-8";
			err = 0;
		}
	}
	if (err == 0)
		err = put_text(
		        writer, text, charset,
		        lm_buf_bytes(g_ascii_strcasecmp(charset, "utf-8") ? &converted : &lines));
	lm_buf_done(&lines);
	lm_buf_done(&converted);
	return lm_letter_writer_settled(writer, err);
}

/* ---- Files ---- */

static int read_into(struct lm_letter_writer *w, const struct lm_letter_writer_file *f,
                     lm_compose_sink take, void *ctx)
{
	uint8_t *chunk = lm_alloc(CHUNK);
	size_t got = 1;
	int err = chunk ? 0 : LM_E_NOMEM;

	while (err == 0 && got) {
		err = f->read(f->ctx, chunk, CHUNK, &got, w->out_error);
		if (err == 0 && got)
			err = take(ctx, lm_bytes(chunk, got));
	}
	lm_free(chunk);
	return err;
}

/* Octets are looked at before they are encoded, so they must be kept. */
struct spool {
	struct lm_letter_writer *w;
	struct lm_stash stash;
	struct lm_compose_look look;
	uint64_t at;
};

static int take_spool(void *ctx, struct lm_bytes octets)
{
	struct spool *s = ctx;

	lm_compose_look(&s->look, octets);
	return lm_stash_add(&s->stash, octets, s->w->out_error);
}

static int read_spool(void *ctx, uint8_t *out, size_t room, size_t *out_len,
                      struct lm_error *out_error)
{
	struct spool *s = ctx;
	int err = lm_stash_read(&s->stash, s->at, out, room, out_len);

	s->at += err ? 0 : *out_len;
	return err ? lm_fail(out_error, err, "%s", lm_err_text(err)) : 0;
}

static int feed_encoder(void *ctx, struct lm_bytes octets)
{
	return lm_compose_feed(ctx, octets);
}

static int put_disposition(struct lm_letter_writer *w, const struct lm_letter_writer_file *f)
{
	struct lm_buf line;
	char lead[8];
	int err;

	lm_buf_init(&line, 64 * MAX_TYPE);
	g_snprintf(lead, sizeof(lead), "%s\t", w->eol);
	err = lm_buf_printf(&line, "Content-Disposition: %s",
	                    *f->disposition ? f->disposition : "attachment");
	if (err == 0 && *f->name)
		err = lm_compose_parameter("filename", lm_str(f->name), lead, &line);
	if (err == 0)
		err = lm_buf_add_str(&line, w->eol);
	if (err == 0 && *f->id)
		err = lm_buf_printf(&line, "Content-ID: <%s>%s", f->id, w->eol);
	if (err == 0)
		err = lm_letter_writer_put(w, lm_buf_bytes(&line));
	lm_buf_done(&line);
	return err;
}

/* Neither is in need of more than printable ASCII. */
static bool is_plain_word(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s >= 0x7F || *s == '<' || *s == '>' || *s == ';')
			return false;
	return true;
}

static int put_file(struct lm_letter_writer *w, const struct lm_letter_writer_file *f,
                    const char *type, enum lm_transfer transfer)
{
	struct lm_compose_encoder e;
	int err, end_err;

	if (!is_plain_word(f->id) || !is_plain_word(f->disposition) || strlen(f->id) > 900)
		return lm_fail(
		        w->out_error, LM_E_SYNTAX,
		        "a content id, and a disposition, is printable ASCII without blanks");
	err = lm_letter_writer_begin_part(w);
	if (err == 0)
		err = lm_letter_writer_put_type(w, type, "application/octet-stream", "", f->name);
	if (err == 0)
		err = put_transfer(w, transfer);
	if (err == 0)
		err = put_disposition(w, f);
	if (err == 0)
		err = lm_letter_writer_put_eol(w);
	if (err)
		return err;
	lm_compose_begin(&e, transfer, w->eol, sink, w);
	err = read_into(w, f, feed_encoder, &e);
	end_err = lm_compose_end(&e);
	err = err ? err : end_err;
	return err == 0 && w->depth == 0 && !e.at_start ? lm_letter_writer_put_eol(w) : err;
}

static bool is_type(const char *type, const char *kind)
{
	return g_ascii_strncasecmp(type, kind, strlen(kind)) == 0;
}

/* A message may not be encoded (RFC 2046 5.2.1): what cannot stay as it is, is a file like any. */
static int put_looked_at(struct lm_letter_writer *w, const struct lm_letter_writer_file *f)
{
	struct spool s = { .w = w };
	struct lm_letter_writer_file copy_of = *f;
	bool message = is_type(f->type, "message/");
	enum lm_transfer transfer;
	int err;

	lm_stash_init(&s.stash);
	copy_of.read = read_spool;
	copy_of.ctx = &s;
	err = read_into(w, f, take_spool, &s);
	if (err == 0)
		err = lm_stash_end(&s.stash, w->out_error);
	transfer = lm_compose_choose(&s.look, message ? s.look.eight_bit ? LM_TRANSFER_8BIT
	                                                                 : LM_TRANSFER_7BIT
	                                              : f->transfer);
	if (message && transfer >= LM_TRANSFER_QP)
		transfer = LM_TRANSFER_BASE64;
	if (err == 0)
		err = put_file(w, &copy_of,
		               message && transfer == LM_TRANSFER_BASE64
		                       ? "application/octet-stream"
		                       : f->type,
		               transfer);
	lm_stash_done(&s.stash);
	return err;
}

int lm_letter_writer_file(struct lm_letter_writer *writer, const struct lm_letter_writer_file *file,
                          struct lm_error *out_error)
{
	bool look = is_type(file->type, "message/") ||
	            (file->transfer >= 0 && file->transfer < LM_TRANSFER_QP);

	lm_letter_writer_enter(writer, out_error);
	if (is_type(file->type, "multipart/"))
		return lm_fail(out_error, LM_E_SYNTAX, "a file cannot be of type multipart");
	return lm_letter_writer_settled(writer, look ? put_looked_at(writer, file)
	                                             : put_file(writer, file, file->type,
	                                                        file->transfer == LM_TRANSFER_QP
	                                                                ? LM_TRANSFER_QP
	                                                                : LM_TRANSFER_BASE64));
}
