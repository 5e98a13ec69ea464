/* The netrc file: words between blanks, as ftp and curl read it. */
#include "cli/secret.h"

#include "base/buf.h"
#include "base/error.h"
#include "wire/text.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILE = 1 << 20, MAX_WORD = 1024 };

struct entry {
	char user[MAX_WORD], password[MAX_WORD];
	bool has_user, has_password;
};

struct reader {
	struct lm_bytes rest;
	int line;
	const char *path, *host, *user;
	char word[MAX_WORD];
	struct entry entry; /* under way */
	struct entry best;  /* the first that fits */
	bool fits;          /* the one under way is for the host */
	bool found;
	struct lm_error *error;
};

static int fail(const struct reader *r, const char *what)
{
	return lm_fail(r->error, LM_E_SYNTAX, "%.120s:%d: %s", r->path, r->line, what);
}

static uint8_t take(struct reader *r)
{
	uint8_t c = r->rest.data[0];

	r->rest = lm_bytes_from(r->rest, 1);
	if (c == '\n')
		r->line++;
	return c;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_line(struct reader *r)
{
	while (r->rest.len > 0 && take(r) != '\n')
		;
}

static void skip_blanks(struct reader *r)
{
	while (r->rest.len > 0 && is_blank(r->rest.data[0]))
		take(r);
}

static void skip_comments(struct reader *r)
{
	skip_blanks(r);
	while (r->rest.len > 0 && r->rest.data[0] == '#') {
		skip_line(r);
		skip_blanks(r);
	}
}

/* The next word, perhaps quoted with backslashes inside: 1, or 0 at the end. */
static int next_word(struct reader *r)
{
	size_t len = 0;
	bool quoted;

	skip_blanks(r);
	if (r->rest.len == 0)
		return 0;
	quoted = r->rest.data[0] == '"';
	if (quoted)
		take(r);
	while (r->rest.len > 0 && (quoted ? r->rest.data[0] != '"' : !is_blank(r->rest.data[0]))) {
		uint8_t c = take(r);

		if (quoted && c == '\\' && r->rest.len > 0)
			c = take(r);
		if (len + 1 >= sizeof(r->word) || c == '\0' || c == '\n')
			return fail(r, "a word is too long, or not closed by a quote");
		r->word[len++] = (char)c;
	}
	if (quoted && r->rest.len == 0)
		return fail(r, "a quote is not closed");
	if (quoted)
		take(r);
	r->word[len] = '\0';
	return 1;
}

/* The entry under way is over: keep it where it fits. */
static void end_entry(struct reader *r)
{
	bool right_user = !r->user || !r->entry.has_user || strcmp(r->entry.user, r->user) == 0;

	if (r->fits && right_user && !r->found) {
		r->best = r->entry;
		r->found = true;
	}
	lm_wipe(&r->entry, sizeof(r->entry));
	r->fits = false;
}

static int value(struct reader *r, char *out, bool *out_has)
{
	int got = next_word(r);

	if (got < 0)
		return got;
	if (got == 0)
		return fail(r, "a word is missing at the end");
	memcpy(out, r->word, strlen(r->word) + 1);
	*out_has = true;
	return 0;
}

/* A macro ends at an empty line. */
static void skip_macro(struct reader *r)
{
	while (r->rest.len > 0 && r->rest.data[0] != '\n')
		skip_line(r);
}

static int take_machine(struct reader *r)
{
	char name[MAX_WORD];
	bool has;
	int err;

	end_entry(r);
	err = value(r, name, &has);
	r->fits = err == 0 && lm_equal_nocase(lm_str(name), lm_str(r->host));
	return err;
}

static int take_account(struct reader *r)
{
	char name[MAX_WORD];
	bool has;

	return value(r, name, &has);
}

static int take_word(struct reader *r)
{
	if (strcmp(r->word, "machine") == 0)
		return take_machine(r);
	if (strcmp(r->word, "login") == 0)
		return value(r, r->entry.user, &r->entry.has_user);
	if (strcmp(r->word, "password") == 0)
		return value(r, r->entry.password, &r->entry.has_password);
	if (strcmp(r->word, "account") == 0)
		return take_account(r);
	if (strcmp(r->word, "default") == 0) {
		end_entry(r);
		r->fits = true;
	} else if (strcmp(r->word, "macdef") == 0) {
		skip_line(r);
		skip_macro(r);
	} else {
		return fail(r, "a word that is none of machine, default, login, password, account, "
		               "macdef");
	}
	return 0;
}

static int read_entries(struct reader *r)
{
	int err = 0, got = 1;

	while (err == 0 && got > 0) {
		skip_comments(r);
		got = next_word(r);
		if (got > 0)
			err = take_word(r);
	}
	if (got < 0)
		err = got;
	if (err == 0)
		end_entry(r);
	return err;
}

static int give(const struct entry *best, char **out_user, char **out_password,
                struct lm_error *out_error)
{
	char *user = best->has_user ? lm_strdup_bytes(lm_str(best->user)) : NULL;
	char *password = best->has_password ? lm_strdup_bytes(lm_str(best->password)) : NULL;

	if ((best->has_user && !user) || (best->has_password && !password)) {
		lm_secret_free(user);
		lm_secret_free(password);
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	}
	*out_user = user;
	*out_password = password;
	return 1;
}

static int read_file(int fd, const char *path, struct lm_buf *out, struct lm_error *out_error)
{
	uint8_t *room;
	ssize_t n = 1;
	int err = 0;

	while (n > 0 && err == 0) {
		err = lm_buf_room(out, 4096, &room);
		n = err == 0 ? read(fd, room, 4096) : 0;
		if (n > 0)
			lm_buf_grew(out, (size_t)n);
	}
	if (err == LM_E_LIMIT)
		return lm_fail(out_error, err, "%.150s is larger than %d octets", path, MAX_FILE);
	if (n < 0)
		return lm_fail_errno(out_error, LM_E_IO, errno, "cannot read %.150s", path);
	return err < 0 ? lm_fail(out_error, err, "out of memory") : 0;
}

static int find(const char *path, struct reader *r, mode_t mode, struct lm_buf *text)
{
	int err;

	r->rest = lm_buf_bytes(text);
	err = read_entries(r);
	if (err == 0 && r->found && (mode & (S_IRWXG | S_IRWXO)))
		return lm_fail(r->error, LM_E_DENIED,
		               "others can read %.150s, which holds passwords: chmod 600 it", path);
	return err;
}

int lm_netrc_find(const char *path, const char *host, const char *user, char **out_user,
                  char **out_password, struct lm_error *out_error)
{
	struct reader r = {
		.line = 1, .path = path, .host = host, .user = user, .error = out_error
	};
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	struct lm_buf text;
	struct stat st = { 0 };

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		err = lm_fail_errno(out_error, lm_err_from_errno(errno), errno,
		                    "cannot read %.150s", path);
	else
		err = 0;
	lm_buf_init(&text, MAX_FILE);
	if (err == 0)
		err = read_file(fd, path, &text, out_error);
	if (err == 0)
		err = find(path, &r, st.st_mode, &text);
	if (err == 0 && r.found)
		err = give(&r.best, out_user, out_password, out_error);
	lm_buf_wipe(&text);
	lm_wipe(&r, sizeof(r));
	if (fd >= 0)
		close(fd);
	return err;
}
