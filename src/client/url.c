/* URLs of maildrops and relays taken apart (RFC 2384, RFC 3986, and as curl writes them). */
#include "base/error.h"
#include "base/mem.h"
#include "wire/text.h"

#include <lettermill/client.h>

#include <curl/curl.h>
#include <stdio.h>

enum { PATH_LEN_MAX = 107 /* sun_path with its NUL has 108 */ };

#define FORM "pop3://USER@HOST:PORT/"

static const struct scheme {
	const char *name;
	enum lm_protocol protocol;
	bool tls;
} schemes[] = {
	{ "pop3", LM_POP3, false },
	{ "pop", LM_POP3, false },
	{ "pop3s", LM_POP3, true },
	{ "smtp", LM_SMTP, false },
	{ "smtps", LM_SMTP, true },
	{ "submission", LM_SUBMISSION, false },
	{ "submissions", LM_SUBMISSION, true },
	{ "lmtp", LM_LMTP, false },
};

static const struct scheme *find_scheme(struct lm_bytes name)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
		if (lm_equal_nocase(name, lm_str(schemes[i].name)))
			return &schemes[i];
	return NULL;
}

static bool is_control(uint8_t c)
{
	return c < 0x20 || c == 0x7F;
}

static int hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lm_upper(c);
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The octet at *io_at, which goes on to its last character; -1 where it is no octet. */
static int decode_one(struct lm_bytes in, size_t *io_at)
{
	size_t at = *io_at;
	int high, low;

	if (in.data[at] != '%')
		return in.data[at];
	if (in.len - at < 3)
		return -1;
	high = hex(in.data[at + 1]);
	low = hex(in.data[at + 2]);
	*io_at = at + 2;
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* `what` is for the error. The text itself never is in one: it may be a secret. */
static int decode(struct lm_bytes in, const char *what, char *out, size_t cap,
                  struct lm_error *out_error)
{
	size_t len = 0;

	for (size_t i = 0; i < in.len; i++) {
		int c = decode_one(in, &i);

		if (c < 0)
			return lm_fail(out_error, LM_E_SYNTAX,
			               "URL: a %% in the %s must be followed by two hexadecimal "
			               "digits (the sign itself is %%25)",
			               what);
		if (is_control((uint8_t)c))
			return lm_fail(out_error, LM_E_SYNTAX,
			               "URL: control characters are not allowed in the %s", what);
		if (len + 1 >= cap)
			return lm_fail(out_error, LM_E_SYNTAX,
			               "URL: the %s is too long, at most %zu octets", what,
			               cap - 1);
		out[len++] = (char)c;
	}
	out[len] = '\0';
	return 0;
}

/* The place of the last `c`, or b.len. */
static size_t find_last(struct lm_bytes b, char c)
{
	for (size_t i = b.data ? b.len : 0; i > 0; i--)
		if (b.data[i - 1] == (uint8_t)c)
			return i - 1;
	return b.len;
}

static size_t find_first(struct lm_bytes b, const char *set)
{
	size_t i = 0;

	while (i < b.len && !memchr(set, b.data[i], strlen(set)))
		i++;
	return i;
}

/* Takes ";AUTH=mech" off the end of user or password (curl has it behind either). */
static bool cut_mechanism(struct lm_bytes *io_part, struct lm_bytes *out_mechanism)
{
	size_t at = find_last(*io_part, ';');
	struct lm_bytes option = lm_bytes_from(*io_part, at);

	if (!lm_starts_nocase(option, ";AUTH="))
		return false;
	io_part->len = at;
	*out_mechanism = lm_bytes_from(option, 6);
	return true;
}

/* RFC 2384 3: "*" is any, "+" marks what is no SASL mechanism. */
static int name_mechanism(struct lm_bytes text, struct lm_client_url *url,
                          struct lm_error *out_error)
{
	char name[sizeof(url->mechanism)];
	int err = decode(text, "mechanism", name, sizeof(name), out_error);

	if (err)
		return err;
	if (lm_bytes_equal(lm_str(name), lm_str("*")))
		return 0;
	if (lm_equal_nocase(lm_str(name), lm_str("+APOP")))
		text = lm_str("APOP");
	else if (lm_equal_nocase(lm_str(name), lm_str("+LOGIN")) ||
	         lm_equal_nocase(lm_str(name), lm_str("+USER")))
		text = lm_str("USER");
	else
		text = lm_str(name);
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = url->mechanism[i] = (char)lm_upper(text.data[i]);

		if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
			text.len = 0;
	}
	if (!text.len)
		return lm_fail(
		        out_error, LM_E_SYNTAX,
		        "URL: ;AUTH= must be followed by a mechanism (PLAIN, +APOP, …) or *");
	url->mechanism[text.len] = '\0';
	return 0;
}

static int read_user(struct lm_bytes info, struct lm_client_url *url, struct lm_error *out_error)
{
	size_t colon = find_first(info, ":");
	struct lm_bytes user = lm_bytes(info.data, colon);
	struct lm_bytes password = lm_bytes_from(info, colon + 1);
	struct lm_bytes mechanism;
	bool is_named = cut_mechanism(&user, &mechanism) || cut_mechanism(&password, &mechanism);
	int err;

	url->has_password = colon < info.len;
	err = decode(user, "user name", url->user, sizeof(url->user), out_error);
	if (!err)
		err = decode(password, "password", url->password, sizeof(url->password), out_error);
	if (!err && is_named)
		err = name_mechanism(mechanism, url, out_error);
	return err;
}

static int read_socket_path(struct lm_bytes text, struct lm_client_url *url,
                            struct lm_error *out_error)
{
	int err = decode(text, "socket path", url->host, PATH_LEN_MAX + 1, out_error);

	if (!err && (url->host[0] != '/' || !url->host[1]))
		err = lm_fail(out_error, LM_E_SYNTAX,
		              "URL: no host; it should look like " FORM
		              ", or lmtp:///path/of/socket");
	return err;
}

static int why_not(CURLUcode code, struct lm_error *out_error)
{
	if (code == CURLUE_OUT_OF_MEMORY)
		return lm_fail(out_error, LM_E_NOMEM, "URL: out of memory");
	if (code == CURLUE_BAD_PORT_NUMBER)
		return lm_fail(out_error, LM_E_SYNTAX,
		               "URL: the port must be a number from 1 to 65535");
	return lm_fail(out_error, LM_E_SYNTAX,
	               "URL: the host is no name and no address; it should look like " FORM
	               ", an IPv6 address like [::1]");
}

/* What was percent-encoded is decoded here; what could not be is left over. */
static bool has_odd(const char *host)
{
	const char *odd = strchr(host, ':') ? " /@" : " /@%";

	for (; *host; host++)
		if (is_control((uint8_t)*host) || strchr(odd, *host))
			return true;
	return false;
}

/* A zone ("%eth0") belongs to the address for who connects. */
static int read_host(CURLU *parts, struct lm_client_url *url, struct lm_error *out_error)
{
	char *host = NULL, *zone = NULL;
	size_t len;
	int n, err = 0;

	if (curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		return why_not(CURLUE_NO_HOST, out_error);
	(void)curl_url_get(parts, CURLUPART_ZONEID, &zone, 0);
	len = strlen(host);
	if (host[0] == '[')
		n = snprintf(url->host, sizeof(url->host), "%.*s%s%s", (int)(len - 2), host + 1,
		             zone ? "%" : "", zone ? zone : "");
	else
		n = snprintf(url->host, sizeof(url->host), "%s", host);
	if (n < 0 || (size_t)n >= sizeof(url->host))
		err = lm_fail(out_error, LM_E_SYNTAX, "URL: the host is longer than 255 octets");
	else if (has_odd(url->host))
		err = why_not(CURLUE_NO_HOST, out_error);
	curl_free(host);
	curl_free(zone);
	return err;
}

static int read_parts(CURLU *parts, struct lm_client_url *url, struct lm_error *out_error)
{
	char *port = NULL, *path = NULL;
	uint64_t number;
	int err = read_host(parts, url, out_error);

	if (!err && curl_url_get(parts, CURLUPART_PORT, &port, 0) == CURLUE_OK) {
		if (lm_parse_number(lm_str(port), UINT16_MAX, &number) && number)
			url->port = (uint16_t)number;
		else
			err = why_not(CURLUE_BAD_PORT_NUMBER, out_error);
	}
	if (!err && curl_url_get(parts, CURLUPART_PATH, &path, 0) == CURLUE_OK)
		err = decode(lm_bytes_from(lm_str(path), 1), "path", url->path, sizeof(url->path),
		             out_error);
	curl_free(port);
	curl_free(path);
	return err;
}

/* The scheme is told curl as http: it shall not judge what user and path may look like. */
static int read_place(struct lm_bytes place, struct lm_client_url *url, struct lm_error *out_error)
{
	struct lm_buf text;
	CURLU *parts = curl_url();
	CURLUcode code;
	int err;

	lm_buf_init(&text, place.len + 32);
	err = parts ? lm_buf_printf(&text, "http://%.*s", LM_FMT(place)) : LM_E_NOMEM;
	if (!err)
		err = lm_buf_add(&text, lm_bytes("", 1));
	if (err) {
		err = lm_fail(out_error, err, "URL: %s", lm_err_text(err));
	} else {
		code = curl_url_set(parts, CURLUPART_URL, (const char *)lm_buf_bytes(&text).data,
		                    CURLU_PATH_AS_IS);
		err = code ? why_not(code, out_error) : read_parts(parts, url, out_error);
	}
	lm_buf_wipe(&text);
	curl_url_cleanup(parts);
	return err;
}

static int read_rest(struct lm_bytes rest, struct lm_client_url *url, struct lm_error *out_error)
{
	size_t slash = find_first(rest, "/?#");
	struct lm_bytes authority = lm_bytes(rest.data, slash), place = rest;
	size_t at = find_last(authority, '@');
	int err = 0;

	/* Else half of a password would be taken for a host. */
	if (find_first(lm_bytes_from(rest, slash), "@") < rest.len - slash)
		return lm_fail(out_error, LM_E_SYNTAX,
		               "URL: an @ behind the first / (in a user name or password write / "
		               "as %%2F, ? as %%3F, # as %%23; in a path @ as %%40)");
	if (find_first(rest, "?#") < rest.len)
		return lm_fail(out_error, LM_E_SYNTAX,
		               "URL: nothing is known that stands behind ? or # (write the "
		               "characters as %%3F and %%23)");
	if (at < authority.len) {
		err = read_user(lm_bytes(rest.data, at), url, out_error);
		place = lm_bytes_from(rest, at + 1);
	}
	if (err)
		return err;
	if (!place.len || place.data[0] == '/' || lm_starts_nocase(place, "%2F"))
		return read_socket_path(place, url, out_error);
	return read_place(place, url, out_error);
}

int lm_client_url_parse(const char *text, struct lm_client_url *out_url, struct lm_error *out_error)
{
	struct lm_bytes all = lm_str(text);
	struct lm_bytes scheme = lm_bytes(all.data, find_first(all, ":"));
	const struct scheme *row = find_scheme(scheme);
	struct lm_client_url url = { .port = 0 };
	int err;

	for (size_t i = 0; i < all.len; i++)
		if (is_control(all.data[i]))
			return lm_fail(out_error, LM_E_SYNTAX,
			               "URL: control characters are not allowed");
	if (!row || !lm_starts_nocase(lm_bytes_from(all, scheme.len), "://"))
		return lm_fail(out_error, LM_E_SYNTAX,
		               "URL: must begin with pop3://, pop3s://, smtp://, smtps://, "
		               "submission://, submissions:// or lmtp://, as in " FORM);
	url.protocol = row->protocol;
	url.tls = row->tls;
	err = read_rest(lm_bytes_from(all, scheme.len + 3), &url, out_error);
	if (!err)
		*out_url = url;
	lm_wipe(&url, sizeof(url));
	return err;
}
