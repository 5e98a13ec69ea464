/* The mime stores there are, by the scheme of their URL, and their settings; the only file that
 * includes their backends. */
#include "store/boxes/boxes.h"
#include "store/cloud/cloud.h"
#include "store/fake/fake.h"
#include "store/localfs/localfs.h"

#include "base/error.h"
#include "base/nearest.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#define KEY(key) (1U << LM_MIME_##key)

static const struct lm_mime_backend backends[] = {
	{ "fake", 0, lm_fake_open, NULL },
	{ "localfs", KEY(PATH), lm_localfs_open, lm_localfs_check },
	{ "cloud",
	  KEY(TABLENAME) | KEY(ACCESSTOKEN) | KEY(GROUPID) | KEY(ITEMID) | KEY(SIMULATE) |
	          KEY(DATASERVICE) | KEY(CAFILE) | KEY(TIMEOUT),
	  lm_cloud_open, NULL },
	{ "sqlite", KEY(MAILBOX), lm_boxes_open, lm_boxes_check },
	{ "memory", KEY(MAILBOX), lm_boxes_open, lm_boxes_check },
	{ "maildir", KEY(MAILBOX), lm_boxes_open, lm_boxes_check },
	{ "slow", KEY(MAILBOX), lm_boxes_open, lm_boxes_check },
	{ "faulty", KEY(MAILBOX), lm_boxes_open, lm_boxes_check },
};

enum { COMMON = KEY(COMMITMODE) | KEY(VERBOSE) | KEY(LIMIT) | KEY(ORDERBY) };

static const char *const key_names[LM_MIME_KEYS] = {
	[LM_MIME_PATH] = "path",
	[LM_MIME_COMMITMODE] = "commitmode",
	[LM_MIME_VERBOSE] = "verbose",
	[LM_MIME_TABLENAME] = "tablename",
	[LM_MIME_ACCESSTOKEN] = "accesstoken",
	[LM_MIME_GROUPID] = "groupid",
	[LM_MIME_ITEMID] = "itemid",
	[LM_MIME_SIMULATE] = "simulate",
	[LM_MIME_LIMIT] = "limit",
	[LM_MIME_ORDERBY] = "orderBy",
	[LM_MIME_DATASERVICE] = "dataservice",
	[LM_MIME_MAILBOX] = "mailbox",
	[LM_MIME_CAFILE] = "cafile",
	[LM_MIME_TIMEOUT] = "timeout",
};

static bool is_off(const char *value)
{
	return strcasecmp(value, "false") == 0 || strcmp(value, "0") == 0 ||
	       strcasecmp(value, "no") == 0 || strcasecmp(value, "off") == 0;
}

/* *out_rest is what stands behind the scheme. */
static const struct lm_mime_backend *find(const char *url, const char **out_rest,
                                          struct lm_error *out_error)
{
	const char *colon = strchr(url, ':'), *nearest = NULL;
	unsigned best = LM_NEAREST_MAX;
	char scheme[LM_NEAREST_MAX + 1] = "";

	if (colon && (size_t)(colon - url) < sizeof(scheme))
		memcpy(scheme, url, (size_t)(colon - url));
	*out_rest = colon ? colon + 1 : "";
	for (size_t i = 0; i < sizeof(backends) / sizeof(*backends); i++) {
		if (strcmp(backends[i].scheme, scheme) == 0)
			return &backends[i];
		if (lm_nearer(scheme, backends[i].scheme, &best))
			nearest = backends[i].scheme;
	}
	lm_fail(out_error, LM_E_CONFIG, "no store \"%.60s\"%s%s%s; there are %s", url,
	        nearest ? ": did you mean " : "", nearest ? nearest : "", nearest ? ":" : "",
	        "maildir:PATH, sqlite:PATH, memory:, localfs:PATH, cloud:URL and fake:");
	return NULL;
}

static int unknown_setting(const struct lm_mime_backend *backend, const char *name, bool elsewhere,
                           struct lm_error *out_error)
{
	const char *nearest = NULL;
	unsigned best = LM_NEAREST_MAX;

	if (elsewhere)
		return lm_fail(out_error, LM_E_CONFIG, "%s: has no setting %s", backend->scheme,
		               name);
	for (unsigned k = 0; k < LM_MIME_KEYS; k++)
		if ((COMMON | backend->keys) & 1U << k && lm_nearer(name, key_names[k], &best))
			nearest = key_names[k];
	return lm_fail(out_error, LM_E_CONFIG, "%s: no setting \"%.40s\"%s%s%s", backend->scheme,
	               name, nearest ? "; did you mean " : "", nearest ? nearest : "",
	               nearest ? "?" : "");
}

static int take_setting(const struct lm_mime_backend *backend,
                        const struct lm_mime_setting *setting, struct lm_mime_conf *conf,
                        struct lm_error *out_error)
{
	unsigned k = 0;

	while (k < LM_MIME_KEYS && strcmp(key_names[k], setting->name) != 0)
		k++;
	if (k == LM_MIME_KEYS || !((COMMON | backend->keys) & 1U << k))
		return unknown_setting(backend, setting->name, k < LM_MIME_KEYS, out_error);
	conf->value[k] = setting->value ? setting->value : "";
	return 0;
}

/* A number of 1 to max; empty is not given. */
static int number(const struct lm_mime_conf *conf, enum lm_mime_key key, unsigned long long max,
                  unsigned long long *out_number, struct lm_error *out_error)
{
	const char *value = conf->value[key];
	char *end;

	*out_number = 0;
	if (!value || !*value)
		return 0;
	errno = 0;
	*out_number = strtoull(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || *out_number == 0 || *out_number > max)
		return lm_fail(out_error, LM_E_CONFIG, "%s: \"%.40s\" is no number from 1 to %llu",
		               key_names[key], value, max);
	return 0;
}

static int understand(struct lm_mime_conf *conf, struct lm_error *out_error)
{
	const char *order = conf->value[LM_MIME_ORDERBY];
	const char *commit = conf->value[LM_MIME_COMMITMODE];
	const char *verbose = conf->value[LM_MIME_VERBOSE];
	const char *simulate = conf->value[LM_MIME_SIMULATE];
	unsigned long long limit = 0, timeout = 0;
	int err = number(conf, LM_MIME_LIMIT, 1ULL << 32, &limit, out_error);

	if (err == 0)
		err = number(conf, LM_MIME_TIMEOUT, 3600, &timeout, out_error);
	if (err)
		return err;
	conf->limit = (size_t)limit;
	conf->timeout_s = (unsigned)timeout;
	conf->commit = !commit || !is_off(commit);
	conf->verbose = verbose && *verbose && !is_off(verbose);
	conf->simulate = simulate && *simulate && !is_off(simulate);
	if (order && *order && strcasecmp(order, "asc") != 0 && strcasecmp(order, "desc") != 0)
		return lm_fail(out_error, LM_E_CONFIG, "orderBy: \"%.40s\" is neither asc nor desc",
		               order);
	conf->descending = order && strcasecmp(order, "desc") == 0;
	return 0;
}

int lm_mime_place(const char *rest, const struct lm_mime_conf *conf, enum lm_mime_key key,
                  const char **out_place, struct lm_error *out_error)
{
	const char *set = conf->value[key];

	if (set && *set && *rest && strcmp(set, rest) != 0)
		return lm_fail(out_error, LM_E_CONFIG, "%s says %.60s, the store's URL %.60s",
		               key_names[key], set, rest);
	*out_place = *rest ? rest : set;
	if (!*out_place || !**out_place)
		return lm_fail(out_error, LM_E_CONFIG, "Please specify the %s of the store.",
		               key_names[key]);
	return 0;
}

/* What is to be opened, as it is understood. */
struct wanted {
	const struct lm_mime_backend *backend;
	const char *url, *rest;
	struct lm_mime_conf conf;
};

static int judge(const char *url, const struct lm_mime_setting *settings, size_t setting_count,
                 struct wanted *out_wanted, struct lm_error *out_error)
{
	struct wanted w = { .url = url ? url : "" };
	int err;

	w.backend = find(w.url, &w.rest, out_error);
	err = w.backend ? 0 : LM_E_CONFIG;
	for (size_t i = 0; err == 0 && i < setting_count; i++)
		err = take_setting(w.backend, &settings[i], &w.conf, out_error);
	if (err == 0)
		err = understand(&w.conf, out_error);
	*out_wanted = w;
	return err;
}

static int open_it(const struct wanted *w, struct lm_mime_store **out_store,
                   struct lm_error *out_error)
{
	int err = w->backend->open(w->url, w->rest, &w->conf, out_store, out_error);

	if (err == 0)
		(*out_store)->commit = w->conf.commit;
	return err;
}

int lm_mime_store_open(const char *url, const struct lm_mime_setting *settings,
                       size_t setting_count, struct lm_mime_store **out_store,
                       struct lm_error *out_error)
{
	struct wanted w;
	int err = judge(url, settings, setting_count, &w, out_error);

	return err ? err : open_it(&w, out_store, out_error);
}

int lm_mime_store_check(const char *url, const struct lm_mime_setting *settings,
                        size_t setting_count, void (*report)(void *ctx, const char *problem),
                        void *ctx, struct lm_error *out_error)
{
	struct lm_mime_store *store;
	struct wanted w;
	int err = judge(url, settings, setting_count, &w, out_error);

	if (err)
		return err;
	if (w.backend->check)
		return w.backend->check(w.url, w.rest, &w.conf, report, ctx, out_error);
	err = open_it(&w, &store, out_error);
	if (err == 0)
		lm_mime_store_close(store);
	return err;
}
