/* Where the parts of a message are: one walk over its lines, a stack of open multiparts. */
#include "mime/letter_private.h"

#include "base/error.h"
#include "mime/header.h"

enum { WINDOW = 65536, MAX_BOUNDARY = 1000, MAX_TYPES = 64 << 20 };

struct line {
	struct lm_bytes text; /* with its end */
	uint64_t at;
	bool begins, ends; /* a line longer than the window comes in pieces */
};

struct open {
	uint32_t part, last_child;
	struct lm_buf boundary; /* empty: not known, the first that looks like one is it */
};

struct scan {
	struct lm_letter *l;
	struct lm_error *out_error;
	/* The window on the octets; all of them when they are in memory. */
	uint8_t *window;
	const uint8_t *octets;
	size_t have, pos;
	uint64_t window_at;
	bool inside, all; /* amid a line; nothing is behind the window */
	uint8_t last;     /* octet of the piece before */
	size_t eol;       /* octets of the line end before */

	struct open open[LM_LETTER_DEPTH];
	size_t depth;
	uint32_t current; /* whose end is not known yet */
	bool in_header;
	struct lm_buf part_header, type;
};

/* ---- Lines ---- */

static int fill(struct scan *s)
{
	size_t got = 0;
	int err = 0;

	memmove(s->window, s->window + s->pos, s->have - s->pos);
	s->window_at += s->pos;
	s->have -= s->pos;
	s->pos = 0;
	while (s->have < WINDOW && err == 0 && !s->all) {
		err = lm_stash_read(&s->l->octets, s->window_at + s->have, s->window + s->have,
		                    WINDOW - s->have, &got);
		s->have += err ? 0 : got;
		s->all = err == 0 && got == 0;
	}
	return err;
}

static int start_window(struct scan *s)
{
	if (s->l->octets.fd < 0) {
		struct lm_bytes all = lm_buf_bytes(&s->l->octets.memory);

		s->octets = all.data;
		s->have = all.len;
		s->all = true;
		return 0;
	}
	s->octets = s->window = lm_alloc(WINDOW);
	return s->window ? fill(s) : LM_E_NOMEM;
}

static const uint8_t *find_nl(const struct scan *s)
{
	return s->have > s->pos ? memchr(s->octets + s->pos, s->l->nl, s->have - s->pos) : NULL;
}

/* The next line, or a piece of it; *out_line of no octets: the end. */
static int next_line(struct scan *s, struct line *out_line)
{
	const uint8_t *nl = find_nl(s);
	size_t len;

	if (!nl && !s->all) {
		int err = fill(s);

		if (err)
			return err;
		nl = find_nl(s);
	}
	len = nl ? (size_t)(nl - s->octets) + 1 - s->pos : s->have - s->pos;
	*out_line = (struct line){ .text = lm_bytes(len ? s->octets + s->pos : NULL, len),
		                   .at = s->window_at + s->pos,
		                   .begins = !s->inside,
		                   .ends = nl || s->all };
	s->pos += len;
	s->inside = !nl;
	return 0;
}

/* A lone CR ends lines only where there is no LF at all. */
static void find_line_end(struct scan *s)
{
	size_t len = s->have < WINDOW ? s->have : WINDOW;
	const uint8_t *lf = len ? memchr(s->octets, '\n', len) : NULL;

	s->l->nl = '\n';
	s->l->eol = "\r\n";
	if (lf)
		s->l->eol = lf > s->octets && lf[-1] == '\r' ? "\r\n" : "\n";
	else if (len && memchr(s->octets, '\r', len))
		s->l->nl = '\r', s->l->eol = "\r";
}

static size_t eol_len(const struct scan *s, const struct line *line)
{
	struct lm_bytes t = line->text;
	uint8_t before;

	if (t.len == 0 || t.data[t.len - 1] != s->l->nl)
		return 0;
	before = t.len > 1 ? t.data[t.len - 2] : line->begins ? 0 : s->last;
	return s->l->nl == '\n' && before == '\r' ? 2 : 1;
}

/* ---- Parts ---- */

static int add_part(struct scan *s, uint32_t parent, uint64_t at)
{
	struct lm_letter *l = s->l;
	uint32_t cap = l->part_cap ? 2 * l->part_cap : 8;
	struct lm_letter_part *parts;

	if (l->part_count == LM_LETTER_PARTS)
		return lm_fail(s->out_error, LM_E_LIMIT, "the message has more than %d parts",
		               LM_LETTER_PARTS);
	if (l->part_count == l->part_cap) {
		parts = lm_realloc(l->parts, cap, sizeof(*parts));
		if (!parts)
			return LM_E_NOMEM;
		l->parts = parts;
		l->part_cap = cap;
	}
	s->current = l->part_count++;
	l->parts[s->current] = (struct lm_letter_part){
		.parent = parent,
		.child = LM_LETTER_NO_PART,
		.next = LM_LETTER_NO_PART,
		.type = "",
		.start = at,
		.body = at,
		.end = at,
	};
	s->in_header = true;
	lm_buf_clear(&s->part_header);
	return 0;
}

static int add_child(struct scan *s, struct open *o, uint64_t at)
{
	int err = add_part(s, o->part, at);

	if (err)
		return err;
	if (o->last_child == LM_LETTER_NO_PART)
		s->l->parts[o->part].child = s->current;
	else
		s->l->parts[o->last_child].next = s->current;
	o->last_child = s->current;
	return 0;
}

static void set_end(struct scan *s, uint32_t part, uint64_t at)
{
	struct lm_letter_part *p = &s->l->parts[part];

	p->end = at > p->body ? at : p->body;
}

static struct lm_buf *header_of(struct scan *s)
{
	return s->current == 0 ? &s->l->header : &s->part_header;
}

static bool is_digest(const struct scan *s, uint32_t parent)
{
	return parent != LM_LETTER_NO_PART &&
	       strcmp(s->l->parts[parent].type, "multipart/digest") == 0;
}

static int end_header(struct scan *s, uint64_t body_at)
{
	struct lm_letter_part *p = &s->l->parts[s->current];
	struct open *o = s->depth < LM_LETTER_DEPTH ? &s->open[s->depth] : NULL;
	struct lm_bytes type = lm_letter_header_body(lm_buf_bytes(header_of(s)), s->l->nl,
	                                             "Content-Type");
	struct lm_buf ignored = { .max = MAX_BOUNDARY };
	struct lm_buf *boundary = o ? &o->boundary : &ignored;
	struct lm_bytes kept;
	int err;

	s->in_header = false;
	p->body = p->end = body_at;
	lm_buf_clear(&s->type);
	boundary->max = MAX_BOUNDARY;
	lm_buf_clear(boundary);
	if (!type.data)
		type = lm_str(is_digest(s, p->parent) ? "message/rfc822" : "text/plain");
	err = lm_letter_type(type, &s->type, boundary);
	kept = lm_arena_copy(&s->l->types, lm_buf_bytes(&s->type));
	lm_buf_done(&ignored);
	if (err || !kept.data)
		return err ? err : LM_E_NOMEM;
	p->type = (const char *)kept.data;
	p->multipart = o && strncmp(p->type, "multipart/", 10) == 0;
	if (p->multipart) {
		o->part = s->current;
		o->last_child = LM_LETTER_NO_PART;
		s->depth++;
	}
	return 0;
}

/* ---- What a line is ---- */

static struct lm_bytes stripped(struct lm_bytes t)
{
	while (t.len && (t.data[t.len - 1] <= ' '))
		t.len--;
	return t;
}

static bool dashes(struct lm_bytes t)
{
	return t.len > 2 && t.data[0] == '-' && t.data[1] == '-';
}

/* The level of the open multipart whose boundary it is, the innermost first; -1: of none. */
static int boundary_level(struct scan *s, struct lm_bytes text, bool *out_closes)
{
	struct lm_bytes name = lm_bytes_from(stripped(text), 2);

	for (size_t i = s->depth; i-- > 0;) {
		struct lm_bytes b = lm_buf_bytes(&s->open[i].boundary);

		if (b.len == 0 || name.len < b.len || memcmp(name.data, b.data, b.len) != 0)
			continue;
		*out_closes = name.len == b.len + 2 && memcmp(name.data + b.len, "--", 2) == 0;
		if (*out_closes || name.len == b.len)
			return (int)i;
	}
	return -1;
}

/* A multipart that does not say its boundary: in front of its first part the first line with dashes
 * is taken for it. */
static int guess_boundary(struct scan *s, struct lm_bytes text, int *out_level)
{
	struct lm_bytes name = lm_bytes_from(stripped(text), 2);
	struct open *o = s->depth ? &s->open[s->depth - 1] : NULL;

	*out_level = -1;
	if (!o || s->in_header || s->current != o->part || lm_buf_len(&o->boundary) ||
	    o->last_child != LM_LETTER_NO_PART || name.len == 0 || name.len > 200)
		return 0;
	*out_level = (int)s->depth - 1;
	return lm_buf_add(&o->boundary, name);
}

static int meet_boundary(struct scan *s, const struct line *line, int level, bool closes)
{
	uint64_t end = line->at - s->eol;
	struct open *o = &s->open[level];
	int err = s->in_header ? end_header(s, line->at) : 0;

	if (err)
		return err;
	set_end(s, s->current, end);
	if (end < s->l->parts[s->current].end)
		end = s->l->parts[s->current].end; /* the line end was its header's */
	while (s->depth > (size_t)level + 1)
		set_end(s, s->open[--s->depth].part, end);
	if (!closes)
		return add_child(s, o, line->at + line->text.len);
	s->l->parts[o->part].close = end > s->l->parts[o->part].body ? end : line->at;
	s->current = o->part;
	s->depth = (size_t)level;
	return 0;
}

static bool is_mbox_line(const struct scan *s, const struct line *line)
{
	struct lm_bytes t = line->text;

	return line->at == 0 && s->current == 0 && line->ends &&
	       ((t.len >= 5 && memcmp(t.data, "From ", 5) == 0) ||
	        (t.len >= 6 && memcmp(t.data, ">From ", 6) == 0));
}

static int keep_header(struct scan *s, struct lm_bytes text)
{
	int err = lm_buf_add(header_of(s), text);

	if (err != LM_E_LIMIT)
		return err;
	if (s->current)
		return 0;
	return lm_fail(s->out_error, LM_E_LIMIT, "the header is larger than %d octets",
	               LM_LETTER_HEADER);
}

static int header_line(struct scan *s, const struct line *line)
{
	struct lm_bytes t = line->text;
	bool blank = t.data[0] == ' ' || t.data[0] == '\t';

	if (!line->begins)
		return keep_header(s, t);
	if (line->ends && t.len == eol_len(s, line))
		return end_header(s, line->at + t.len);
	if (is_mbox_line(s, line)) {
		s->l->fields_at = t.len;
		return 0;
	}
	if (lm_field_name_len(t) == 0 && !(blank && lm_buf_len(header_of(s))))
		return end_header(s, line->at);
	return keep_header(s, t);
}

static int take_line(struct scan *s, const struct line *line)
{
	bool closes = false;
	int level = -1, err = 0;

	if (line->begins && line->ends && dashes(line->text)) {
		level = boundary_level(s, line->text, &closes);
		if (level < 0)
			err = guess_boundary(s, line->text, &level);
	}
	if (err == 0 && level >= 0)
		err = meet_boundary(s, line, level, closes);
	else if (err == 0 && s->in_header)
		err = header_line(s, line);
	s->eol = eol_len(s, line);
	s->last = line->text.data[line->text.len - 1];
	return err;
}

/* ---- The whole ---- */

static int keep_field(struct lm_letter *l, const struct lm_letter_cut *cut)
{
	const uint8_t *base = lm_buf_bytes(&l->header).data;
	size_t cap = l->field_cap ? 2 * l->field_cap : 32;
	struct lm_letter_span *fields;

	if (l->field_count == LM_LETTER_FIELDS)
		return LM_E_LIMIT;
	if (l->field_count == l->field_cap) {
		fields = lm_realloc(l->fields, cap, sizeof(*fields));
		if (!fields)
			return LM_E_NOMEM;
		l->fields = fields;
		l->field_cap = cap;
	}
	l->fields[l->field_count++] = (struct lm_letter_span){
		.name = (uint32_t)(cut->name.data - base),
		.name_len = (uint32_t)cut->name.len,
		.body = (uint32_t)(cut->whole.data - base + cut->whole.len - cut->body.len),
		.end = (uint32_t)(cut->whole.data - base + cut->whole.len),
	};
	return 0;
}

static int index_fields(struct scan *s)
{
	struct lm_bytes rest = lm_buf_bytes(&s->l->header);
	struct lm_letter_cut cut;
	int err = 0;

	while (err == 0 && lm_letter_cut_field(&rest, s->l->nl, &cut))
		err = keep_field(s->l, &cut);
	if (err == LM_E_LIMIT)
		return lm_fail(s->out_error, err, "the header has more than %d fields",
		               LM_LETTER_FIELDS);
	return err;
}

static int finish(struct scan *s)
{
	int err = s->in_header ? end_header(s, s->l->size) : 0;

	if (err)
		return err;
	set_end(s, s->current, s->l->size);
	while (s->depth)
		set_end(s, s->open[--s->depth].part, s->l->size);
	for (uint32_t i = 0; i < s->l->part_count; i++)
		s->l->parts[i].multipart &= s->l->parts[i].child != LM_LETTER_NO_PART;
	return index_fields(s);
}

static int walk(struct scan *s)
{
	struct line line;
	int err = start_window(s);

	if (err)
		return err;
	find_line_end(s);
	err = add_part(s, LM_LETTER_NO_PART, 0);
	while (err == 0) {
		err = next_line(s, &line);
		if (err || line.text.len == 0)
			break;
		err = take_line(s, &line);
	}
	return err ? err : finish(s);
}

int lm_letter_scan(struct lm_letter *letter, struct lm_error *out_error)
{
	struct scan *s = lm_alloc_zero(1, sizeof(*s));
	int err;

	if (!s)
		return LM_E_NOMEM;
	s->l = letter;
	s->out_error = out_error;
	lm_buf_init(&letter->header, LM_LETTER_HEADER);
	lm_arena_init(&letter->types, MAX_TYPES);
	lm_buf_init(&s->part_header, LM_LETTER_PART_HEADER);
	lm_buf_init(&s->type, 256);
	err = walk(s);
	for (size_t i = 0; i < LM_LETTER_DEPTH; i++)
		lm_buf_done(&s->open[i].boundary);
	lm_buf_done(&s->part_header);
	lm_buf_done(&s->type);
	lm_free(s->window);
	lm_free(s);
	return err;
}
