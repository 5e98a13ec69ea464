/* A message on its way out: octets in, header read, a source and an envelope out. */
#include <lettermill/outgoing.h>

#include "base/error.h"
#include "mime/mailbox.h"
#include "mime/date.h"
#include "mime/header.h"
#include "mime/newline.h"
#include "mime/recipients.h"
#include "mime/stash.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
	ALL_FLAGS = LM_OUTGOING_KEEP_BCC | LM_OUTGOING_STRICT | LM_OUTGOING_BINARY |
	            LM_OUTGOING_ADD_MISSING | LM_OUTGOING_DOT_ENDS | LM_OUTGOING_NO_SENDER |
	            LM_OUTGOING_NO_RECIPIENTS,
	MAX_HEADER = 1 << 20, /* read into memory whole, as the mill must know where Bcc ends */
	MAX_NAME = 1000,
	MAX_ADDED = 8192,
	CHUNK = 65536,
};

enum stage { IN_HEADER, IN_BODY, ENDED, BROKEN };

struct lm_outgoing {
	struct lm_envelope envelope;
	unsigned flags;
	uint64_t max;
	enum stage stage;
	struct lm_newline newline;
	struct lm_buf header; /* fields only; the empty line is the body's first */
	size_t line_start;    /* of the line under way in the header */
	size_t dropped_lines; /* in front of the header */
	struct lm_buf added;  /* fields that were missing */
	size_t added_always;  /* what of them does not depend on the sender */
	struct lm_stash body;
	struct lm_recipients recipients;
	struct lm_buf sender, name;
	bool header_8bit, header_utf8, body_8bit, has_from;
	struct lm_error *out_error; /* while a call runs */
};

static int take(void *ctx, struct lm_bytes piece, bool eol);
static int read_header(struct lm_outgoing *o);

int lm_outgoing_new(unsigned flags, uint64_t max, struct lm_outgoing **out_outgoing)
{
	struct lm_outgoing *o;

	if (flags & ~(unsigned)ALL_FLAGS)
		return LM_E_MISUSE;
	o = lm_alloc_zero(1, sizeof(*o));
	if (!o)
		return LM_E_NOMEM;
	o->flags = flags;
	o->max = max ? max : UINT64_MAX;
	o->newline = (struct lm_newline){ .strict = flags & LM_OUTGOING_STRICT,
		                          .as_is = flags & LM_OUTGOING_BINARY,
		                          .dot_ends = flags & LM_OUTGOING_DOT_ENDS,
		                          .take = take,
		                          .ctx = o };
	lm_buf_init(&o->header, MAX_HEADER);
	lm_buf_init(&o->added, MAX_ADDED);
	lm_buf_init(&o->sender, MAX_NAME);
	lm_buf_init(&o->name, MAX_NAME);
	lm_stash_init(&o->body);
	lm_recipients_init(&o->recipients);
	o->envelope.binary = flags & LM_OUTGOING_BINARY;
	*out_outgoing = o;
	return 0;
}

void lm_outgoing_free(struct lm_outgoing *outgoing)
{
	if (!outgoing)
		return;
	lm_buf_done(&outgoing->header);
	lm_buf_done(&outgoing->added);
	lm_buf_done(&outgoing->sender);
	lm_buf_done(&outgoing->name);
	lm_stash_done(&outgoing->body);
	lm_recipients_clear(&outgoing->recipients);
	lm_free(outgoing);
}

static uint64_t size_now(const struct lm_outgoing *o)
{
	return lm_buf_len(&o->header) + lm_buf_len(&o->added) + lm_stash_size(&o->body);
}

static int check_size(struct lm_outgoing *o, uint64_t more)
{
	if (size_now(o) + more <= o->max)
		return 0;
	return lm_fail(o->out_error, LM_E_LIMIT, "the message is larger than %" PRIu64 " octets",
	               o->max);
}

static int add_body(struct lm_outgoing *o, struct lm_bytes piece)
{
	int err = check_size(o, piece.len);

	o->body_8bit = o->body_8bit || lm_mailbox_is_8bit(piece);
	return err ? err : lm_stash_add(&o->body, piece, o->out_error);
}

/* Bcc and Resent-Bcc go, folded lines and all. */
static void remove_bcc(struct lm_buf *header)
{
	struct lm_bytes rest = lm_buf_bytes(header);
	uint8_t *to = header->data;
	struct lm_field f;

	while (lm_field_next(&rest, &f)) {
		if (lm_field_is(&f, "Bcc") || lm_field_is(&f, "Resent-Bcc"))
			continue;
		memmove(to, f.whole.data, f.whole.len);
		to += f.whole.len;
	}
	header->len = header->data ? (size_t)(to - header->data) : 0;
}

/* What is behind the header stays there: the line under way begins the body. */
static int leave_header(struct lm_outgoing *o, struct lm_bytes first)
{
	struct lm_buf line;
	int err;

	lm_buf_init(&line, MAX_HEADER);
	err = lm_buf_add(&line, lm_bytes_from(lm_buf_bytes(&o->header), o->line_start));
	o->header.len = o->line_start;
	o->stage = IN_BODY;
	if (err == 0)
		err = read_header(o);
	if (err == 0)
		err = add_body(o, first);
	if (err == 0)
		err = add_body(o, lm_buf_bytes(&line));
	lm_buf_done(&line);
	return err;
}

static bool is_mbox_line(struct lm_bytes line)
{
	return (line.len >= 5 && memcmp(line.data, "From ", 5) == 0) ||
	       (line.len >= 6 && memcmp(line.data, ">From ", 6) == 0);
}

static bool begins_blank(struct lm_bytes line)
{
	return line.len && (line.data[0] == ' ' || line.data[0] == '\t');
}

/* A whole line of the header is there. */
static int judge_line(struct lm_outgoing *o)
{
	struct lm_bytes line = lm_bytes_from(lm_buf_bytes(&o->header), o->line_start);
	bool first = o->line_start == 0;

	if (lm_bytes_equal(line, lm_str("\n")) || lm_bytes_equal(line, lm_str("\r\n")))
		return leave_header(o, lm_str(""));
	if (first && o->dropped_lines == 0 && is_mbox_line(line)) {
		o->header.len = 0;
		o->dropped_lines = 1;
		return 0;
	}
	if (lm_field_name_len(line) == 0 && (first || !begins_blank(line)))
		return leave_header(o, lm_str("\r\n"));
	o->line_start = o->header.len;
	return 0;
}

/* The header's limit is reached: a long first line of a message without header is none of it. */
static int header_full(struct lm_outgoing *o, struct lm_bytes piece)
{
	struct lm_bytes line = lm_bytes_from(lm_buf_bytes(&o->header), o->line_start);
	int err;

	if (line.len == 0)
		line = piece;
	if (lm_field_name_len(line) || begins_blank(line))
		return lm_fail(o->out_error, LM_E_LIMIT, "the header is larger than %d octets",
		               MAX_HEADER);
	err = leave_header(o, lm_str("\r\n"));
	return err ? err : add_body(o, piece);
}

static int take(void *ctx, struct lm_bytes piece, bool eol)
{
	struct lm_outgoing *o = ctx;
	int err;

	if (o->stage == IN_BODY)
		return add_body(o, piece);
	err = lm_buf_add(&o->header, piece);
	if (err == LM_E_LIMIT)
		return header_full(o, piece);
	if (err)
		return lm_fail(o->out_error, err, "%s", lm_err_text(err));
	return eol ? judge_line(o) : 0;
}

/* After a failure nothing of the message may be sent. */
static int settled(struct lm_outgoing *o, int err)
{
	if (err)
		o->stage = BROKEN;
	o->out_error = NULL;
	return err;
}

static int misuse(struct lm_error *out_error, const char *what)
{
	return lm_fail(out_error, LM_E_MISUSE, "%s", what);
}

int lm_outgoing_write(struct lm_outgoing *outgoing, struct lm_bytes octets,
                      struct lm_error *out_error)
{
	if (outgoing->stage >= ENDED)
		return misuse(out_error, "the message is complete or broken");
	outgoing->out_error = out_error;
	return settled(outgoing, lm_newline_feed(&outgoing->newline, octets, out_error));
}

/* ---- What the header says ---- */

struct reading {
	struct lm_outgoing *o;
	const char *only; /* the field whose addresses are wanted; NULL: the recipients' */
	bool resent;
	bool found;
	struct lm_error error;
};

/* The first block of Resent fields is the latest resending (RFC 5322 3.6.6): it ends where a name
 * comes again, or a trace field. */
struct block {
	unsigned seen;
	bool begun, over;
};

static const char *const resent_names[] = { "Resent-Date",      "Resent-From", "Resent-Sender",
	                                    "Resent-To",        "Resent-Cc",   "Resent-Bcc",
	                                    "Resent-Message-ID" };

static void enter_block(struct block *b, const struct lm_field *f)
{
	if (lm_field_is(f, "Received") || lm_field_is(f, "Return-Path"))
		b->over |= b->begun;
	for (unsigned i = 0; i < sizeof(resent_names) / sizeof(*resent_names); i++) {
		if (!lm_field_is(f, resent_names[i]))
			continue;
		b->over |= b->seen >> i & 1;
		b->seen |= 1u << i;
		b->begun = true;
	}
}

static bool is_recipients(const struct lm_field *f, bool resent)
{
	return resent ? lm_field_is(f, "Resent-To") || lm_field_is(f, "Resent-Cc") ||
	                        lm_field_is(f, "Resent-Bcc")
	              : lm_field_is(f, "To") || lm_field_is(f, "Cc") || lm_field_is(f, "Bcc");
}

static int take_recipient(void *ctx, struct lm_bytes address)
{
	struct reading *r = ctx;
	int err = address.len ? lm_recipients_add(&r->o->recipients, address)
	                      : lm_fail(&r->error, LM_E_SYNTAX, "\"<>\" is nobody");

	if (err && !r->error.code)
		lm_fail(&r->error, err, "too many recipients: %s", lm_err_text(err));
	return err;
}

/* More than one author, and no sender (RFC 5322 wants one): the first it is. */
static int take_sender(void *ctx, struct lm_bytes address)
{
	struct reading *r = ctx;

	if (r->found)
		return 0;
	r->found = true;
	lm_buf_clear(&r->o->sender);
	return lm_buf_add(&r->o->sender, address);
}

static int read_field(struct reading *r, const struct lm_field *f, size_t line)
{
	int err = lm_mailbox_each(f->body, r->only ? take_sender : take_recipient, r, &r->error);

	if (err == 0)
		return 0;
	return lm_fail(r->o->out_error, err, "line %zu, %.*s: %s", line,
	               (int)(f->name.len < 20 ? f->name.len : 20), (const char *)f->name.data,
	               r->error.code ? r->error.text : lm_err_text(err));
}

static int read_fields(struct reading *r)
{
	struct lm_bytes rest = lm_buf_bytes(&r->o->header);
	size_t line = r->o->dropped_lines + 1;
	struct block block = { 0 };
	struct lm_field f;
	int err = 0;

	while (err == 0 && lm_field_next(&rest, &f)) {
		bool resent = lm_field_begins(&f, "Resent-");

		enter_block(&block, &f);
		if (resent && block.over)
			continue;
		if (r->only ? !r->found && lm_field_is(&f, r->only) : is_recipients(&f, r->resent))
			err = read_field(r, &f, line);
		line += f.lines;
	}
	return err;
}

static int read_sender(struct lm_outgoing *o)
{
	static const char *const names[] = { "Resent-Sender", "Resent-From", "Sender", "From" };
	struct reading r = { .o = o };
	int err = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && err == 0 && !r.found; i++) {
		r.only = names[i];
		err = read_fields(&r);
	}
	if (r.found && err == 0)
		o->envelope.sender = lm_buf_len(&o->sender) ? lm_buf_bytes(&o->sender) : lm_str("");
	return err;
}

struct seen {
	bool resent, date, message_id;
};

static struct seen look_over(struct lm_outgoing *o)
{
	struct lm_bytes rest = lm_buf_bytes(&o->header);
	struct seen seen = { 0 };
	struct lm_field f;

	while (lm_field_next(&rest, &f)) {
		seen.date |= lm_field_is(&f, "Date");
		seen.message_id |= lm_field_is(&f, "Message-ID");
		o->has_from |= lm_field_is(&f, "From");
		for (unsigned i = 0; i < sizeof(resent_names) / sizeof(*resent_names); i++)
			seen.resent |= lm_field_is(&f, resent_names[i]);
	}
	return seen;
}

/* ---- What the header lacks ---- */

static int add_date(struct lm_outgoing *o)
{
	char date[LM_DATE_ROOM];

	lm_date_format((int64_t)time(NULL), date);
	return lm_buf_printf(&o->added, "Date: %s\r\n", date);
}

static int add_message_id(struct lm_outgoing *o)
{
	char host[256] = "";
	uint64_t unique;
	int err;

	if (getrandom(&unique, sizeof(unique), 0) != (ssize_t)sizeof(unique))
		return LM_E_IO;
	(void)gethostname(host, sizeof(host) - 1);
	err = lm_buf_add_str(&o->added, "Message-ID: ");
	if (err == 0)
		err = lm_message_id(&o->added, (int64_t)time(NULL), unique, host);
	return err ? err : lm_buf_add_str(&o->added, "\r\n");
}

static int add_from(struct lm_outgoing *o)
{
	int err;

	o->added.len = o->added_always;
	if (!(o->flags & LM_OUTGOING_ADD_MISSING) || o->has_from || !o->envelope.sender.len)
		return 0;
	err = lm_buf_add_str(&o->added, "From: ");
	if (err == 0)
		err = lm_mailbox_format(lm_buf_bytes(&o->name), o->envelope.sender, &o->added);
	return err ? err : lm_buf_add_str(&o->added, "\r\n");
}

static int add_missing(struct lm_outgoing *o, const struct seen *seen)
{
	int err = 0;

	if (!(o->flags & LM_OUTGOING_ADD_MISSING))
		return 0;
	if (!seen->date)
		err = add_date(o);
	if (err == 0 && !seen->message_id)
		err = add_message_id(o);
	o->added_always = o->added.len;
	return err ? err : add_from(o);
}

/* ---- The end ---- */

static void refresh(struct lm_outgoing *o)
{
	bool added_8bit = lm_mailbox_is_8bit(lm_buf_bytes(&o->added));

	o->envelope.recipients = o->recipients.items;
	o->envelope.recipient_count = o->recipients.count;
	o->envelope.size = size_now(o);
	o->envelope.eight_bit = o->header_8bit || added_8bit || o->body_8bit;
	o->envelope.smtputf8 = o->header_utf8 || added_8bit || o->recipients.with_8bit ||
	                       lm_mailbox_is_8bit(o->envelope.sender);
}

static int read_header(struct lm_outgoing *o)
{
	struct seen seen = look_over(o);
	struct reading to = { .o = o, .resent = seen.resent };
	int err = 0;

	if (!(o->flags & LM_OUTGOING_NO_SENDER))
		err = read_sender(o);
	if (err == 0 && !(o->flags & LM_OUTGOING_NO_RECIPIENTS))
		err = read_fields(&to);
	if (err)
		return err;
	if (!(o->flags & LM_OUTGOING_KEEP_BCC))
		remove_bcc(&o->header);
	o->header_8bit = lm_mailbox_is_8bit(lm_buf_bytes(&o->header));
	o->header_utf8 = o->header_8bit && lm_mailbox_is_utf8(lm_buf_bytes(&o->header));
	err = add_missing(o, &seen);
	if (err)
		return lm_fail(o->out_error, err, "cannot add to the header: %s", lm_err_text(err));
	return check_size(o, 0);
}

/* No empty line came: there is no body. Octets as they are may end amid a line. */
static int close_header(struct lm_outgoing *o)
{
	int err = 0;

	if (o->stage == IN_HEADER && o->header.len > o->line_start)
		err = judge_line(o);
	if (err == 0 && o->stage == IN_HEADER)
		err = read_header(o);
	if (err == 0 && size_now(o) == 0)
		err = add_body(o, lm_str("\r\n"));
	return err;
}

int lm_outgoing_end(struct lm_outgoing *outgoing, struct lm_error *out_error)
{
	struct lm_outgoing *o = outgoing;
	int err;

	if (o->stage >= ENDED)
		return misuse(out_error, "the message is complete or broken");
	o->out_error = out_error;
	err = lm_newline_end(&o->newline, out_error);
	if (err == 0)
		err = close_header(o);
	if (err == 0)
		err = lm_stash_end(&o->body, out_error);
	if (err == 0) {
		o->stage = ENDED;
		refresh(o);
	}
	return settled(o, err);
}

struct lm_envelope *lm_outgoing_envelope(struct lm_outgoing *outgoing)
{
	return &outgoing->envelope;
}

static int wrong_address(struct lm_bytes address, struct lm_error *out_error)
{
	if (address.len > MAX_NAME)
		return lm_fail(out_error, LM_E_SYNTAX, "an address of %zu octets is too long",
		               address.len);
	if (!lm_mailbox_fits(address))
		return lm_fail(out_error, LM_E_SYNTAX,
		               "an address holds control characters, or blanks or brackets without "
		               "quotes");
	return 0;
}

int lm_outgoing_set_sender(struct lm_outgoing *outgoing, struct lm_bytes address,
                           struct lm_error *out_error)
{
	struct lm_outgoing *o = outgoing;
	int err = wrong_address(address, out_error);

	if (err)
		return err;
	lm_buf_clear(&o->sender);
	err = lm_buf_add(&o->sender, address);
	if (err)
		return lm_fail(out_error, err, "%s", lm_err_text(err));
	o->envelope.sender = address.len ? lm_buf_bytes(&o->sender) : lm_str("");
	if (o->stage != ENDED)
		return 0;
	err = add_from(o);
	if (err)
		return lm_fail(out_error, err, "From cannot be made of this sender");
	refresh(o);
	return 0;
}

int lm_outgoing_set_name(struct lm_outgoing *outgoing, struct lm_bytes name,
                         struct lm_error *out_error)
{
	struct lm_buf trial;
	int err;

	lm_buf_init(&trial, MAX_ADDED);
	err = lm_mailbox_format(name, lm_str("a@b"), &trial);
	lm_buf_done(&trial);
	lm_buf_clear(&outgoing->name);
	if (err == 0)
		err = lm_buf_add(&outgoing->name, name);
	if (err)
		return lm_fail(out_error, err,
		               "a name is at most %d octets of UTF-8 without control characters",
		               MAX_NAME);
	return 0;
}

int lm_outgoing_add_recipient(struct lm_outgoing *outgoing, struct lm_bytes address,
                              struct lm_error *out_error)
{
	int err = wrong_address(address, out_error);

	if (err == 0 && address.len == 0)
		return lm_fail(out_error, LM_E_SYNTAX, "a recipient's address is empty");
	if (err)
		return err;
	err = lm_recipients_add(&outgoing->recipients, address);
	if (err)
		return lm_fail(out_error, err, "too many recipients: %s", lm_err_text(err));
	refresh(outgoing);
	return 0;
}

void lm_outgoing_clear_recipients(struct lm_outgoing *outgoing)
{
	lm_recipients_clear(&outgoing->recipients);
	refresh(outgoing);
}

/* ---- The source ---- */

struct source {
	struct lm_source base;
	const struct lm_outgoing *o;
	uint64_t at;
	uint8_t chunk[CHUNK];
};

/* As much as there is room for: a chunk becomes a BDAT of its own. */
static int read_source(struct lm_source *source, size_t max, struct lm_bytes *out_chunk,
                       bool *out_last)
{
	struct source *s = lm_container(source, struct source, base);
	struct lm_bytes parts[] = { lm_buf_bytes(&s->o->header), lm_buf_bytes(&s->o->added) };
	size_t room = max < CHUNK ? max : CHUNK, len = 0, got = 0;
	uint64_t begin = 0, at = s->at;
	int err;

	for (size_t i = 0; i < 2; begin += parts[i++].len) {
		struct lm_bytes rest;

		if (at - begin >= parts[i].len)
			continue;
		rest = lm_bytes_from(parts[i], (size_t)(at - begin));
		if (rest.len > room - len)
			rest.len = room - len;
		memcpy(s->chunk + len, rest.data, rest.len);
		len += rest.len;
		at += rest.len;
		if (len == room)
			break;
	}
	if (len < room) {
		err = lm_stash_read(&s->o->body, at - begin, s->chunk + len, room - len, &got);
		if (err)
			return err;
	}
	if (len + got == 0 && at < size_now(s->o))
		return room ? LM_E_CORRUPT : LM_E_MISUSE; /* who cuts a file without a name? */
	s->at = at + got;
	*out_chunk = lm_bytes(s->chunk, len + got);
	*out_last = s->at >= size_now(s->o);
	return 0;
}

static void close_source(struct lm_source *source)
{
	lm_free(lm_container(source, struct source, base));
}

struct lm_source *lm_outgoing_source(struct lm_outgoing *outgoing)
{
	static const struct lm_source_ops ops = { read_source, close_source };
	struct source *s = lm_alloc(sizeof(*s));

	if (!s)
		return NULL;
	s->base = (struct lm_source){ .ops = &ops };
	s->o = outgoing;
	s->at = 0;
	return &s->base;
}
