/* lettermill pop3 top and retr: messages to standard output or into a folder. */
#include "cli/pop3.h"

#include "base/error.h"
#include "cli/outdir.h"

#include <inttypes.h>
#include <unistd.h>

/* Where the message under way goes. */
struct taking {
	struct lm_pop3_run *run;
	const struct lm_drop_message *message;
	bool to_file;
	struct lm_outfile file;
	struct lm_error error; /* of writing */
	int result;            /* of the request */
	enum lm_side side;
	char text[200]; /* of a refusal */
	bool odd_size;
};

static int take_octets(struct taking *t, struct lm_bytes octets)
{
	if (t->to_file)
		return lm_outfile_write(&t->file, octets, &t->error);
	if (fwrite(octets.data, 1, octets.len, stdout) == octets.len)
		return 0;
	return lm_fail(&t->error, LM_E_IO, "cannot write to standard output");
}

static int take_event(void *ctx, const struct lm_event *event)
{
	struct taking *t = ctx;
	const struct lm_outcome *o = event->outcome;

	if (event->type == LM_EVENT_BODY)
		return event->argument.len > 0 ? take_octets(t, event->argument) : 0;
	if (event->type != LM_EVENT_OUTCOME)
		return 0;
	t->result = o->result;
	t->side = o->side;
	t->odd_size = o->odd_size;
	snprintf(t->text, sizeof(t->text), "%.*s: %.*s", LM_FMT(o->command), LM_FMT(o->text));
	return 0;
}

/* 0 also when the server refused this one, which is told; else the run is over. */
static int take_message(struct taking *t, enum lm_request_type type, struct lm_error *out_error)
{
	struct lm_request request = LM_REQUEST_INIT(type);
	int err;

	request.number = t->message->number;
	request.expected = type == LM_REQUEST_RETR ? t->message->octets : 0;
	request.lines = type == LM_REQUEST_TOP ? lm_cli_value(t->run->call, "lines") : 0;
	t->error = (struct lm_error){ 0 };
	t->result = 0;
	t->odd_size = false;
	err = lm_client_do(t->run->client, &request, take_event, t, out_error);
	if (t->error.code < 0)
		*out_error = t->error;
	if (err < 0)
		return err;
	if (t->odd_size)
		lm_cli_complain("message %" PRIu64 ": its size is not the one LIST told",
		                t->message->number);
	return 0;
}

/* After a failure: whether to go on with the next message. */
static bool goes_on(struct taking *t, const struct lm_error *why)
{
	if (t->error.code < 0 || t->result == 0 || lm_pop3_is_fatal(t->result, t->side))
		return false;
	lm_pop3_pass_over(t->run, t->message->number, why);
	return true;
}

static int end_run(struct lm_pop3_run *run)
{
	int code = lm_cli_finish_output();

	(void)!lm_client_quit(run->client, NULL);
	return code == LM_EXIT_OK ? run->code : code;
}

static int print_chosen(struct lm_pop3_run *run, enum lm_request_type type, bool headings)
{
	struct taking t = { .run = run };
	struct lm_error why = { 0 };
	bool first = true;

	for (size_t i = 0; i < run->drop.count; i++) {
		t.message = &run->drop.items[i];
		if (!t.message->chosen)
			continue;
		if (headings)
			printf("%s==> %" PRIu64 " <==\n", first ? "" : "\n", t.message->number);
		first = false;
		if (take_message(&t, type, &why) < 0 && !goes_on(&t, &why))
			return lm_remote_failed(&run->remote, &why);
	}
	return end_run(run);
}

static int save_one(struct taking *t, int dir, struct lm_error *why)
{
	const char *path = lm_cli_text(t->run->call, "output-dir");
	char stem[32], name[LM_OUTDIR_NAME];
	int err = lm_outfile_begin(&t->file, dir, why);

	if (err < 0)
		return err;
	err = take_message(t, LM_REQUEST_RETR, why);
	if (err < 0) {
		lm_outfile_abort(&t->file);
		return err;
	}
	snprintf(stem, sizeof(stem), "%05" PRIu64, t->message->number);
	err = lm_outfile_end(&t->file, stem, name, why);
	if (err < 0)
		t->error = *why;
	else
		printf("%s/%s\n", path, name);
	return err;
}

static int save_chosen(struct lm_pop3_run *run)
{
	struct taking t = { .run = run, .to_file = true };
	struct lm_error why = { 0 };
	int dir, code = LM_EXIT_OK;

	if (lm_outdir_open(lm_cli_text(run->call, "output-dir"), &dir, &why) < 0)
		return lm_remote_failed(&run->remote, &why);
	for (size_t i = 0; i < run->drop.count && code == LM_EXIT_OK; i++) {
		t.message = &run->drop.items[i];
		if (t.message->chosen && save_one(&t, dir, &why) < 0 && !goes_on(&t, &why))
			code = lm_remote_failed(&run->remote, &why);
	}
	close(dir);
	return code == LM_EXIT_OK ? end_run(run) : code;
}

static int top(struct lm_pop3_run *run)
{
	int code = lm_pop3_choose(run, false, true);

	if (code != LM_EXIT_OK)
		return code;
	return print_chosen(run, LM_REQUEST_TOP, lm_drop_chosen(&run->drop) > 1);
}

static int retr(struct lm_pop3_run *run)
{
	int code = lm_pop3_choose(run, false, true);

	if (code != LM_EXIT_OK)
		return code;
	if (lm_cli_text(run->call, "output-dir"))
		return save_chosen(run);
	if (lm_drop_chosen(&run->drop) > 1)
		return lm_cli_call_usage(run->call,
		                         "%zu messages: only one can go to standard output; say "
		                         "--output-dir, or which one",
		                         lm_drop_chosen(&run->drop));
	return print_chosen(run, LM_REQUEST_RETR, false);
}

int lm_pop3_top(const struct lm_cli_call *call)
{
	return lm_pop3_with_client(call, LM_REMOTE_MUST, top);
}

int lm_pop3_retr(const struct lm_cli_call *call)
{
	return lm_pop3_with_client(call, LM_REMOTE_MUST, retr);
}
