/* Reading passwords without showing them. */
#include "cli/password.h"

#include "base/error.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

/* Where a password is read, and what is asked; `mask` NULL: no terminal. */
struct asking {
	int fd;
	const sigset_t *mask;
	const char *prompt; /* NULL: a new password, twice */
};

/* A signal handler has no other place to say that it ran. */
static volatile sig_atomic_t interrupted;

static void note_signal(int number)
{
	interrupted = number;
}

/* With a mask signals come only here, so that none can slip in before the read and be missed. */
static ssize_t read_octet(const struct asking *a, char *out)
{
	struct pollfd in = { .fd = a->fd, .events = POLLIN };

	if (a->mask && ppoll(&in, 1, NULL, a->mask) < 0)
		return -1;
	return read(a->fd, out, 1);
}

/* One octet a call, so that nothing behind the line is taken from whoever reads next. */
static int read_line(const struct asking *a, char *out, struct lm_error *out_error)
{
	size_t len = 0;
	ssize_t n;
	char c;

	while ((n = read_octet(a, &c)) == 1 && c != '\n') {
		if (len >= LM_CLI_MAX_PASSWORD || c == '\0')
			return lm_fail(out_error, LM_E_SYNTAX,
			               "a password has at most %d octets, none of them NUL",
			               LM_CLI_MAX_PASSWORD);
		out[len++] = c;
	}
	if (n < 0 && errno == EINTR)
		return lm_fail(out_error, LM_E_CANCELED, "interrupted");
	if (n < 0)
		return lm_fail_errno(out_error, LM_E_IO, errno, "cannot read the password");
	if (len > 0 && out[len - 1] == '\r')
		len--;
	if (len == 0)
		return lm_fail(out_error, LM_E_SYNTAX, "the password is empty");
	out[len] = '\0';
	return 0;
}

static int ask(const struct asking *a, const char *prompt, char *out, struct lm_error *out_error)
{
	int err;

	fputs(prompt, stderr);
	err = read_line(a, out, out_error);
	fputs("\n", stderr);
	return err;
}

static int ask_twice(const struct asking *a, char *out, struct lm_error *out_error)
{
	char again[LM_CLI_MAX_PASSWORD + 1];
	int err = ask(a, "Password: ", out, out_error);

	if (err < 0)
		return err;
	err = ask(a, "The same again: ", again, out_error);
	if (err == 0 && strcmp(out, again) != 0)
		err = lm_fail(out_error, LM_E_SYNTAX, "the two passwords differ");
	lm_wipe(again, sizeof(again));
	return err;
}

/* Signals only note themselves while echo is off: the terminal is put right before anything else.
 */
static int ask_in_silence(struct asking *a, const struct termios *shown, char *out,
                          struct lm_error *out_error)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
	struct sigaction before[sizeof(signals) / sizeof(*signals)];
	struct sigaction note = { .sa_handler = note_signal };
	struct termios hidden = *shown;
	sigset_t held, mask;
	int err;

	interrupted = 0;
	sigemptyset(&held);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaddset(&held, signals[i]);
	sigprocmask(SIG_BLOCK, &held, &mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &note, &before[i]);
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(a->fd, TCSAFLUSH, &hidden);
	a->mask = &mask;
	err = a->prompt ? ask(a, a->prompt, out, out_error) : ask_twice(a, out, out_error);
	a->mask = NULL;
	tcsetattr(a->fd, TCSAFLUSH, shown);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &before[i], NULL);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (interrupted)
		raise(interrupted);
	return err;
}

int lm_cli_read_password(char *out, struct lm_error *out_error)
{
	struct asking a = { .fd = STDIN_FILENO };
	struct termios shown;

	if (tcgetattr(a.fd, &shown) < 0)
		return read_line(&a, out, out_error);
	return ask_in_silence(&a, &shown, out, out_error);
}

int lm_cli_ask_password(const char *prompt, char *out, struct lm_error *out_error)
{
	int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC), err;
	struct asking a = { .fd = terminal < 0 ? STDIN_FILENO : terminal, .prompt = prompt };
	struct termios shown;

	if (tcgetattr(a.fd, &shown) < 0)
		err = lm_fail(out_error, LM_E_UNSUPPORTED, "there is no terminal to ask at");
	else
		err = ask_in_silence(&a, &shown, out, out_error);
	if (terminal >= 0)
		close(terminal);
	return err;
}
