/* Reading the command line against a table of options. */
#include "cli/args.h"

#include "base/error.h"

#include <stdio.h>

static const struct lm_option *find(const struct lm_option *options, size_t count, const char *name,
                                    size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0)
			return &options[i];
	return NULL;
}

int lm_cli_settings_add(struct lm_cli_settings *settings, const struct lm_option *option,
                        const char *value, const char *file, int line)
{
	struct lm_cli_setting *items;
	char *copy = lm_strdup_bytes(lm_str(value));

	if (!copy)
		return LM_E_NOMEM;
	items = lm_realloc(settings->items, settings->count + 1, sizeof(*items));
	if (!items) {
		lm_free(copy);
		return LM_E_NOMEM;
	}
	items[settings->count++] = (struct lm_cli_setting){ option, copy, file, line };
	settings->items = items;
	return 0;
}

void lm_cli_settings_done(struct lm_cli_settings *settings)
{
	for (size_t i = 0; i < settings->count; i++) {
		char *value = settings->items[i].value;

		if (settings->items[i].option->flags & (LM_OPTION_SECRET | LM_OPTION_PEM))
			lm_wipe(value, strlen(value));
		lm_free(value);
	}
	lm_free(settings->items);
	*settings = (struct lm_cli_settings){ 0 };
}

const char *lm_cli_settings_get(const struct lm_cli_settings *settings, const char *name)
{
	for (size_t i = settings->count; i > 0; i--)
		if (strcmp(settings->items[i - 1].option->name, name) == 0)
			return settings->items[i - 1].value;
	return NULL;
}

void lm_cli_args_done(struct lm_cli_args *args)
{
	lm_cli_settings_done(&args->settings);
	lm_free(args->operands);
	*args = (struct lm_cli_args){ 0 };
}

struct reader {
	const struct lm_option *options;
	size_t count;
	int argc, next;
	char **argv;
	struct lm_cli_args *args;
	struct lm_error *error;
};

static int unknown(struct reader *r, const char *name, int len)
{
	char copy[64];
	const char *nearest;

	snprintf(copy, sizeof(copy), "%.*s", len, name);
	nearest = lm_option_nearest(r->options, r->count, copy);
	if (!nearest)
		return lm_fail(r->error, LM_E_CONFIG, "there is no option --%s", copy);
	return lm_fail(r->error, LM_E_CONFIG, "there is no option --%s; the nearest is --%s", copy,
	               nearest);
}

static bool is_flag_word(const char *text)
{
	static const char *const words[] = { "yes", "no", "true", "false", "on", "off" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return false;
}

/* The argument of an option, or NULL where it is missing. A flag needs none; one without a
 * placeholder takes none. */
static char *argument(struct reader *r, const struct lm_option *o)
{
	static char nothing[1];
	char *next = r->next < r->argc ? r->argv[r->next] : NULL;
	bool flag = o->kind == LM_OPTION_FLAG;

	if (flag && (*o->placeholder == '\0' || !next || !is_flag_word(next)))
		return nothing;
	if (!next || strncmp(next, "--", 2) == 0)
		return NULL;
	r->next++;
	return next;
}

/* `value` NULL: it is missing. */
static int take_value(struct reader *r, const struct lm_option *o, char *value)
{
	int err;

	if (!value)
		return lm_fail(r->error, LM_E_CONFIG, "--%s needs a value: %s", o->name,
		               o->placeholder);
	err = lm_cli_settings_add(&r->args->settings, o, value, NULL, 0);
	if (err < 0)
		return lm_fail(r->error, err, "out of memory");
	if (lm_server_options_is_hidden(o, value)) {
		r->args->secret_seen = r->args->secret_seen || (o->flags & LM_OPTION_SECRET);
		memset(value, 'x', strlen(value));
	}
	return 0;
}

static int take_option(struct reader *r, char *word)
{
	size_t len = strcspn(word, "=");
	const struct lm_option *o = find(r->options, r->count, word, len);

	if (!o)
		return unknown(r, word, (int)len);
	if (word[len] == '=' && *o->placeholder == '\0')
		return lm_fail(r->error, LM_E_CONFIG, "--%s takes no value", o->name);
	return take_value(r, o, word[len] == '=' ? word + len + 1 : argument(r, o));
}

static const struct lm_option *find_letter(const struct reader *r, char letter)
{
	for (size_t i = 0; i < r->count && letter; i++)
		if (r->options[i].letter == letter)
			return &r->options[i];
	return NULL;
}

/* Letters of flags, one behind the other; behind the letter of another option stands its value. */
static int take_letters(struct reader *r, char *word)
{
	int err = 0;

	for (char *p = word + 1; *p && err == 0; p++) {
		const struct lm_option *o = find_letter(r, *p);

		if (!o)
			return lm_fail(
			        r->error, LM_E_CONFIG,
			        "there is no option \"%.40s\"; options begin with two dashes",
			        word);
		if (o->kind != LM_OPTION_FLAG && p[1])
			return take_value(r, o, p + 1);
		err = take_value(r, o, argument(r, o));
	}
	return err;
}

static int take_word(struct reader *r, bool *options_over)
{
	char *word = r->argv[r->next++];

	if (*options_over || word[0] != '-' || word[1] == '\0') {
		r->args->operands[r->args->operand_count++] = word;
		return 0;
	}
	if (strcmp(word, "--") == 0) {
		*options_over = true;
		return 0;
	}
	if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
		r->args->help = true;
		return 0;
	}
	if (strcmp(word, "--version") == 0) {
		r->args->version = true;
		return 0;
	}
	return word[1] == '-' ? take_option(r, word + 2) : take_letters(r, word);
}

int lm_cli_args_parse(const struct lm_option *options, size_t count, int argc, char **argv,
                      struct lm_cli_args *out_args, struct lm_error *out_error)
{
	struct reader r;
	bool options_over = false;
	int err = 0;

	*out_args = (struct lm_cli_args){ 0 };
	out_args->operands = lm_alloc_zero((size_t)argc + 1, sizeof(char *));
	if (!out_args->operands)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	r = (struct reader){ options, count, argc, 1, argv, out_args, out_error };
	while (err == 0 && r.next < argc)
		err = take_word(&r, &options_over);
	return err;
}

static bool mentioned(const struct lm_cli_settings *settings, const struct lm_option *option)
{
	for (size_t i = 0; i < settings->count; i++)
		if (settings->items[i].option == option)
			return true;
	return false;
}

static int apply_one(const struct lm_cli_setting *s,
                     int (*set)(void *, const char *, const char *, struct lm_error *), void *ctx,
                     struct lm_error *out_error)
{
	struct lm_error why = { 0 };
	int err;

	if (s->option->flags & LM_OPTION_CLI)
		return 0;
	err = set(ctx, s->option->name, s->value, &why);
	if (err < 0 && s->file)
		return lm_fail(out_error, err, "%.100s:%d: %.130s", s->file, s->line, why.text);
	if (err < 0)
		return lm_fail(out_error, err, "--%.200s", why.text);
	return 0;
}

int lm_cli_settings_apply(const struct lm_cli_settings *file, const struct lm_cli_settings *line,
                          int (*set)(void *ctx, const char *name, const char *value,
                                     struct lm_error *out_error),
                          void *ctx, struct lm_error *out_error)
{
	int err = 0;

	for (size_t i = 0; file && i < file->count && err == 0; i++)
		if (!mentioned(line, file->items[i].option))
			err = apply_one(&file->items[i], set, ctx, out_error);
	for (size_t i = 0; i < line->count && err == 0; i++)
		err = apply_one(&line->items[i], set, ctx, out_error);
	return err;
}
