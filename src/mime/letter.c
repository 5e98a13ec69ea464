/* A message as a tree of parts: its making, its octets, its fields. */
#include "mime/letter_private.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Making ---- */

static int failed(int err, struct lm_error *out_error)
{
	if (err && out_error && out_error->code != err)
		lm_fail(out_error, err, "cannot read the message: %s", lm_err_text(err));
	return err;
}

int lm_letter_of_stash(struct lm_stash *stash, struct lm_letter **out_letter,
                       struct lm_error *out_error)
{
	struct lm_letter *l = lm_alloc_zero(1, sizeof(*l));
	int err;

	if (out_error)
		out_error->code = 0;
	if (!l) {
		lm_stash_done(stash);
		return failed(LM_E_NOMEM, out_error);
	}
	atomic_init(&l->refs, 1);
	l->octets = *stash;
	lm_stash_init(stash);
	l->size = lm_stash_size(&l->octets);
	err = lm_letter_scan(l, out_error);
	if (err) {
		lm_letter_unref(l);
		return failed(err, out_error);
	}
	*out_letter = l;
	return 0;
}

int lm_letter_of_bytes(struct lm_bytes octets, struct lm_letter **out_letter,
                       struct lm_error *out_error)
{
	struct lm_stash stash;
	int err;

	lm_stash_init(&stash);
	err = lm_stash_add(&stash, octets, out_error);
	if (err == 0)
		err = lm_stash_end(&stash, out_error);
	if (err == 0)
		return lm_letter_of_stash(&stash, out_letter, out_error);
	lm_stash_done(&stash);
	return err;
}

/* What is small is copied: then it does not matter who writes to the file. */
static int copy_small(int fd, struct lm_stash *stash, struct lm_error *out_error)
{
	uint8_t chunk[16384];
	ssize_t n;
	int err = 0;

	while (err == 0 && (n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		err = n < 0 ? lm_fail_errno(out_error, lm_err_from_errno(errno), errno,
		                            "cannot read the file")
		            : lm_stash_add(stash, lm_bytes(chunk, (size_t)n), out_error);
	}
	close(fd);
	return err ? err : lm_stash_end(stash, out_error);
}

int lm_letter_of_file(const char *path, struct lm_letter **out_letter, struct lm_error *out_error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), err = 0;
	struct lm_stash stash;
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		err = lm_fail_errno(out_error, lm_err_from_errno(errno), errno,
		                    "cannot open %.150s", path);
		if (fd >= 0)
			close(fd);
		return err;
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return lm_fail(out_error, LM_E_UNSUPPORTED, "%.150s is not a file", path);
	}
	lm_stash_init(&stash);
	if (st.st_size > LM_STASH_MEMORY) {
		stash.fd = fd;
		stash.written = (uint64_t)st.st_size;
	} else {
		err = copy_small(fd, &stash, out_error);
	}
	if (err == 0)
		return lm_letter_of_stash(&stash, out_letter, out_error);
	lm_stash_done(&stash);
	return err;
}

struct lm_letter *lm_letter_ref(struct lm_letter *letter)
{
	atomic_fetch_add(&letter->refs, 1);
	return letter;
}

void lm_letter_unref(struct lm_letter *letter)
{
	if (!letter || atomic_fetch_sub(&letter->refs, 1) != 1)
		return;
	lm_stash_done(&letter->octets);
	lm_buf_done(&letter->header);
	lm_arena_reset(&letter->types);
	lm_free(letter->fields);
	lm_free(letter->parts);
	lm_free(letter);
}

/* ---- Octets ---- */

uint64_t lm_letter_size(const struct lm_letter *letter)
{
	return letter->size;
}

const char *lm_letter_eol(const struct lm_letter *letter)
{
	return letter->eol;
}

int lm_letter_read_at(const struct lm_letter *letter, uint64_t at, uint8_t *out, size_t room,
                      size_t *out_len)
{
	uint64_t rest = at < letter->size ? letter->size - at : 0;
	int err;

	*out_len = 0;
	if (rest == 0)
		return 0;
	err = lm_stash_read(&letter->octets, at, out, room < rest ? room : (size_t)rest, out_len);
	return err == 0 && *out_len == 0 && room ? LM_E_IO : err; /* someone cut the file */
}

struct source {
	struct lm_source base;
	struct lm_letter *letter;
	uint64_t at;
	uint8_t chunk[65536];
};

static int read_source(struct lm_source *source, size_t max, struct lm_bytes *out_chunk,
                       bool *out_last)
{
	struct source *s = lm_container(source, struct source, base);
	size_t got, room = max < sizeof(s->chunk) ? max : sizeof(s->chunk);
	int err = lm_letter_read_at(s->letter, s->at, s->chunk, room, &got);

	if (err)
		return err;
	s->at += got;
	*out_chunk = lm_bytes(s->chunk, got);
	*out_last = s->at == s->letter->size;
	return 0;
}

static void close_source(struct lm_source *source)
{
	struct source *s = lm_container(source, struct source, base);

	lm_letter_unref(s->letter);
	lm_free(s);
}

struct lm_source *lm_letter_source(struct lm_letter *letter)
{
	static const struct lm_source_ops ops = { read_source, close_source };
	struct source *s = lm_alloc(sizeof(*s));

	if (!s)
		return NULL;
	s->base = (struct lm_source){ .ops = &ops };
	s->letter = lm_letter_ref(letter);
	s->at = 0;
	return &s->base;
}

/* ---- Fields ---- */

static uint8_t upper(uint8_t c)
{
	return c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
}

bool lm_letter_is(struct lm_bytes name, const char *want)
{
	size_t len = strlen(want);

	if (name.len != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (upper(name.data[i]) != upper((uint8_t)want[i]))
			return false;
	return true;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static size_t line_len(struct lm_bytes text, uint8_t nl)
{
	const uint8_t *end = text.len ? memchr(text.data, nl, text.len) : NULL;

	return end ? (size_t)(end - text.data) + 1 : text.len;
}

bool lm_letter_cut_field(struct lm_bytes *header, uint8_t nl, struct lm_letter_cut *out_cut)
{
	size_t len = line_len(*header, nl), name = 0, colon;

	if (len == 0)
		return false;
	while (len < header->len && is_blank(header->data[len]))
		len += line_len(lm_bytes_from(*header, len), nl);
	while (name < len && header->data[name] > ' ' && header->data[name] != ':')
		name++;
	for (colon = name; colon < len && header->data[colon] != ':';)
		colon++;
	out_cut->whole = lm_bytes(header->data, len);
	out_cut->name = lm_bytes(header->data, name);
	out_cut->body = lm_bytes_from(out_cut->whole, colon + 1);
	*header = lm_bytes_from(*header, len);
	return true;
}

struct lm_bytes lm_letter_header_body(struct lm_bytes header, uint8_t nl, const char *name)
{
	struct lm_letter_cut cut;

	while (lm_letter_cut_field(&header, nl, &cut))
		if (lm_letter_is(cut.name, name))
			return cut.body.data ? cut.body : lm_str("");
	return lm_bytes(NULL, 0);
}

size_t lm_letter_field_count(const struct lm_letter *letter)
{
	return letter->field_count;
}

void lm_letter_field(const struct lm_letter *letter, size_t index, struct lm_bytes *out_name,
                     struct lm_bytes *out_body)
{
	const uint8_t *base = lm_buf_bytes(&letter->header).data;
	const struct lm_letter_span *f = &letter->fields[index];

	LM_ASSERT(index < letter->field_count);
	*out_name = lm_bytes(base + f->name, f->name_len);
	*out_body = lm_bytes(base + f->body, f->end - f->body);
}

long lm_letter_find(const struct lm_letter *letter, const char *name, size_t from)
{
	const uint8_t *base = lm_buf_bytes(&letter->header).data;

	for (size_t i = from; i < letter->field_count; i++)
		if (lm_letter_is(
		            lm_bytes(base + letter->fields[i].name, letter->fields[i].name_len),
		            name))
			return (long)i;
	return LM_LETTER_NO_FIELD;
}

/* ---- Parts ---- */

size_t lm_letter_part_count(const struct lm_letter *letter)
{
	return letter->part_count;
}

const struct lm_letter_part *lm_letter_part(const struct lm_letter *letter, uint32_t index)
{
	LM_ASSERT(index < letter->part_count);
	return &letter->parts[index];
}
