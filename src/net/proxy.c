/* PROXY protocol v1 and v2 headers, without input or output of their own. */
#include "net/listener.h"

#include <arpa/inet.h>

enum {
	V1_MAX = 107, /* with CRLF */
	V2_HEAD = 16,
	MAX = 536, /* more than any header that makes sense in one datagram */
	INET_LEN = 12,
	INET6_LEN = 36,
	UNIX_LEN = 216,
	TLV_SSL = 0x20,
	CLIENT_SSL = 0x01,
};

static const char v1_start[] = "PROXY ";
static const uint8_t v2_start[] = { 0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D,
	                            0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A };

static bool starts(struct lm_bytes in, const void *with, size_t len)
{
	size_t n = in.len < len ? in.len : len;

	return n == 0 || memcmp(in.data, with, n) == 0;
}

/* The next word; words are parted by exactly one space. */
static bool take_word(struct lm_bytes *line, char *out, size_t cap)
{
	const uint8_t *space = line->len ? memchr(line->data, ' ', line->len) : NULL;
	size_t len = space ? (size_t)(space - line->data) : line->len;

	if (!len || len >= cap || memchr(line->data, '\0', len))
		return false;
	if (space && len + 1 == line->len)
		return false;
	memcpy(out, line->data, len);
	out[len] = '\0';
	*line = lm_bytes_from(*line, space ? len + 1 : len);
	return true;
}

static bool take_port(struct lm_bytes *line, uint16_t *out_port)
{
	char text[8];
	unsigned port = 0;

	if (!take_word(line, text, sizeof(text)) || (text[0] == '0' && text[1]))
		return false;
	for (const char *c = text; *c; c++) {
		if (*c < '0' || *c > '9')
			return false;
		port = port * 10 + (unsigned)(*c - '0');
	}
	*out_port = (uint16_t)port;
	return port <= UINT16_MAX;
}

/* Written again our way, so that equal addresses are equal texts. */
static bool take_address(struct lm_bytes *line, int family, char *out)
{
	struct in6_addr address;
	char text[64];

	return take_word(line, text, sizeof(text)) && inet_pton(family, text, &address) == 1 &&
	       inet_ntop(family, &address, out, 64);
}

static int parse_v1_line(struct lm_bytes line, struct lm_proxy_info *info)
{
	char family[8];
	int af;

	if (!take_word(&line, family, sizeof(family)))
		return LM_E_PROTO;
	if (strcmp(family, "UNKNOWN") == 0) {
		info->local = true;
		return 1;
	}
	if (strcmp(family, "TCP4") != 0 && strcmp(family, "TCP6") != 0)
		return LM_E_PROTO;
	af = family[3] == '4' ? AF_INET : AF_INET6;
	if (!take_address(&line, af, info->peer) || !take_address(&line, af, info->dest) ||
	    !take_port(&line, &info->peer_port) || !take_port(&line, &info->dest_port) || line.len)
		return LM_E_PROTO;
	return 1;
}

static int parse_v1(struct lm_bytes in, size_t *out_taken, struct lm_proxy_info *out_info)
{
	struct lm_proxy_info info = { 0 };
	struct lm_bytes whole = in.len > V1_MAX ? lm_bytes(in.data, V1_MAX) : in;
	const uint8_t *cr = memchr(whole.data, '\r', whole.len);
	size_t len = cr ? (size_t)(cr - whole.data) : 0;
	int err;

	if (memchr(whole.data, '\n', cr ? len : whole.len))
		return LM_E_PROTO;
	if (!cr || len + 1 == whole.len)
		return whole.len < V1_MAX ? 0 : LM_E_PROTO;
	if (cr[1] != '\n')
		return LM_E_PROTO;
	if (len < sizeof(v1_start) - 1)
		return LM_E_PROTO;
	err = parse_v1_line(lm_bytes_from(lm_bytes(in.data, len), sizeof(v1_start) - 1), &info);
	if (err < 0)
		return err;
	*out_taken = len + 2;
	*out_info = info;
	return 1;
}

static uint16_t number16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static int parse_v2_addresses(uint8_t family, struct lm_bytes *rest, struct lm_proxy_info *info)
{
	size_t size = family == 0x11 ? 4 : 16, len = family == 0x11 ? INET_LEN : INET6_LEN;
	int af = family == 0x11 ? AF_INET : AF_INET6;

	if (family != 0x11 && family != 0x21) {
		/* UNSPEC, datagrams, Unix: nothing that could stand for the peer's address. */
		info->local = true;
		len = family == 0x31 || family == 0x32 ? UNIX_LEN
		      : family == 0x12                 ? INET_LEN
		      : family == 0x22                 ? INET6_LEN
		                                       : rest->len;
	}
	if (rest->len < len)
		return LM_E_PROTO;
	if (!info->local) {
		inet_ntop(af, rest->data, info->peer, sizeof(info->peer));
		inet_ntop(af, rest->data + size, info->dest, sizeof(info->dest));
		info->peer_port = number16(rest->data + 2 * size);
		info->dest_port = number16(rest->data + 2 * size + 2);
	}
	*rest = lm_bytes_from(*rest, len);
	return 0;
}

static int parse_v2_extras(struct lm_bytes rest, struct lm_proxy_info *info)
{
	while (rest.len) {
		size_t len;

		if (rest.len < 3)
			return LM_E_PROTO;
		len = number16(rest.data + 1);
		if (rest.len - 3 < len)
			return LM_E_PROTO;
		if (rest.data[0] == TLV_SSL && len >= 5)
			info->tls = (rest.data[3] & CLIENT_SSL) != 0;
		rest = lm_bytes_from(rest, 3 + len);
	}
	return 0;
}

static int parse_v2(struct lm_bytes in, size_t *out_taken, struct lm_proxy_info *out_info)
{
	struct lm_proxy_info info = { 0 };
	struct lm_bytes rest;
	uint8_t command;
	size_t all;
	int err;

	if (in.len < V2_HEAD)
		return 0;
	command = in.data[12];
	all = V2_HEAD + (size_t)number16(in.data + 14);
	if ((command & 0xF0) != 0x20 || (command & 0x0F) > 1 || all > MAX)
		return LM_E_PROTO;
	if (in.len < all)
		return 0;
	rest = lm_bytes(in.data + V2_HEAD, all - V2_HEAD);
	info.local = (command & 0x0F) == 0;
	/* LOCAL: the receiver must accept and pass over whatever stands behind. */
	if (!info.local) {
		err = parse_v2_addresses(in.data[13], &rest, &info);
		if (!err)
			err = parse_v2_extras(rest, &info);
		if (err)
			return err;
	}
	*out_taken = all;
	*out_info = info;
	return 1;
}

int lm_proxy_parse(struct lm_bytes in, size_t *out_taken, struct lm_proxy_info *out_info)
{
	if (!in.len)
		return 0;
	if (starts(in, v2_start, sizeof(v2_start)))
		return parse_v2(in, out_taken, out_info);
	if (starts(in, v1_start, sizeof(v1_start) - 1))
		return parse_v1(in, out_taken, out_info);
	return LM_E_PROTO;
}
