/* What sessions do, a line each, as izy's server tells it: time, session, elapsed ms, action. */
#include "cli/izy.h"

#include "base/mem.h"

#include <lettermill/server.h>

#include <time.h>
#include <unistd.h>

enum { ACTION_WIDTH = 31, VALUE_MAX = 400 };

struct session {
	unsigned long number;
	int64_t began; /* ms since 1970 */
	size_t retrieved;
	bool quit;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What a peer said stays on its line. */
static size_t escape(struct lm_bytes from, char *out, size_t cap)
{
	size_t len = 0;

	for (size_t i = 0; i < from.len && len + 5 < cap; i++) {
		uint8_t c = from.data[i];

		if (c >= 0x20 && c < 0x7F && c != '\\')
			out[len++] = (char)c;
		else
			len += (size_t)snprintf(out + len, cap - len, "\\x%02x", c);
	}
	out[len] = '\0';
	return len;
}

static void say(const struct session *s, const char *action, const char *value)
{
	char line[VALUE_MAX + 200], stamp[40], dashes[ACTION_WIDTH + 1];
	int64_t now = now_ms();
	time_t seconds = (time_t)(now / 1000);
	size_t n = strlen(action);
	struct tm tm;
	int len;

	gmtime_r(&seconds, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm);
	memset(dashes, '-', ACTION_WIDTH);
	dashes[n < ACTION_WIDTH ? ACTION_WIDTH - n - 1 : 0] = '\0';
	len = snprintf(line, sizeof(line), "%s [serversession_%lu.%lld_%lldms] --- %s %s:  %s\n",
	               stamp, s->number, (long long)s->began, (long long)(now - s->began), action,
	               dashes, value);
	/* A log that cannot be written has nobody left to be told. */
	if (write(STDERR_FILENO, line,
	          (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1) < 0)
		return;
}

/* A name, a number, and how it ended if it ended badly. */
static void say_about(const struct session *s, const char *action, struct lm_bytes text,
                      const struct lm_event *event, const struct lm_reply *reply)
{
	char value[VALUE_MAX];
	size_t len = escape(text, value, sizeof(value) - 100);

	if (event->message.number)
		len += (size_t)snprintf(value + len, sizeof(value) - len, "%s%zu", len ? " " : "",
		                        event->message.number);
	if (event->type == LM_EVENT_TOP)
		len += (size_t)snprintf(value + len, sizeof(value) - len, " %lld",
		                        (long long)event->message.lines);
	if (reply && reply->result < 0)
		snprintf(value + len, sizeof(value) - len, " (%s)", lm_err_text(reply->result));
	say(s, action, value);
}

static void say_login(const struct session *s, const struct lm_auth *auth)
{
	bool user = lm_bytes_equal(auth->mechanism, lm_str("USER"));
	char name[256], mechanism[40], value[VALUE_MAX];

	escape(auth->authcid, name, sizeof(name));
	escape(auth->mechanism, mechanism, sizeof(mechanism));
	if (user) {
		snprintf(value, sizeof(value), "USER %s", name);
		say(s, "CLIENT COMMAND", value);
		say(s, "CLIENT COMMAND", "PASS ***");
		return;
	}
	snprintf(value, sizeof(value), "AUTH %s %s ***", mechanism, name);
	say(s, "CLIENT COMMAND", value);
}

static void say_maildrop(const struct session *s, const struct lm_event *event,
                         const struct lm_reply *reply)
{
	char value[VALUE_MAX];
	size_t len = escape(event->info->user, value, 256);

	if (!reply || reply->result < 0)
		snprintf(value + len, sizeof(value) - len, " (%s)",
		         reply ? lm_err_text(reply->result) : "refused");
	else
		snprintf(value + len, sizeof(value) - len, ", messages: %zu", reply->message_count);
	say(s, "LOGIN", value);
}

static void say_end(const struct session *s)
{
	char value[40];

	if (s->retrieved && !s->quit) {
		snprintf(value, sizeof(value), "%zu", s->retrieved);
		say(s, "NO CLIENT QUIT. POP3FAILED", value);
	}
	say(s, "SOCKET END", "");
}

static void tell(struct session *s, const struct lm_event *event, const struct lm_reply *reply)
{
	bool yes = reply && reply->result == 0;

	switch (event->type) {
	case LM_EVENT_CONNECT:
		say(s, "NEW CLIENT CONNECTION", event->info->peer_address);
		break;
	case LM_EVENT_TLS:
		say(s, "TLS", event->info->tls.version ? event->info->tls.version : "");
		break;
	case LM_EVENT_AUTH:
		say_login(s, &event->auth);
		break;
	case LM_EVENT_AUTH_DONE:
		if (!event->auth.ok)
			say_about(s, "LOGIN FAILED", event->auth.authcid, event, reply);
		break;
	case LM_EVENT_MAILDROP:
		say_maildrop(s, event, reply);
		break;
	case LM_EVENT_DISCONNECT:
		say_end(s);
		break;
	default:
		say_about(s, "CLIENT COMMAND", event->verb, event, reply);
	}
	if (event->type == LM_EVENT_RETR && yes) {
		s->retrieved = event->message.number;
		say_about(s, "START TRANSFER", lm_bytes(NULL, 0), event, reply);
	}
	if (event->type == LM_EVENT_QUIT)
		s->quit = true;
}

static struct session *session_of(struct lm_izy_log *log, void **slot)
{
	struct session *s = *slot;

	if (s || !(s = lm_alloc_zero(1, sizeof(*s))))
		return s;
	s->number = atomic_fetch_add(&log->sessions, 1) + 1;
	s->began = now_ms();
	*slot = s;
	return s;
}

static void notice(void *context, void **session_slot, const struct lm_event *event,
                   const struct lm_reply *reply)
{
	struct session *s = session_of(context, session_slot);

	if (s)
		tell(s, event, reply);
	if (event->type != LM_EVENT_DISCONNECT)
		return;
	lm_free(s);
	*session_slot = NULL;
}

const struct lm_handler_ops *lm_izy_log_ops(void)
{
	static const struct lm_handler_ops ops = {
		.size = sizeof(ops),
		.name = "izy-log",
		.notice = notice,
		.hears = LM_EVENT_BIT(LM_EVENT_CONNECT) | LM_EVENT_BIT(LM_EVENT_AUTH) |
		         LM_EVENT_BIT(LM_EVENT_AUTH_DONE) | LM_EVENT_BIT(LM_EVENT_MAILDROP) |
		         LM_EVENT_BIT(LM_EVENT_STAT) | LM_EVENT_BIT(LM_EVENT_LIST) |
		         LM_EVENT_BIT(LM_EVENT_UIDL) | LM_EVENT_BIT(LM_EVENT_RETR) |
		         LM_EVENT_BIT(LM_EVENT_TOP) | LM_EVENT_BIT(LM_EVENT_DELE) |
		         LM_EVENT_BIT(LM_EVENT_RSET) | LM_EVENT_BIT(LM_EVENT_NOOP) |
		         LM_EVENT_BIT(LM_EVENT_CAPA) | LM_EVENT_BIT(LM_EVENT_LANG) |
		         LM_EVENT_BIT(LM_EVENT_UTF8) | LM_EVENT_BIT(LM_EVENT_QUIT) |
		         LM_EVENT_BIT(LM_EVENT_COMMAND) | LM_EVENT_BIT(LM_EVENT_DISCONNECT),
	};

	return &ops;
}
