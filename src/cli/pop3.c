/* lettermill pop3: a maildrop looked into and tidied up from the command line. */
#include "cli/pop3.h"

#include "base/error.h"

#include <inttypes.h>

bool lm_pop3_is_fatal(int err, enum lm_side side)
{
	return err < 0 && side != LM_SIDE_SERVER && side != LM_SIDE_CLIENT;
}

void lm_pop3_pass_over(struct lm_pop3_run *run, uint64_t number, const struct lm_error *why)
{
	lm_cli_complain("message %" PRIu64 ": %s", number, why->text);
	run->code = 1;
}

int lm_pop3_with_client(const struct lm_cli_call *call, enum lm_remote_login login,
                        int (*action)(struct lm_pop3_run *run))
{
	struct lm_pop3_run run = { .call = call };
	struct lm_error why = { 0 };
	int code = lm_remote_init(&run.remote, call, 0, LM_REMOTE_POP3, login);

	if (code != LM_EXIT_OK)
		return code;
	lm_drop_init(&run.drop);
	run.remote.params.max_items = LM_DROP_MAX;
	if (lm_client_open(&run.remote.params, &run.client, &why) < 0) {
		code = lm_remote_failed(&run.remote, &why);
	} else {
		code = action(&run);
		lm_client_free(run.client);
	}
	lm_drop_done(&run.drop);
	lm_remote_done(&run.remote);
	return code;
}

/* What was asked for is there: how the server takes leave changes nothing. */
static int leave(struct lm_pop3_run *run)
{
	int code = lm_cli_finish_output();

	(void)!lm_client_quit(run->client, NULL);
	return code == LM_EXIT_OK ? run->code : code;
}

static int choose_ids(struct lm_pop3_run *run, struct lm_error *why)
{
	const char *ids;
	int err = 0;

	for (size_t i = 0; err == 0 && (ids = lm_cli_text_at(run->call, "uidl", i)); i++)
		err = lm_drop_choose_ids(&run->drop, ids, why);
	return err;
}

int lm_pop3_choose(struct lm_pop3_run *run, bool with_ids, bool all)
{
	bool by_id = lm_cli_text_at(run->call, "uidl", 0), by_number = run->call->operand_count > 1;
	struct lm_ranges ranges;
	struct lm_error why = { 0 };
	int err;

	err = lm_ranges_parse(run->call->operands + 1, run->call->operand_count - 1, &ranges, &why);
	if (err < 0) {
		lm_ranges_done(&ranges);
		return lm_cli_call_usage(run->call, "%s", why.text);
	}
	err = lm_drop_list(&run->drop, run->client, with_ids || by_id, &why);
	if (err == 0)
		err = lm_drop_choose(&run->drop, &ranges, all && !by_id && !by_number, &why);
	if (err == 0)
		err = choose_ids(run, &why);
	lm_ranges_done(&ranges);
	return err < 0 ? lm_remote_failed(&run->remote, &why) : LM_EXIT_OK;
}

/* Ranges of a wrong form are told before anybody is called. */
static int check_ranges(const struct lm_cli_call *call)
{
	struct lm_error why = { 0 };
	struct lm_ranges ranges;
	int err = lm_ranges_parse(call->operands + 1, call->operand_count - 1, &ranges, &why);

	lm_ranges_done(&ranges);
	return err < 0 ? lm_cli_call_usage(call, "%s", why.text) : LM_EXIT_OK;
}

/* LIST and UIDL */

static void print_plain(const struct lm_drop_message *m, bool with_octets, bool with_id)
{
	printf("%" PRIu64, m->number);
	if (with_octets)
		printf(" %" PRIu64, m->octets);
	if (with_id) {
		fputs(" ", stdout);
		lm_cli_put(stdout, m->id.len ? m->id : lm_str("-"));
	}
	fputs("\n", stdout);
}

static void print_json(const struct lm_drop_message *m, bool with_octets, bool with_id)
{
	printf("{\"number\": %" PRIu64, m->number);
	if (with_octets)
		printf(", \"octets\": %" PRIu64, m->octets);
	if (with_id) {
		fputs(", \"uidl\": ", stdout);
		if (m->id.len)
			lm_cli_put_json(stdout, m->id);
		else
			fputs("null", stdout);
	}
	fputs("}", stdout);
}

static void print_drop(const struct lm_pop3_run *run, bool with_octets, bool with_id)
{
	bool json = lm_cli_flag(run->call, "json"), first = true;

	if (json)
		fputs("[", stdout);
	for (size_t i = 0; i < run->drop.count; i++) {
		const struct lm_drop_message *m = &run->drop.items[i];

		if (!m->chosen)
			continue;
		if (json)
			fputs(first ? "\n  " : ",\n  ", stdout);
		first = false;
		(json ? print_json : print_plain)(m, with_octets, with_id);
	}
	if (json)
		fputs(first ? "]\n" : "\n]\n", stdout);
}

static int list(struct lm_pop3_run *run)
{
	bool is_long = lm_cli_flag(run->call, "long");
	int code = lm_pop3_choose(run, is_long, true);

	if (code != LM_EXIT_OK)
		return code;
	print_drop(run, true, is_long);
	return leave(run);
}

static int uidl(struct lm_pop3_run *run)
{
	int code = lm_pop3_choose(run, true, true);

	if (code != LM_EXIT_OK)
		return code;
	print_drop(run, false, true);
	return leave(run);
}

/* STAT, CAPA */

static int stat(struct lm_pop3_run *run)
{
	struct lm_error why = { 0 };
	uint64_t count, octets;

	if (lm_pop3_client_stat(run->client, &count, &octets, &why) < 0)
		return lm_remote_failed(&run->remote, &why);
	if (lm_cli_flag(run->call, "json"))
		printf("{\"count\": %" PRIu64 ", \"octets\": %" PRIu64 "}\n", count, octets);
	else
		printf("%" PRIu64 " %" PRIu64 "\n", count, octets);
	return leave(run);
}

struct capa_print {
	bool json, first;
};

static int print_capa(void *ctx, const struct lm_event *event)
{
	struct capa_print *p = ctx;

	if (event->type != LM_EVENT_ITEM)
		return 0;
	if (p->json) {
		fputs(p->first ? "\n  " : ",\n  ", stdout);
		lm_cli_put_json(stdout, event->argument);
	} else {
		lm_cli_put(stdout, event->argument);
		fputs("\n", stdout);
	}
	p->first = false;
	return 0;
}

static int capa(struct lm_pop3_run *run)
{
	struct lm_request request = LM_REQUEST_INIT(LM_REQUEST_CAPA);
	struct capa_print p = { lm_cli_flag(run->call, "json"), true };
	struct lm_error why = { 0 };
	int err;

	if (p.json)
		fputs("[", stdout);
	err = lm_client_do(run->client, &request, print_capa, &p, &why);
	if (p.json)
		fputs(p.first ? "]\n" : "\n]\n", stdout);
	return err < 0 ? lm_remote_failed(&run->remote, &why) : leave(run);
}

/* DELE */

struct farewell {
	char text[200];
};

static int hear_farewell(void *ctx, const struct lm_event *event)
{
	struct farewell *f = ctx;

	if (event->type == LM_EVENT_OUTCOME)
		snprintf(f->text, sizeof(f->text), "%.*s", LM_FMT(event->outcome->text));
	return 0;
}

/* Nothing is gone before QUIT was answered. */
static int quit_and_tell(struct lm_pop3_run *run, size_t marked)
{
	struct lm_request quit = LM_REQUEST_INIT(LM_REQUEST_QUIT);
	struct farewell f = { "" };
	struct lm_error why = { 0 };
	int err = lm_client_do(run->client, &quit, hear_farewell, &f, &why);
	bool json = lm_cli_flag(run->call, "json");

	if (json) {
		printf("{\"deleted\": %zu, \"quit\": %s, \"text\": ", err < 0 ? 0 : marked,
		       err < 0 ? "false" : "true");
		lm_cli_put_json(stdout, lm_str(f.text));
		fputs("}\n", stdout);
	}
	if (err < 0) {
		lm_cli_complain(
		        "%zu messages were marked, but QUIT failed: some may still be there",
		        marked);
		return lm_remote_failed(&run->remote, &why);
	}
	if (!json) {
		printf("%zu deleted; the server said: ", marked);
		lm_cli_put(stdout, lm_str(f.text));
		fputs("\n", stdout);
	}
	err = lm_cli_finish_output();
	return err == LM_EXIT_OK ? run->code : err;
}

struct deletion {
	struct lm_pop3_run *run;
	size_t marked;
};

static int hear_dele(void *ctx, const struct lm_event *event)
{
	struct deletion *d = ctx;
	const struct lm_outcome *o = event->outcome;
	const struct lm_drop_message *m;
	struct lm_error why = { 0 };

	if (event->type != LM_EVENT_OUTCOME)
		return 0;
	if (o->result == 0) {
		d->marked++;
		return 0;
	}
	if (lm_pop3_is_fatal(o->result, o->side))
		return 0;
	m = o->tag;
	(void)lm_fail(&why, o->result, "%.*s: %.*s", LM_FMT(o->command), LM_FMT(o->text));
	lm_pop3_pass_over(d->run, m->number, &why);
	return 0;
}

static int dele(struct lm_pop3_run *run)
{
	struct deletion d = { run, 0 };
	struct lm_error why = { 0 };
	int err = 0, code = lm_pop3_choose(run, false, false);
	enum { TOGETHER = 100 };

	for (size_t i = 0; i < run->drop.count && code == LM_EXIT_OK && err == 0;) {
		struct lm_request requests[TOGETHER];
		size_t n = 0;

		for (; i < run->drop.count && n < TOGETHER; i++) {
			struct lm_drop_message *m = &run->drop.items[i];

			if (!m->chosen)
				continue;
			requests[n] = LM_REQUEST_INIT(LM_REQUEST_DELE);
			requests[n].number = m->number;
			requests[n++].tag = m;
		}
		err = lm_client_do_all(run->client, requests, n, hear_dele, &d, &why);
	}
	if (err < 0)
		return lm_remote_failed(&run->remote, &why);
	return code == LM_EXIT_OK ? quit_and_tell(run, d.marked) : code;
}

/* The actions */

static int run_list(const struct lm_cli_call *call)
{
	int code = check_ranges(call);

	return code == LM_EXIT_OK ? lm_pop3_with_client(call, LM_REMOTE_MUST, list) : code;
}

static int run_uidl(const struct lm_cli_call *call)
{
	int code = check_ranges(call);

	return code == LM_EXIT_OK ? lm_pop3_with_client(call, LM_REMOTE_MUST, uidl) : code;
}

static int run_stat(const struct lm_cli_call *call)
{
	return lm_pop3_with_client(call, LM_REMOTE_MUST, stat);
}

static int run_capa(const struct lm_cli_call *call)
{
	return lm_pop3_with_client(call, LM_REMOTE_MAY, capa);
}

static int run_dele(const struct lm_cli_call *call)
{
	int code = check_ranges(call);

	if (code != LM_EXIT_OK)
		return code;
	if (call->operand_count < 2 && !lm_cli_text_at(call, "uidl", 0))
		return lm_cli_call_usage(call, "say which messages: RANGES such as 1-10,15,20- "
		                               "(1- for all), or --uidl");
	return lm_pop3_with_client(call, LM_REMOTE_MUST, dele);
}

static int run_top(const struct lm_cli_call *call)
{
	int code = check_ranges(call);

	return code == LM_EXIT_OK ? lm_pop3_top(call) : code;
}

static int run_retr(const struct lm_cli_call *call)
{
	int code = check_ranges(call);

	return code == LM_EXIT_OK ? lm_pop3_retr(call) : code;
}

static const struct lm_cli_action actions[] = {
	{ "list", "URL [RANGES]...", "list the messages: NUMBER OCTETS",
	  "With --long also their unique ids.", 1, SIZE_MAX, NULL, run_list },
	{ "uidl", "URL [RANGES]...", "list the unique ids: NUMBER ID",
	  "An id names a message for as long as it is in the maildrop; numbers change from "
	  "connection to connection.",
	  1, SIZE_MAX, NULL, run_uidl },
	{ "stat", "URL", "print how much is there: COUNT OCTETS", "", 1, 1, NULL, run_stat },
	{ "capa", "URL", "print the server's capabilities",
	  "Before login where no user is named, behind it where one is.", 1, 1, NULL, run_capa },
	{ "top", "URL [RANGES]...", "print headers, and with --lines the beginning of bodies",
	  "Of several messages each comes behind a line \"==> NUMBER <==\".", 1, SIZE_MAX, NULL,
	  run_top },
	{ "retr", "URL [RANGES]...", "print a message, octet for octet",
	  "One goes to standard output. Several, or all without RANGES, go into the folder of "
	  "--output-dir, each into a new file named by its number; the names are printed.",
	  1, SIZE_MAX, NULL, run_retr },
	{ "dele", "URL [RANGES]...", "delete messages",
	  "RANGES or --uidl must be given; 1- means all. A message is gone when the server has "
	  "answered QUIT with +OK.",
	  1, SIZE_MAX, NULL, run_dele },
	{ "fetch", "URL --to STORE", "fetch the whole maildrop into a store",
	  "Stores what was not fetched before, then deletes on the server what is safely stored, "
	  "that of earlier fetches included; see --keep and --new-only. What was fetched is known "
	  "by its unique id, so that a fetch which was broken off goes on with the next one and "
	  "nothing is lost or stored twice. A message that cannot be had is named and passed over; "
	  "the exit code is 1 then. An interrupt keeps what is stored and leaves the server as it "
	  "was; a second one ends at once.",
	  1, 1, NULL, lm_pop3_fetch },
};

static const struct lm_cli_action *pop3_actions(size_t *out_count)
{
	*out_count = sizeof(actions) / sizeof(*actions);
	return actions;
}

#define SECTION "Options"
static const struct lm_option options[] = {
	{ "uidl", "ID[,ID]...", "",
	  "Choose messages by unique id. Repeatable; RANGES may choose more.", SECTION, "",
	  LM_OPTION_LIST, 0, 0, 0, 0, "list uidl top retr dele", 0 },
	{ "long", "", "", "With unique ids: NUMBER OCTETS ID.", SECTION, "", LM_OPTION_FLAG, 0, 0,
	  0, 0, "list", 'l' },
	{ "lines", "N", "0", "Lines of the body to print.", SECTION, "lines", LM_OPTION_NUMBER, 0,
	  0, INT32_MAX, 0, "top", 'n' },
	{ "output-dir", "DIR", "", "The folder for messages; nothing in it is overwritten.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, "retr", 'o' },
	{ "to", "STORE", "",
	  "Where messages go: maildir:PATH, sqlite:PATH, localfs:PATH, cloud:URL, memory: or "
	  "fake:.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, "fetch", 0 },
	{ "mailbox", "NAME", "", "The account it goes to, in stores that have several.", SECTION,
	  "", LM_OPTION_STRING, 0, 0, 0, 0, "fetch", 0 },
	{ "store-option", "NAME=VALUE", "", "A setting of the store. Repeatable.", SECTION, "",
	  LM_OPTION_LIST, LM_OPTION_SECRET, 0, 0, 0, "fetch", 0 },
	{ "keep", "", "", "Delete nothing on the server.", SECTION, "", LM_OPTION_FLAG, 0, 0, 0, 0,
	  "fetch", 'k' },
	{ "new-only", "", "",
	  "Touch only messages that were not fetched before: those of earlier fetches stay where "
	  "they are.",
	  SECTION, "", LM_OPTION_FLAG, 0, 0, 0, 0, "fetch", 0 },
	{ "again", "", "", "Fetch also what was fetched before.", SECTION, "", LM_OPTION_FLAG, 0, 0,
	  0, 0, "fetch", 0 },
	{ "limit", "N", "", "Fetch at most so many messages.", SECTION, "messages",
	  LM_OPTION_NUMBER, 0, 1, INT64_MAX, 0, "fetch", 0 },
	{ "max-size", "SIZE", "", "Pass over larger messages, as 25M.", SECTION, "", LM_OPTION_SIZE,
	  0, 0, INT64_MAX, 0, "fetch", 0 },
	{ "state", "FILE", "",
	  "Remember in this file what was fetched. Default: stores that remember themselves need "
	  "none (maildir:, sqlite:, memory:); for others a file in $XDG_STATE_HOME/lettermill or "
	  "~/.local/state/lettermill.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, "fetch", 0 },
	{ "source", "NAME", "",
	  "What the maildrop is called in the store, and what its ids belong to. Default: "
	  "USER@HOST, with the port where it is not the usual one.",
	  SECTION, "", LM_OPTION_STRING, 0, 0, 0, 0, "fetch", 0 },
	{ "dry-run", "", "", "Say what would be done with each message, and do nothing.", SECTION,
	  "", LM_OPTION_FLAG, 0, 0, 0, 0, "fetch", 0 },
	{ "no-pipelining", "", "", "Ask for one message at a time, whatever the server can.",
	  SECTION, "", LM_OPTION_FLAG, 0, 0, 0, 0, "fetch", 0 },
#undef SECTION
#include "cli/remote.def"
#define SECTION "Output"
	{ "json", "", "",
	  "Print JSON, for programs; with fetch a line for each message, then a summary.", SECTION,
	  "", LM_OPTION_FLAG, 0, 0, 0, 0, "list uidl stat capa dele fetch", 0 },
	{ "quiet", "", "", "Say only what goes wrong: no progress, no summary.", SECTION, "",
	  LM_OPTION_FLAG, 0, 0, 0, 0, "fetch", 'q' },
};

static const struct lm_option *pop3_options(size_t *out_count)
{
	*out_count = sizeof(options) / sizeof(*options);
	return options;
}

const struct lm_cli_command lm_cli_pop3_command = {
	.name = "pop3",
	.arguments = "ACTION URL [OPTION]... [RANGES]...",
	.summary = "look into a maildrop, fetch and delete",
	.text = "URL: pop3://USER@HOST:PORT/, or pop3s:// for TLS from the first octet. RANGES "
	        "name "
	        "messages by number, as 1-10,15,20-; an open end means to the last.",
	.options = pop3_options,
	.run = lm_cli_run_actions,
	.actions = pop3_actions,
};
