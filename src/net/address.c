/* Addresses as text, numbers only. */
#include "net/listener.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <stdio.h>

static int parse_port(struct lm_bytes text, uint16_t *out_port)
{
	unsigned port = 0;

	if (!text.len || text.len > 5)
		return LM_E_CONFIG;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return LM_E_CONFIG;
		port = port * 10 + (unsigned)(text.data[i] - '0');
	}
	if (port > UINT16_MAX)
		return LM_E_CONFIG;
	*out_port = (uint16_t)port;
	return 0;
}

static bool is_host(const char *text, bool bracketed)
{
	struct in6_addr room;

	if (bracketed)
		return inet_pton(AF_INET6, text, &room) == 1;
	return lm_bytes_equal(lm_str(text), lm_str("*")) || inet_pton(AF_INET, text, &room) == 1;
}

static int parse_unix(const char *path, struct lm_address *out_address, struct lm_error *out_error)
{
	struct lm_address address = { .is_unix = true };
	size_t len = strlen(path);

	/* sun_path has 108 octets, the NUL among them. */
	if (!len || len > 107)
		return lm_fail(out_error, LM_E_CONFIG,
		               "socket path of %zu octets: must have 1 to 107", len);
	memcpy(address.text, path, len);
	*out_address = address;
	return 0;
}

static int parse_inet(const char *text, struct lm_address *out_address)
{
	struct lm_address address = { .text = "127.0.0.1" };
	const char *colon = strrchr(text, ':');
	struct lm_bytes host = lm_bytes(text, colon ? (size_t)(colon - text) : 0);
	bool bracketed = host.len >= 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';
	int err = parse_port(lm_str(colon ? colon + 1 : text), &address.port);

	if (err)
		return err;
	if (bracketed)
		host = lm_bytes(host.data + 1, host.len - 2);
	if (host.len >= sizeof(address.text))
		return LM_E_CONFIG;
	if (colon) {
		memcpy(address.text, host.data, host.len);
		address.text[host.len] = '\0';
		if (!is_host(address.text, bracketed))
			return LM_E_CONFIG;
	}
	*out_address = address;
	return 0;
}

int lm_address_parse(const char *text, struct lm_address *out_address, struct lm_error *out_error)
{
	int err;

	if (text[0] == '/')
		return parse_unix(text, out_address, out_error);
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text + 5, out_address, out_error);
	err = parse_inet(text, out_address);
	if (err)
		return lm_fail(out_error, err,
		               "address \"%.80s\": must be PORT, ADDR:PORT, [IPV6]:PORT, *:PORT "
		               "or a socket path; numbers only",
		               text);
	return 0;
}

void lm_address_format(const struct lm_address *address, char *out)
{
	if (address->is_unix)
		snprintf(out, 128, "%s%s", address->text[0] == '/' ? "" : "unix:", address->text);
	else
		snprintf(out, 128, strchr(address->text, ':') ? "[%s]:%u" : "%s:%u", address->text,
		         address->port);
}
