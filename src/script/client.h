/** @file
 * Clients of scripts from C: connections (struct lm_conn), what they are asked (struct lm_ask), and
 * the loop they live on (struct lm_clients).
 *
 * That loop hangs in the runtime's: there it gets its turns while script waits for promises, and a
 * call that blocks runs it alone, so that no other event of the program comes in the middle of a
 * script. No script runs inside of it either: what has ended is told from the runtime's loop.
 *
 * Threads: all belong to their runtime's.
 */
#ifndef LM_SCRIPT_CLIENT_H
#define LM_SCRIPT_CLIENT_H

#include "base/arena.h"
#include "mime/stash.h"
#include "script/runtime.h"

#include <lettermill/client.h>
#include <lettermill/outgoing.h>

struct lm_ask;
struct lm_clients;
struct lm_client_file;
struct lm_sending;

/** One connection after another of one client object. Counted: the object, and every ask. */
struct lm_conn {
	struct lm_clients *clients; /**< NULL: the runtime is going down */
	struct lm_conn *prev, *next;
	unsigned refs;
	enum lm_protocol protocol;
	struct lm_client *client; /**< NULL: there is none */
	bool is_open;             /**< connected, and logged in where that is a part of it */
	bool has_tls;
	bool is_forced;        /**< 8 bits go out whatever the server says */
	struct lm_error why;   /**< how the last one ended; code 0: it was asked to, or none was */
	struct lm_ask *asked;  /**< given to the client; outcomes come in this order */
	struct lm_ask *queued; /**< not yet */
};

/** How an ask goes on; each is optional. */
struct lm_ask_steps {
	/** Its outcome: note what is to be kept. Returns true when more was asked for instead of an
	 * end. */
	bool (*outcome)(struct lm_ask *ask, const struct lm_outcome *outcome);
	/** ITEM and BODY. A negative result ends it. */
	int (*event)(struct lm_ask *ask, const struct lm_event *event);
	/** The whole value behind success, set as "value" of the record. False: thrown. */
	bool (*value)(struct lm_ask *ask, struct lm_js_value *record);
};

enum lm_ask_into { LM_INTO_STRING, LM_INTO_BYTES, LM_INTO_STREAM };

/** Something a client was asked, and what came of it. */
struct lm_ask {
	struct lm_ask *next;
	struct lm_conn *conn;
	const struct lm_ask_steps *steps;
	struct lm_request request; /**< what it borrows lies in `arena` */
	struct lm_credentials credentials;
	struct lm_arena arena;
	bool is_connect, is_quit;
	bool has_login; /**< connect: it follows at once */
	bool is_noted;  /**< its outcome is known */
	bool is_done;
	struct lm_js_promise *promise; /**< NULL: somebody blocks for it */

	/* What came of it. */
	struct lm_error error;
	enum lm_side side;
	struct lm_outcome outcome; /**< of its last request, texts in `arena`; no recipients */
	struct lm_buf items;       /**< lines or numbers */
	enum lm_ask_into into;
	struct lm_buf body;
	struct lm_stash stash;
	struct lm_client_file *file;
	struct lm_sending *sending;
	struct lm_buf about; /**< of a connection that was made: members of JSON */
};

/** @name The loop (client_loop.c) */
/**@{*/
LM_MUST int lm_clients_new(struct lm_runtime *rt, struct lm_clients **out_clients);
/** Closes every connection; promises stay unsettled. NULL is allowed. */
void lm_clients_free(struct lm_clients *clients);
struct lm_runtime *lm_clients_runtime(const struct lm_clients *clients);
/** Made at the first call. Errors: LM_E_NOMEM, LM_E_IO. */
LM_MUST int lm_clients_loop(struct lm_clients *clients, struct lm_loop **out_loop);
void lm_clients_add(struct lm_clients *clients, struct lm_conn *conn);
void lm_clients_remove(struct lm_clients *clients, struct lm_conn *conn);
/** Look at what has come in, without waiting. */
void lm_clients_turn(struct lm_clients *clients);
/** Block until the ask is done; an interrupt of the runtime ends its connection, and so it. */
void lm_clients_wait(struct lm_clients *clients, struct lm_ask *ask);
/** The ask is done: wake who blocks for it, or settle its promise from the runtime's loop. */
void lm_clients_done(struct lm_clients *clients, struct lm_ask *ask);
/**@}*/

/** @name Connections (client_conn.c) */
/**@{*/
LM_MUST int lm_conn_new(struct lm_clients *clients, enum lm_protocol protocol,
                        struct lm_conn **out_conn);
void lm_conn_unref(struct lm_conn *conn);
/** Begin to connect; the ask is its OPEN and, with has_login, LOGIN. */
void lm_conn_open(struct lm_ask *ask, const struct lm_client_params *params);
/** For credentials->mechanism: the better of PLAIN and LOGIN. */
#define LM_CLIENT_READABLE "default"
/** As push, once a mechanism was chosen. */
void lm_conn_login(struct lm_ask *ask);
/** Give the ask's request to the client, or queue it. What goes wrong is told by lm_clients_done.
 */
void lm_conn_push(struct lm_ask *ask);
/** End now, without QUIT. Asks fail with `err` and `why`. */
void lm_conn_close(struct lm_conn *conn, int err, const char *why);
/**@}*/

/** @name Asks (client_ask.c) */
/**@{*/
/** A reference of the connection's. NULL: out of memory. */
struct lm_ask *lm_ask_new(struct lm_conn *conn, enum lm_request_type type);
void lm_ask_free(struct lm_ask *ask);
/** Fail it before anything was sent. */
void lm_ask_fail(struct lm_ask *ask, const struct lm_error *why);
/** Keep what became of its request. */
void lm_ask_note(struct lm_ask *ask, const struct lm_outcome *outcome);
/** The end for script: an object that js/client.js understands, of an ask that is done. NULL:
 * thrown. */
struct lm_js_value *lm_ask_record(struct lm_ask *ask, struct lm_js *js);

extern const struct lm_ask_steps lm_ask_plain, lm_ask_list, lm_ask_uidl, lm_ask_fetch, lm_ask_send;
/**@}*/

/** @name JSON (client_json.c)
 * Every octet that is no part of valid UTF-8 becomes what stands for it in strings
 * (engine/engine.h). */
/**@{*/
LM_MUST int lm_json_text(struct lm_buf *out, struct lm_bytes text);
/** `,"name":"text"`. */
LM_MUST int lm_json_member(struct lm_buf *out, const char *name, struct lm_bytes text);
/** `,"name":{"code":250,…}`: what a server said. */
LM_MUST int lm_json_reply(struct lm_buf *out, const char *name, const struct lm_outcome *outcome);
/**@}*/

/** @name Files that messages go into (client_file.c)
 * Written beside their place and moved there when whole; what is no regular file is written to. */
/**@{*/
/** Takes `path`, of lm_alloc. Errors: LM_E_NOT_FOUND, LM_E_DENIED, LM_E_FULL, LM_E_IO. */
LM_MUST int lm_client_file_new(char *path, struct lm_client_file **out_file,
                               struct lm_error *out_error);
LM_MUST int lm_client_file_write(struct lm_client_file *file, struct lm_bytes octets,
                                 struct lm_error *out_error);
LM_MUST int lm_client_file_end(struct lm_client_file *file, struct lm_error *out_error);
/** Not ended: it leaves nothing. NULL is allowed. */
void lm_client_file_free(struct lm_client_file *file);
/**@}*/

/** @name Sending (client_send.c, client_letter.c) */
/**@{*/
/** What the script says about an envelope; zeroed: nothing. */
struct lm_send_options {
	struct lm_bytes from;  /**< `data` NULL: as the header says */
	struct lm_bytes to;    /**< lists of addresses, LF between; `data` NULL: the same */
	unsigned notify;       /**< enum lm_dsn_notify */
	char ret;              /**< 'F', 'H' or 0 */
	struct lm_bytes envid; /**< xtext is made of it */
	bool require_tls, keep_bcc;
};
/** Where the message's octets come from: 0 and *out_len 0 at the end. */
typedef int (*lm_letter_read_fn)(void *ctx, uint8_t *out, size_t room, size_t *out_len,
                                 struct lm_error *out_error);
/**
 * Read all of a message, and find its envelope. The sender is that of the options, else of
 * Return-Path, Sender or From; the recipients are those of the options, else of To, Cc and Bcc,
 * else of X-Envelope-To; a message sent again has both from its Resent fields. Bcc goes out of it.
 * Errors: those of lm_outgoing_*, and of `read`; LM_E_SYNTAX where there is no sender or no
 * recipient.
 */
LM_MUST int lm_client_letter(const struct lm_send_options *options, lm_letter_read_fn read,
                             void *ctx, struct lm_arena *arena, struct lm_outgoing **out_letter,
                             struct lm_error *out_error);
/** Make the ask send a letter, which it owns from now on. */
LM_MUST int lm_sending_new(struct lm_ask *ask, struct lm_outgoing *letter);
void lm_sending_free(struct lm_sending *sending);
/** A new source for the client. NULL: out of memory. */
struct lm_source *lm_sending_source(struct lm_sending *sending);
/** `,"recipients":[…]` and more. */
LM_MUST int lm_sending_json(const struct lm_sending *sending, struct lm_buf *out);
/**@}*/

/** @name Native functions (client_native.c) */
/**@{*/
/** clientNew(protocol): the handle of a client object. */
struct lm_js_value *lm_client_native_new(const struct lm_js_call *call);
/** clientState(handle): true where it is open, else why it is not. */
struct lm_js_value *lm_client_native_state(const struct lm_js_call *call);
/** clientClose(handle, why): at once. */
struct lm_js_value *lm_client_native_close(const struct lm_js_call *call);
/* The rest: (handle, isAsync, …) gives a record, or a promise of one. */
/** clientConnect(handle, isAsync, settings, login): `login` undefined: without. */
struct lm_js_value *lm_client_native_connect(const struct lm_js_call *call);
/** clientLogin(handle, isAsync, login). */
struct lm_js_value *lm_client_native_login(const struct lm_js_call *call);
/** clientPlain(handle, isAsync, "NOOP" and the like, argument, number). */
struct lm_js_value *lm_client_native_plain(const struct lm_js_call *call);
/** clientFetch(handle, isAsync, number, lines or undefined, octets as LIST said, "string", "bytes"
 * or "stream", file or undefined). */
struct lm_js_value *lm_client_native_fetch(const struct lm_js_call *call);
/** clientSend(handle, isAsync, kind, what, options): kind "file" and a name, "octets" and a string
 * or bytes, "stream" and its handle. */
struct lm_js_value *lm_client_native_send(const struct lm_js_call *call);
/**@}*/

#endif
