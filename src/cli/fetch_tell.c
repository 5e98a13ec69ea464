/* What a fetch tells: a line of JSON for each message, complaints, the summary. */
#include "cli/fetch.h"

#include "base/error.h"

#include <inttypes.h>

static void begin_json(const struct lm_drop_message *m, const char *result)
{
	printf("{\"number\": %" PRIu64 ", \"uidl\": ", m->number);
	if (m->id.len)
		lm_cli_put_json(stdout, m->id);
	else
		fputs("null", stdout);
	printf(", \"octets\": %" PRIu64 ", \"result\": \"%s\"", m->octets, result);
}

void lm_fetch_tell_stored(struct lm_fetch *fetch, const struct lm_fetched *one)
{
	if (!fetch->json)
		return;
	begin_json(&fetch->drop.items[one->index], one->was_there ? "known" : "fetched");
	if (!one->was_there && *one->name) {
		fputs(", \"name\": ", stdout);
		lm_cli_put_json(stdout, lm_str(one->name));
	}
	fputs("}\n", stdout);
}

void lm_fetch_tell_failed(struct lm_fetch *fetch, const struct lm_drop_message *message,
                          const struct lm_error *why)
{
	lm_progress_clear(&fetch->progress);
	lm_cli_complain("message %" PRIu64 ": %s", message->number, why->text);
	if (!fetch->json)
		return;
	begin_json(message, "failed");
	fputs(", \"error\": ", stdout);
	lm_cli_put_json(stdout, lm_str(lm_err_name(why->code)));
	fputs(", \"text\": ", stdout);
	lm_cli_put_json(stdout, lm_str(why->text));
	fputs("}\n", stdout);
}

static void complain_of(const struct lm_fetch *f, const struct lm_drop_message *m,
                        enum lm_fate fate)
{
	if (fate == LM_FATE_LARGE)
		lm_cli_complain("message %" PRIu64 " (%.*s): %" PRIu64
		                " octets are more than --max-size; passed over",
		                m->number, (int)(m->id.len > 80 ? 80 : m->id.len),
		                (const char *)m->id.data, m->octets);
	if (fate == LM_FATE_UNCLEAR)
		lm_cli_complain("message %" PRIu64 " (%.*s): another has the same unique id, and "
		                "the server has no TOP to tell them apart; left alone",
		                m->number, (int)(m->id.len > 80 ? 80 : m->id.len),
		                (const char *)m->id.data);
	(void)f;
}

void lm_fetch_tell_fate(struct lm_fetch *fetch, size_t index)
{
	static const char *const results[] = { "wanted", "known", "large", "left", "unclear" };
	static const char *const words[] = { "would be fetched", "was fetched before",
		                             "is larger than --max-size", "is behind --limit",
		                             "cannot be told from another one" };
	const struct lm_drop_message *m = &fetch->drop.items[index];
	enum lm_fate fate = fetch->fates[index];

	if (!fetch->quiet && !fetch->dry_run)
		complain_of(fetch, m, fate);
	if (fetch->json) {
		begin_json(m, results[fate]);
		fputs("}\n", stdout);
	} else if (fetch->dry_run) {
		printf("%" PRIu64 " %" PRIu64 " ", m->number, m->octets);
		lm_cli_put(stdout, m->id.len ? m->id : lm_str("-"));
		printf(" %s\n", words[fate]);
	}
}

static void json_summary(const struct lm_fetch *f, uint64_t deleted, double seconds)
{
	printf("{\"summary\": true, \"messages\": %zu, \"fetched\": %" PRIu64
	       ", \"octets\": %" PRIu64 ", \"known\": %" PRIu64 ", \"large\": %" PRIu64
	       ", \"left\": %" PRIu64 ", \"unclear\": %" PRIu64 ", \"failed\": %" PRIu64
	       ", \"deleted\": %" PRIu64 ", \"seconds\": %.3f, \"complete\": %s",
	       f->drop.count, f->fetched, f->octets, f->known, f->large, f->left, f->unclear,
	       f->failed, deleted, seconds,
	       f->fatal.code == 0 && f->interrupted == 0 ? "true" : "false");
	if (f->fatal.code < 0) {
		fputs(", \"error\": ", stdout);
		lm_cli_put_json(stdout, lm_str(lm_err_name(f->fatal.code)));
		fputs(", \"text\": ", stdout);
		lm_cli_put_json(stdout, lm_str(f->fatal.text));
	}
	fputs("}\n", stdout);
}

static void part(uint64_t n, const char *words)
{
	if (n > 0)
		printf("; %" PRIu64 " %s", n, words);
}

static void text_summary(const struct lm_fetch *f, uint64_t deleted, double seconds)
{
	char size[16];

	if (f->dry_run)
		printf("%" PRIu64 " of %zu would be fetched, %s", f->wanted, f->drop.count,
		       lm_progress_size((double)f->wanted_octets, size));
	else
		printf("%" PRIu64 " fetched, %s in %.1f s", f->fetched,
		       lm_progress_size((double)f->octets, size), seconds);
	part(f->known, "fetched before");
	part(f->large, "larger than --max-size");
	part(f->left, "left for another time");
	part(f->unclear, "not told apart");
	part(f->failed, "failed");
	part(deleted, "deleted on the server");
	fputs("\n", stdout);
}

static int complain_end(const struct lm_fetch *f)
{
	if (f->interrupted) {
		lm_cli_complain("interrupted behind %" PRIu64 " of %" PRIu64
		                " messages; what is stored stays, the next fetch goes on",
		                f->fetched, f->wanted);
		return LM_EXIT_ABORTED;
	}
	if (f->fatal.code == 0)
		return f->failed ? 1 : LM_EXIT_OK;
	if (f->planned && f->fetched < f->wanted)
		lm_cli_complain("broke off behind %" PRIu64 " of %" PRIu64
		                " messages; the next fetch goes on",
		                f->fetched, f->wanted);
	if (!f->store_failed)
		return lm_remote_failed(&f->remote, &f->fatal);
	lm_cli_complain("%s", f->fatal.text);
	return lm_err_exit_code(f->fatal.code);
}

int lm_fetch_tell_end(struct lm_fetch *fetch, lm_time_ms now)
{
	double seconds = (double)(now - fetch->began) / 1000;
	uint64_t deleted = fetch->quit_done ? fetch->marked : 0;
	int code, output;

	lm_progress_clear(&fetch->progress);
	if (fetch->json)
		json_summary(fetch, deleted, seconds);
	else if (!fetch->quiet && fetch->planned)
		text_summary(fetch, deleted, seconds);
	output = lm_cli_finish_output();
	code = complain_end(fetch);
	return code == LM_EXIT_OK ? output : code;
}
