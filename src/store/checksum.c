/* The checksum of stored octets: XXH64 with seed 0, written from its specification. */
#include "store/store_impl.h"

static const uint64_t P1 = 0x9E3779B185EBCA87, P2 = 0xC2B2AE3D27D4EB4F, P3 = 0x165667B19E3779F9,
                      P4 = 0x85EBCA77C2B2AE63, P5 = 0x27D4EB2F165667C5;

static inline uint64_t rotl(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

/* Written out, so that compilers see one load each: a loop over octets takes four times as long. */
static inline uint64_t little32(const uint8_t *p)
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
}

static inline uint64_t little64(const uint8_t *p)
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
	       (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
	       (uint64_t)p[7] << 56;
}

static inline uint64_t round_of(uint64_t acc, uint64_t lane)
{
	return rotl(acc + lane * P2, 31) * P1;
}

static inline uint64_t merge(uint64_t h, uint64_t acc)
{
	return (h ^ round_of(0, acc)) * P1 + P4;
}

static uint64_t stripes(const uint8_t **p, const uint8_t *end)
{
	uint64_t a = P1 + P2, b = P2, c = 0, d = 0 - P1, h;

	for (; end - *p >= 32; *p += 32) {
		a = round_of(a, little64(*p));
		b = round_of(b, little64(*p + 8));
		c = round_of(c, little64(*p + 16));
		d = round_of(d, little64(*p + 24));
	}
	h = rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18);
	return merge(merge(merge(merge(h, a), b), c), d);
}

uint64_t lm_checksum(struct lm_bytes octets)
{
	const uint8_t *p = octets.data, *end = p + octets.len;
	uint64_t h = octets.len >= 32 ? stripes(&p, end) : P5;

	h += octets.len;
	for (; end - p >= 8; p += 8)
		h = rotl(h ^ round_of(0, little64(p)), 27) * P1 + P4;
	if (end - p >= 4) {
		h = rotl(h ^ little32(p) * P1, 23) * P2 + P3;
		p += 4;
	}
	for (; p < end; p++)
		h = rotl(h ^ *p * P5, 11) * P1;
	h = (h ^ h >> 33) * P2;
	h = (h ^ h >> 29) * P3;
	return h ^ h >> 32;
}
