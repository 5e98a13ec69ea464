/** @file
 * izy-pop3's own command form: `lettermill method METHOD [KEY VALUE]...`, read into one table.
 */
#ifndef LM_CLI_IZY_H
#define LM_CLI_IZY_H

#include "cli/cli.h"

#include <lettermill/handler.h>
#include <lettermill/mime_store.h>

#include <stdatomic.h>

/** Every key, in the order of the table in izy.c. */
enum lm_izy_key {
	LM_IZY_PORT,
	LM_IZY_ADDRESS,
	LM_IZY_PASSWORD,
	LM_IZY_SERVERNAME,
	LM_IZY_TAGS,
	LM_IZY_LIMIT,
	LM_IZY_IP,
	LM_IZY_USER,
	LM_IZY_PASS,
	LM_IZY_TLS,
	LM_IZY_CAFILE,
	LM_IZY_INSECURE,
	LM_IZY_TIMEOUT,
	LM_IZY_CMD,
	LM_IZY_QUERY,
	LM_IZY_CLIENT_LOG,
	LM_IZY_SERVER_LOG,
	LM_IZY_WAIT_TIME,
	LM_IZY_TESTTYPE,
	LM_IZY_QUERY_LIMIT,
	LM_IZY_QUERY_TAGS,
	LM_IZY_MODHANDLER,
	LM_IZY_PATH,
	LM_IZY_DATASERVICE,
	LM_IZY_COMMITMODE,
	LM_IZY_STORE_FIRST, /**< from here on they go to the store as they are */
	LM_IZY_KEY_COUNT = LM_IZY_STORE_FIRST + 10
};

/** What was said. Values are copies: the secrets among them left the process list. */
struct lm_izy {
	const struct lm_cli_command *command;
	char *values[LM_IZY_KEY_COUNT]; /**< NULL: not said */
};

int lm_izy_serverpop3(const struct lm_izy *izy);
int lm_izy_clientpop3(const struct lm_izy *izy);
int lm_izy_test(const struct lm_izy *izy);
/** The self-test of server, client and store. */
int lm_izy_fullclientserver(const struct lm_izy *izy);

/** A value, or the table's default; "" without one. */
const char *lm_izy_text(const struct lm_izy *izy, enum lm_izy_key key);
/** Whether it is said and means no: false, 0, no, off, or nothing at all. */
bool lm_izy_is(const struct lm_izy *izy, enum lm_izy_key key);
/** A decimal number up to max; absent: the default. LM_E_CONFIG names key and value. */
LM_MUST int lm_izy_number(const struct lm_izy *izy, enum lm_izy_key key, uint64_t max,
                          uint64_t *out_number, struct lm_error *out_error);
/** A set of 1 << enum lm_mime_tag. What is no tag is passed over, with a note. */
unsigned lm_izy_tags(const struct lm_izy *izy, enum lm_izy_key key);
/** The store the mimestore keys mean. `commit`: where commitmode was not said. */
LM_MUST int lm_izy_open_store(const struct lm_izy *izy, bool commit,
                              struct lm_mime_store **out_store, struct lm_error *out_error);
/** The key's name, as it is written. */
const char *lm_izy_name(enum lm_izy_key key);
/** Say "Failed: …" and give the exit code of a failure. */
int lm_izy_failed(const struct lm_error *why);

/** Numbers of messages as "1-10,15,20-" says them. */
struct lm_izy_range {
	struct {
		uint64_t from, to;
	} parts[100];
	size_t count;
};
/** LM_E_CONFIG: it is nothing like that. */
LM_MUST int lm_izy_range_parse(const char *text, struct lm_izy_range *out_range,
                               struct lm_error *out_error);
bool lm_izy_range_has(const struct lm_izy_range *range, uint64_t number);

/** A POP3 server on a mime store. */
struct lm_izy_server;
struct lm_izy_server_params {
	struct lm_mime_store *store; /**< borrowed */
	const char *address, *password, *servername, *data_dir;
	uint16_t port;
	unsigned tags;
	size_t limit;
	bool count_octets, quiet;
};
LM_MUST int lm_izy_server_start(const struct lm_izy_server_params *params,
                                struct lm_izy_server **out_server, struct lm_error *out_error);
uint16_t lm_izy_server_port(const struct lm_izy_server *server);
/** Finish what runs, for at most `timeout` ms; returns at once. */
void lm_izy_server_drain(struct lm_izy_server *server, lm_time_ms timeout);
void lm_izy_server_wait(struct lm_izy_server *server);
/** Stops it, too. NULL is allowed. */
void lm_izy_server_free(struct lm_izy_server *server);

/** Session log in izy's manner: a server handler that only listens and writes to standard error.
 * Its `handler` is a struct lm_izy_log. */
struct lm_izy_log {
	atomic_ulong sessions; /**< so far */
};
const struct lm_handler_ops *lm_izy_log_ops(void);

#endif
