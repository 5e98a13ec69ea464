/* One exchange with an HTTP server: what libcurl is told, and what it gives. */
#include "script/fetch_impl.h"

#include "base/error.h"

#include <stdio.h>
#include <strings.h>

enum { HEAD_MAX = 256 * 1024, CONNECT_TIMEOUT_S = 30, SILENCE_S = 300, LINE_SIZE = 1 << 17 };

/* ---- what is sent ---- */

static bool is_token(struct lm_bytes b)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < b.len; i++) {
		uint8_t c = b.data[i], folded = c | 0x20;

		if (!(folded >= 'a' && folded <= 'z') && !(c >= '0' && c <= '9') &&
		    !(c && strchr(others, c)))
			return false;
	}
	return b.len > 0;
}

int lm_fetch_add_header(struct lm_fetch *fetch, struct lm_bytes name, struct lm_bytes value,
                        struct lm_error *out_error)
{
	struct lm_buf line = { .max = LINE_SIZE };
	struct curl_slist *longer = NULL;
	int err;

	if (!is_token(name))
		return lm_fail(out_error, LM_E_SYNTAX, "a header's name is no token");
	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] == '\r' || value.data[i] == '\n' || !value.data[i])
			return lm_fail(out_error, LM_E_SYNTAX,
			               "a header cannot hold CR, LF or NUL");
	/* libcurl's way to say that a header is empty ends in a semicolon. */
	err = lm_buf_printf(&line, "%.*s%s%.*s%c", LM_FMT(name), value.len ? ": " : ";",
	                    LM_FMT(value), 0);
	if (!err)
		longer = curl_slist_append(fetch->lines, (const char *)lm_buf_bytes(&line).data);
	lm_buf_wipe(&line);
	if (err || !longer)
		return lm_fail(out_error, err ? err : LM_E_NOMEM, "a header is too long");
	fetch->lines = longer;
	return 0;
}

/* Without a value libcurl leaves out what it would send on its own account. */
static int leave_out(struct lm_fetch *fetch, const char *name)
{
	struct curl_slist *longer;
	char line[40];

	for (const struct curl_slist *s = fetch->lines; s; s = s->next)
		if (strncasecmp(s->data, name, strlen(name)) == 0 &&
		    (s->data[strlen(name)] == ':' || s->data[strlen(name)] == ';'))
			return 0;
	snprintf(line, sizeof(line), "%s:", name);
	longer = curl_slist_append(fetch->lines, line);
	if (!longer)
		return LM_E_NOMEM;
	fetch->lines = longer;
	return 0;
}

static size_t give(char *room, size_t one, size_t count, void *ctx)
{
	struct lm_fetch *fetch = ctx;
	struct lm_bytes rest = lm_bytes_from(lm_buf_bytes(&fetch->octets), fetch->upload_at);
	size_t len = one * count;

	if (fetch->stream) {
		if (lm_stream_read_at(fetch->stream, fetch->upload_at, (uint8_t *)room, len, &len,
		                      &fetch->error))
			return CURL_READFUNC_ABORT;
	} else {
		len = rest.len < len ? rest.len : len;
		if (len)
			memcpy(room, rest.data, len);
	}
	fetch->upload_at += len;
	return len;
}

static int seek(void *ctx, curl_off_t at, int from)
{
	struct lm_fetch *fetch = ctx;

	if (from != SEEK_SET || at < 0)
		return CURL_SEEKFUNC_FAIL;
	fetch->upload_at = (uint64_t)at;
	return CURL_SEEKFUNC_OK;
}

/* ---- what comes ---- */

/* Interim responses (100, 103) begin a head anew; trailers come behind the body. */
static size_t take_line(char *data, size_t one, size_t count, void *ctx)
{
	struct lm_fetch *fetch = ctx;
	struct lm_bytes line = lm_bytes(data, one * count);
	long status = 0;

	if (fetch->has_head)
		return line.len;
	if (line.len > 5 && memcmp(line.data, "HTTP/", 5) == 0)
		lm_buf_clear(&fetch->head);
	if (lm_buf_add(&fetch->head, line)) {
		lm_fail(&fetch->error, LM_E_LIMIT, "the response's headers are longer than %d KB",
		        HEAD_MAX >> 10);
		return 0;
	}
	if (line.data[0] != '\r' && line.data[0] != '\n')
		return line.len;
	(void)curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200)
		return line.len;
	fetch->has_head = fetch->tell_head = true;
	lm_fetch_queue(fetch);
	return line.len;
}

static size_t take(char *data, size_t one, size_t count, void *ctx)
{
	struct lm_fetch *fetch = ctx;
	size_t len = one * count;

	if (fetch->got + len > fetch->max) {
		lm_fail(&fetch->error, LM_E_LIMIT,
		        "the body is longer than %llu octets; maxBytes sets another limit",
		        (unsigned long long)fetch->max);
		return 0;
	}
	if (lm_stream_append(fetch->body, lm_bytes(data, len), &fetch->error))
		return 0;
	fetch->got += len;
	fetch->tell_data = true;
	lm_fetch_queue(fetch);
	return len;
}

static int err_of(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return LM_E_NO_HOST;
	case CURLE_COULDNT_CONNECT:
		return LM_E_CONNECT;
	case CURLE_OPERATION_TIMEDOUT:
		return LM_E_TIMEOUT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
		return LM_E_TLS;
	case CURLE_SSL_CACERT_BADFILE:
		return LM_E_CONFIG;
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_PARTIAL_FILE:
		return LM_E_CLOSED;
	case CURLE_OUT_OF_MEMORY:
		return LM_E_NOMEM;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return LM_E_PROTO;
	default:
		return LM_E_IO;
	}
}

void lm_fetch_judge(struct lm_fetch *fetch, CURLcode code)
{
	char why[sizeof(fetch->error.text)];

	if (code == CURLE_OK && fetch->has_head)
		return;
	if (fetch->error.code) { /* our own is the better reason */
		snprintf(why, sizeof(why), "%s", fetch->error.text);
		lm_fail(&fetch->error, fetch->error.code, "%.100s: %.130s", fetch->where, why);
		return;
	}
	lm_fail(&fetch->error, code == CURLE_OK ? LM_E_PROTO : err_of(code), "%.100s: %s",
	        fetch->where, code == CURLE_OK ? "no response" : curl_easy_strerror(code));
}

/* ---- making ---- */

static CURLcode set_safety(CURL *c, const struct lm_fetch_params *params)
{
	CURLcode bad = CURLE_OK;

	bad |= curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	bad |= curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	bad |= curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	bad |= curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
	bad |= curl_easy_setopt(c, CURLOPT_HTTP09_ALLOWED, 0L);
	bad |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, params->insecure ? 0L : 1L);
	bad |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, params->insecure ? 0L : 2L);
	bad |= curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (params->ca_file)
		bad |= curl_easy_setopt(c, CURLOPT_CAINFO, params->ca_file);
	bad |= curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
	bad |= curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	bad |= curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_S);
	if (params->timeout)
		bad |= curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)params->timeout);
	return bad;
}

static CURLcode set_up(struct lm_fetch *fetch, const struct lm_fetch_params *params,
                       const char *url)
{
	CURL *c = fetch->easy;
	CURLcode bad = set_safety(c, params);

	bad |= curl_easy_setopt(c, CURLOPT_URL, url);
	bad |= curl_easy_setopt(c, CURLOPT_USERAGENT, "lettermill/" LM_VERSION);
	bad |= curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, "");
	bad |= curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_line);
	bad |= curl_easy_setopt(c, CURLOPT_HEADERDATA, fetch);
	bad |= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
	bad |= curl_easy_setopt(c, CURLOPT_WRITEDATA, fetch);
	return bad;
}

int lm_fetch_new(const struct lm_fetch_params *params, struct lm_fetch **out_fetch,
                 struct lm_error *out_error)
{
	struct lm_fetch *fetch = lm_alloc_zero(1, sizeof(*fetch));
	struct lm_buf url = { .max = LINE_SIZE };
	int err;

	if (!fetch)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	fetch->refs = 1;
	err = lm_fetch_url(NULL, params->url, &url, fetch->where, sizeof(fetch->where), out_error);
	if (!err) {
		lm_buf_init(&fetch->head, HEAD_MAX);
		fetch->max = params->max_bytes;
		fetch->body = lm_stream_new();
		fetch->easy = curl_easy_init();
		if (!fetch->body || !fetch->easy ||
		    set_up(fetch, params, (const char *)lm_buf_bytes(&url).data))
			err = lm_fail(out_error, LM_E_NOMEM, "the request cannot be made");
	}
	lm_buf_wipe(&url);
	if (err)
		lm_fetch_unref(fetch);
	else
		*out_fetch = fetch;
	return err;
}

static CURLcode set_upload(struct lm_fetch *fetch)
{
	CURL *c = fetch->easy;
	CURLcode bad = CURLE_OK;

	bad |= curl_easy_setopt(c, CURLOPT_POST, 1L);
	bad |= curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)fetch->upload_size);
	bad |= curl_easy_setopt(c, CURLOPT_READFUNCTION, give);
	bad |= curl_easy_setopt(c, CURLOPT_READDATA, fetch);
	bad |= curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, seek);
	bad |= curl_easy_setopt(c, CURLOPT_SEEKDATA, fetch);
	return bad;
}

/* Those whose body is expected say "Content-Length: 0" without one. */
static bool expects_body(const char *method)
{
	return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
	       strcmp(method, "PATCH") == 0;
}

int lm_fetch_prepare(struct lm_fetch *fetch, const char *method, struct lm_error *out_error)
{
	bool head = strcmp(method, "HEAD") == 0;
	CURLcode bad = CURLE_OK;
	int err = 0;

	if (!is_token(lm_str(method)) || strlen(method) > 40)
		return lm_fail(out_error, LM_E_SYNTAX, "the method is no token");
	if (fetch->stream)
		err = lm_stream_size(fetch->stream, &fetch->upload_size, out_error);
	else
		fetch->upload_size = lm_buf_len(&fetch->octets);
	if (err)
		return err;
	/* A server may close a connection that was kept at any moment. Whether it has seen what was
	 * sent there is not known then: what could be done twice gets a connection of its own. */
	if (strcmp(method, "GET") != 0 && !head)
		bad |= curl_easy_setopt(fetch->easy, CURLOPT_FRESH_CONNECT, 1L);
	if (fetch->has_upload || expects_body(method))
		bad |= set_upload(fetch);
	else if (head)
		bad |= curl_easy_setopt(fetch->easy, CURLOPT_NOBODY, 1L);
	if (!head || fetch->has_upload)
		bad |= curl_easy_setopt(fetch->easy, CURLOPT_CUSTOMREQUEST, method);
	if (leave_out(fetch, "Expect") || leave_out(fetch, "Content-Type"))
		bad = CURLE_OUT_OF_MEMORY;
	bad |= curl_easy_setopt(fetch->easy, CURLOPT_HTTPHEADER, fetch->lines);
	return bad ? lm_fail(out_error, LM_E_NOMEM, "the request cannot be made") : 0;
}
