/* Octets of messages: read ahead in runs, with CRLF put in where another program wrote LF, and
 * found again where it renamed the file. */
#include "store/maildir/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void lm_md_read_done(struct lm_md_box *box)
{
	if (box->fd >= 0)
		close(box->fd);
	box->fd = -1;
}

static int open_message(struct lm_md_box *box, size_t index)
{
	const struct lm_md_entry *entry = &box->listing->entries[index];
	struct stat st;
	int fd, err;

	if (box->fd >= 0 && box->fd_index == index)
		return 0;
	err = lm_md_open(box->folder, entry, &fd);
	if (err)
		return err;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) ||
	    (entry->own && (uint64_t)st.st_size != entry->size)) {
		close(fd);
		return LM_E_CORRUPT;
	}
	lm_md_read_done(box);
	box->fd = fd;
	box->fd_index = index;
	box->fd_size = (uint64_t)st.st_size;
	box->raw = box->out = 0;
	return 0;
}

/* `room` has `raw` octets at its end; put CRLF for LF from its start on. */
static size_t convert(uint8_t *room, size_t size, size_t raw)
{
	const uint8_t *from = room + size - raw, *end = room + size;
	uint8_t *to = room;

	while (from < end) {
		const uint8_t *lf = memchr(from, '\n', (size_t)(end - from));
		size_t n = (size_t)((lf ? lf : end) - from);

		memmove(to, from, n);
		to += n;
		from += n;
		if (!lf)
			break;
		*to++ = '\r';
		*to++ = '\n';
		from++;
	}
	return (size_t)(to - room);
}

static int read_full(struct lm_md_box *box, uint8_t *room, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = pread(box->fd, room + got, len - got, (off_t)(box->raw + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) /* shorter than a moment ago */
			return n ? lm_md_errno(errno) : LM_E_CORRUPT;
		got += (size_t)n;
	}
	return 0;
}

/* The next octets of the open file, as they are handed out, behind the cache's. */
static int read_chunk(struct lm_md_box *box, bool as_crlf)
{
	uint64_t left = box->fd_size - box->raw;
	size_t len = left < LM_MD_CHUNK ? (size_t)left : LM_MD_CHUNK;
	size_t size = as_crlf ? 2 * len : len;
	uint8_t *room;
	int err = lm_buf_room(&box->cache, size, &room);

	if (!err && len)
		err = read_full(box, room + size - len, len);
	if (err)
		return err;
	if (as_crlf && len)
		size = convert(room, size, len);
	lm_buf_grew(&box->cache, size);
	box->raw += len;
	box->out += size;
	return 0;
}

/* Make `offset` the next octet to read, or one of the next chunk. */
static void seek(struct lm_md_box *box, uint64_t offset, bool as_crlf)
{
	if (!as_crlf)
		box->raw = box->out = offset;
	else if (offset < box->out)
		box->raw = box->out = 0;
}

static void note_piece(struct lm_md_box *box, size_t index, size_t at, uint64_t offset)
{
	LM_ASSERT(box->piece_count < LM_MD_PIECES);
	box->pieces[box->piece_count++] = (struct lm_md_piece){ index, offset, at,
		                                                box->cache.len - at,
		                                                box->raw == box->fd_size };
}

static int read_one(struct lm_md_box *box, size_t index, uint64_t offset)
{
	bool as_crlf = box->listing->entries[index].convert;
	size_t at = box->cache.len;
	uint64_t start;
	int err = open_message(box, index);

	if (err)
		return err;
	if (!as_crlf && offset > box->fd_size)
		return LM_E_NOT_FOUND;
	seek(box, offset, as_crlf);
	for (;;) {
		start = box->out;
		err = read_chunk(box, as_crlf);
		if (err)
			break;
		if (box->out > offset || box->raw == box->fd_size)
			break;
		box->cache.len = at; /* before what is wanted */
	}
	if (!err && offset > box->out)
		err = LM_E_NOT_FOUND;
	if (err) {
		box->cache.len = at;
		return err;
	}
	note_piece(box, index, at, start);
	if (box->raw == box->fd_size)
		lm_md_read_done(box);
	return 0;
}

static bool fits_ahead(const struct lm_md_box *box, size_t index)
{
	return index < box->listing->count && box->piece_count < LM_MD_PIECES &&
	       box->listing->entries[index].known && !(box->gone && box->gone[index]) &&
	       box->listing->messages[index].octets <= LM_MD_CHUNK &&
	       lm_buf_len(&box->cache) + box->listing->messages[index].octets <= box->window;
}

int lm_md_read_run(struct lm_md_box *box, size_t index, uint64_t offset)
{
	int err;

	lm_buf_clear(&box->cache);
	box->piece_count = 0;
	if (!box->pieces)
		box->pieces = lm_alloc(LM_MD_PIECES * sizeof(*box->pieces));
	if (!box->pieces)
		return LM_E_NOMEM;
	err = read_one(box, index, offset);
	while (!err && box->pieces[box->piece_count - 1].last && fits_ahead(box, ++index))
		if (read_one(box, index, 0))
			break; /* its own read will tell */
	return err;
}

bool lm_md_serve(struct lm_md_box *box, size_t index, uint64_t offset, struct lm_bytes *out_chunk,
                 bool *out_last)
{
	for (size_t i = 0; i < box->piece_count; i++) {
		const struct lm_md_piece *p = &box->pieces[i];
		bool in = offset >= p->offset && (offset < p->offset + p->len ||
		                                  (p->last && offset == p->offset + p->len));

		if (p->index != index || !in)
			continue;
		*out_chunk = lm_bytes_from(
		        lm_bytes(box->cache.data ? box->cache.data + p->at : NULL, p->len),
		        (size_t)(offset - p->offset));
		*out_last = p->last;
		box->expect = p->last ? index + 1 : index;
		return true;
	}
	return false;
}
