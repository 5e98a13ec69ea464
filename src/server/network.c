/* Blocks of addresses. */
#include "server/network.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <stdio.h>

static const uint8_t mapped[12] = { [10] = 0xFF, [11] = 0xFF };

static bool parse_address(const char *text, uint8_t out[16], unsigned *out_width)
{
	if (inet_pton(AF_INET6, text, out) == 1) {
		*out_width = 128;
		return true;
	}
	if (inet_pton(AF_INET, text, out + 12) != 1)
		return false;
	memcpy(out, mapped, sizeof(mapped));
	*out_width = 32;
	return true;
}

static bool bit_set(const uint8_t *address, unsigned bit)
{
	return address[bit / 8] & (0x80 >> bit % 8);
}

static bool parse_bits(const char *text, unsigned width, unsigned *out_bits)
{
	unsigned bits = 0;

	if (*text == '\0')
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		bits = bits * 10 + (unsigned)(*text - '0');
		if (bits > width)
			return false;
	}
	*out_bits = bits + 128 - width;
	return true;
}

int lm_network_parse(const char *text, struct lm_network *out_network, struct lm_error *out_error)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct lm_network net = { .bits = 128 };
	char address[INET6_ADDRSTRLEN];
	unsigned width;

	if (len >= sizeof(address))
		return lm_fail(out_error, LM_E_CONFIG, "\"%s\" is not an address", text);
	memcpy(address, text, len);
	address[len] = '\0';
	if (!parse_address(address, net.address, &width))
		return lm_fail(out_error, LM_E_CONFIG, "\"%s\" is not an address", text);
	if (slash && !parse_bits(slash + 1, width, &net.bits))
		return lm_fail(out_error, LM_E_CONFIG, "\"%s\": the prefix is 0 to %u", text,
		               width);
	for (unsigned i = net.bits; i < 128; i++)
		if (bit_set(net.address, i))
			return lm_fail(out_error, LM_E_CONFIG,
			               "\"%s\" has bits set behind its prefix", text);
	*out_network = net;
	return 0;
}

void lm_network_format(const struct lm_network *network, char *out)
{
	char address[INET6_ADDRSTRLEN];
	bool v4 = network->bits >= 96 && memcmp(network->address, mapped, sizeof(mapped)) == 0;

	inet_ntop(v4 ? AF_INET : AF_INET6, network->address + (v4 ? 12 : 0), address,
	          sizeof(address));
	snprintf(out, 64, "%s/%u", address, network->bits - (v4 ? 96 : 0));
}

static bool inside(const struct lm_network *net, const uint8_t *address)
{
	for (unsigned i = 0; i < net->bits; i++)
		if (bit_set(net->address, i) != bit_set(address, i))
			return false;
	return true;
}

bool lm_network_contains(const struct lm_network *networks, size_t count, const char *address)
{
	uint8_t octets[16];
	unsigned width;

	if (count == 0 || !parse_address(address, octets, &width))
		return false;
	for (size_t i = 0; i < count; i++)
		if (inside(&networks[i], octets))
			return true;
	return false;
}
