/* Reading the configuration file, by way of inih. */
#include "cli/config.h"

#include "base/error.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>

struct reader {
	const char *path;
	FILE *file;
	const struct lm_option *options;
	size_t count;
	struct lm_cli_settings *settings;
	struct lm_error *error;
	int line;
	int err;
};

static int fail(struct reader *r, const char *what, const char *name)
{
	if (r->err == 0)
		r->err = lm_fail(r->error, LM_E_CONFIG, "%.120s:%d: %s%.60s", r->path, r->line,
		                 what, name);
	return r->err;
}

/* inih's fgets: counts lines, refuses those it would cut in two, and takes indentation away, which
 * inih would read as the continuation of the line before. */
static char *read_line(char *out, int cap, void *ctx)
{
	struct reader *r = ctx;
	size_t len, blank;

	if (r->err < 0 || !fgets(out, cap, r->file))
		return NULL;
	r->line++;
	len = strlen(out);
	if (len == 0 || (out[len - 1] != '\n' && !feof(r->file))) {
		fail(r, "the line is too long, or holds a NUL", "");
		return NULL;
	}
	blank = strspn(out, " \t");
	memmove(out, out + blank, len - blank + 1);
	return out;
}

static int unknown(struct reader *r, const char *name)
{
	const char *nearest = lm_option_nearest(r->options, r->count, name);
	char what[120];

	snprintf(what, sizeof(what), "there is no option \"%.40s\"%s", name,
	         nearest ? "; the nearest is " : "");
	return fail(r, what, nearest ? nearest : "");
}

static const struct lm_option *find(const struct reader *r, const char *name)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->options[i].name, name) == 0)
			return &r->options[i];
	return NULL;
}

static int take(void *ctx, const char *section, const char *name, const char *value)
{
	struct reader *r = ctx;
	const struct lm_option *o = find(r, name);

	if (*section)
		return fail(r, "there are no sections here: ", section) == 0;
	if (!o)
		return unknown(r, name) == 0;
	if (o->flags & LM_OPTION_CLI)
		return fail(r, "only the command line knows ", name) == 0;
	if (lm_cli_settings_add(r->settings, o, value, r->path, r->line) < 0)
		return fail(r, "out of memory", "") == 0;
	return 1;
}

int lm_cli_config_read_table(const char *path, const struct lm_option *options, size_t count,
                             struct lm_cli_settings *settings, struct lm_error *out_error)
{
	struct reader r = { path, fopen(path, "re"), options, count, settings, out_error, 0, 0 };
	int result;

	if (!r.file)
		return lm_fail_errno(out_error, LM_E_CONFIG, errno, "cannot read %.150s", path);
	result = ini_parse_stream(read_line, &r, take, &r);
	if (r.err == 0 && ferror(r.file))
		r.err = lm_fail(out_error, LM_E_CONFIG, "cannot read %.150s", path);
	if (r.err == 0 && result != 0)
		r.err = lm_fail(out_error, LM_E_CONFIG,
		                "%.120s:%d: the line is not \"name = value\"", path, result);
	fclose(r.file);
	return r.err;
}

int lm_cli_config_read(const char *path, struct lm_cli_settings *settings,
                       struct lm_error *out_error)
{
	size_t count;
	const struct lm_option *options = lm_option_table(&count);

	return lm_cli_config_read_table(path, options, count, settings, out_error);
}
