/** @file
 * What the tests of the script handler share: a server whose hooks are scripts, raw dialogues with
 * it, its log, and a runtime's loop on the test's own thread for hooks that are functions.
 */
#ifndef LM_SCRIPT_HANDLER_RIG_H
#define LM_SCRIPT_HANDLER_RIG_H

#include "script/handler.h"
#include "script/rig.h"

#include <lettermill/server.h>

struct lm_hr {
	struct lm_rig *rig;
	struct lm_script_handler *handler;
	struct lm_server *server;
	struct lm_log log;
	pthread_mutex_t lock; /* guards logged */
	struct lm_buf logged; /* lines */
	enum lm_protocol protocol;
	size_t walks; /* the test's own */
};

/** A program without a server yet. */
void lm_hr_begin(struct lm_hr *hr, enum lm_protocol protocol);
/** A hook's file, "onLogin.js" and so on, with this text; before lm_hr_start. */
void lm_hr_hook(struct lm_hr *hr, const char *property, const char *text);
/** Make the handler of all files there are, and serve. `change` may be NULL; `options`: name,
 * value, …, NULL, for the server. */
void lm_hr_start(struct lm_hr *hr, void (*change)(struct lm_script_handler_params *params),
                 const char *const *options);
void lm_hr_end(struct lm_hr *hr);

/** A socket connected to the server, with patience of 30 s; from 127.0.0.`last`. */
int lm_hr_connect(struct lm_hr *hr);
int lm_hr_connect_from(struct lm_hr *hr, unsigned last);
void lm_hr_say(int fd, const char *text);
void lm_hr_send(int fd, struct lm_bytes octets);
/** Read a reply, all its lines; it begins with `start`. To be freed with free(). */
char *lm_hr_reply(int fd, const char *start);
void lm_hr_expect(int fd, const char *start);
void lm_hr_chat(int fd, const char *say, const char *start);
/** Read a multi-line answer of POP3 after its first line, without the dot; `out` gets the octets as
 * sent. */
void lm_hr_lines(int fd, struct lm_buf *out);
void lm_hr_expect_end(int fd);
/** Wait until the log has a line with this text. */
void lm_hr_await_log(struct lm_hr *hr, const char *text);
bool lm_hr_has_logged(struct lm_hr *hr, const char *text);
size_t lm_hr_count_logged(struct lm_hr *hr, const char *text);
/** Wait until scripts have printed a line with this text. */
void lm_hr_await_print(struct lm_hr *hr, const char *text);
void lm_hr_await_prints(struct lm_hr *hr, const char *text, size_t count);
/** Begin a session: the greeting, EHLO for mail; user and password for POP3 where `user` is given.
 */
int lm_hr_session(struct lm_hr *hr, const char *user);

#endif
