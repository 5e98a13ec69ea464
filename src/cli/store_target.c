/* Where messages are copied to: a store, a folder of .eml files, an mbox. */
#include "cli/store_target.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART ".lettermill-mbox.part"

bool lm_target_is_mbox(const char *word, const char **out_path)
{
	size_t len = strlen(word);

	*out_path = strncmp(word, "mbox:", 5) == 0 ? word + 5 : word;
	return *out_path != word || (len > 5 && strcmp(word + len - 5, ".mbox") == 0);
}

static int open_folder_of(const char *path, int *out_dir, struct lm_error *out_error)
{
	char copy[PATH_MAX];

	if (strlen(path) >= sizeof(copy))
		return lm_fail(out_error, LM_E_CONFIG, "the path is too long");
	memcpy(copy, path, strlen(path) + 1);
	return lm_outdir_open(dirname(copy), out_dir, out_error);
}

static int open_mbox(struct lm_target *t, const char *path, struct lm_error *out_error)
{
	const char *slash = strrchr(path, '/');
	struct stat st;
	int fd, err = open_folder_of(path, &t->dir, out_error);

	t->mbox_name = slash ? slash + 1 : path;
	if (err)
		return err;
	if (!*t->mbox_name)
		return lm_fail(out_error, LM_E_CONFIG, "%.200s: names no file", path);
	if (fstatat(t->dir, t->mbox_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return lm_fail(out_error, LM_E_EXISTS, "%.200s exists already", path);
	if (t->dry)
		return 0;
	fd = openat(t->dir, PART, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return lm_fail_errno(out_error, lm_err_from_errno(errno), errno, "%.150s: %s", path,
		                     PART);
	t->mbox.file = fdopen(fd, "w");
	if (t->mbox.file)
		return 0;
	close(fd);
	unlinkat(t->dir, PART, 0);
	return lm_fail(out_error, LM_E_NOMEM, "out of memory");
}

static int open_path(struct lm_target *t, const char *to, struct lm_error *out_error)
{
	const char *path;

	if (lm_target_is_mbox(to, &path))
		return open_mbox(t, path, out_error);
	if (mkdir(to, 0700) != 0 && errno != EEXIST)
		return lm_fail_errno(out_error, lm_err_from_errno(errno), errno, "%.200s", to);
	return lm_outdir_open(to, &t->dir, out_error);
}

int lm_target_open(const struct lm_cli_call *call, const char *to, struct lm_target *out_target)
{
	struct lm_error why = { 0 };

	*out_target = (struct lm_target){ .dry = lm_cli_flag(call, "dry-run"), .dir = -1 };
	if (lm_store_is_url(to))
		return lm_store_open_for(call, &lm_store_target, to, &out_target->store);
	if (lm_cli_text(call, "to-mailbox") || lm_cli_text(call, "to-set"))
		return lm_cli_call_usage(call, "--to-mailbox and --to-set are for stores");
	if (open_path(out_target, to, &why) == 0)
		return LM_EXIT_OK;
	if (out_target->dir >= 0)
		close(out_target->dir);
	return lm_store_failed(call, &why);
}

/* Any name becomes one for a file, told from others by the number outdir.c adds. */
static void make_stem(struct lm_bytes name, char out[40])
{
	size_t len = 0;

	if (name.len > 4 && memcmp(name.data + name.len - 4, ".eml", 4) == 0)
		name.len -= 4;
	for (size_t i = 0; i < name.len && len < 39; i++) {
		uint8_t c = name.data[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		             (c >= '0' && c <= '9') || c == '@' || c == '_' || c == '-' ||
		             (c == '.' && len);

		out[len++] = plain ? (char)c : '_';
	}
	out[len] = '\0';
	if (!len)
		memcpy(out, "message", 8);
}

int lm_target_begin(struct lm_target *t, const struct lm_mime_item *item,
                    struct lm_error *out_error)
{
	if (t->store)
		return lm_mime_add_begin(t->store, item, &t->add, out_error);
	make_stem(item->name, t->stem);
	if (t->dry)
		return 0;
	if (!t->mbox_name)
		return lm_outfile_begin(&t->file, t->dir, out_error);
	t->mbox_begin = ftello(t->mbox.file);
	lm_mbox_begin(&t->mbox, item->timestamp_ms);
	return 0;
}

int lm_target_write(struct lm_target *t, struct lm_bytes octets, struct lm_error *out_error)
{
	if (t->store)
		return lm_mime_add_write(t->add, octets, out_error);
	if (t->dry)
		return 0;
	if (!t->mbox_name)
		return lm_outfile_write(&t->file, octets, out_error);
	lm_mbox_write(&t->mbox, octets);
	return 0;
}

int lm_target_end(struct lm_target *t, struct lm_error *out_error)
{
	char name[LM_OUTDIR_NAME];

	if (t->store)
		return lm_mime_add_end(t->add, NULL, out_error);
	if (t->dry)
		return 0;
	return t->mbox_name ? lm_mbox_end(&t->mbox, out_error)
	                    : lm_outfile_end(&t->file, t->stem, name, out_error);
}

void lm_target_abort(struct lm_target *t)
{
	if (t->store) {
		lm_mime_add_abort(t->add);
	} else if (!t->dry && !t->mbox_name) {
		lm_outfile_abort(&t->file);
	} else if (!t->dry && fflush(t->mbox.file) == 0 &&
	           ftruncate(fileno(t->mbox.file), t->mbox_begin) == 0) {
		(void)!fseeko(t->mbox.file, t->mbox_begin, SEEK_SET);
	}
}

static int name_mbox(struct lm_target *t, struct lm_error *out_error)
{
	int bad = fflush(t->mbox.file) || ferror(t->mbox.file) || fsync(fileno(t->mbox.file));

	bad |= fclose(t->mbox.file) != 0;
	if (!bad)
		bad = renameat2(t->dir, PART, t->dir, t->mbox_name, RENAME_NOREPLACE);
	if (!bad)
		bad = fsync(t->dir);
	if (!bad)
		return 0;
	bad = errno;
	unlinkat(t->dir, PART, 0);
	return lm_fail_errno(out_error, lm_err_from_errno(bad) ? lm_err_from_errno(bad) : LM_E_IO,
	                     bad, "%.200s", t->mbox_name);
}

int lm_target_close(struct lm_target *t, struct lm_error *out_error)
{
	int err = 0;

	if (t->store)
		err = lm_mime_store_flush(t->store, out_error);
	lm_mime_store_close(t->store);
	if (t->mbox.file)
		err = name_mbox(t, out_error);
	if (t->dir >= 0)
		close(t->dir);
	return err;
}
