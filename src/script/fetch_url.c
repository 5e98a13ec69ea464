/* URLs that fetch may ask: http and https only, without credentials. */
#include "script/fetch_impl.h"

#include "base/error.h"

#include <stdio.h>

static int set_whole(CURLU *u, const char *base, const char *url)
{
	const unsigned flags = CURLU_URLENCODE | CURLU_NON_SUPPORT_SCHEME;

	if (base && curl_url_set(u, CURLUPART_URL, base, 0))
		return LM_E_SYNTAX;
	return curl_url_set(u, CURLUPART_URL, url, flags) ? LM_E_SYNTAX : 0;
}

static bool has_part(CURLU *u, CURLUPart part)
{
	char *text = NULL;
	bool has = curl_url_get(u, part, &text, 0) == CURLUE_OK && text;

	curl_free(text);
	return has;
}

static int check_scheme(CURLU *u, struct lm_error *out_error)
{
	char *scheme = NULL;
	bool ok;

	if (curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) || !scheme)
		return lm_fail(out_error, LM_E_SYNTAX, "not a URL");
	ok = strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0;
	if (!ok)
		lm_fail(out_error, LM_E_DENIED, "only http: and https: URLs, not %.20s:", scheme);
	curl_free(scheme);
	return ok ? 0 : LM_E_DENIED;
}

static int put_origin(CURLU *u, char *origin, size_t size)
{
	char *scheme = NULL, *host = NULL, *port = NULL;
	int err = LM_E_SYNTAX, len;

	if (!curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) &&
	    !curl_url_get(u, CURLUPART_HOST, &host, 0) && *host &&
	    !curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT)) {
		len = snprintf(origin, size, "%s://%s:%s", scheme, host, port);
		err = len > 0 && (size_t)len < size ? 0 : LM_E_SYNTAX;
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	return err;
}

static int put_url(CURLU *u, struct lm_buf *out)
{
	char *text = NULL;
	int err;

	if (curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) ||
	    curl_url_get(u, CURLUPART_URL, &text, 0))
		return LM_E_SYNTAX;
	err = lm_buf_add(out, lm_bytes(text, strlen(text) + 1));
	curl_free(text);
	return err;
}

static int judge(CURLU *u, struct lm_buf *out, char *origin, size_t origin_size,
                 struct lm_error *out_error)
{
	int err = check_scheme(u, out_error);

	if (err)
		return err;
	if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
		return lm_fail(out_error, LM_E_DENIED,
		               "a URL with a user name or password; use an Authorization header");
	err = put_origin(u, origin, origin_size);
	if (!err)
		err = put_url(u, out);
	return err ? lm_fail(out_error, LM_E_SYNTAX, "not a URL") : 0;
}

int lm_fetch_url(const char *base, const char *url, struct lm_buf *out, char *origin,
                 size_t origin_size, struct lm_error *out_error)
{
	CURLU *u = curl_url();
	int err;

	if (!u)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	err = set_whole(u, base, url);
	if (err)
		lm_fail(out_error, err, "not a URL");
	else
		err = judge(u, out, origin, origin_size, out_error);
	curl_url_cleanup(u);
	return err;
}
