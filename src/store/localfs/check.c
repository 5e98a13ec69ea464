/* Looking a localfs store over: what no reader sees, and what somebody left half-way. */
#include "store/localfs/impl.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct checking {
	const struct lm_localfs *l;
	void (*report)(void *ctx, const char *problem);
	void *ctx;
	bool reported;
};

static void report(struct checking *c, enum lm_localfs_place place, const char *name,
                   const char *what)
{
	char line[NAME_MAX + 100];

	snprintf(line, sizeof(line), "%s%s: %s", lm_localfs_folder(place), name, what);
	c->report(c->ctx, line);
	c->reported = true;
}

static const char *trouble_of(const struct checking *c, enum lm_localfs_place place,
                              const char *name)
{
	int fd = openat(c->l->dir[place], name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	bool regular;

	if (fd < 0)
		return errno == ELOOP    ? "a symbolic link, which nobody follows"
		       : errno == EACCES ? "cannot be read"
		       : errno == ENOENT ? NULL /* gone meanwhile */
		                         : "cannot be opened";
	regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	close(fd);
	if (!regular)
		return "no file";
	return place == LM_AT_STAGED ? "staged: somebody began to consume it and did not end"
	                             : NULL;
}

static void check_name(struct checking *c, enum lm_localfs_place place, const char *name)
{
	size_t len = strlen(name);
	const char *trouble = NULL;

	if (lm_localfs_tag(place, name) < LM_TAG_COUNT)
		trouble = trouble_of(c, place, name);
	else if (len > 8 && memcmp(name, ".lm-", 4) == 0 && strcmp(name + len - 4, ".tmp") == 0)
		trouble = "a message that never became whole, or is being added";
	else if (len > 4 && strcmp(name + len - 4, ".eml") == 0)
		trouble = "a name nobody reads";
	if (trouble)
		report(c, place, name, trouble);
}

static int check_place(struct checking *c, enum lm_localfs_place place, struct lm_error *out_error)
{
	char **names;
	size_t count;
	int err = lm_localfs_names(c->l, place, &names, &count, out_error);

	if (err)
		return err;
	for (size_t i = 0; i < count; i++) {
		check_name(c, place, names[i]);
		lm_free(names[i]);
	}
	lm_free(names);
	return 0;
}

int lm_localfs_check(const char *url, const char *rest, const struct lm_mime_conf *conf,
                     void (*report_to)(void *ctx, const char *problem), void *ctx,
                     struct lm_error *out_error)
{
	struct lm_mime_conf dry = *conf;
	struct lm_mime_store *store;
	struct checking c = { .report = report_to, .ctx = ctx };
	int err;

	dry.commit = false; /* nothing is swept away */
	err = lm_localfs_open(url, rest, &dry, &store, out_error);
	if (err)
		return err;
	c.l = (const struct lm_localfs *)store;
	for (unsigned p = 0; err == 0 && p < LM_AT_PLACES; p++)
		err = check_place(&c, (enum lm_localfs_place)p, out_error);
	store->ops->close(store);
	if (err == 0 && c.reported)
		err = lm_fail(out_error, LM_E_CORRUPT, "%s: not all is well", url);
	return err;
}
