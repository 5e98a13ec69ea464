/* A message as a script gives it, made ready for sending: its octets, and whom it is from and to.
 */
#include "script/client.h"

#include "base/error.h"
#include "mime/header.h"
#include "mime/mailbox.h"

enum { CHUNK = 64 * 1024, HEADER_MAX = 1 << 20, XTEXT_MAX = 400 };

struct letter {
	const struct lm_send_options *options;
	lm_letter_read_fn read;
	void *ctx;
	uint8_t *chunk;
	struct lm_buf head; /* the message's beginning, the whole header in it */
	bool is_all;        /* and nothing behind it */
	struct lm_bytes return_path, envelope_to; /* bodies of fields in `head` */
	struct lm_outgoing *out;
	struct lm_error *why;
};

/* ---- The header, before anything is made of it ---- */

static bool has_blank_line(struct lm_bytes head)
{
	if (!head.len)
		return false;
	return head.data[0] == '\n' || (head.len > 1 && memcmp(head.data, "\r\n", 2) == 0) ||
	       memmem(head.data, head.len, "\n\n", 2) || memmem(head.data, head.len, "\n\r\n", 3);
}

static int read_some(struct letter *l, struct lm_bytes *out_octets)
{
	size_t len = 0;
	int err = l->read(l->ctx, l->chunk, CHUNK, &len, l->why);

	*out_octets = lm_bytes(l->chunk, len);
	return err;
}

static int read_head(struct letter *l)
{
	struct lm_bytes octets;
	int err = 0;

	while (!err && !l->is_all && lm_buf_len(&l->head) < HEADER_MAX &&
	       !has_blank_line(lm_buf_bytes(&l->head))) {
		err = read_some(l, &octets);
		l->is_all = !err && !octets.len;
		if (!err)
			err = lm_buf_add(&l->head, octets);
	}
	return err;
}

static void skip_mbox_line(struct lm_bytes *head)
{
	const uint8_t *lf = memchr(head->data, '\n', head->len);

	if (head->len > 5 && lf &&
	    (memcmp(head->data, "From ", 5) == 0 || memcmp(head->data, ">From ", 6) == 0))
		*head = lm_bytes_from(*head, (size_t)(lf - head->data) + 1);
}

/* Fields that lm_outgoing does not ask. A message sent again has its own. */
static void find_fields(struct letter *l)
{
	struct lm_bytes head = lm_buf_bytes(&l->head);
	struct lm_field field;
	bool is_resent = false;

	if (head.len)
		skip_mbox_line(&head);
	while (lm_field_name_len(head) && lm_field_next(&head, &field)) {
		if (lm_field_begins(&field, "Resent-"))
			is_resent = true;
		else if (lm_field_is(&field, "Return-Path") && !l->return_path.data)
			l->return_path = field.body;
		else if (lm_field_is(&field, "X-Envelope-To") && !l->envelope_to.data)
			l->envelope_to = field.body;
	}
	if (is_resent)
		l->return_path = l->envelope_to = lm_bytes(NULL, 0);
}

/* ---- The envelope ---- */

static int take_sender(void *ctx, struct lm_bytes address)
{
	struct letter *l = ctx;
	const struct lm_envelope *e = lm_outgoing_envelope(l->out);

	if (e->sender.len)
		return lm_fail(l->why, LM_E_SYNTAX, "a message has one sender");
	return lm_outgoing_set_sender(l->out, address, l->why);
}

static int take_recipient(void *ctx, struct lm_bytes address)
{
	struct letter *l = ctx;

	if (!address.len)
		return lm_fail(l->why, LM_E_SYNTAX, "a recipient's address is empty");
	return lm_outgoing_add_recipient(l->out, address, l->why);
}

static int set_sender(struct letter *l)
{
	struct lm_bytes text = l->options->from.data ? l->options->from : l->return_path;
	int err;

	if (text.data) {
		err = lm_outgoing_set_sender(l->out, lm_str(""), l->why);
		return err ? err : lm_mailbox_each(text, take_sender, l, l->why);
	}
	if (lm_outgoing_envelope(l->out)->sender.data)
		return 0;
	return lm_fail(l->why, LM_E_SYNTAX,
	               "the message's header names no sender; say {from: 'address'}");
}

static int add_lists(struct letter *l, struct lm_bytes lists)
{
	int err = 0;

	while (lists.len && !err) {
		const uint8_t *lf = memchr(lists.data, '\n', lists.len);
		const size_t len = lf ? (size_t)(lf - lists.data) : lists.len;

		err = lm_mailbox_each(lm_bytes(lists.data, len), take_recipient, l, l->why);
		lists = lm_bytes_from(lists, len + 1);
	}
	return err;
}

static int set_recipients(struct letter *l)
{
	struct lm_envelope *e = lm_outgoing_envelope(l->out);
	int err = 0;

	if (l->options->to.data)
		err = add_lists(l, l->options->to);
	else if (!e->recipient_count && l->envelope_to.data)
		err = lm_mailbox_each(l->envelope_to, take_recipient, l, l->why);
	if (!err && !e->recipient_count)
		err = lm_fail(l->why, LM_E_SYNTAX,
		              l->options->to.data
		                      ? "there is no recipient"
		                      : "the message's header names no recipient; say {to: "
		                        "['address']}");
	for (size_t i = 0; i < e->recipient_count && !err; i++)
		e->recipients[i].notify = l->options->notify;
	return err;
}

static int set_envelope(struct letter *l, struct lm_arena *arena)
{
	struct lm_envelope *e = lm_outgoing_envelope(l->out);
	int err = set_sender(l);

	if (!err)
		err = set_recipients(l);
	e->dsn_ret = l->options->ret;
	e->require_tls = l->options->require_tls;
	if (l->options->envid.len)
		e->envid = lm_arena_copy(arena, l->options->envid);
	return err;
}

/* ---- All of it ---- */

static unsigned flags_of(const struct letter *l)
{
	unsigned flags = l->options->keep_bcc ? LM_OUTGOING_KEEP_BCC : 0;

	if (l->options->from.data || l->return_path.data)
		flags |= LM_OUTGOING_NO_SENDER;
	if (l->options->to.data)
		flags |= LM_OUTGOING_NO_RECIPIENTS;
	return flags;
}

static int write_all(struct letter *l)
{
	struct lm_bytes octets;
	int err = lm_outgoing_write(l->out, lm_buf_bytes(&l->head), l->why);

	while (!err && !l->is_all) {
		err = read_some(l, &octets);
		l->is_all = !octets.len;
		if (!err && octets.len)
			err = lm_outgoing_write(l->out, octets, l->why);
	}
	return err ? err : lm_outgoing_end(l->out, l->why);
}

static int make(struct letter *l, struct lm_arena *arena)
{
	int err = read_head(l);

	if (err)
		return err;
	find_fields(l);
	err = lm_outgoing_new(flags_of(l), 0, &l->out);
	if (!err)
		err = write_all(l);
	return err ? err : set_envelope(l, arena);
}

int lm_client_letter(const struct lm_send_options *options, lm_letter_read_fn read, void *ctx,
                     struct lm_arena *arena, struct lm_outgoing **out_letter,
                     struct lm_error *out_error)
{
	struct letter l = { .options = options, .read = read, .ctx = ctx, .why = out_error };
	int err = LM_E_NOMEM;

	out_error->code = 0;
	lm_buf_init(&l.head, HEADER_MAX + CHUNK);
	l.chunk = lm_alloc(CHUNK);
	if (l.chunk)
		err = make(&l, arena);
	lm_free(l.chunk);
	lm_buf_done(&l.head);
	if (!err) {
		*out_letter = l.out;
		return 0;
	}
	lm_outgoing_free(l.out);
	return out_error->code ? err : lm_fail(out_error, err, "%s", lm_err_text(err));
}
