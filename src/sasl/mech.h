/** @file
 * Inside the room: what one exchange holds and what a mechanism must bring.
 */
#ifndef LM_SASL_MECH_H
#define LM_SASL_MECH_H

#include "sasl/sasl.h"

#include <gsasl.h>

enum lm_sasl_mech_flag {
	LM_MECH_PLAIN = 1,        /**< shows a password or token to the peer */
	LM_MECH_PLUS = 2,         /**< needs channel binding */
	LM_MECH_EXTERNAL = 4,     /**< needs a client certificate */
	LM_MECH_CLIENT_FIRST = 8, /**< without initial response the first challenge is empty */
	LM_MECH_SHA256 = 16,      /**< SCRAM: the hash */
};

/** Largest response taken: RFC 4954 4 allows lines of 12288 octets of base64. */
enum { LM_SASL_RESPONSE_MAX = 12288 };
/** Fewest iterations RFC 7677 4 allows. */
enum { LM_SCRAM_ITERATIONS_MIN = 4096 };

/** Steps and answers give 0 or LM_E_NOMEM; *out_state is always set on 0. */
struct lm_sasl_mech {
	const char *name;
	unsigned flags;
	int (*step)(struct lm_sasl_server *, bool has_response, struct lm_bytes response,
	            struct lm_buf *out, enum lm_sasl_state *out_state);
	int (*answer)(struct lm_sasl_server *, const struct lm_reply *, struct lm_buf *out,
	              enum lm_sasl_state *out_state);
};

struct lm_sasl_server {
	const struct lm_sasl_mech *mech;
	enum lm_sasl_state state;
	unsigned round; /**< responses taken so far */
	bool plus_offered;
	bool doomed; /**< goes on to the end, and fails there */
	int error;
	struct lm_auth question;
	struct lm_buf authcid, authzid, secret, user; /**< what the question's slices point into */
	struct lm_buf first; /**< SCRAM: the client-first message until its answer comes */
	char *binding;       /**< tls-exporter in base64, for gsasl; NULL none */
	Gsasl *gsasl;
	Gsasl_session *session;
};

extern const struct lm_sasl_mech lm_mech_plain, lm_mech_login, lm_mech_external;
extern const struct lm_sasl_mech lm_mech_cram_md5;
extern const struct lm_sasl_mech lm_mech_scram_sha1, lm_mech_scram_sha256;
extern const struct lm_sasl_mech lm_mech_scram_sha1_plus, lm_mech_scram_sha256_plus;
extern const struct lm_sasl_mech lm_mech_oauthbearer, lm_mech_xoauth2;

/** End as failed: LM_E_AUTH, LM_E_SYNTAX or a temporary error. Returns 0. */
int lm_sasl_fail(struct lm_sasl_server *s, int error, enum lm_sasl_state *out_state);
/** Keep the names and put the question. LM_E_NOMEM; a name that is not fit fails with LM_E_SYNTAX.
 */
LM_MUST int lm_sasl_ask(struct lm_sasl_server *s, enum lm_auth_kind kind, struct lm_bytes authcid,
                        struct lm_bytes authzid, struct lm_bytes secret,
                        enum lm_sasl_state *out_state);
/** An answer's result: 0, LM_E_AUTH for every lasting no, or the temporary error. */
int lm_sasl_verdict(const struct lm_reply *reply);
/** Keep who logged in (LM_E_AUTH when authzid is foreign and the answer does not name it). */
LM_MUST int lm_sasl_settle(struct lm_sasl_server *s, const struct lm_reply *reply);
/** The answer of mechanisms that are over with it: OK or FAILED. */
LM_MUST int lm_sasl_answer_final(struct lm_sasl_server *s, const struct lm_reply *reply,
                                 struct lm_buf *out, enum lm_sasl_state *out_state);

/** Start the gsasl session of the mechanism when there is none. LM_E_NOMEM. */
LM_MUST int lm_gs_start(struct lm_sasl_server *s);
/** One gsasl step: 0 with *out_rc (GSASL_OK, GSASL_NEEDS_MORE or its error). `out` NULL: the
 * challenge is dropped. LM_E_NOMEM. */
LM_MUST int lm_gs_step(struct lm_sasl_server *s, struct lm_bytes in, struct lm_buf *out,
                       int *out_rc);
/** Set a property, as it is or in base64. LM_E_NOMEM. */
LM_MUST int lm_gs_set(struct lm_sasl_server *s, Gsasl_property property, struct lm_bytes value);
LM_MUST int lm_gs_set_base64(struct lm_sasl_server *s, Gsasl_property property,
                             struct lm_bytes value);
/** A property as gsasl has it; empty when unset. Lives until the next call. */
struct lm_bytes lm_gs_get(struct lm_sasl_server *s, Gsasl_property property);
/** End the gsasl session; secrets it held are overwritten. */
void lm_gs_done(struct lm_sasl_server *s);
/** LM_E_SYNTAX for what gsasl cannot parse or prepare, LM_E_AUTH for the rest. */
int lm_gs_error(int rc);

#endif
