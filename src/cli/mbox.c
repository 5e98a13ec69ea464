/* mbox files, read and written as mboxrd: every "From " in a message can be told from a new one. */
#include "cli/mbox.h"

#include "base/error.h"
#include "base/mem.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 64 * 1024, LOOK_AHEAD = 1024 };

struct reader {
	int fd;
	const struct lm_mbox_events *events;
	void *ctx;
	uint8_t *data;
	size_t from, len;
	bool eof, at_line, blank, open; /* `blank`: an empty line that may belong to the file */
};

/* Have LOOK_AHEAD octets at hand, or all there are. */
static int fill(struct reader *r)
{
	while (!r->eof && r->len - r->from < LOOK_AHEAD) {
		ssize_t n;

		memmove(r->data, r->data + r->from, r->len - r->from);
		r->len -= r->from;
		r->from = 0;
		n = read(r->fd, r->data + r->len, BLOCK - r->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return LM_E_IO;
		r->eof = n == 0;
		r->len += (size_t)n;
	}
	return 0;
}

static bool is_from(struct lm_bytes line)
{
	return line.len >= 5 && memcmp(line.data, "From ", 5) == 0;
}

static void give(struct reader *r, struct lm_bytes octets)
{
	if (r->open && octets.len)
		r->events->octets(r->ctx, octets);
}

static void begin(struct reader *r)
{
	if (r->open)
		r->events->end(r->ctx);
	r->open = true;
	r->blank = false;
	r->events->begin(r->ctx);
}

/* The text of a line, or of its next piece; `ends`: its LF came. */
static void give_piece(struct reader *r, struct lm_bytes piece, bool ends)
{
	bool crlf = ends && piece.len && piece.data[piece.len - 1] == '\r';

	give(r, piece);
	if (ends)
		give(r, crlf ? lm_str("\n") : lm_str("\r\n"));
}

static struct lm_bytes unquote(struct lm_bytes piece)
{
	size_t marks = 0;

	while (marks < piece.len && piece.data[marks] == '>')
		marks++;
	return marks && is_from(lm_bytes_from(piece, marks)) ? lm_bytes_from(piece, 1) : piece;
}

static void take_piece(struct reader *r, struct lm_bytes piece, bool ends)
{
	bool empty = r->at_line && ends && (piece.len == 0 || lm_bytes_equal(piece, lm_str("\r")));

	if (r->at_line && r->blank && !is_from(piece)) {
		give(r, lm_str("\r\n"));
		r->blank = false;
	}
	if (empty)
		r->blank = true; /* shown to the message once the next line is none of the file's */
	else
		give_piece(r, r->at_line ? unquote(piece) : piece, ends);
	r->at_line = ends;
}

static void step(struct reader *r)
{
	const uint8_t *at = r->data + r->from;
	size_t have = r->len - r->from;
	const uint8_t *lf = memchr(at, '\n', have);
	size_t len = lf ? (size_t)(lf - at) : have;
	bool separates = r->at_line && (r->blank || !r->open) && is_from(lm_bytes(at, len));

	if (separates && !lf && !r->eof)
		len = have; /* longer than anybody's: the rest is taken for text */
	if (separates)
		begin(r);
	else
		take_piece(r, lm_bytes(at, len), lf != NULL);
	r->from += len + (lf ? 1 : 0);
}

static int run(struct reader *r, struct lm_error *out_error)
{
	int err = fill(r);

	if (err == 0 && r->len && !is_from(lm_bytes(r->data, r->len)))
		return lm_fail(out_error, LM_E_SYNTAX,
		               "no mbox: it does not begin with a \"From \" line");
	while (err == 0 && r->len > r->from) {
		step(r);
		err = fill(r);
	}
	if (r->open)
		r->events->end(r->ctx);
	return err ? lm_fail_errno(out_error, err, errno, "cannot read the mbox") : 0;
}

int lm_mbox_read(int fd, const struct lm_mbox_events *events, void *ctx, struct lm_error *out_error)
{
	struct reader r = { .fd = fd, .events = events, .ctx = ctx, .at_line = true };
	int err;

	r.data = lm_alloc(BLOCK);
	if (!r.data)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	err = run(&r, out_error);
	lm_free(r.data);
	return err;
}

void lm_mbox_begin(struct lm_mbox_writer *w, int64_t timestamp_ms)
{
	time_t seconds = (time_t)(timestamp_ms / 1000);
	char date[40] = "Thu Jan  1 00:00:00 1970";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", &tm);
	fprintf(w->file, "From MAILER-DAEMON %s\n", date);
	w->inside = w->cr = false;
	w->undecided = true;
	w->front_len = 0;
}

static void decide(struct lm_mbox_writer *w, bool quote)
{
	if (quote)
		fputc('>', w->file);
	fwrite(w->front, 1, w->front_len, w->file);
	w->front_len = 0;
	w->undecided = false;
}

/* Whether `front` is the beginning of ">>>From ", whole or in part. */
static bool may_be_from(const struct lm_mbox_writer *w, bool *out_whole)
{
	size_t marks = 0, rest;

	while (marks < w->front_len && w->front[marks] == '>')
		marks++;
	rest = w->front_len - marks;
	*out_whole = rest == 5 && memcmp(w->front + marks, "From ", 5) == 0;
	return rest <= 5 && memcmp(w->front + marks, "From ", rest) == 0 &&
	       w->front_len < sizeof(w->front);
}

static void put(struct lm_mbox_writer *w, uint8_t c)
{
	bool whole;

	w->inside = c != '\n';
	if (!w->undecided || c == '\n') {
		if (w->undecided)
			decide(w, false);
		fputc(c, w->file);
		w->undecided = c == '\n';
		return;
	}
	w->front[w->front_len++] = (char)c;
	if (!may_be_from(w, &whole))
		decide(w, false);
	else if (whole)
		decide(w, true);
}

void lm_mbox_write(struct lm_mbox_writer *w, struct lm_bytes octets)
{
	for (size_t i = 0; i < octets.len; i++) {
		uint8_t c = octets.data[i];

		if (w->cr && c != '\n')
			put(w, '\r');
		w->cr = c == '\r';
		if (!w->cr)
			put(w, c);
	}
}

int lm_mbox_end(struct lm_mbox_writer *w, struct lm_error *out_error)
{
	if (w->cr)
		put(w, '\r');
	if (w->undecided)
		decide(w, false);
	fputs(w->inside ? "\n\n" : "\n", w->file);
	errno = 0;
	if (fflush(w->file) || ferror(w->file))
		return lm_fail_errno(out_error, errno == ENOSPC ? LM_E_FULL : LM_E_IO, errno,
		                     "cannot write the mbox");
	return 0;
}
