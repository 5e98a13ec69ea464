/** @file
 * The inside of a client, shared by the files of this room only: client.c connects and lives,
 * queue.c holds requests, params.c settings, blocking.c is the other face.
 */
#ifndef LM_CLIENT_CLIENT_IMPL_H
#define LM_CLIENT_CLIENT_IMPL_H

#include "link/link.h"
#include "net/connect.h"
#include "net/tls.h"

#include <lettermill/client.h>
#include <lettermill/pop3.h>
#include <lettermill/smtp.h>

/** Settings with memory of their own. */
struct lm_client_settings {
	struct lm_client_params params;
	char *text; /* all strings of params, secrets among them */
	size_t text_len;
	char where[288];       /* "mail.example.org port 995", or a path */
	char server_name[256]; /* for certificates and SASL */
};
/** Check and copy. Errors: LM_E_SYNTAX, LM_E_CONFIG, LM_E_NOMEM. */
LM_MUST int lm_client_settings_init(struct lm_client_settings *settings,
                                    const struct lm_client_params *params,
                                    struct lm_error *out_error);
/** Wipes. */
void lm_client_settings_done(struct lm_client_settings *settings);
/** Whether a TLS context made for the one is right for the other. */
bool lm_client_settings_same_tls(const struct lm_client_settings *a,
                                 const struct lm_client_settings *b);
/** *out_context is NULL where TLS is off. Errors: LM_E_TLS, LM_E_CONFIG. */
LM_MUST int lm_client_settings_tls(const struct lm_client_settings *settings,
                                   struct lm_tls_context **out_context, struct lm_error *out_error);

/** A request with a copy of what it borrows, but for its envelope. */
struct lm_held {
	struct lm_held *next;
	struct lm_request request;
	struct lm_credentials credentials;
	bool is_own; /* the login of the settings */
	size_t len;
	uint8_t octets[];
};
struct lm_held_queue {
	struct lm_held *first, *last;
	size_t count;
};
/** Errors: LM_E_SYNTAX, LM_E_UNSUPPORTED (the other protocol's), LM_E_NOMEM. */
LM_MUST int lm_held_new(const struct lm_request *request, enum lm_protocol protocol,
                        struct lm_held **out_held);
/** Wipes. NULL is allowed. */
void lm_held_free(struct lm_held *held);
void lm_held_add(struct lm_held_queue *queue, struct lm_held *held);
/** The first; NULL when there is none. */
struct lm_held *lm_held_take(struct lm_held_queue *queue);

enum lm_client_state {
	LM_CLIENT_CONNECTING,
	LM_CLIENT_OPENING, /* there is a session, its first outcome is not there yet */
	LM_CLIENT_OPEN,
	LM_CLIENT_ENDING, /* aborted before there was a session */
	LM_CLIENT_CLOSED,
};

struct lm_client {
	struct lm_loop *loop;
	struct lm_client_settings settings;
	struct lm_client_owner owner;
	void *ctx;
	struct lm_tls_context *tls;
	struct lm_connect *connect;
	struct lm_link *link;
	union {
		struct lm_pop3_client_session_params pop3;
		struct lm_smtp_client_session_params smtp;
	} session_params;
	struct lm_task task;
	struct lm_timer timer;
	lm_time_ms deadline;        /* of connecting */
	struct lm_held_queue held;  /* not given to the session yet */
	struct lm_held_queue asked; /* given; its outcomes come in this order */
	struct lm_session_info info;
	struct lm_connected ends; /* the addresses */
	struct lm_error failure;  /* the first that ended more than a request */
	char helo[80];
	char *doubt;
	uint64_t done; /* octets of the message under way */
	uint32_t token_id;
	uint8_t state; /* enum lm_client_state */
	bool has_told_open : 1, has_quit : 1, has_ended : 1;
	bool is_aborted : 1, is_posted : 1, is_freed : 1;
	bool is_handshaking : 1; /* STLS or STARTTLS was agreed on */
	bool has_retried : 1;    /* without TLS, behind a handshake that failed */
	struct lm_blocking *blocking;
};

/** A source that tells params->progress how far it was read, and closes `source` with itself. NULL:
 * out of memory. */
struct lm_source *lm_client_counted(struct lm_source *source, const struct lm_client_params *params,
                                    uint64_t total);

/** Calls may come from outside the loop, whose idea of now is old then. */
void lm_client_wake(struct lm_client *client);

#endif
