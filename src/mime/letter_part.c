/* A part: what its header says, what it holds. */
#include "mime/letter_private.h"

#include "mime/letter_compose.h"

#include <gmime/gmime.h>

enum { CHUNK = 65536, MAX_PARAMETERS = 65536 };

/* ---- Content-Type and its like ---- */

static size_t to_semicolon(struct lm_bytes b)
{
	const uint8_t *end = b.len ? memchr(b.data, ';', b.len) : NULL;

	return end ? (size_t)(end - b.data) : b.len;
}

static bool is_token(uint8_t c)
{
	return c > ' ' && c < 0x7F && !strchr("()<>@,;:\\\"[]?=", c);
}

/* Small letters; what cannot be part of a token ends it. */
static int add_token(struct lm_bytes b, struct lm_buf *out)
{
	int err = 0;

	while (b.len && b.data[0] <= ' ')
		b = lm_bytes_from(b, 1);
	for (size_t i = 0; i < b.len && is_token(b.data[i]) && err == 0; i++) {
		char c = g_ascii_tolower((char)b.data[i]);

		err = lm_buf_add(out, lm_bytes(&c, 1));
	}
	return err;
}

static GMimeParamList *read_parameters(struct lm_bytes value)
{
	struct lm_bytes rest = lm_bytes_from(value, to_semicolon(value) + 1);
	char *text = lm_strdup_bytes(rest);
	GMimeParamList *list;

	if (!text)
		return NULL;
	lm_letter_gmime();
	list = g_mime_param_list_parse(NULL, text);
	lm_free(text);
	return list ? list : g_mime_param_list_new();
}

static const char *parameter(GMimeParamList *list, const char *name)
{
	GMimeParam *p = g_mime_param_list_get_parameter(list, name);
	const char *value = p ? g_mime_param_get_value(p) : NULL;

	return value ? value : "";
}

/* The body of a field about content, one line of UTF-8. */
static int read_value(struct lm_bytes body, struct lm_buf *out)
{
	if (body.len > MAX_PARAMETERS)
		body.len = MAX_PARAMETERS;
	return lm_letter_unfold(body, out);
}

/* A media type of two names with one slash between; RFC 2045 5.2 says what to make of others. */
static int add_type(struct lm_bytes value, struct lm_buf *out)
{
	size_t before = out->len;
	struct lm_bytes type;
	const uint8_t *slash;
	int err;

	value.len = to_semicolon(value);
	err = add_token(value, out);
	type = lm_bytes_from(lm_bytes(out->data, out->len), before);
	slash = type.len ? memchr(type.data, '/', type.len) : NULL;
	if (err == 0 && slash && slash > type.data && slash + 1 < type.data + type.len &&
	    !memchr(slash + 1, '/', type.len - (size_t)(slash + 1 - type.data)))
		return 0;
	out->len = before;
	if (err && err != LM_E_LIMIT)
		return err;
	return lm_buf_add_str(out, slash || err ? "application/octet-stream" : "text/plain");
}

static void clean(char *text)
{
	for (; *text; text++)
		if (*text == '\r' || *text == '\n')
			*text = ' ';
}

static int add_boundary(struct lm_bytes value, struct lm_buf *boundary)
{
	GMimeParamList *list = read_parameters(value);
	const char *name;
	size_t len;
	int err;

	if (!list)
		return LM_E_NOMEM;
	name = parameter(list, "boundary");
	len = strlen(name);
	while (len && name[len - 1] <= ' ')
		len--;
	err = lm_buf_add(boundary, lm_bytes(name, len));
	g_object_unref(list);
	return err == LM_E_LIMIT ? 0 : err; /* longer than any line that is looked at */
}

int lm_letter_type(struct lm_bytes body, struct lm_buf *out, struct lm_buf *boundary)
{
	static const char multipart[] = "multipart/";
	struct lm_buf value;
	size_t before = out->len;
	int err;

	lm_buf_init(&value, 4 * MAX_PARAMETERS);
	err = read_value(body, &value);
	if (err == 0)
		err = lm_buf_len(&value) ? add_type(lm_buf_bytes(&value), out)
		                         : lm_buf_add_str(out, "text/plain");
	if (err == 0 && out->len - before > strlen(multipart) &&
	    memcmp(out->data + before, multipart, strlen(multipart)) == 0)
		err = add_boundary(lm_buf_bytes(&value), boundary);
	lm_buf_done(&value);
	return err;
}

/* ---- Info ---- */

/* Offsets of the strings, as the buffer moves while it grows. */
struct draft {
	struct lm_buf text;
	size_t charset, boundary, id, disposition, name, parameters;
};

/* GMime lets octets through that are no UTF-8: %XX of an unknown charset. */
static int add_string(struct draft *d, struct lm_bytes text, size_t *out_at)
{
	int err;

	*out_at = d->text.len;
	err = lm_letter_to_utf8(text, "utf-8", &d->text);
	if (err == 0)
		err = lm_buf_add(&d->text, lm_bytes("", 1));
	if (err == 0)
		clean((char *)d->text.data + *out_at);
	return err;
}

static int add_others(GMimeParamList *list, struct lm_buf *out)
{
	int err = 0;

	for (int i = 0; i < g_mime_param_list_length(list) && err == 0; i++) {
		GMimeParam *p = g_mime_param_list_get_parameter_at(list, i);
		const char *name = g_mime_param_get_name(p), *value = g_mime_param_get_value(p);

		if (g_ascii_strcasecmp(name, "charset") && g_ascii_strcasecmp(name, "boundary") &&
		    g_ascii_strcasecmp(name, "name") && value)
			err = lm_compose_parameter(name, lm_str(value), " ", out);
		if (err == LM_E_SYNTAX)
			err = 0;
	}
	return err;
}

int lm_letter_parameters(struct lm_bytes value, struct lm_buf *out)
{
	GMimeParamList *list = read_parameters(value);
	int err = list ? add_others(list, out) : LM_E_NOMEM;

	if (list)
		g_object_unref(list);
	return err;
}

static int add_other_parameters(struct draft *d, GMimeParamList *list)
{
	struct lm_buf all;
	int err;

	lm_buf_init(&all, 4 * MAX_PARAMETERS);
	err = add_others(list, &all);
	if (err == 0)
		err = add_string(d, lm_buf_bytes(&all), &d->parameters);
	lm_buf_done(&all);
	return err;
}

static int read_type(struct draft *d, struct lm_bytes value, const char **out_name,
                     GMimeParamList **out_list)
{
	GMimeParamList *list = read_parameters(value);
	int err;

	if (!list)
		return LM_E_NOMEM;
	*out_list = list;
	*out_name = parameter(list, "name");
	err = add_string(d, lm_str(parameter(list, "charset")), &d->charset);
	if (err == 0)
		err = add_string(d, lm_str(parameter(list, "boundary")), &d->boundary);
	return err ? err : add_other_parameters(d, list);
}

static int read_disposition(struct draft *d, struct lm_bytes value, const char *type_name)
{
	GMimeParamList *list = read_parameters(value);
	struct lm_buf kind;
	const char *name;
	int err;

	if (!list)
		return LM_E_NOMEM;
	lm_buf_init(&kind, 256);
	value.len = to_semicolon(value);
	err = add_token(value, &kind);
	if (err == 0)
		err = add_string(d, lm_buf_bytes(&kind), &d->disposition);
	name = parameter(list, "filename");
	if (err == 0)
		err = add_string(d, lm_str(*name ? name : type_name), &d->name);
	lm_buf_done(&kind);
	g_object_unref(list);
	return err;
}

static int read_id(struct draft *d, struct lm_bytes value)
{
	const uint8_t *open = value.len ? memchr(value.data, '<', value.len) : NULL, *close;

	if (open) {
		value = lm_bytes_from(value, (size_t)(open - value.data) + 1);
		close = value.len ? memchr(value.data, '>', value.len) : NULL;
		value.len = close ? (size_t)(close - value.data) : value.len;
	}
	return add_string(d, value, &d->id);
}

static enum lm_transfer transfer_of(struct lm_bytes value)
{
	static const struct {
		const char *name;
		enum lm_transfer transfer;
	} known[] = {
		{ "7bit", LM_TRANSFER_7BIT },
		{ "8bit", LM_TRANSFER_8BIT },
		{ "binary", LM_TRANSFER_BINARY },
		{ "quoted-printable", LM_TRANSFER_QP },
		{ "base64", LM_TRANSFER_BASE64 },
		{ "x-uuencode", LM_TRANSFER_UU },
		{ "x-uue", LM_TRANSFER_UU },
		{ "uuencode", LM_TRANSFER_UU },
		{ "quoted_printable", LM_TRANSFER_QP },
		{ "x-base64", LM_TRANSFER_BASE64 },
	};
	size_t len = 0;

	while (len < value.len && is_token(value.data[len]))
		len++;
	value.len = len;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (lm_letter_is(value, known[i].name))
			return known[i].transfer;
	return LM_TRANSFER_7BIT;
}

/* The octets of a part's header, as much as is looked at. */
static int read_header(const struct lm_letter *l, uint32_t index, struct lm_buf *out)
{
	const struct lm_letter_part *p = lm_letter_part(l, index);
	uint64_t left = p->body - p->start, at = p->start;
	int err = 0;

	if (index == 0)
		return lm_buf_add(out, lm_buf_bytes(&l->header));
	if (left > LM_LETTER_PART_HEADER)
		left = LM_LETTER_PART_HEADER;
	while (left && err == 0) {
		uint8_t *room;
		size_t got = 0;

		err = lm_buf_room(out, (size_t)left, &room);
		if (err == 0)
			err = lm_letter_read_at(l, at, room, (size_t)left, &got);
		if (err == 0)
			lm_buf_grew(out, got);
		at += got;
		left -= got;
	}
	return err;
}

static int field_value(const struct lm_letter *l, struct lm_bytes header, const char *name,
                       struct lm_buf *out)
{
	struct lm_bytes body = lm_letter_header_body(header, l->nl, name);

	lm_buf_clear(out);
	return read_value(body, out);
}

static int read_fields(const struct lm_letter *l, struct lm_bytes header, struct draft *d,
                       enum lm_transfer *out_transfer)
{
	GMimeParamList *type = NULL;
	const char *name = "";
	struct lm_buf value;
	int err;

	lm_buf_init(&value, 4 * MAX_PARAMETERS);
	err = field_value(l, header, "Content-Type", &value);
	if (err == 0)
		err = read_type(d, lm_buf_bytes(&value), &name, &type);
	if (err == 0)
		err = field_value(l, header, "Content-Disposition", &value);
	if (err == 0)
		err = read_disposition(d, lm_buf_bytes(&value), name);
	if (err == 0)
		err = field_value(l, header, "Content-ID", &value);
	if (err == 0)
		err = read_id(d, lm_buf_bytes(&value));
	if (err == 0)
		err = field_value(l, header, "Content-Transfer-Encoding", &value);
	if (err == 0)
		*out_transfer = transfer_of(lm_buf_bytes(&value));
	lm_buf_done(&value);
	if (type)
		g_object_unref(type);
	return err;
}

int lm_letter_info(const struct lm_letter *letter, uint32_t index, struct lm_letter_info *out_info)
{
	struct draft d = { .text = { .max = 64 * MAX_PARAMETERS } };
	enum lm_transfer transfer = LM_TRANSFER_7BIT;
	struct lm_buf header;
	char *memory;
	int err;

	lm_buf_init(&header, LM_LETTER_HEADER);
	err = read_header(letter, index, &header);
	if (err == 0)
		err = read_fields(letter, lm_buf_bytes(&header), &d, &transfer);
	lm_buf_done(&header);
	if (err) {
		lm_buf_done(&d.text);
		return err;
	}
	memory = (char *)d.text.data;
	*out_info = (struct lm_letter_info){
		.charset = memory + d.charset,
		.boundary = memory + d.boundary,
		.id = memory + d.id,
		.disposition = memory + d.disposition,
		.name = memory + d.name,
		.parameters = memory + d.parameters,
		.transfer = transfer,
		.memory = memory,
	};
	return 0;
}

void lm_letter_info_done(struct lm_letter_info *info)
{
	lm_free(info->memory);
	*info = (struct lm_letter_info){ 0 };
}

/* ---- Content ---- */

struct lm_letter_reader {
	const struct lm_letter *letter;
	uint64_t at, end;
	GMimeEncoding coding;
	bool plain, begun, ended; /* begun: uuencode's first line was met */
	uint8_t raw[CHUNK];
	uint8_t out[2 * CHUNK];
};

static GMimeContentEncoding coding_of(enum lm_transfer transfer)
{
	return transfer == LM_TRANSFER_QP       ? GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE
	       : transfer == LM_TRANSFER_BASE64 ? GMIME_CONTENT_ENCODING_BASE64
	       : transfer == LM_TRANSFER_UU     ? GMIME_CONTENT_ENCODING_UUENCODE
	                                        : GMIME_CONTENT_ENCODING_BINARY;
}

int lm_letter_reader_new(const struct lm_letter *letter, uint32_t index,
                         struct lm_letter_reader **out_reader)
{
	const struct lm_letter_part *p = lm_letter_part(letter, index);
	struct lm_letter_reader *r = lm_alloc(sizeof(*r));
	struct lm_letter_info info;
	int err;

	if (!r)
		return LM_E_NOMEM;
	err = lm_letter_info(letter, index, &info);
	if (err) {
		lm_free(r);
		return err;
	}
	r->letter = letter;
	r->at = p->body;
	r->end = p->end;
	r->begun = r->ended = false;
	r->plain = p->multipart || info.transfer <= LM_TRANSFER_BINARY;
	g_mime_encoding_init_decode(&r->coding, coding_of(info.transfer));
	lm_letter_info_done(&info);
	*out_reader = r;
	return 0;
}

void lm_letter_reader_free(struct lm_letter_reader *reader)
{
	lm_free(reader);
}

/* Lines in front of "begin 644 name" are none of the content. */
static size_t skip_to_begin(struct lm_letter_reader *r, struct lm_bytes raw)
{
	size_t at = 0;

	while (!r->begun && at < raw.len) {
		const uint8_t *lf = memchr(raw.data + at, '\n', raw.len - at);

		r->begun = raw.len - at > 6 && memcmp(raw.data + at, "begin ", 6) == 0 && lf;
		at = lf ? (size_t)(lf - raw.data) + 1 : raw.len;
		if (r->begun)
			r->coding.state |= GMIME_UUDECODE_STATE_BEGIN;
	}
	return at;
}

static size_t decode(struct lm_letter_reader *r, struct lm_bytes raw)
{
	size_t from = 0;

	if (r->coding.encoding == GMIME_CONTENT_ENCODING_UUENCODE)
		from = skip_to_begin(r, raw);
	return g_mime_encoding_step(&r->coding, (const char *)raw.data + from, raw.len - from,
	                            (char *)r->out);
}

/* What a base64 that was cut off still holds. */
static size_t last_octets(struct lm_letter_reader *r)
{
	r->ended = true;
	if (r->coding.encoding == GMIME_CONTENT_ENCODING_BASE64)
		return g_mime_encoding_step(&r->coding, "==", 2, (char *)r->out);
	return g_mime_encoding_flush(&r->coding, "", 0, (char *)r->out);
}

int lm_letter_reader_next(struct lm_letter_reader *reader, struct lm_bytes *out_octets)
{
	struct lm_letter_reader *r = reader;
	size_t got = 0;

	while (!r->ended) {
		uint64_t left = r->end - r->at;
		int err = 0;

		if (left)
			err = lm_letter_read_at(r->letter, r->at, r->raw,
			                        left < CHUNK ? (size_t)left : CHUNK, &got);
		if (err)
			return err;
		r->at += left ? got : 0;
		if (r->plain) {
			r->ended = left == 0;
			*out_octets = lm_bytes(r->raw, left ? got : 0);
			return 0;
		}
		got = left ? decode(r, lm_bytes(r->raw, got)) : last_octets(r);
		*out_octets = lm_bytes(r->out, got);
		if (got)
			return 0;
	}
	*out_octets = lm_bytes(NULL, 0);
	return 0;
}

static int read_all(const struct lm_letter *letter, uint32_t index, struct lm_buf *out)
{
	struct lm_letter_reader *r;
	struct lm_bytes piece;
	int err = lm_letter_reader_new(letter, index, &r);

	if (err)
		return err;
	do {
		err = lm_letter_reader_next(r, &piece);
		if (err == 0 && piece.len)
			err = lm_buf_add(out, piece);
	} while (err == 0 && piece.len);
	lm_letter_reader_free(r);
	return err;
}

int lm_letter_text(const struct lm_letter *letter, uint32_t index, struct lm_buf *out)
{
	struct lm_letter_info info;
	struct lm_buf octets;
	int err = lm_letter_info(letter, index, &info);

	if (err)
		return err;
	lm_buf_init(&octets, LM_LETTER_TEXT);
	err = read_all(letter, index, &octets);
	if (err == 0)
		err = lm_letter_to_utf8(lm_buf_bytes(&octets), info.charset, out);
	lm_buf_done(&octets);
	lm_letter_info_done(&info);
	return err;
}
