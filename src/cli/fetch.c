/* lettermill pop3 fetch: the command. */
#include "cli/fetch.h"

#include "base/error.h"
#include "cli/pop3.h"

#include <signal.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum { MAX_SETTINGS = 32, MAX_PATH = 4096, POP3_PORT = 110, POP3S_PORT = 995 };

/* Different servers give the same ids to different messages, so the place belongs to the name. */
static void name_source(struct lm_fetch *f)
{
	const char *given = lm_cli_text(f->call, "source");
	const struct lm_client_url *url = &f->remote.url;
	const char *user = f->remote.user ? f->remote.user : "";
	bool usual = url->port == 0 || url->port == POP3_PORT || url->port == POP3S_PORT;

	if (given)
		snprintf(f->source, sizeof(f->source), "%s", given);
	else if (usual)
		snprintf(f->source, sizeof(f->source), "%s@%s", user, url->host);
	else
		snprintf(f->source, sizeof(f->source), "%s@%s:%u", user, url->host, url->port);
}

static bool is_off(const char *value)
{
	static const char *const words[] = { "false", "0", "no", "off" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcasecmp(words[i], value) == 0)
			return true;
	return false;
}

/* "NAME=VALUE", cut in two in memory of our own. */
struct settings {
	struct lm_mime_setting items[MAX_SETTINGS];
	char *texts[MAX_SETTINGS];
	size_t count;
};

static int add_setting(struct lm_fetch *f, struct settings *s, const char *text,
                       struct lm_error *why)
{
	char *copy, *equals;

	if (s->count == MAX_SETTINGS)
		return lm_fail(why, LM_E_CONFIG, "there are too many --store-option");
	copy = lm_strdup_bytes(lm_str(text));
	if (!copy)
		return lm_fail(why, LM_E_NOMEM, "out of memory");
	s->texts[s->count] = copy;
	equals = strchr(copy, '=');
	if (!equals || equals == copy) {
		s->count++;
		return lm_fail(why, LM_E_CONFIG, "--store-option: say NAME=VALUE");
	}
	*equals = '\0';
	s->items[s->count++] = (struct lm_mime_setting){ copy, equals + 1 };
	if (strcmp(copy, "commitmode") == 0 && is_off(equals + 1))
		f->dry_run = true;
	return 0;
}

static void settings_done(struct settings *s)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->texts[i])
			lm_wipe(s->texts[i], strlen(s->texts[i]));
		lm_free(s->texts[i]);
	}
}

static int open_with(struct lm_fetch *f, struct settings *s, struct lm_error *why)
{
	const char *text, *mailbox = lm_cli_text(f->call, "mailbox");
	int err = 0;

	for (size_t i = 0; err == 0 && (text = lm_cli_text_at(f->call, "store-option", i)); i++)
		err = add_setting(f, s, text, why);
	if (err < 0)
		return err;
	if (mailbox && s->count < MAX_SETTINGS)
		s->items[s->count++] = (struct lm_mime_setting){ "mailbox", mailbox };
	if (f->dry_run && s->count < MAX_SETTINGS)
		s->items[s->count++] = (struct lm_mime_setting){ "commitmode", "false" };
	return lm_mime_store_open(lm_cli_text(f->call, "to"), s->items, s->count, &f->store, why);
}

static int open_store(struct lm_fetch *f, struct lm_error *why)
{
	struct settings s = { 0 };
	int err = open_with(f, &s, why);

	settings_done(&s);
	return err;
}

/* The store's own memory is enough, unless a file is asked for. */
static int open_memory(struct lm_fetch *f, struct lm_error *why)
{
	const char *path = lm_cli_text(f->call, "state"), *url = lm_cli_text(f->call, "to");
	char made[MAX_PATH];
	int err = 0;

	if (!path && !(lm_mime_store_caps(f->store) & LM_MIME_REMEMBERS)) {
		err = lm_fetch_memory_path(f->source, url, made, sizeof(made), why);
		path = made;
	}
	if (err < 0)
		return err;
	return lm_fetch_memory_open(&f->memory, f->store, lm_str(f->source), path, why);
}

static int prepare(struct lm_fetch *f, struct lm_error *why)
{
	int err = open_store(f, why);

	if (err == 0)
		err = open_memory(f, why);
	if (err == 0 && lm_loop_new(&f->loop) < 0)
		err = lm_fail(why, LM_E_NOMEM, "out of memory");
	return err;
}

static void read_options(struct lm_fetch *f)
{
	const struct lm_cli_call *call = f->call;

	f->keep = lm_cli_flag(call, "keep");
	f->new_only = lm_cli_flag(call, "new-only");
	f->again = lm_cli_flag(call, "again");
	f->dry_run = lm_cli_flag(call, "dry-run");
	f->json = lm_cli_flag(call, "json");
	f->quiet = lm_cli_flag(call, "quiet");
	f->limit = lm_cli_value(call, "limit");
	f->max_size = lm_cli_value(call, "max-size");
	f->remote.params.max_items = LM_DROP_MAX;
	f->remote.params.no_pipelining = lm_cli_flag(call, "no-pipelining");
}

/* Whoever started us shall see what ended us. */
static int end_by_signal(int number, int code)
{
	fflush(NULL);
	signal(number, SIG_DFL);
	raise(number);
	return code;
}

static int run(struct lm_fetch *f)
{
	struct lm_error why = { 0 };
	int code;

	read_options(f);
	name_source(f);
	lm_drop_init(&f->drop);
	f->memory.fd = -1;
	if (prepare(f, &why) < 0) {
		lm_cli_complain("%s", why.text);
		code = lm_err_exit_code(why.code);
	} else {
		lm_fetch_run(f);
		code = lm_fetch_tell_end(f, lm_loop_now(f->loop));
	}
	lm_fetch_memory_done(&f->memory);
	lm_mime_store_close(f->store);
	lm_drop_done(&f->drop);
	lm_free(f->fates);
	lm_loop_free(f->loop);
	return code;
}

int lm_pop3_fetch(const struct lm_cli_call *call)
{
	struct lm_fetch *f;
	int code, interrupted;

	if (!lm_cli_text(call, "to"))
		return lm_cli_call_usage(call, "say where to: --to STORE, such as maildir:PATH");
	f = lm_alloc_zero(1, sizeof(*f));
	if (!f) {
		lm_cli_complain("out of memory");
		return lm_err_exit_code(LM_E_NOMEM);
	}
	f->call = call;
	code = lm_remote_init(&f->remote, call, 0, LM_REMOTE_POP3, LM_REMOTE_MUST);
	if (code == LM_EXIT_OK)
		code = run(f);
	interrupted = f->interrupted;
	lm_remote_done(&f->remote);
	lm_free(f);
	return interrupted ? end_by_signal(interrupted, code) : code;
}
