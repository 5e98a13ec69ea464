/* Messages read, sent, and what is said about it. */
#include "cli/letter.h"

#include "base/error.h"
#include "base/mem.h"
#include "cli/letter_rounds.h"
#include "mime/mailbox.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_SOME = 1, EXIT_UNAVAILABLE = 69, CHUNK = 65536, XTEXT_MAX = 100 };

/* ---- What people give ---- */

struct counting {
	size_t count;
	bool empty; /* "<>" was there */
};

static int count_address(void *ctx, struct lm_bytes address)
{
	struct counting *c = ctx;

	c->count++;
	c->empty |= address.len == 0;
	return 0;
}

int lm_letter_check_recipients(const char *text, struct lm_error *out_error)
{
	struct counting c = { 0 };
	int err = lm_mailbox_each(lm_str(text), count_address, &c, out_error);

	if (err == 0 && (c.count == 0 || c.empty))
		err = lm_fail(out_error, LM_E_SYNTAX, "a recipient's address is empty");
	return err;
}

int lm_letter_check_sender(const char *text, struct lm_error *out_error)
{
	struct counting c = { 0 };
	int err = lm_mailbox_each(lm_str(text), count_address, &c, out_error);

	if (err == 0 && c.count > 1)
		err = lm_fail(out_error, LM_E_SYNTAX, "a message has one sender");
	return err;
}

static unsigned notify_of(const char *text)
{
	static const struct {
		const char *word;
		unsigned bit;
	} words[] = { { "success", LM_NOTIFY_SUCCESS },
		      { "failure", LM_NOTIFY_FAILURE },
		      { "delay", LM_NOTIFY_DELAY } };
	unsigned bits = 0;

	if (strcmp(text, "never") == 0)
		return LM_NOTIFY_NEVER;
	while (*text) {
		size_t len = strcspn(text, ","), i;

		for (i = 0; i < 3; i++)
			if (lm_bytes_equal(lm_bytes(text, len), lm_str(words[i].word)))
				break;
		if (i == 3)
			return 0;
		bits |= words[i].bit;
		text += len;
		if (*text == ',' && !*++text)
			return 0;
	}
	return bits;
}

static char ret_of(const char *text)
{
	if (strcmp(text, "full") == 0)
		return 'F';
	return strcmp(text, "hdrs") == 0 ? 'H' : 0;
}

static bool put_xtext(const char *text, char out[101])
{
	size_t len = 0;

	for (; *text; text++) {
		bool plain = *text > ' ' && *text <= '~' && *text != '+' && *text != '=';

		if (*text < ' ' || *text > '~' || len + (plain ? 1 : 3) > XTEXT_MAX)
			return false;
		if (plain)
			out[len++] = *text;
		else
			len += (size_t)snprintf(out + len, 4, "+%02X", (unsigned)*text);
	}
	out[len] = '\0';
	return true;
}

int lm_letter_delivery(const struct lm_cli_call *call, const char *dsn_shown,
                       const char *envid_shown, struct lm_letter_plan *plan, char envid[101])
{
	const char *dsn = lm_cli_text(call, "dsn"), *id = lm_cli_text(call, "envid");

	if (dsn)
		plan->notify = notify_of(dsn);
	if (dsn && !plan->notify)
		return lm_cli_call_usage(call,
		                         "%s: \"%.60s\" is neither never nor words of "
		                         "success,failure,delay",
		                         dsn_shown, dsn);
	if (lm_cli_text(call, "ret"))
		plan->ret = ret_of(lm_cli_text(call, "ret"));
	if (id && !put_xtext(id, envid))
		return lm_cli_call_usage(call, "%s: at most 100 characters of printable ASCII",
		                         envid_shown);
	plan->envid = id ? envid : NULL;
	return LM_EXIT_OK;
}

/* ---- Reading ---- */

static int read_all(int fd, struct lm_outgoing *letter, struct lm_error *why)
{
	static uint8_t chunk[CHUNK];
	ssize_t n;
	int err = 0;

	while (err == 0) {
		n = read(fd, chunk, sizeof(chunk));
		if (n == 0)
			return lm_outgoing_end(letter, why);
		if (n > 0)
			err = lm_outgoing_write(letter, lm_bytes(chunk, (size_t)n), why);
		else if (errno != EINTR)
			err = lm_fail_errno(why, LM_E_IO, errno, "cannot be read");
	}
	return err;
}

static int qualify(struct lm_bytes address, const char *domain, char *out, size_t cap,
                   struct lm_bytes *out_address, struct lm_error *why)
{
	int n;

	*out_address = address;
	if (!domain || address.len == 0 || memchr(address.data, '@', address.len))
		return 0;
	n = snprintf(out, cap, "%.*s@%s", LM_FMT(address), domain);
	if (n < 0 || (size_t)n >= cap)
		return lm_fail(why, LM_E_SYNTAX, "an address is too long");
	*out_address = lm_bytes(out, (size_t)n);
	return 0;
}

struct adding {
	const struct lm_letter_plan *plan;
	struct lm_outgoing *letter;
	struct lm_error *why;
};

static int take_sender(void *ctx, struct lm_bytes address)
{
	struct adding *a = ctx;
	char room[1200];
	int err = qualify(address, a->plan->domain, room, sizeof(room), &address, a->why);

	return err ? err : lm_outgoing_set_sender(a->letter, address, a->why);
}

static int take_recipient(void *ctx, struct lm_bytes address)
{
	struct adding *a = ctx;

	return lm_outgoing_add_recipient(a->letter, address, a->why);
}

static int set_sender(struct adding *a)
{
	const struct lm_bytes in_header = lm_outgoing_envelope(a->letter)->sender;
	const char *given = a->plan->from ? a->plan->from : a->plan->from_else;
	char copy[1200];
	int err;

	if (!a->plan->from && in_header.data) { /* not from what it is written to */
		if (in_header.len >= sizeof(copy))
			return lm_fail(a->why, LM_E_SYNTAX, "the sender is too long");
		memcpy(copy, in_header.data, in_header.len);
		return take_sender(a, lm_bytes(copy, in_header.len));
	}
	if (!given)
		return lm_fail(a->why, LM_E_SYNTAX,
		               "the header names no sender; say --from ADDRESS");
	err = lm_outgoing_set_sender(a->letter, lm_str(""), a->why);
	return err ? err : lm_mailbox_each(lm_str(given), take_sender, a, a->why);
}

/* Those of the header, each with a domain, by way of a second list. */
static int qualify_all(struct lm_outgoing *letter, const char *domain, struct lm_error *why)
{
	const struct lm_envelope *e = lm_outgoing_envelope(letter);
	size_t count = e->recipient_count;
	char(*copies)[1200];
	int err = 0;

	for (size_t i = 0; i < e->recipient_count; i++)
		count -= memchr(e->recipients[i].address.data, '@', e->recipients[i].address.len) !=
		         NULL;
	if (count == 0)
		return 0;
	count = e->recipient_count;
	copies = lm_alloc_zero(count, sizeof(*copies));
	if (!copies)
		return lm_fail(why, LM_E_NOMEM, "out of memory");
	for (size_t i = 0; i < count && err == 0; i++) {
		struct lm_bytes a = e->recipients[i].address;

		err = qualify(a, domain, copies[i], sizeof(*copies), &a, why);
		if (err == 0 && a.len < sizeof(*copies)) {
			memmove(copies[i], a.data, a.len);
			copies[i][a.len] = '\0';
		}
	}
	lm_outgoing_clear_recipients(letter);
	for (size_t i = 0; i < count && err == 0; i++)
		err = lm_outgoing_add_recipient(letter, lm_str(copies[i]), why);
	lm_free(copies);
	return err;
}

static int set_recipients(struct adding *a)
{
	const struct lm_letter_plan *plan = a->plan;
	struct lm_envelope *e = lm_outgoing_envelope(a->letter);
	int err = 0;

	for (size_t i = 0; i < plan->to_count && err == 0; i++)
		err = lm_mailbox_each(lm_str(plan->to[i]), take_recipient, a, a->why);
	if (err == 0 && plan->domain)
		err = qualify_all(a->letter, plan->domain, a->why);
	if (err == 0 && e->recipient_count == 0)
		err = lm_fail(a->why, LM_E_SYNTAX, "the header names no recipient");
	for (size_t i = 0; i < e->recipient_count && err == 0; i++)
		e->recipients[i].notify = plan->notify;
	return err;
}

static int set_envelope(const struct lm_letter_plan *plan, struct lm_outgoing *letter,
                        struct lm_error *why)
{
	struct lm_envelope *e = lm_outgoing_envelope(letter);
	struct adding a = { plan, letter, why };
	int err = set_sender(&a);

	if (err == 0)
		err = set_recipients(&a);
	e->dsn_ret = plan->ret;
	e->envid = lm_str(plan->envid);
	e->require_tls = plan->require_tls;
	return err;
}

int lm_letter_read(const struct lm_letter_plan *plan, int fd, struct lm_outgoing **out_letter,
                   struct lm_error *out_error)
{
	unsigned flags = plan->flags;
	struct lm_outgoing *letter = NULL;
	int err;

	out_error->code = 0;
	if (plan->from)
		flags |= LM_OUTGOING_NO_SENDER;
	if (plan->to_count)
		flags |= LM_OUTGOING_NO_RECIPIENTS;
	err = lm_outgoing_new(flags, 0, &letter);
	if (err == 0 && plan->name)
		err = lm_outgoing_set_name(letter, lm_str(plan->name), out_error);
	if (err == 0)
		err = read_all(fd, letter, out_error);
	if (err == 0)
		err = set_envelope(plan, letter, out_error);
	if (err == 0) {
		*out_letter = letter;
		return 0;
	}
	lm_outgoing_free(letter);
	return out_error->code ? err : lm_fail(out_error, err, "%s", lm_err_text(err));
}

static void fail_run(struct lm_letter_run *run, int exit_code)
{
	run->bad++;
	if (!run->code)
		run->code = exit_code;
}

void lm_letter_unread(struct lm_letter_run *run, const char *shown, int exit_code, const char *why)
{
	lm_cli_complain("%s: %s", shown, why);
	fail_run(run, exit_code);
	if (!run->json)
		return;
	printf("{\"file\": ");
	lm_cli_put_json(stdout, lm_str(shown));
	printf(", \"sender\": null, \"octets\": null, \"result\": \"failed\", \"unknown\": false, "
	       "\"error\": ");
	lm_cli_put_json(stdout, lm_str(why));
	printf(", \"recipients\": []}\n");
}

/* ---- Sending ---- */

/* "550 5.1.1 no such user", lines of the reply joined. */
static void reply_text(const struct lm_outcome *o, char *out, size_t cap)
{
	size_t len = 0;

	*out = '\0';
	if (o->smtp_code)
		len = (size_t)snprintf(out, cap, "%d ", o->smtp_code);
	if (o->enhanced[0])
		len += (size_t)snprintf(out + len, cap - len, "%d.%d.%d ", o->enhanced[0],
		                        o->enhanced[1], o->enhanced[2]);
	for (size_t i = 0; i < o->text.len && len + 1 < cap; i++)
		out[len++] = o->text.data[i] == '\n' ? ' ' : (char)o->text.data[i];
	out[len] = '\0';
}

static int exit_code(const struct lm_letter_run *run, int err, const struct lm_letter_fates *fates)
{
	if (fates->unknown)
		return LM_EXIT_ABORTED;
	if (err == LM_E_NOT_FOUND)
		return run->any_refusal_fails ? EXIT_UNAVAILABLE : EXIT_SOME;
	return err == LM_E_DENIED ? EXIT_UNAVAILABLE : lm_err_exit_code(err);
}

static void put_outcome(const struct lm_outcome *o, struct lm_bytes address)
{
	printf("{\"address\": ");
	lm_cli_put_json(stdout, address);
	printf(", \"accepted\": %s", o->result ? "false" : "true");
	if (o->smtp_code)
		printf(", \"code\": %d", o->smtp_code);
	if (o->enhanced[0])
		printf(", \"enhanced\": \"%d.%d.%d\"", o->enhanced[0], o->enhanced[1],
		       o->enhanced[2]);
	if (o->result)
		printf(", \"error\": \"%s\"", lm_err_name(o->result));
	printf(", \"text\": ");
	lm_cli_put_json(stdout, o->text);
	printf("}");
}

static void put_json(const struct lm_envelope *e, const char *shown, int err,
                     const struct lm_letter_fates *fates, const struct lm_error *why)
{
	printf("{\"file\": ");
	lm_cli_put_json(stdout, lm_str(shown));
	printf(", \"sender\": ");
	lm_cli_put_json(stdout, e->sender);
	printf(", \"octets\": %llu, \"result\": \"%s\", \"unknown\": %s, \"error\": ",
	       (unsigned long long)e->size,
	       fates->unknown          ? "unknown"
	       : err == LM_E_NOT_FOUND ? "partly"
	       : err                   ? "failed"
	                               : "sent",
	       fates->unknown ? "true" : "false");
	if (err)
		lm_cli_put_json(stdout, lm_str(why->text));
	else
		printf("null");
	printf(", \"recipients\": [");
	for (size_t i = 0; i < fates->count && i < e->recipient_count; i++) {
		printf("%s", i ? ", " : "");
		put_outcome(&fates->items[i], e->recipients[i].address);
	}
	printf("]}\n");
}

/* Each refusal is named; what hit all alike is said once. */
static void say_refusals(const struct lm_envelope *e, const char *shown, int err,
                         const struct lm_letter_fates *fates, const struct lm_error *why,
                         struct lm_remote *remote)
{
	size_t named = 0;
	char text[700];

	for (size_t i = 0; i < fates->count && i < e->recipient_count; i++) {
		const struct lm_outcome *o = &fates->items[i];

		if (!o->result || o->side != LM_SIDE_SERVER || fates->unknown)
			continue;
		reply_text(o, text, sizeof(text));
		lm_cli_complain("%s: %.*s: %s", shown, LM_FMT(e->recipients[i].address), text);
		named++;
	}
	if (fates->unknown)
		lm_cli_complain("%s: the connection was lost when the message was complete: it may "
		                "have been delivered, or not (%s)",
		                shown, why->text);
	else if (err && !named)
		(void)lm_remote_failed(remote, why);
}

static lm_time_ms now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (lm_time_ms)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct lm_letter_run *run = ctx;

	lm_progress_update(&run->progress, done == total, done, now());
}

/* A line on a terminal, where the message takes a while. */
static void begin_progress(struct lm_letter_run *run, const struct lm_envelope *e)
{
	bool quiet = run->json || run->remote->verbose || run->any_refusal_fails;

	lm_progress_init(&run->progress, !quiet, now());
	lm_progress_total(&run->progress, 1, e->size, now());
	run->remote->params.progress = show_progress;
	run->remote->params.ctx = run;
}

static int hand_over(struct lm_letter_run *run, struct lm_outgoing *letter,
                     struct lm_letter_fates *fates, struct lm_error *why)
{
	struct lm_envelope *e = lm_outgoing_envelope(letter);
	int err = 0;

	begin_progress(run, e);
	if (!run->client)
		err = lm_client_open(&run->remote->params, &run->client, why);
	if (err)
		return err;
	if (run->remote->params.force_8bit && e->smtputf8 &&
	    !lm_client_has(run->client, "SMTPUTF8", NULL))
		e->smtputf8 = false;
	return lm_letter_rounds(run->client, letter, fates, why);
}

void lm_letter_send(struct lm_letter_run *run, struct lm_outgoing *letter, const char *shown)
{
	const struct lm_envelope *e = lm_outgoing_envelope(letter);
	struct lm_letter_fates fates = { 0 };
	struct lm_error why = { 0 };
	int err = hand_over(run, letter, &fates, &why);

	lm_progress_clear(&run->progress);
	say_refusals(e, shown, err, &fates, &why, run->remote);
	if (run->json)
		put_json(e, shown, err, &fates, &why);
	if (err == 0)
		run->good++;
	else
		fail_run(run, exit_code(run, err, &fates));
	if (fates.lost) {
		lm_client_free(run->client);
		run->client = NULL;
	}
	lm_letter_fates_done(&fates);
}

int lm_letter_done(struct lm_letter_run *run)
{
	struct lm_error why;
	int code;

	if (run->client)
		(void)!lm_client_quit(run->client, &why); /* what was accepted, is */
	lm_client_free(run->client);
	run->client = NULL;
	code = lm_cli_finish_output();
	if (run->bad && run->good && !run->any_refusal_fails)
		return EXIT_SOME;
	return run->bad ? run->code : code;
}
