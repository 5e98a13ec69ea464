/* What the actions of `lettermill store` have in common: settings, opening, and the tally. */
#include "cli/store.h"

#include "base/error.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SETTINGS = 64, MAX_SETTING_NAME = 40 };

const struct lm_store_options lm_store_source = { "set", "mailbox", true };
const struct lm_store_options lm_store_target = { "to-set", "to-mailbox", true };

static const char *const schemes[] = { "fake",   "localfs", "cloud", "maildir",
	                               "sqlite", "memory",  "slow",  "faulty" };

bool lm_store_is_url(const char *word)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
		size_t len = strlen(schemes[i]);

		if (strncmp(word, schemes[i], len) == 0 && word[len] == ':')
			return true;
	}
	return false;
}

lm_time_ms lm_store_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (lm_time_ms)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t lm_store_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int lm_store_failed(const struct lm_cli_call *call, const struct lm_error *why)
{
	bool json = strcmp(call->action->name, "read") != 0 &&
	            strcmp(call->action->name, "mark") != 0 && lm_cli_flag(call, "json");

	if (json) {
		printf("{\n  \"success\": false,\n  \"reason\": ");
		lm_cli_put_json(stdout, lm_str(why->text));
		printf("\n}\n");
		(void)!lm_cli_finish_output();
	}
	lm_cli_complain("%s", why->text);
	return lm_err_exit_code(why->code);
}

/* NAME=VALUE; the text of all names in one piece, behind the settings. */
static int take(const struct lm_cli_call *call, const char *option, const char *text, char *name,
                struct lm_mime_setting *setting)
{
	size_t len = strcspn(text, "=");

	if (!text[len] || len == 0 || len > MAX_SETTING_NAME)
		return lm_cli_call_usage(call, "--%s: NAME=VALUE is what it takes", option);
	memcpy(name, text, len);
	name[len] = '\0';
	*setting = (struct lm_mime_setting){ name, text + len + 1 };
	return LM_EXIT_OK;
}

/* Not on the command line, where everybody on the machine could read it. */
static void take_token(const char *url, struct lm_mime_setting *settings, size_t *count)
{
	const char *token = getenv("LETTERMILL_ACCESSTOKEN");

	if (!token || strncmp(url, "cloud:", 6) != 0)
		return;
	for (size_t i = 0; i < *count; i++)
		if (strcmp(settings[i].name, "accesstoken") == 0)
			return;
	settings[(*count)++] = (struct lm_mime_setting){ "accesstoken", token };
}

static bool is_dry(const struct lm_cli_call *call)
{
	return strcmp(call->action->name, "query") != 0 &&
	       strcmp(call->action->name, "check") != 0 && lm_cli_flag(call, "dry-run");
}

int lm_store_settings(const struct lm_cli_call *call, const struct lm_store_options *from,
                      const char *url, struct lm_mime_setting **out_settings, size_t *out_count)
{
	const char *mailbox = lm_cli_text(call, from->mailbox), *text;
	struct lm_mime_setting *settings = lm_alloc_zero(MAX_SETTINGS + 4,
	                                                 sizeof(*settings) + MAX_SETTING_NAME + 1);
	char *name = settings ? (char *)(settings + MAX_SETTINGS + 4) : NULL;
	size_t count = 0;
	int code = LM_EXIT_OK;

	if (!settings)
		return lm_err_exit_code(LM_E_NOMEM);
	while (code == LM_EXIT_OK && count < MAX_SETTINGS &&
	       (text = lm_cli_text_at(call, from->set, count))) {
		code = take(call, from->set, text, name, &settings[count++]);
		name += MAX_SETTING_NAME + 1;
	}
	if (code != LM_EXIT_OK) {
		lm_free(settings);
		return code;
	}
	take_token(url, settings, &count);
	if (mailbox)
		settings[count++] = (struct lm_mime_setting){ "mailbox", mailbox };
	if (from->written && is_dry(call))
		settings[count++] = (struct lm_mime_setting){ "commitmode", "off" };
	*out_settings = settings;
	*out_count = count;
	return LM_EXIT_OK;
}

/* Stores that make themselves when opened, and are not there. */
static bool is_missing(const char *url)
{
	bool makes_itself = strncmp(url, "sqlite:", 7) == 0 || strncmp(url, "maildir:", 8) == 0;

	return makes_itself && !strstr(url, "%u") && access(strchr(url, ':') + 1, F_OK) != 0 &&
	       errno == ENOENT;
}

int lm_store_there(const struct lm_cli_call *call, const struct lm_store_options *from,
                   const char **url)
{
	bool adds = from == &lm_store_target || strcmp(call->action->name, "add") == 0 ||
	            strcmp(call->action->name, "import") == 0;
	struct lm_error why;

	if (!is_missing(*url))
		return LM_EXIT_OK;
	if (!adds) {
		lm_fail(&why, LM_E_NOT_FOUND, "%.200s: there is no such store", *url);
		return lm_store_failed(call, &why);
	}
	if (is_dry(call))
		*url = "memory:"; /* as empty as what would be made */
	return LM_EXIT_OK;
}

int lm_store_open_for(const struct lm_cli_call *call, const struct lm_store_options *from,
                      const char *url, struct lm_mime_store **out_store)
{
	struct lm_mime_setting *settings = NULL;
	struct lm_error why = { 0 };
	size_t count = 0;
	int err, code = lm_store_there(call, from, &url);

	if (code == LM_EXIT_OK)
		code = lm_store_settings(call, from, url, &settings, &count);
	if (code != LM_EXIT_OK)
		return code;
	err = lm_mime_store_open(url, settings, count, out_store, &why);
	lm_free(settings);
	if (err == LM_E_CONFIG && !lm_store_is_url(url))
		return lm_cli_call_usage(call, "%s", why.text);
	return err ? lm_store_failed(call, &why) : LM_EXIT_OK;
}

int lm_store_tags(const struct lm_cli_call *call, unsigned *out_tags)
{
	const char *text = lm_cli_text(call, "tags");
	struct lm_error why = { 0 };

	*out_tags = 0;
	while (text && *text) {
		size_t len = strcspn(text, ",");
		char word[32] = "";
		enum lm_mime_tag tag;

		snprintf(word, sizeof(word), "%.*s", (int)(len < 31 ? len : 31), text);
		text += len + (text[len] == ',');
		if (strcmp(word, "all") == 0)
			*out_tags = (1U << LM_TAG_COUNT) - 1;
		else if (lm_mime_tag_parse(word, &tag, &why) < 0)
			return lm_cli_call_usage(call, "--tags: %s", why.text);
		else
			*out_tags |= 1U << tag;
	}
	return LM_EXIT_OK;
}

static bool has_option(const struct lm_cli_call *call, const char *name)
{
	size_t count;
	const struct lm_option *options = call->command->options(&count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(options[i].name, name) == 0)
			return lm_cli_is_for(&options[i], call->action);
	return false;
}

static bool is_set(const struct lm_cli_call *call, const char *flag)
{
	return has_option(call, flag) && lm_cli_flag(call, flag);
}

void lm_tally_begin(struct lm_store_tally *tally, const struct lm_cli_call *call, size_t total,
                    uint64_t octets)
{
	*tally = (struct lm_store_tally){ .call = call, .began = lm_store_now() };
	lm_progress_init(&tally->progress, !is_set(call, "quiet") && !is_set(call, "json"),
	                 tally->began);
	if (total)
		lm_progress_total(&tally->progress, total, octets, tally->began);
}

void lm_tally_failed(struct lm_store_tally *tally, const struct lm_error *why)
{
	lm_progress_clear(&tally->progress);
	lm_cli_complain("%s", why->text);
	tally->failed++;
	if (!tally->err)
		tally->err = why->code;
}

void lm_tally_one(struct lm_store_tally *tally, int err, struct lm_bytes what, uint64_t octets,
                  const struct lm_error *why)
{
	if (err == 0) {
		tally->done++;
		tally->octets += octets;
	} else if (err == LM_E_EXISTS && strcmp(tally->call->action->name, "mark") != 0) {
		tally->known++;
	} else {
		lm_progress_clear(&tally->progress);
		lm_cli_complain("%.*s: %s", LM_FMT(what), why->text);
		tally->failed++;
		tally->err = tally->err ? tally->err : err;
	}
	lm_progress_update(&tally->progress, tally->done + tally->known + tally->failed,
	                   tally->octets, lm_store_now());
}

static void print_tally(const struct lm_store_tally *t, const char *verb)
{
	if (is_set(t->call, "json")) {
		printf("{\"success\": %s, \"count\": %zu, \"totalSize\": %llu, \"known\": %zu, "
		       "\"failed\": %zu}\n",
		       t->failed ? "false" : "true", t->done, (unsigned long long)t->octets,
		       t->known, t->failed);
		return;
	}
	if (!verb || (is_set(t->call, "quiet") && !t->failed))
		return;
	fprintf(stderr, "%zu message%s, %llu octets %s", t->done, t->done == 1 ? "" : "s",
	        (unsigned long long)t->octets, verb);
	if (t->known)
		fprintf(stderr, "; %zu there before", t->known);
	if (t->failed)
		fprintf(stderr, "; %zu failed", t->failed);
	fputs(is_dry(t->call) ? " (dry run)\n" : "\n", stderr);
}

int lm_tally_end(struct lm_store_tally *tally, const char *verb)
{
	int code;

	lm_progress_clear(&tally->progress);
	print_tally(tally, verb);
	code = lm_cli_finish_output();
	if (code != LM_EXIT_OK || !tally->failed)
		return code;
	return tally->done + tally->known ? 1 : lm_err_exit_code(tally->err);
}
