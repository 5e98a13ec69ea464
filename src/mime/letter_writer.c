/* A message written anew: fields first, then parts one behind the other. */
#include "mime/letter_writer_private.h"

#include "base/error.h"

#include <gmime/gmime.h>
#include <sys/random.h>

enum { MAX_ADDED = 32 << 20, MAX_NAME = 200, CHUNK = 65536 };
enum state { KEEP, DROP, REPLACE };

struct lm_letter_writer_edit {
	struct lm_letter_writer_edit *next;
	size_t at;
	struct lm_buf text;
};

int lm_letter_writer_new(struct lm_letter *base, struct lm_letter_writer **out_writer)
{
	struct lm_letter_writer *w = lm_alloc_zero(1, sizeof(*w));

	if (!w)
		return LM_E_NOMEM;
	w->base = base ? lm_letter_ref(base) : NULL;
	w->eol = base ? base->eol : "\r\n";
	w->last = base ? base->nl : '\n';
	lm_buf_init(&w->added, MAX_ADDED);
	lm_stash_init(&w->out);
	*out_writer = w;
	return 0;
}

void lm_letter_writer_free(struct lm_letter_writer *writer)
{
	if (!writer)
		return;
	while (writer->edits) {
		struct lm_letter_writer_edit *e = writer->edits;

		writer->edits = e->next;
		lm_buf_done(&e->text);
		lm_free(e);
	}
	for (size_t i = 0; i < LM_LETTER_DEPTH; i++)
		lm_free(writer->boundaries[i]);
	lm_letter_unref(writer->base);
	lm_free(writer->states);
	lm_buf_done(&writer->added);
	lm_stash_done(&writer->out);
	lm_free(writer);
}

/* ---- Fields ---- */

static bool set_state(struct lm_letter_writer *w, size_t index, enum state state)
{
	size_t count = w->base ? w->base->field_count : 0;

	if (!w->states && count)
		w->states = lm_alloc_zero(count, 1);
	if (!w->states || index >= count)
		return false;
	w->states[index] = (uint8_t)state;
	return true;
}

void lm_letter_writer_drop(struct lm_letter_writer *writer, size_t index)
{
	(void)set_state(writer, index, DROP);
}

static bool is_field_name(struct lm_bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i] <= ' ' || b.data[i] >= 0x7F || b.data[i] == ':')
			return false;
	return b.len > 0 && b.len <= MAX_NAME;
}

static int compose_field(struct lm_letter_writer *w, const char *name, struct lm_bytes value,
                         enum lm_letter_writer_form form, struct lm_buf *out,
                         struct lm_error *out_error)
{
	size_t used = strlen(name) + 2;
	int err = lm_buf_printf(out, "%s: ", name);

	if (err == 0)
		err = form == LM_FORM_TEXT
		              ? lm_compose_text(value, used, w->eol, out)
		              : lm_compose_addresses(value, used, w->eol, out, out_error);
	if (err == 0)
		err = lm_buf_add_str(out, w->eol);
	if (err && (form == LM_FORM_TEXT || err != LM_E_SYNTAX))
		return lm_fail(out_error, err, "%s",
		               err == LM_E_SYNTAX ? "CR, LF and NUL cannot stand in a header"
		                                  : lm_err_text(err));
	return err;
}

int lm_letter_writer_field(struct lm_letter_writer *writer, long at, const char *name,
                           struct lm_bytes value, enum lm_letter_writer_form form,
                           struct lm_error *out_error)
{
	struct lm_letter_writer_edit *e;

	if (!is_field_name(lm_str(name)))
		return lm_fail(
		        out_error, LM_E_SYNTAX,
		        "a header's name is 1 to %d printable ASCII characters without colon",
		        MAX_NAME);
	if (at < 0)
		return compose_field(writer, name, value, form, &writer->added, out_error);
	e = lm_alloc_zero(1, sizeof(*e));
	if (!e || !set_state(writer, (size_t)at, REPLACE)) {
		lm_free(e);
		return lm_fail(out_error, LM_E_NOMEM, "%s", lm_err_text(LM_E_NOMEM));
	}
	e->at = (size_t)at;
	e->next = writer->edits;
	lm_buf_init(&e->text, MAX_ADDED);
	writer->edits = e;
	return compose_field(writer, name, value, form, &e->text, out_error);
}

/* ---- Output ---- */

int lm_letter_writer_put(struct lm_letter_writer *w, struct lm_bytes octets)
{
	if (octets.len)
		w->last = octets.data[octets.len - 1];
	return lm_stash_add(&w->out, octets, w->out_error);
}

int lm_letter_writer_put_str(struct lm_letter_writer *w, const char *s)
{
	return lm_letter_writer_put(w, lm_str(s));
}

int lm_letter_writer_put_eol(struct lm_letter_writer *w)
{
	return lm_letter_writer_put_str(w, w->eol);
}

static uint8_t nl_of(const struct lm_letter_writer *w)
{
	return w->base ? w->base->nl : '\n';
}

/* What the base has may lack its last line end. */
static int end_line(struct lm_letter_writer *w)
{
	return w->last == nl_of(w) ? 0 : lm_letter_writer_put_eol(w);
}

static int copy(struct lm_letter_writer *w, uint64_t from, uint64_t to)
{
	uint8_t *chunk = lm_alloc(CHUNK);
	int err = chunk ? 0 : LM_E_NOMEM;

	while (err == 0 && from < to) {
		size_t got, want = to - from < CHUNK ? (size_t)(to - from) : CHUNK;

		err = lm_letter_read_at(w->base, from, chunk, want, &got);
		if (err == 0)
			err = lm_letter_writer_put(w, lm_bytes(chunk, got));
		from += got;
	}
	lm_free(chunk);
	return err;
}

static bool is_about_content(struct lm_bytes name)
{
	return lm_letter_is(name, "MIME-Version") ||
	       (name.len > 8 && lm_letter_is(lm_bytes(name.data, 8), "Content-"));
}

static const struct lm_letter_writer_edit *edit_at(const struct lm_letter_writer *w, size_t at)
{
	const struct lm_letter_writer_edit *e = w->edits;

	while (e && e->at != at)
		e = e->next;
	return e;
}

static struct lm_bytes whole_field(const struct lm_letter *l, size_t i)
{
	const uint8_t *base = lm_buf_bytes(&l->header).data;

	return lm_bytes(base + l->fields[i].name, l->fields[i].end - l->fields[i].name);
}

static struct lm_bytes name_of_field(const struct lm_letter *l, size_t i)
{
	return lm_bytes(lm_buf_bytes(&l->header).data + l->fields[i].name, l->fields[i].name_len);
}

/* All fields but, where the body is another, those about its content. */
static int put_fields(struct lm_letter_writer *w, bool with_content)
{
	size_t count = w->base ? w->base->field_count : 0;
	int err = w->base ? copy(w, 0, w->base->fields_at) : 0;

	for (size_t i = 0; i < count && err == 0; i++) {
		enum state state = w->states ? (enum state)w->states[i] : KEEP;

		if (state == DROP || (!with_content && is_about_content(name_of_field(w->base, i))))
			continue;
		err = end_line(w);
		if (err == 0)
			err = lm_letter_writer_put(w, state == REPLACE
			                                      ? lm_buf_bytes(&edit_at(w, i)->text)
			                                      : whole_field(w->base, i));
	}
	if (err == 0 && lm_buf_len(&w->added))
		err = end_line(w);
	w->fields_written = true;
	return err ? err : lm_letter_writer_put(w, lm_buf_bytes(&w->added));
}

int lm_letter_writer_settled(struct lm_letter_writer *w, int err)
{
	if (err && w->out_error && w->out_error->code != err)
		lm_fail(w->out_error, err, "cannot write the message: %s", lm_err_text(err));
	w->out_error = NULL;
	return err;
}

void lm_letter_writer_enter(struct lm_letter_writer *w, struct lm_error *out_error)
{
	w->out_error = out_error;
	if (out_error)
		out_error->code = 0;
}

/* ---- The base's body ---- */

static bool is_changed(const struct lm_letter_writer *w)
{
	return w->states || lm_buf_len(&w->added);
}

static int keep(struct lm_letter_writer *w)
{
	const struct lm_letter_part *root = lm_letter_part(w->base, 0);
	uint64_t fields_end = w->base->fields_at + lm_buf_len(&w->base->header);
	int err;

	if (!is_changed(w))
		return copy(w, 0, w->base->size);
	err = put_fields(w, true);
	if (err == 0 && root->body > fields_end)
		err = copy(w, fields_end, root->body);
	else if (err == 0)
		err = end_line(w);
	if (err == 0 && root->body <= fields_end)
		err = lm_letter_writer_put_eol(w);
	return err ? err : copy(w, root->body, w->base->size);
}

int lm_letter_writer_keep(struct lm_letter_writer *writer, struct lm_error *out_error)
{
	lm_letter_writer_enter(writer, out_error);
	return lm_letter_writer_settled(writer, keep(writer));
}

static int new_boundary(char out[40])
{
	uint8_t random[16];
	size_t n = 2;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return LM_E_IO;
	memcpy(out, "=_", 3);
	for (size_t i = 0; i < sizeof(random); i++)
		n += (size_t)g_snprintf(out + n, 3, "%02x", random[i]);
	return 0;
}

/* The lines in front of a part: a boundary, or the fields of the message. */
int lm_letter_writer_begin_part(struct lm_letter_writer *w)
{
	int err;

	if (w->depth) {
		err = lm_letter_writer_put_eol(w);
		if (err == 0)
			err = lm_letter_writer_put_str(w, "--");
		if (err == 0)
			err = lm_letter_writer_put_str(w, w->boundaries[w->depth - 1]);
		return err ? err : lm_letter_writer_put_eol(w);
	}
	if (w->fields_written)
		return LM_E_MISUSE;
	err = put_fields(w, false);
	if (err == 0)
		err = end_line(w);
	if (err == 0)
		err = lm_letter_writer_put_str(w, "MIME-Version: 1.0");
	return err ? err : lm_letter_writer_put_eol(w);
}

static int push(struct lm_letter_writer *w, const char *boundary)
{
	if (w->depth == LM_LETTER_DEPTH)
		return lm_fail(w->out_error, LM_E_LIMIT, "more than %d multiparts in each other",
		               LM_LETTER_DEPTH);
	lm_free(w->boundaries[w->depth]);
	w->boundaries[w->depth] = lm_strdup_bytes(lm_str(boundary));
	if (!w->boundaries[w->depth])
		return LM_E_NOMEM;
	w->depth++;
	return 0;
}

static bool is_boundary(struct lm_bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (!g_ascii_isalnum((char)b.data[i]) &&
		    !(b.data[i] && strchr("'()+_,-./:=? ", b.data[i])))
			return false;
	return b.len > 0 && b.len <= 70 && b.data[b.len - 1] != ' ';
}

static int open_multipart(struct lm_letter_writer *w, const char *type, const char *boundary)
{
	char made[40];
	int err = 0;

	if (!boundary || !*boundary) {
		err = new_boundary(made);
		boundary = made;
	}
	if (err)
		return err;
	if (!is_boundary(lm_str(boundary)))
		return lm_fail(w->out_error, LM_E_SYNTAX,
		               "a boundary is 1 to 70 letters, digits or '()+_,-./:=? and no blank "
		               "at its end");
	err = lm_letter_writer_begin_part(w);
	if (err == 0)
		err = lm_letter_writer_put_type(w, type, "multipart/mixed", "", "");
	if (err == 0)
		err = lm_letter_writer_put_str(w, ";");
	if (err == 0)
		err = lm_letter_writer_put_eol(w);
	if (err == 0)
		err = lm_letter_writer_put_str(w, "\tboundary=\"");
	if (err == 0)
		err = lm_letter_writer_put_str(w, boundary);
	if (err == 0)
		err = lm_letter_writer_put_str(w, "\"");
	if (err == 0)
		err = lm_letter_writer_put_eol(w);
	if (err == 0)
		err = lm_letter_writer_put_eol(w);
	if (err == 0 && w->depth == 0)
		err = lm_letter_writer_put_str(w, "This is a message of several parts (MIME).");
	if (err == 0 && w->depth == 0)
		err = lm_letter_writer_put_eol(w);
	return err ? err : push(w, boundary);
}

int lm_letter_writer_open(struct lm_letter_writer *writer, const char *type, const char *boundary,
                          struct lm_error *out_error)
{
	lm_letter_writer_enter(writer, out_error);
	return lm_letter_writer_settled(writer, open_multipart(writer, type, boundary));
}

static int close_multipart(struct lm_letter_writer *w)
{
	int err;

	if (w->depth == 0)
		return LM_E_MISUSE;
	err = lm_letter_writer_put_eol(w);
	if (err == 0)
		err = lm_letter_writer_put_str(w, "--");
	if (err == 0)
		err = lm_letter_writer_put_str(w, w->boundaries[w->depth - 1]);
	if (err == 0)
		err = lm_letter_writer_put_str(w, "--");
	w->depth--;
	return err ? err : lm_letter_writer_put_eol(w);
}

int lm_letter_writer_close(struct lm_letter_writer *writer, struct lm_error *out_error)
{
	lm_letter_writer_enter(writer, out_error);
	return lm_letter_writer_settled(writer, close_multipart(writer));
}

static int read_part_header(struct lm_letter_writer *w, uint32_t index, struct lm_buf *out)
{
	const struct lm_letter_part *p = lm_letter_part(w->base, index);
	uint64_t len = p->body - p->start;
	uint8_t *room;
	size_t got = 0;
	int err;

	if (index == 0)
		return lm_buf_add(out, lm_buf_bytes(&w->base->header));
	len = len < LM_LETTER_PART_HEADER ? len : LM_LETTER_PART_HEADER;
	for (uint64_t at = p->start; len; at += got, len -= got) {
		err = lm_buf_room(out, (size_t)len, &room);
		if (err == 0)
			err = lm_letter_read_at(w->base, at, room, (size_t)len, &got);
		if (err)
			return err;
		lm_buf_grew(out, got);
	}
	return 0;
}

/* The fields about a part's content, as they are. */
static int put_content_fields(struct lm_letter_writer *w, uint32_t index)
{
	struct lm_letter_cut cut;
	struct lm_buf header;
	struct lm_bytes rest;
	int err;

	lm_buf_init(&header, LM_LETTER_HEADER);
	err = read_part_header(w, index, &header);
	rest = lm_buf_bytes(&header);
	while (err == 0 && lm_letter_cut_field(&rest, nl_of(w), &cut)) {
		if (!is_about_content(cut.name) || lm_letter_is(cut.name, "MIME-Version"))
			continue;
		err = lm_letter_writer_put(w, cut.whole);
		if (err == 0)
			err = end_line(w);
	}
	lm_buf_done(&header);
	return err ? err : lm_letter_writer_put_eol(w);
}

/* In a multipart a part is copied whole; what becomes one, or the message, gets another header. */
static int put_part_body(struct lm_letter_writer *w, uint32_t index)
{
	const struct lm_letter_part *p = lm_letter_part(w->base, index);
	int err;

	if (index && w->depth)
		return copy(w, p->start, p->end);
	err = put_content_fields(w, index);
	return err ? err : copy(w, p->body, p->end);
}

static int put_part(struct lm_letter_writer *w, uint32_t index)
{
	int err;

	if (!w->base || index >= w->base->part_count)
		return LM_E_MISUSE;
	err = lm_letter_writer_begin_part(w);
	return err ? err : put_part_body(w, index);
}

int lm_letter_writer_part(struct lm_letter_writer *writer, uint32_t index,
                          struct lm_error *out_error)
{
	lm_letter_writer_enter(writer, out_error);
	return lm_letter_writer_settled(writer, put_part(writer, index));
}

/* Behind the last part of a multipart/mixed is where its closing boundary stands. */
static int append_to_mixed(struct lm_letter_writer *w, const struct lm_letter_part *root,
                           const char *boundary)
{
	uint64_t fields_end = w->base->fields_at + lm_buf_len(&w->base->header);
	int err = put_fields(w, true);

	w->rest = root->close ? root->close : w->base->size;
	w->appending = root->close != 0;
	if (err == 0)
		err = copy(w, fields_end, w->rest);
	return err ? err : push(w, boundary);
}

static int append(struct lm_letter_writer *w)
{
	const struct lm_letter_part *root;
	struct lm_letter_info info;
	int err;

	if (!w->base)
		return LM_E_MISUSE;
	root = lm_letter_part(w->base, 0);
	err = lm_letter_info(w->base, 0, &info);
	if (err)
		return err;
	if (root->multipart && strcmp(root->type, "multipart/mixed") == 0 &&
	    is_boundary(lm_str(info.boundary))) {
		err = append_to_mixed(w, root, info.boundary);
	} else {
		err = open_multipart(w, "multipart/mixed", NULL);
		if (err == 0)
			err = put_part(w, 0);
	}
	lm_letter_info_done(&info);
	return err;
}

int lm_letter_writer_append(struct lm_letter_writer *writer, struct lm_error *out_error)
{
	lm_letter_writer_enter(writer, out_error);
	return lm_letter_writer_settled(writer, append(writer));
}

/* The line end in front of the closing boundary, unless it belongs to a part's header. */
static int end_appended(struct lm_letter_writer *w)
{
	uint8_t first = 0;
	size_t got;
	int err = lm_letter_read_at(w->base, w->rest, &first, 1, &got);

	if (err == 0 && first == '-')
		err = lm_letter_writer_put_eol(w);
	return err ? err : copy(w, w->rest, w->base->size);
}

static int end(struct lm_letter_writer *w)
{
	int err = 0;

	if (w->appending) {
		err = end_appended(w);
		w->depth = 0;
	}
	while (w->depth && err == 0)
		err = close_multipart(w);
	return err ? err : lm_stash_end(&w->out, w->out_error);
}

int lm_letter_writer_end(struct lm_letter_writer *writer, struct lm_stash *out_stash,
                         struct lm_error *out_error)
{
	int err;

	lm_letter_writer_enter(writer, out_error);
	err = lm_letter_writer_settled(writer, end(writer));
	if (err)
		return err;
	*out_stash = writer->out;
	lm_stash_init(&writer->out);
	return 0;
}
