/** @file
 * For the tests of the store handler: it runs on a worker that is the test itself, over a memory
 * store and two small lists of accounts (anna:secret; bob@example.org:hidden).
 */
#ifndef LM_SERVER_HANDLER_RIG_H
#define LM_SERVER_HANDLER_RIG_H

#include "server/store_handler.h"
#include "server/worker.h"

struct lm_worker {
	struct lm_loop *loop;
	unsigned held;
	bool answered;
	struct lm_reply reply; /* slices copied below */
	char text[256], user[256];
	struct lm_secret secret;
	uint8_t secrets[4][256];
};

struct rig {
	struct lm_worker worker;
	struct lm_store *store, *front; /* front: NULL, or the one that fails */
	struct lm_accounts *accounts, *more;
	struct lm_pool *pool;
	struct lm_store_handler *handler;
	void *context;
	char log[4096];
};

/* One session as the server would have it. */
struct session {
	struct rig *rig;
	void *slot;
	struct lm_session_info info;
	struct lm_envelope envelope;
	struct lm_recipient recipients[8];
};

/** Where the store fails next, and how. */
enum rig_point {
	RIG_NONE,
	RIG_OPEN,
	RIG_LIST,
	RIG_READ,
	RIG_EXPUNGE,
	RIG_BEGIN,
	RIG_WRITE,
	RIG_COMMIT,
};
/** A store over `inner` that fails at one point, or stalls there until it is cancelled. */
struct rig_store {
	struct lm_store head;
	struct lm_store *inner;
	enum rig_point point;
	int error; /**< 0: stall */
	struct lm_store_op *stalled;
};
/** Put it in front of the rig's store; before rig_start. */
void rig_store_init(struct rig_store *store, struct rig *rig);

/** cmocka's setup and teardown: *state is the rig. */
int rig_setup(void **state);
int rig_teardown(void **state);
/** Make the handler and its worker's part; the token hook takes "good" for anna. */
void rig_start(struct rig *rig, const char *const *domains, size_t count, const char *catch_all,
               bool trace);
/** Run the loop until nothing is under way. */
void rig_settle(struct rig *rig);
void rig_stop(struct rig *rig);
struct lm_bytes rig_copy(struct lm_bytes from, void *to, size_t room);
/** Log in as `user` and count. */
void rig_expect_count(struct rig *rig, const char *user, size_t count);

void session_init(struct session *s, struct rig *rig, enum lm_protocol protocol);
/** Ask and do not wait: true when it is pending. Ticket 0 is that of a session that is gone. */
bool session_pose(struct session *s, const struct lm_event *event, uint64_t ticket);
/** Ask and wait for the answer; gives its result. */
int session_ask(struct session *s, struct lm_event event);
void session_tell(struct session *s, enum lm_event_type type);
int session_rcpt(struct session *s, const char *address);
int session_body(struct session *s, struct lm_bytes octets);
/** DATA, one body, MESSAGE. */
int session_deliver(struct session *s, const char *text);
int session_login(struct session *s, const char *user);

#endif
