/** @file
 * The parts of the cloud store: coding, HTTP, adding, simulation.
 */
#ifndef LM_STORE_CLOUD_IMPL_H
#define LM_STORE_CLOUD_IMPL_H

#include "base/buf.h"
#include "store/cloud/cloud.h"

#include <curl/curl.h>

enum {
	LM_CLOUD_ANSWER_MAX =
	        256 << 20, /**< octets of one answer: a service may be out of its mind */
	LM_CLOUD_MESSAGE_MAX = 64 << 20, /**< a message being added is in memory */
	LM_CLOUD_SQL_MAX = 2 * LM_CLOUD_MESSAGE_MAX + (4 << 20),
	LM_CLOUD_BATCH = 1 << 20, /**< octets of statements from which on they are sent */
	LM_CLOUD_TIMEOUT_S = 30,
	LM_CLOUD_ROWS_MAX = 1 << 20, /**< short ones take much more memory than their octets */
};

/** The columns of a query, in its order. */
enum lm_cloud_field {
	LM_CLOUD_ID,
	LM_CLOUD_STATUS,
	LM_CLOUD_GROUPID,
	LM_CLOUD_TIMESTAMP,
	LM_CLOUD_CREATED,
	LM_CLOUD_SOURCEID,
	LM_CLOUD_GUID,
	LM_CLOUD_SIZE,
	LM_CLOUD_PAYLOAD,
	LM_CLOUD_FIELDS
};

struct lm_cloud_row {
	struct lm_bytes field[LM_CLOUD_FIELDS]; /* in the answer's buffer */
};

/** A POST and its answer, with the connection kept between them. */
struct lm_cloud_http {
	CURL *curl;
	struct curl_slist *headers;
	char *service; /* ends in "/" */
	char *token;   /* NULL: none */
	bool obfuscate;
	struct lm_buf answer;
	bool too_long, silent;
	int64_t timeout_ms, moved, moved_at; /* octets there and back, and when there were more */
};

struct lm_cloud {
	struct lm_mime_store head;
	struct lm_cloud_http http;
	char *table, *group, *item;
	const char *order; /* NULL: as it comes */
	bool simulate;
	size_t limit;
	struct lm_buf kept; /* the answer of the last query, or what was simulated */
	struct lm_cloud_row *rows;
	struct lm_mime_item *items;
	size_t count;
	struct lm_buf batch; /* statements of ended messages */
	int batch_err;       /* of one since the last flush */
	uint64_t added;
};

/* words.c */

/** Append a value of somebody else's: 'quoted', or x'6869' where quotes could not carry it. */
LM_MUST int lm_cloud_quote(struct lm_buf *sql, struct lm_bytes value);
/** "__enc" and each character's code + 1, in UTF-8. `text` is UTF-8. */
LM_MUST int lm_cloud_obfuscate(struct lm_bytes text, struct lm_buf *out);
/** What stands behind "SUCCESS: "; LM_E_STORE with the service's reason, LM_E_PROTO for junk. */
LM_MUST int lm_cloud_judge(struct lm_bytes answer, struct lm_bytes *out_rest,
                           struct lm_error *out_error);
/** Take the rows behind "SUCCESS: " apart, in place; *out_rows is freed with lm_free. LM_E_PROTO,
 * LM_E_LIMIT (more than LM_CLOUD_ROWS_MAX), LM_E_NOMEM. */
LM_MUST int lm_cloud_rows(struct lm_bytes text, struct lm_cloud_row **out_rows, size_t *out_count,
                          struct lm_error *out_error);
/** Digits only, few enough for any database's number. */
LM_MUST bool lm_cloud_is_number(struct lm_bytes text);

/* http.c */

LM_MUST int lm_cloud_http_open(struct lm_cloud_http *http, const char *service,
                               const struct lm_mime_conf *conf, struct lm_error *out_error);
void lm_cloud_http_close(struct lm_cloud_http *http);
/** Send statements; *out_rest is what the answer says behind "SUCCESS: ", in http->answer. */
LM_MUST int lm_cloud_http_run(struct lm_cloud_http *http, struct lm_bytes sql,
                              struct lm_bytes *out_rest, struct lm_error *out_error);

/* add.c */

int lm_cloud_add_begin(struct lm_mime_store *store, const struct lm_mime_item *item,
                       struct lm_mime_add **out_add, struct lm_error *out_error);
int lm_cloud_add_write(struct lm_mime_add *add, struct lm_bytes octets, struct lm_error *out_error);
int lm_cloud_add_end(struct lm_mime_add *add, char *out_name, struct lm_error *out_error);
void lm_cloud_add_abort(struct lm_mime_add *add);
int lm_cloud_flush(struct lm_mime_store *store, struct lm_error *out_error);

/* simulate.c */

/** `count` rows into cloud->kept and cloud->rows. */
LM_MUST int lm_cloud_simulate(struct lm_cloud *cloud, size_t count, struct lm_error *out_error);

#endif
