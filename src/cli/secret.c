/* Secrets that a command prints. */
#include "cli/secret.h"

#include "base/buf.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_OUTPUT = 65536 };

extern char **environ;

void lm_secret_free(char *secret)
{
	if (secret)
		lm_wipe(secret, strlen(secret));
	lm_free(secret);
}

/* Signals as they are by default; its standard input is nobody's message. */
static int start(const char *command, int out, pid_t *out_pid)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t all, none;
	int err;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	err = posix_spawn(out_pid, "/bin/sh", &actions, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

/* To its end, so that the command is not hurt by a pipe that closes early. */
static int read_all(int fd, struct lm_buf *out)
{
	ssize_t n = 1;
	int err = 0;

	while (n != 0) {
		char chunk[4096];

		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return lm_err_from_errno(errno);
		if (err == 0 && n > 0)
			err = lm_buf_add(out, lm_bytes(chunk, (size_t)n));
		lm_wipe(chunk, sizeof(chunk));
	}
	return err;
}

static int await(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

static int first_line(struct lm_bytes text, const char *what, char **out_line,
                      struct lm_error *out_error)
{
	const uint8_t *end = text.len ? memchr(text.data, '\n', text.len) : NULL;
	char *line;

	if (end)
		text.len = (size_t)(end - text.data);
	if (text.len > 0 && text.data[text.len - 1] == '\r')
		text.len--;
	if (text.len == 0)
		return lm_fail(out_error, LM_E_CONFIG, "the %s command printed nothing", what);
	if (memchr(text.data, '\0', text.len) || memchr(text.data, '\r', text.len))
		return lm_fail(out_error, LM_E_CONFIG,
		               "the %s command printed a NUL or a carriage return", what);
	line = lm_strdup_bytes(text);
	if (!line)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	*out_line = line;
	return 0;
}

static int judge(int status, int read_result, const char *what, struct lm_error *out_error)
{
	if (status < 0)
		return lm_fail(out_error, LM_E_IO, "cannot wait for the %s command", what);
	if (WIFSIGNALED(status))
		return lm_fail(out_error, LM_E_CONFIG, "the %s command was ended by signal %d",
		               what, WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return lm_fail(out_error, LM_E_CONFIG, "the %s command ended with exit code %d",
		               what, WEXITSTATUS(status));
	if (read_result == LM_E_LIMIT)
		return lm_fail(out_error, LM_E_CONFIG, "the %s command printed more than %d octets",
		               what, MAX_OUTPUT);
	if (read_result < 0)
		return lm_fail(out_error, read_result, "cannot read from the %s command", what);
	return 0;
}

int lm_secret_run(const char *command, const char *what, char **out_line,
                  struct lm_error *out_error)
{
	struct lm_buf text;
	int pipe_ends[2], err;
	pid_t pid;

	if (pipe2(pipe_ends, O_CLOEXEC) < 0)
		return lm_fail_errno(out_error, LM_E_IO, errno, "cannot run the %s command", what);
	err = start(command, pipe_ends[1], &pid);
	close(pipe_ends[1]);
	if (err != 0) {
		close(pipe_ends[0]);
		return lm_fail_errno(out_error, LM_E_IO, err, "cannot run the %s command", what);
	}
	lm_buf_init(&text, MAX_OUTPUT);
	err = read_all(pipe_ends[0], &text);
	close(pipe_ends[0]);
	err = judge(await(pid), err, what, out_error);
	if (err == 0)
		err = first_line(lm_buf_bytes(&text), what, out_line, out_error);
	lm_buf_wipe(&text);
	return err;
}
