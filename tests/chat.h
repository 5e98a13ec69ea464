/** @file
 * Transcripts: a dialogue written down in Markdown runs as a test of a session
 * (tests/chat/README.md has the format).
 */
#ifndef LM_TESTS_CHAT_H
#define LM_TESTS_CHAT_H

#include "base/buf.h"

#include <lettermill/session.h>

enum { CHAT_STEPS_MAX = 600, CHAT_OPTIONS_MAX = 24 };

/** What a line of a dialogue is: its letter. */
struct chat_step {
	/** 'C' what the client says, 'S' what the server says: the one is fed, the other expected;
	 * 'R' request, 'W' wait, 'D' drain, 'F' eof */
	char kind;
	struct lm_bytes text; /**< unescaped; C and S with their line end */
	int line;             /**< in the file */
};

/** An `A:` line: the answer to the next event of a type. */
struct chat_answer {
	enum lm_event_type type;
	struct lm_reply reply;
	bool pass; /**< what the runner's own handler would say */
	bool used;
};

/** One fenced block ```chat … ```. */
struct chat {
	char name[120]; /**< file and heading */
	const char *file;
	char *options[CHAT_OPTIONS_MAX]; /**< words behind "chat" */
	size_t option_count;
	struct chat_step steps[CHAT_STEPS_MAX];
	size_t step_count;
	char *expected_events[CHAT_STEPS_MAX]; /**< E lines */
	size_t expected_event_count;
	char *never[16]; /**< N lines */
	size_t never_count;
	struct chat_answer answers[64]; /**< A lines */
	size_t answer_count;
	struct lm_message messages[32]; /**< M lines; default: two short ones */
	struct lm_bytes bodies[32];
	size_t message_count;
	struct lm_bytes delivered[16]; /**< B lines */
	size_t delivered_count;
	const char *end; /**< X line: "close", "abort", "injection", or NULL: still open */
};

/** How to make the session a dialogue talks to. `options` are the words of the fence. */
typedef struct lm_session *(*chat_factory_fn)(const struct chat *chat, lm_time_ms now);

/** The value of option "name=value", "" for "name", NULL when it is not there. */
const char *chat_option(const struct chat *chat, const char *name);

/** The dialogue is mirrored: the session is a client ("pop3-client"), S lines are fed. */
bool chat_is_client(const struct chat *chat);
/** Push the request of an `R:` line. Fails the test unless the result is what the line says. */
void chat_request(const struct chat *chat, const struct chat_step *step, struct lm_session *session,
                  lm_time_ms now);
/** Add the fields of an outcome to an event's line. */
void chat_put_outcome(struct lm_buf *b, const struct lm_outcome *outcome);

/** The dialogue turned round, for a client; false where it cannot be (STLS, AUTH and lines that no
 * client says, octets that are no lines). What it points to is never freed. */
bool chat_mirror(const struct chat *server, struct chat *out_client);

/** All dialogues of a file; ends the test program with a message on bad grammar. */
size_t chat_load(const char *path, struct chat **out_chats);
void chat_free(struct chat *chats, size_t count);

/** Run a dialogue with the input as written, at every split in two, octet by octet, and (option
 * `pipeline`) all in one. Fails the current cmocka test where octets, events or deliveries differ.
 */
void chat_run(const struct chat *chat, chat_factory_fn factory);

#endif
