/* The cloud service's HTTP: one POST, one answer, by libcurl. */
#include "store/cloud/impl.h"

#include "base/error.h"

#include <stdio.h>
#include <time.h>

enum { CONNECT_TIMEOUT_S = 15, WHOLE_TIMES = 20 };

/* Room for what stands around a token. */
enum { TOKEN_WORDS = 16 };

static size_t take(char *data, size_t one, size_t len, void *ctx)
{
	struct lm_cloud_http *http = ctx;
	int err = lm_buf_add(&http->answer, lm_bytes(data, one * len));

	http->too_long = err == LM_E_LIMIT;
	return err ? 0 : len;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* libcurl's own limit of slowness is an average of some seconds: it sees a stop too late. */
static int still_moves(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
	struct lm_cloud_http *http = ctx;

	(void)down_total;
	(void)up_total;
	if (down + up != http->moved) {
		http->moved = down + up;
		http->moved_at = now_ms();
	}
	http->silent = now_ms() - http->moved_at > http->timeout_ms;
	return http->silent;
}

/* A URL of HTTP that "index.php" can be put behind; shown only where it holds no secret. */
static int check_service(const char *service, struct lm_error *out_error)
{
	size_t len = strlen(service);
	const char *shown = strchr(service, '@') ? "(not shown)" : service;

	if (strncmp(service, "http://", 7) != 0 && strncmp(service, "https://", 8) != 0)
		return lm_fail(out_error, LM_E_CONFIG,
		               "dataservice: \"%.100s\" begins with neither https:// nor http://",
		               shown);
	if (service[len - 1] != '/')
		return lm_fail(out_error, LM_E_CONFIG,
		               "Invalid connection string. It must end with '/': %.100s", shown);
	for (size_t i = 0; i < len; i++)
		if ((uint8_t)service[i] <= ' ' || service[i] == 0x7F || service[i] == '?' ||
		    service[i] == '#')
			return lm_fail(out_error, LM_E_CONFIG,
			               "dataservice: spaces, control characters, ? and # may not "
			               "stand in it");
	return 0;
}

static int set_up(struct lm_cloud_http *http, const struct lm_mime_conf *conf)
{
	const char *cafile = conf->value[LM_MIME_CAFILE];
	long timeout = conf->timeout_s ? (long)conf->timeout_s : LM_CLOUD_TIMEOUT_S;
	CURL *c = http->curl;
	CURLcode bad = CURLE_OK;

	bad |= curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	bad |= curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	bad |= curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	bad |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	bad |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	bad |= curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (cafile && *cafile)
		bad |= curl_easy_setopt(c, CURLOPT_CAINFO, cafile);
	bad |= curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT,
	                        timeout < CONNECT_TIMEOUT_S ? timeout : CONNECT_TIMEOUT_S);
	bad |= curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	bad |= curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, still_moves);
	bad |= curl_easy_setopt(c, CURLOPT_XFERINFODATA, http);
	bad |= curl_easy_setopt(c, CURLOPT_TIMEOUT, timeout * WHOLE_TIMES);
	bad |= curl_easy_setopt(c, CURLOPT_USERAGENT, "lettermill");
	bad |= curl_easy_setopt(c, CURLOPT_HTTPHEADER, http->headers);
	bad |= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
	bad |= curl_easy_setopt(c, CURLOPT_WRITEDATA, http);
	return bad ? LM_E_UNSUPPORTED : 0;
}

static int make_headers(struct lm_cloud_http *http)
{
	static const char *const lines[] = { "Content-Type: text/html", "Expect:", "Accept: */*" };

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct curl_slist *longer = curl_slist_append(http->headers, lines[i]);

		if (!longer)
			return LM_E_NOMEM;
		http->headers = longer;
	}
	return 0;
}

int lm_cloud_http_open(struct lm_cloud_http *http, const char *service,
                       const struct lm_mime_conf *conf, struct lm_error *out_error)
{
	const char *token = conf->value[LM_MIME_ACCESSTOKEN];
	int err = check_service(service, out_error);

	if (err)
		return err;
	lm_buf_init(&http->answer, LM_CLOUD_ANSWER_MAX);
	http->obfuscate = !conf->verbose;
	http->timeout_ms = (conf->timeout_s ? conf->timeout_s : LM_CLOUD_TIMEOUT_S) * 1000;
	http->service = lm_strdup_bytes(lm_str(service));
	http->token = token && *token ? lm_strdup_bytes(lm_str(token)) : NULL;
	http->curl = curl_easy_init();
	if (!http->service || !http->curl || (token && *token && !http->token) ||
	    make_headers(http))
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	err = set_up(http, conf);
	return err ? lm_fail(out_error, err, "libcurl lacks what the cloud store needs") : 0;
}

void lm_cloud_http_close(struct lm_cloud_http *http)
{
	curl_easy_cleanup(http->curl);
	curl_slist_free_all(http->headers);
	if (http->token)
		lm_wipe(http->token, strlen(http->token));
	lm_free(http->token);
	if (http->service) /* a password may stand in it */
		lm_wipe(http->service, strlen(http->service));
	lm_free(http->service);
	lm_buf_done(&http->answer);
}

/* With room for all at once, again; no character becomes more than twice as long. */
static int encode(const struct lm_cloud_http *http, struct lm_bytes plain, struct lm_buf *body)
{
	size_t most = plain.len * (http->obfuscate ? 2 : 1) + TOKEN_WORDS;
	uint8_t *room;
	int err = lm_buf_room(body, most < body->max ? most : body->max, &room);

	if (err)
		return err;
	return http->obfuscate ? lm_cloud_obfuscate(plain, body) : lm_buf_add(body, plain);
}

static int make_body(const struct lm_cloud_http *http, struct lm_bytes sql, struct lm_buf *body)
{
	struct lm_buf plain = { .max = LM_CLOUD_SQL_MAX };
	uint8_t *room;
	int err = 0;

	/* At once, as growing would leave the token behind in what is given back. */
	if (http->token)
		err = lm_buf_room(&plain, strlen(http->token) + TOKEN_WORDS + sql.len, &room);
	if (err == 0 && http->token)
		err = lm_buf_printf(&plain, "_=_:)a%s_=_:)a", http->token);
	if (err == 0)
		err = lm_buf_add(&plain, sql);
	if (err == 0)
		err = encode(http, lm_buf_bytes(&plain), body);
	lm_buf_wipe(&plain);
	return err;
}

static int failed(CURLcode code, const struct lm_cloud_http *http, struct lm_error *out_error)
{
	int err = LM_E_IO;

	if (http->too_long)
		return lm_fail(out_error, LM_E_LIMIT,
		               "the cloud service's answer is longer than %d MB; ask for fewer "
		               "messages",
		               LM_CLOUD_ANSWER_MAX >> 20);
	if (http->silent)
		code = CURLE_OPERATION_TIMEDOUT;
	if (code == CURLE_OPERATION_TIMEDOUT)
		err = LM_E_TIMEOUT;
	else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR ||
	         code == CURLE_SSL_CACERT_BADFILE)
		err = LM_E_TLS;
	else if (code == CURLE_OUT_OF_MEMORY)
		err = LM_E_NOMEM;
	else if (code == CURLE_COULDNT_CONNECT)
		err = LM_E_STORE;
	else if (code == CURLE_COULDNT_RESOLVE_HOST)
		err = LM_E_NOT_FOUND;
	return lm_fail(out_error, err, "http request error: %s", curl_easy_strerror(code));
}

static int status_err(long status)
{
	if (status == 401 || status == 403)
		return LM_E_DENIED;
	return status == 413 ? LM_E_LIMIT : status >= 500 ? LM_E_STORE : LM_E_PROTO;
}

static int post(struct lm_cloud_http *http, struct lm_bytes body, struct lm_error *out_error)
{
	struct lm_buf url = { .max = 8192 };
	struct timespec now;
	long status = 0;
	CURLcode code = CURLE_OK;

	clock_gettime(CLOCK_REALTIME, &now);
	if (lm_buf_printf(&url, "%sindex.php?randomanticach=%lld%03ld", http->service,
	                  (long long)now.tv_sec, now.tv_nsec / 1000000)) {
		lm_buf_wipe(&url);
		return lm_fail(out_error, LM_E_LIMIT, "dataservice: too long");
	}
	lm_buf_clear(&http->answer);
	http->too_long = http->silent = false;
	http->moved = -1;
	code |= curl_easy_setopt(http->curl, CURLOPT_URL, (const char *)url.data);
	code |= curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, body.data);
	code |= curl_easy_setopt(http->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
	if (code == CURLE_OK)
		code = curl_easy_perform(http->curl);
	lm_buf_wipe(&url);
	if (code != CURLE_OK)
		return failed(code, http, out_error);
	curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
	return status >= 200 && status < 300
	               ? 0
	               : lm_fail(out_error, status_err(status),
	                         "http request error: the cloud service answered %ld", status);
}

int lm_cloud_http_run(struct lm_cloud_http *http, struct lm_bytes sql, struct lm_bytes *out_rest,
                      struct lm_error *out_error)
{
	struct lm_buf body = { .max = LM_CLOUD_SQL_MAX };
	int err = make_body(http, sql, &body);

	if (err)
		lm_fail(out_error, err, "too much at once for the cloud service");
	else
		err = post(http, lm_buf_bytes(&body), out_error);
	lm_buf_wipe(&body);
	return err ? err : lm_cloud_judge(lm_buf_bytes(&http->answer), out_rest, out_error);
}
