/* A fetch as it speaks with the server: one callback for what comes, one place that asks. */
#include "cli/fetch.h"

#include "base/error.h"
#include "cli/pop3.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

/* Requests that are under way at once; the session sends no more than the server can take. */
enum { WINDOW = 64 };

/* A signal handler can only write to a pipe, whose end the loop watches. */
static int signal_pipe[2] = { -1, -1 };
static const int ours[] = { SIGINT, SIGTERM, SIGHUP };

static void on_signal(int number)
{
	int saved = errno;
	uint8_t octet = (uint8_t)number;

	(void)!write(signal_pipe[1], &octet, 1);
	errno = saved;
}

static lm_time_ms now(const struct lm_fetch *f)
{
	return lm_loop_now(f->loop);
}

static void drop_add(struct lm_fetch *f)
{
	lm_mime_add_abort(f->add);
	f->add = NULL;
	f->add_octets = 0;
}

/* Nothing more can be done: what is stored is kept, the rest is for the next fetch. */
static void give_up(struct lm_fetch *f, const struct lm_error *why)
{
	if (f->fatal.code == 0 && !f->interrupted)
		f->fatal = *why;
	f->over = true;
	if (f->client)
		lm_client_abort(f->client);
}

/* The store is at its end, not the server. */
static void store_fails(struct lm_fetch *f, const struct lm_error *why)
{
	struct lm_error named;

	(void)lm_fail(&named, why->code, "%.60s: %.170s", lm_cli_text(f->call, "to"), why->text);
	if (f->fatal.code == 0)
		f->store_failed = true;
	give_up(f, &named);
}

static int push(struct lm_fetch *f, enum lm_request_type type, struct lm_drop_message *m)
{
	struct lm_request request = LM_REQUEST_INIT(type);
	int err;

	request.tag = m;
	request.number = m ? m->number : 0;
	request.expected = m && type == LM_REQUEST_RETR ? m->octets : 0;
	err = lm_client_request(f->client, &request);
	if (err == 0)
		f->in_flight++;
	return err;
}

/* The batch */

static int flush(struct lm_fetch *f, struct lm_error *why)
{
	int err = lm_mime_store_flush(f->store, why);

	for (size_t i = 0; i < f->batch_count && err == 0; i++) {
		const struct lm_drop_message *m = &f->drop.items[f->batch[i].index];

		if (m->id.len > 0)
			err = lm_fetch_memory_note(&f->memory, m->id, m->octets);
		if (err < 0)
			(void)lm_fail(why, err, "out of memory");
	}
	return err == 0 ? lm_fetch_memory_flush(&f->memory, why) : err;
}

static void mark_deleted(struct lm_fetch *f, struct lm_drop_message *m)
{
	struct lm_error why;
	int err = push(f, LM_REQUEST_DELE, m);

	if (err == 0)
		return;
	(void)lm_fail(&why, err, "it is stored, but stays on the server: %s", lm_err_text(err));
	f->failed++;
	lm_fetch_tell_failed(f, m, &why);
}

/* Store, then memory, then the server: in this order nothing is lost, wherever it breaks off. */
static void commit(struct lm_fetch *f)
{
	struct lm_error why = { 0 };

	if (f->batch_count == 0)
		return;
	if (flush(f, &why) < 0) {
		f->batch_count = 0;
		store_fails(f, &why);
		return;
	}
	for (size_t i = 0; i < f->batch_count; i++) {
		struct lm_drop_message *m = &f->drop.items[f->batch[i].index];

		f->fetched += !f->batch[i].was_there;
		f->octets += f->batch[i].octets;
		f->known += f->batch[i].was_there;
		lm_fetch_tell_stored(f, &f->batch[i]);
		if (!f->keep && !f->over && !f->closed)
			mark_deleted(f, m);
	}
	f->batch_count = 0;
	f->batch_octets = 0;
}

static void note_stored(struct lm_fetch *f, size_t index, bool was_there, uint64_t octets,
                        const char *name)
{
	struct lm_fetched *one = &f->batch[f->batch_count];

	if (f->batch_count == 0)
		f->batch_began = now(f);
	one->index = index;
	one->octets = was_there ? 0 : octets;
	one->was_there = was_there;
	memcpy(one->name, name, strlen(name) + 1);
	f->batch_count++;
	f->batch_octets += f->drop.items[index].octets;
	if (f->batch_count == LM_FETCH_BATCH || f->batch_octets >= LM_FETCH_BATCH_OCTETS ||
	    now(f) - f->batch_began >= LM_FETCH_BATCH_MS)
		commit(f);
}

/* Asking */

/* DELE for what was fetched before, RETR for what is wanted; LM_E_NOT_FOUND: nothing. */
static int ask_next(struct lm_fetch *f)
{
	struct lm_drop_message *m = &f->drop.items[f->next];
	enum lm_fate fate = f->fates[f->next];

	if (fate == LM_FATE_WANTED)
		return push(f, LM_REQUEST_RETR, m);
	if (fate == LM_FATE_KNOWN && !f->keep && !f->new_only)
		return push(f, LM_REQUEST_DELE, m);
	return LM_E_NOT_FOUND;
}

static void ask_for_messages(struct lm_fetch *f)
{
	int err = 0;

	while (f->next < f->drop.count && f->in_flight < WINDOW && !f->dry_run) {
		err = ask_next(f);
		if (err < 0 && err != LM_E_NOT_FOUND)
			break;
		f->next++;
	}
	if (f->next < f->drop.count && f->in_flight == 0 && !f->dry_run) {
		struct lm_error why;

		(void)lm_fail(&why, err, "cannot ask for a message: %s", lm_err_text(err));
		give_up(f, &why);
	}
}

static void ask_for_headers(struct lm_fetch *f)
{
	while (f->next < f->drop.count && f->in_flight < WINDOW) {
		struct lm_drop_message *m = &f->drop.items[f->next];

		if (m->chosen && push(f, LM_REQUEST_TOP, m) < 0)
			return;
		f->next++;
	}
}

static void plan(struct lm_fetch *f)
{
	struct lm_error why = { 0 };

	f->next = 0;
	if (lm_fetch_plan(f, &why) < 0) {
		give_up(f, &why);
		return;
	}
	f->planned = true;
	lm_progress_total(&f->progress, f->wanted, f->wanted_octets, now(f));
}

/* Whatever is to be asked now. */
static void go_on(struct lm_fetch *f)
{
	if (f->over || f->closed || f->quitting)
		return;
	if (!f->planned) {
		ask_for_headers(f);
		if (f->next < f->drop.count || f->in_flight > 0)
			return;
		plan(f);
	}
	if (f->over)
		return;
	ask_for_messages(f);
	if (f->over || f->in_flight > 0 || (f->next < f->drop.count && !f->dry_run))
		return;
	commit(f);
	if (!f->over && f->in_flight == 0) {
		f->quitting = true;
		(void)!push(f, LM_REQUEST_QUIT, NULL);
	}
}

/* What comes: listings and headers */

static void on_listed(struct lm_fetch *f, const struct lm_outcome *o)
{
	struct lm_error why = { 0 };
	size_t nameless;

	if (o->type == LM_REQUEST_LIST) {
		lm_drop_sort(&f->drop);
		return;
	}
	if (lm_fetch_find_nameless(f, &nameless) < 0) {
		(void)lm_fail(&why, LM_E_NOMEM, "out of memory");
		give_up(f, &why);
	}
	f->next = 0;
}

static void on_headers(struct lm_fetch *f, const struct lm_outcome *o)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	struct lm_error why = { 0 };

	if (o->result == 0 && o->octets > 0 && EVP_DigestFinal_ex(f->hash, digest, &len) == 1 &&
	    lm_fetch_name(f, o->tag, digest, len) < 0) {
		(void)lm_fail(&why, LM_E_NOMEM, "out of memory");
		give_up(f, &why);
	}
	(void)EVP_DigestInit_ex(f->hash, EVP_sha256(), NULL);
}

/* What comes: messages */

/* Without an id of its own a message must not look like another one. */
static size_t guid_of(const struct lm_fetch *f, const struct lm_drop_message *m, char *out,
                      size_t cap)
{
	long long moment = (long long)time(NULL);

	if (m->id.len > 0 && !f->again)
		return (size_t)snprintf(out, cap, "%.*s", LM_FMT(m->id));
	return (size_t)snprintf(out, cap, "%.*s@%lld.%ld.%" PRIu64, LM_FMT(m->id), moment,
	                        (long)getpid(), m->number);
}

static int begin_add(struct lm_fetch *f, const struct lm_drop_message *m)
{
	char guid[2200];
	struct lm_mime_item item = { .sourceid = lm_str(f->source), .octets = m->octets };
	size_t len = guid_of(f, m, guid, sizeof(guid));

	item.guid = lm_bytes(guid, len < sizeof(guid) ? len : sizeof(guid) - 1);
	f->add_number = m->number;
	return lm_mime_add_begin(f->store, &item, &f->add, &f->wrong);
}

/* A disk that is full is no fault of one message. */
static bool is_end_of_store(int err)
{
	switch (err) {
	case LM_E_FULL:
	case LM_E_IO:
	case LM_E_NOMEM:
	case LM_E_DENIED:
	case LM_E_CORRUPT:
	case LM_E_CLOSED:
	case LM_E_TIMEOUT:
		return true;
	default:
		return false;
	}
}

static void on_store_error(struct lm_fetch *f, int err)
{
	if (err < 0 && f->wrong.code == 0)
		(void)lm_fail(&f->wrong, err, "%s", lm_err_text(err));
	if (err < 0 && is_end_of_store(err))
		store_fails(f, &f->wrong);
}

static int store_octets(struct lm_fetch *f, const struct lm_event *event)
{
	const struct lm_drop_message *m = lm_drop_find(&f->drop, event->message.number);
	int err = f->wrong.code;

	if (err == 0 && !f->add)
		err = m ? begin_add(f, m) : LM_E_PROTO;
	if (err == 0 && event->argument.len > 0)
		err = lm_mime_add_write(f->add, event->argument, &f->wrong);
	if (err < 0) {
		drop_add(f);
		on_store_error(f, err);
	}
	f->add_octets += event->argument.len;
	return err;
}

static void on_body(struct lm_fetch *f, const struct lm_event *event)
{
	struct lm_reply reply = LM_REPLY_INIT;

	if (!f->planned)
		reply.result = EVP_DigestUpdate(f->hash, event->argument.data,
		                                event->argument.len) == 1
		                       ? 0
		                       : LM_E_NOMEM;
	else if (f->over)
		reply.result = LM_E_CANCELED;
	else
		reply.result = store_octets(f, event);
	if (!f->closed)
		(void)lm_client_answer(f->client, event->id, &reply);
	lm_progress_update(&f->progress, f->fetched + f->batch_count,
	                   f->done_octets + f->add_octets, now(f));
}

static void fail_message(struct lm_fetch *f, const struct lm_outcome *o)
{
	struct lm_error why = f->wrong;

	drop_add(f);
	if (why.code == 0 && o->result < 0)
		(void)lm_fail(&why, o->result, "%.*s: %.*s",
		              (int)(o->command.len > 40 ? 40 : o->command.len),
		              (const char *)o->command.data,
		              (int)(o->text.len > 180 ? 180 : o->text.len),
		              (const char *)o->text.data);
	if (f->over || (f->wrong.code == 0 && lm_pop3_is_fatal(o->result, o->side)))
		return;
	f->failed++;
	lm_fetch_tell_failed(f, o->tag, &why);
}

static void end_message(struct lm_fetch *f, const struct lm_outcome *o)
{
	const struct lm_drop_message *m = o->tag;
	char name[256] = "";
	int err = 0;

	if (!f->add)
		err = begin_add(f, m);
	if (err == 0)
		err = lm_mime_add_end(f->add, name, &f->wrong);
	f->add = NULL;
	if (err < 0 && err != LM_E_EXISTS) {
		on_store_error(f, err);
		fail_message(f, o);
		return;
	}
	if (o->odd_size && !f->quiet) {
		lm_progress_clear(&f->progress);
		lm_cli_complain("message %" PRIu64 ": its size is not the one LIST told; taken as "
		                "it came",
		                m->number);
	}
	note_stored(f, (size_t)(m - f->drop.items), err == LM_E_EXISTS, o->octets, name);
}

static void on_retr(struct lm_fetch *f, const struct lm_outcome *o)
{
	const struct lm_drop_message *m = o->tag;

	if (o->result == 0 && f->wrong.code == 0 && !f->over)
		end_message(f, o);
	else
		fail_message(f, o);
	f->done_octets += m->octets;
	f->add_octets = 0;
	f->wrong = (struct lm_error){ 0 };
}

static void on_dele(struct lm_fetch *f, const struct lm_outcome *o)
{
	struct lm_error why = { 0 };

	if (o->result == 0) {
		f->marked++;
		return;
	}
	if (f->over || lm_pop3_is_fatal(o->result, o->side))
		return;
	(void)lm_fail(&why, o->result, "it is stored, but stays on the server: DELE: %.*s",
	              (int)(o->text.len > 150 ? 150 : o->text.len), (const char *)o->text.data);
	f->failed++;
	lm_fetch_tell_failed(f, o->tag, &why);
}

static void on_quit(struct lm_fetch *f, const struct lm_outcome *o)
{
	f->quit_done = o->result == 0;
	if (o->result < 0 && f->marked > 0)
		(void)lm_fail(&f->fatal, o->result,
		              "QUIT: %.*s; messages that are stored may still be on the server",
		              (int)(o->text.len > 120 ? 120 : o->text.len),
		              (const char *)o->text.data);
}

static bool is_beginning(enum lm_request_type type)
{
	return type == LM_REQUEST_OPEN || type == LM_REQUEST_LOGIN;
}

/* Lines of a listing that make no sense do not end the connection: nobody would go on. */
static bool is_lost(const struct lm_outcome *o)
{
	if (o->type == LM_REQUEST_LIST || o->type == LM_REQUEST_UIDL)
		return o->result < 0 && o->side == LM_SIDE_NETWORK;
	return lm_pop3_is_fatal(o->result, o->side);
}

/* A refusal of what all else needs. */
static bool is_hopeless(const struct lm_outcome *o)
{
	return o->result < 0 && (is_beginning(o->type) || o->type == LM_REQUEST_LIST);
}

static void on_outcome(struct lm_fetch *f, const struct lm_outcome *o)
{
	struct lm_error why = { 0 };

	if (!is_beginning(o->type))
		f->in_flight--;
	if (is_hopeless(o)) {
		(void)lm_fail(&why, o->result, "%.*s%s%.*s",
		              (int)(o->command.len > 60 ? 60 : o->command.len),
		              (const char *)o->command.data, o->command.len ? ": " : "",
		              (int)(o->text.len > 150 ? 150 : o->text.len),
		              (const char *)o->text.data);
		if (!is_lost(o))
			give_up(f, &why);
		return;
	}
	if (o->type == LM_REQUEST_RETR)
		on_retr(f, o);
	else if (o->type == LM_REQUEST_DELE)
		on_dele(f, o);
	else if (o->type == LM_REQUEST_TOP)
		on_headers(f, o);
	else if (o->type == LM_REQUEST_QUIT)
		on_quit(f, o);
	else if (!is_beginning(o->type) && !is_lost(o))
		on_listed(f, o);
	if (!is_beginning(o->type) && o->type != LM_REQUEST_LIST && !is_lost(o))
		go_on(f);
}

static void on_event(void *ctx, const struct lm_event *event)
{
	struct lm_fetch *f = ctx;
	struct lm_error why = { 0 };

	if (event->type == LM_EVENT_BODY) {
		on_body(f, event);
	} else if (event->type == LM_EVENT_OUTCOME) {
		on_outcome(f, event->outcome);
	} else if (event->type == LM_EVENT_ITEM && lm_drop_take(&f->drop, event) < 0) {
		(void)lm_fail(&why, LM_E_NOMEM, "out of memory");
		give_up(f, &why);
	}
}

static void on_closed(void *ctx, const struct lm_error *why)
{
	struct lm_fetch *f = ctx;

	f->closed = true;
	drop_add(f);
	commit(f);
	if (why->code < 0 && f->fatal.code == 0 && !f->interrupted && !f->quitting)
		f->fatal = *why;
	lm_loop_stop(f->loop);
}

static void on_pipe(void *ctx, unsigned io)
{
	struct lm_fetch *f = ctx;
	uint8_t number;

	(void)io;
	if (read(signal_pipe[0], &number, 1) != 1)
		return;
	f->interrupted = number;
	commit(f);
	f->over = true;
	lm_client_abort(f->client);
}

/* The second signal of a kind ends the process as it always does. */
static int catch_signals(struct lm_fetch *f, struct lm_watch **out_watch)
{
	const struct sigaction act = { .sa_handler = on_signal,
		                       .sa_flags = (int)(SA_RESETHAND | SA_RESTART) };
	int err;

	if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return LM_E_IO;
	err = lm_watch_new(f->loop, signal_pipe[0], on_pipe, f, out_watch);
	if (err < 0)
		return err;
	lm_watch_want(*out_watch, LM_IO_READ);
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		sigaction(ours[i], &act, NULL);
	return 0;
}

/* A handler must not write to whoever has the pipe's descriptor next. */
static void let_signals_go(void)
{
	if (signal_pipe[0] < 0)
		return;
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		signal(ours[i], SIG_DFL);
	close(signal_pipe[0]);
	close(signal_pipe[1]);
	signal_pipe[0] = signal_pipe[1] = -1;
}

static int start(struct lm_fetch *f, struct lm_watch **out_watch, struct lm_error *why)
{
	static const struct lm_client_owner owner = { on_event, on_closed };
	int err;

	f->hash = EVP_MD_CTX_new();
	if (!f->hash || EVP_DigestInit_ex(f->hash, EVP_sha256(), NULL) != 1)
		return lm_fail(why, LM_E_NOMEM, "out of memory");
	err = lm_client_new(f->loop, &f->remote.params, &owner, f, &f->client, why);
	if (err < 0)
		return err;
	err = catch_signals(f, out_watch);
	if (err == 0)
		err = push(f, LM_REQUEST_LIST, NULL);
	if (err == 0)
		err = push(f, LM_REQUEST_UIDL, NULL);
	return err < 0 ? lm_fail(why, err, "%s", lm_err_text(err)) : 0;
}

void lm_fetch_run(struct lm_fetch *fetch)
{
	struct lm_watch *watch = NULL;

	lm_progress_init(&fetch->progress, !fetch->quiet && !fetch->json && !fetch->remote.verbose,
	                 now(fetch));
	fetch->began = now(fetch);
	if (start(fetch, &watch, &fetch->fatal) == 0)
		lm_loop_run(fetch->loop);
	lm_watch_free(watch);
	lm_client_free(fetch->client);
	fetch->client = NULL;
	drop_add(fetch);
	EVP_MD_CTX_free(fetch->hash);
	let_signals_go();
}
