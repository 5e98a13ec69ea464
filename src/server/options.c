/* The option table and a server's options as values. */
#include "server/options.h"

#include "base/error.h"
#include "base/nearest.h"
#include "server/option_value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXED  0
#define RELOAD LM_OPTION_RELOAD
#define SECRET LM_OPTION_SECRET
#define PEM    LM_OPTION_PEM

static const struct lm_option table[] = {
#define O(KIND, field, name, placeholder, fallback, min, max, unit, flags, help) \
	{ name,                                                                  \
	  placeholder,                                                           \
	  fallback,                                                              \
	  help,                                                                  \
	  SECTION,                                                               \
	  unit,                                                                  \
	  LM_OPTION_##KIND,                                                      \
	  flags,                                                                 \
	  min,                                                                   \
	  max,                                                                   \
	  offsetof(struct lm_server_options, field) },
#define C(KIND, name, placeholder, flags, help)                                                \
	{ name, placeholder, "", help, SECTION, "", LM_OPTION_##KIND, (flags) | LM_OPTION_CLI, \
	  0,    0,           0 },
#include "server/options.def"
#undef O
#undef C
};

#define COUNT (sizeof(table) / sizeof(*table))

const struct lm_option *lm_option_table(size_t *out_count)
{
	*out_count = COUNT;
	return table;
}

const struct lm_option *lm_option_find(const char *name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

const char *lm_option_nearest(const struct lm_option *options, size_t count, const char *name)
{
	const char *nearest = NULL;
	unsigned best = LM_NEAREST_MAX;

	for (size_t i = 0; i < count; i++)
		if (lm_nearer(name, options[i].name, &best))
			nearest = options[i].name;
	return nearest;
}

static void *field_of(struct lm_server_options *options, const struct lm_option *o)
{
	return (char *)options + o->offset;
}

static const void *const_field_of(const struct lm_server_options *options,
                                  const struct lm_option *o)
{
	return (const char *)options + o->offset;
}

static int set_default(struct lm_server_options *options, const struct lm_option *o)
{
	void *field = field_of(options, o);

	lm_option_kind_ops(o->kind)->done(o, field);
	if (*o->fallback == '\0')
		return 0;
	return lm_option_kind_ops(o->kind)->parse(o, field, o->fallback, NULL);
}

int lm_server_options_init(struct lm_server_options *options)
{
	int err = 0;

	*options = (struct lm_server_options){ 0 };
	for (size_t i = 0; i < COUNT && err == 0; i++)
		if (!(table[i].flags & LM_OPTION_CLI))
			err = set_default(options, &table[i]);
	return err;
}

void lm_server_options_done(struct lm_server_options *options)
{
	for (size_t i = 0; i < COUNT; i++)
		if (!(table[i].flags & LM_OPTION_CLI))
			lm_option_kind_ops(table[i].kind)
			        ->done(&table[i], field_of(options, &table[i]));
	*options = (struct lm_server_options){ 0 };
}

/* PEM is too long for the buffer below. */
static int copy_pem(const struct lm_server_options *from, struct lm_server_options *to,
                    const struct lm_option *o)
{
	const char *text = *(char *const *)const_field_of(from, o);

	return text ? lm_option_kind_ops(o->kind)->parse(o, field_of(to, o), text, NULL) : 0;
}

/* By way of text, which every kind reads and writes exactly: no second list of kinds to keep. */
static int copy_option(const struct lm_server_options *from, struct lm_server_options *to,
                       const struct lm_option *o)
{
	char text[LM_OPTION_MAX_VALUE + 1];
	int err = 0;

	if (o->flags & LM_OPTION_PEM)
		return copy_pem(from, to, o);
	for (size_t i = 0; err == 0 && lm_server_options_text(from, o, i, text, sizeof(text)); i++)
		err = lm_option_kind_ops(o->kind)->parse(o, field_of(to, o), text, NULL);
	if (o->flags & LM_OPTION_SECRET)
		lm_wipe(text, sizeof(text));
	return err;
}

int lm_server_options_copy(const struct lm_server_options *options,
                           struct lm_server_options *out_copy)
{
	struct lm_server_options copy = { 0 };
	int err = 0;

	for (size_t i = 0; i < COUNT && err == 0; i++)
		if (!(table[i].flags & LM_OPTION_CLI))
			err = copy_option(options, &copy, &table[i]);
	if (err < 0)
		lm_server_options_done(&copy);
	else
		*out_copy = copy;
	return err;
}

static size_t longest(const struct lm_option *o, const char *value)
{
	return o->flags & LM_OPTION_PEM && lm_tls_is_pem(value) ? LM_OPTION_MAX_PEM
	                                                        : LM_OPTION_MAX_VALUE;
}

static int unknown(const char *name, struct lm_error *out_error)
{
	const char *nearest = lm_option_nearest(table, COUNT, name);

	if (!nearest)
		return lm_fail(out_error, LM_E_CONFIG, "there is no option \"%.60s\"", name);
	return lm_fail(out_error, LM_E_CONFIG,
	               "there is no option \"%.60s\"; the nearest is \"%s\"", name, nearest);
}

int lm_server_options_set(struct lm_server_options *options, const char *name, const char *value,
                          struct lm_error *out_error)
{
	const struct lm_option *o = lm_option_find(name);

	if (!o)
		return unknown(name, out_error);
	if (o->flags & LM_OPTION_CLI)
		return lm_fail(out_error, LM_E_CONFIG, "%s is for the command line only", name);
	if (value && strlen(value) > longest(o, value))
		return lm_fail(out_error, LM_E_CONFIG, "%s: the value is longer than %zu octets",
		               name, longest(o, value));
	if (value)
		return lm_option_kind_ops(o->kind)->parse(o, field_of(options, o), value,
		                                          out_error);
	if (set_default(options, o) < 0)
		return lm_fail(out_error, LM_E_NOMEM, "%s: out of memory", name);
	return 0;
}

int lm_server_options_text(const struct lm_server_options *options, const struct lm_option *option,
                           size_t index, char *out, size_t cap)
{
	if (option->flags & LM_OPTION_CLI)
		return 0;
	return lm_option_kind_ops(option->kind)
	        ->text(option, const_field_of(options, option), index, out, cap);
}

bool lm_server_options_is_hidden(const struct lm_option *option, const char *text)
{
	return option->flags & LM_OPTION_SECRET ||
	       (option->flags & LM_OPTION_PEM && lm_tls_is_pem(text));
}

int lm_default_data_dir(char out[LM_OPTION_MAX_VALUE + 1], struct lm_error *out_error)
{
	const char *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	const size_t cap = LM_OPTION_MAX_VALUE + 1;
	int len;

	if (xdg && *xdg == '/')
		len = snprintf(out, cap, "%s/lettermill", xdg);
	else if (geteuid() == 0)
		len = snprintf(out, cap, "/var/lib/lettermill");
	else if (home && *home == '/')
		len = snprintf(out, cap, "%s/.local/share/lettermill", home);
	else
		return lm_fail(out_error, LM_E_CONFIG,
		               "neither data-dir nor HOME says where to keep data");
	if ((size_t)len >= cap)
		return lm_fail(out_error, LM_E_CONFIG, "data-dir: the path is too long");
	return 0;
}

static int fill_data_dir(struct lm_server_options *options, struct lm_error *out_error)
{
	char dir[LM_OPTION_MAX_VALUE + 1];
	int err;

	/* Without a store a program need not leave anything on disk. */
	if (options->data_dir || (options->store && lm_server_options_storeless(options)))
		return 0;
	err = lm_default_data_dir(dir, out_error);
	if (err)
		return err;
	options->data_dir = lm_strdup_bytes(lm_str(dir));
	return options->data_dir ? 0 : lm_fail(out_error, LM_E_NOMEM, "out of memory");
}

/* Where a field was not given it becomes prefix, text and suffix. */
static int fill(char **field, const char *prefix, const char *middle, const char *suffix,
                struct lm_error *out_error)
{
	char text[LM_OPTION_MAX_VALUE + 1];

	if (*field)
		return 0;
	if (snprintf(text, sizeof(text), "%s%s%s", prefix, middle, suffix) > LM_OPTION_MAX_VALUE)
		return lm_fail(out_error, LM_E_CONFIG, "data-dir: the path is too long");
	*field = lm_strdup_bytes(lm_str(text));
	return *field ? 0 : lm_fail(out_error, LM_E_NOMEM, "out of memory");
}

static int complete_tls(struct lm_server_options *options, bool *out_own,
                        struct lm_error *out_error)
{
	int err;

	if (options->tls_min.index > options->tls_max.index)
		return lm_fail(out_error, LM_E_CONFIG, "tls-min %s is above tls-max %s",
		               options->tls_min.word, options->tls_max.word);
	if (options->key && !options->cert)
		return lm_fail(out_error, LM_E_CONFIG, "key is given without cert");
	*out_own = !options->cert && options->tls;
	if (options->cert && !options->key) {
		options->key = lm_strdup_bytes(lm_str(options->cert));
		return options->key ? 0 : lm_fail(out_error, LM_E_NOMEM, "out of memory");
	}
	if (options->cert || !options->data_dir)
		return 0;
	err = fill(&options->cert, "", options->data_dir, "/cert.pem", out_error);
	return err < 0 ? err : fill(&options->key, "", options->data_dir, "/key.pem", out_error);
}

/* Accounts lie beside the mail where that can be, also where a test double stands in front of it.
 */
static int complete_accounts(struct lm_server_options *options, struct lm_error *out_error)
{
	const char *beside = strstr(options->store, "sqlite:");

	if (beside)
		return fill(&options->accounts, "", beside, "", out_error);
	if (strstr(options->store, "maildir:"))
		return fill(&options->accounts, "sqlite:", options->data_dir, "/lettermill.db",
		            out_error);
	return 0;
}

int lm_server_options_complete(struct lm_server_options *options, bool *out_own_cert,
                               struct lm_error *out_error)
{
	char host[256] = "localhost";
	bool own = false;
	int err = fill_data_dir(options, out_error);

	if (err == 0)
		err = fill(&options->store, "sqlite:", options->data_dir, "/lettermill.db",
		           out_error);
	if (err == 0)
		err = complete_accounts(options, out_error);
	if (gethostname(host, sizeof(host) - 1) < 0 || !lm_is_hostname(host))
		snprintf(host, sizeof(host), "localhost");
	if (err == 0)
		err = fill(&options->hostname, "", host, "", out_error);
	if (err == 0)
		err = complete_tls(options, &own, out_error);
	if (err == 0)
		err = lm_server_options_check(options, out_error);
	if (err == 0 && out_own_cert)
		*out_own_cert = own;
	return err;
}

int lm_make_directory(const char *path, struct lm_error *out_error)
{
	char part[4096];
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(part))
		return lm_fail(out_error, LM_E_CONFIG, "\"%.60s\" is no name for a directory",
		               path);
	memcpy(part, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		char c = part[i];

		if (c != '/' && c != '\0')
			continue;
		part[i] = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return lm_fail_errno(out_error, lm_err_from_errno(errno), errno,
			                     "cannot make directory %.150s", part);
		part[i] = c;
	}
	return 0;
}

bool lm_server_options_storeless(const struct lm_server_options *options)
{
	return strcmp(options->store, "none") == 0;
}

static bool same_values(const struct lm_server_options *a, const struct lm_server_options *b,
                        const struct lm_option *o)
{
	char x[LM_OPTION_MAX_VALUE + 1], y[LM_OPTION_MAX_VALUE + 1];

	for (size_t i = 0;; i++) {
		int in_a = lm_server_options_text(a, o, i, x, sizeof(x));
		int in_b = lm_server_options_text(b, o, i, y, sizeof(y));

		if (in_a != in_b || (in_a && strcmp(x, y) != 0))
			return false;
		if (!in_a)
			return true;
	}
}

const char *lm_server_options_fixed_change(const struct lm_server_options *running,
                                           const struct lm_server_options *wanted)
{
	for (size_t i = 0; i < COUNT; i++)
		if (!(table[i].flags & LM_OPTION_RELOAD) &&
		    !same_values(running, wanted, &table[i]))
			return table[i].name;
	return NULL;
}
