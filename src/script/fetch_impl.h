/** @file
 * The parts of fetch: fetch_multi.c (libcurl on a runtime's loop), fetch_request.c (one exchange:
 * its options and what comes), fetch.c (for script). js/fetch.js follows redirects, one exchange
 * each.
 *
 * Threads: all of it belongs to its runtime's thread.
 */
#ifndef LM_SCRIPT_FETCH_IMPL_H
#define LM_SCRIPT_FETCH_IMPL_H

#include "script/runtime.h"
#include "script/stream.h"

#include <curl/curl.h>

struct lm_fetch_socket;

/** All that is under way on a runtime. */
struct lm_fetches {
	struct lm_runtime *rt;
	CURLM *multi;
	struct lm_timer timer;
	struct lm_fetch *all;          /* each holds the runtime */
	struct lm_fetch *told, **last; /* something is to be told of them */
	struct lm_fetch_socket *sockets;
	bool telling;
	struct lm_timer last_call; /* the program ends: what is under way then is broken off */
	bool closed;               /* it has been */
};

/** One exchange. Counted: while it is under way, and its handle. */
struct lm_fetch {
	struct lm_fetches *owner; /* NULL: over */
	struct lm_fetch *prev, *next, *next_told;
	unsigned refs;
	CURL *easy;
	struct curl_slist *lines;
	char where[300]; /* scheme, host and port, for messages: nothing else of a URL is shown */
	struct lm_js_value *event; /* held while under way */

	/* what is sent */
	bool has_upload;
	struct lm_buf octets;
	struct lm_stream *stream;
	uint64_t upload_size, upload_at;

	/* what comes */
	struct lm_buf head; /* of the last response: "HTTP/1.1 200 OK" and headers */
	struct lm_stream *body;
	uint64_t got, max;
	bool has_head, is_queued, tell_head, tell_data, is_done;
	struct lm_error error; /* code 0: it went well */
};

/* fetch_multi.c */

LM_MUST int lm_fetches_new(struct lm_runtime *rt, struct lm_fetches **out_fetches,
                           struct lm_error *out_error);
/** Breaks off what is under way; script hears nothing of it. */
void lm_fetches_free(struct lm_fetches *fetches);
/** Begin: from now on it is in the list and holds the runtime. */
LM_MUST int lm_fetch_begin(struct lm_fetches *fetches, struct lm_fetch *fetch,
                           struct lm_error *out_error);
/** No more comes of it; again it does nothing. Not inside libcurl's callbacks. */
void lm_fetch_end(struct lm_fetch *fetch);
/** There is something to tell: from outside libcurl, soon. */
void lm_fetch_queue(struct lm_fetch *fetch);
void lm_fetch_unref(struct lm_fetch *fetch);

/* fetch_request.c */

/** What script asks for, checked here again. */
struct lm_fetch_params {
	const char *url, *method, *ca_file; /**< ca_file: NULL, or an absolute name */
	lm_time_ms timeout;                 /**< 0: none */
	uint64_t max_bytes;
	bool insecure;
};
/** A new exchange with one reference; headers and body are added by the next two. Errors:
 * LM_E_SYNTAX, LM_E_DENIED (not http or https), LM_E_NOMEM. */
LM_MUST int lm_fetch_new(const struct lm_fetch_params *params, struct lm_fetch **out_fetch,
                         struct lm_error *out_error);
/** LM_E_SYNTAX: what is no token, or holds a line end or NUL. */
LM_MUST int lm_fetch_add_header(struct lm_fetch *fetch, struct lm_bytes name, struct lm_bytes value,
                                struct lm_error *out_error);
/** Behind the headers. The body is fetch->octets or fetch->stream where it has_upload. */
LM_MUST int lm_fetch_prepare(struct lm_fetch *fetch, const char *method,
                             struct lm_error *out_error);
/** libcurl is through with it: set fetch->error. */
void lm_fetch_judge(struct lm_fetch *fetch, CURLcode code);

/* fetch_url.c */

/**
 * A URL of http or https without user, password and fragment, made whole by `base` (NULL: none).
 * The text goes to `out`; "scheme://host:port" to `origin`. Errors: LM_E_SYNTAX, LM_E_DENIED
 * (another scheme, credentials); the text never shows more than the scheme.
 */
LM_MUST int lm_fetch_url(const char *base, const char *url, struct lm_buf *out, char *origin,
                         size_t origin_size, struct lm_error *out_error);

#endif
