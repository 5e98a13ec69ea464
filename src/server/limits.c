/* Counts connections and failed logins by address, in bounded memory. */
#include "server/limits.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/random.h>

enum { CHAINS = 4096, FAIL_SETS = 1024, FAIL_WAYS = 4, LOGIN_SETS = 1024, LOGIN_WAYS = 4 };

struct peer {
	struct peer *next;
	uint8_t octets[16];
	uint64_t open;
};

struct failure {
	uint8_t octets[16];
	unsigned count; /* 0: free */
	lm_time_ms last;
};

struct login {
	uint64_t account; /* its hash; 0: free */
	lm_time_ms at;
};

struct lm_limits {
	_Atomic uint64_t open;
	uint64_t seed; /* so that nobody can choose addresses that share a chain */
	pthread_mutex_t lock;
	struct peer *chains[CHAINS];
	struct failure failures[FAIL_SETS][FAIL_WAYS];
	struct login logins[LOGIN_SETS][LOGIN_WAYS];
};

struct lm_peer_key lm_peer_key(const char *address)
{
	struct lm_peer_key key = { .counted = true };

	if (inet_pton(AF_INET, address, key.octets + 12) == 1) {
		key.octets[10] = key.octets[11] = 0xFF;
	} else if (inet_pton(AF_INET6, address, key.octets) != 1) {
		key.counted = false;
		return key;
	}
	if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)key.octets)) {
		key.counted = key.octets[12] != 127;
	} else if (IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)key.octets)) {
		key.counted = false;
	} else {
		memset(key.octets + 8, 0, 8);
	}
	return key;
}

int lm_limits_new(struct lm_limits **out_limits)
{
	struct lm_limits *l = lm_alloc_zero(1, sizeof(*l));

	if (!l)
		return LM_E_NOMEM;
	if (getrandom(&l->seed, sizeof(l->seed), 0) != (ssize_t)sizeof(l->seed)) {
		lm_free(l);
		return LM_E_IO;
	}
	pthread_mutex_init(&l->lock, NULL);
	*out_limits = l;
	return 0;
}

void lm_limits_free(struct lm_limits *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < CHAINS; i++)
		for (struct peer *p = l->chains[i], *next; p; p = next) {
			next = p->next;
			lm_free(p);
		}
	pthread_mutex_destroy(&l->lock);
	lm_free(l);
}

static uint64_t hash(const struct lm_limits *l, const uint8_t octets[16])
{
	uint64_t half[2], h = l->seed;

	memcpy(half, octets, sizeof(half));
	for (int i = 0; i < 2; i++) {
		h = (h ^ half[i]) * UINT64_C(0x9E3779B97F4A7C15);
		h ^= h >> 32;
	}
	return h;
}

static struct peer **peer_find(struct lm_limits *l, const struct lm_peer_key *key)
{
	struct peer **at = &l->chains[hash(l, key->octets) % CHAINS];

	while (*at && memcmp((*at)->octets, key->octets, 16) != 0)
		at = &(*at)->next;
	return at;
}

static int peer_enter(struct lm_limits *l, const struct lm_peer_key *key, uint64_t max)
{
	struct peer **at = peer_find(l, key), *p = *at;

	if (!p) {
		p = lm_alloc_zero(1, sizeof(*p));
		if (!p)
			return LM_E_NOMEM;
		memcpy(p->octets, key->octets, 16);
		*at = p;
	}
	if (max && p->open >= max)
		return LM_E_LIMIT;
	p->open++;
	return 0;
}

int lm_limits_enter(struct lm_limits *l, const struct lm_peer_key *key, uint64_t total,
                    uint64_t per_address)
{
	int err = 0;

	if (atomic_fetch_add_explicit(&l->open, 1, memory_order_relaxed) >= total)
		err = LM_E_LIMIT;
	/* Counted without a limit, too: a reload may bring one. */
	if (!err && key->counted) {
		pthread_mutex_lock(&l->lock);
		err = peer_enter(l, key, per_address);
		pthread_mutex_unlock(&l->lock);
	}
	if (err)
		atomic_fetch_sub_explicit(&l->open, 1, memory_order_relaxed);
	return err;
}

void lm_limits_leave(struct lm_limits *l, const struct lm_peer_key *key)
{
	struct peer **at, *p;

	atomic_fetch_sub_explicit(&l->open, 1, memory_order_relaxed);
	if (!key->counted)
		return;
	pthread_mutex_lock(&l->lock);
	at = peer_find(l, key);
	p = *at;
	LM_ASSERT(p && p->open);
	if (--p->open == 0) {
		*at = p->next;
		lm_free(p);
	}
	pthread_mutex_unlock(&l->lock);
}

/* The entry of an address, or the one to use for it: a free one, else the longest silent. */
static struct failure *failure_find(struct lm_limits *l, const struct lm_peer_key *key)
{
	struct failure *set = l->failures[hash(l, key->octets) % FAIL_SETS], *best = set;

	for (int i = 0; i < FAIL_WAYS; i++) {
		if (set[i].count && memcmp(set[i].octets, key->octets, 16) == 0)
			return &set[i];
		if (best->count && (!set[i].count || set[i].last < best->last))
			best = &set[i];
	}
	return best;
}

unsigned lm_limits_auth_failed(struct lm_limits *l, const struct lm_peer_key *key, lm_time_ms now)
{
	struct failure *f;
	unsigned count;

	if (!key->counted)
		return 0;
	pthread_mutex_lock(&l->lock);
	f = failure_find(l, key);
	if (memcmp(f->octets, key->octets, 16) != 0 || now - f->last > LM_AUTH_MEMORY)
		f->count = 0;
	memcpy(f->octets, key->octets, 16);
	f->last = now;
	count = f->count < 1000000 ? ++f->count : f->count;
	pthread_mutex_unlock(&l->lock);
	return count;
}

void lm_limits_auth_ok(struct lm_limits *l, const struct lm_peer_key *key)
{
	struct failure *f;

	if (!key->counted)
		return;
	pthread_mutex_lock(&l->lock);
	f = failure_find(l, key);
	if (memcmp(f->octets, key->octets, 16) == 0)
		f->count = 0;
	pthread_mutex_unlock(&l->lock);
}

static uint64_t account_hash(const struct lm_limits *l, struct lm_bytes account)
{
	uint64_t h = l->seed;

	for (size_t i = 0; i < account.len; i++) {
		uint8_t c = account.data[i];

		h = (h ^ (c >= 'A' && c <= 'Z' ? c + 32U : c)) * UINT64_C(0x100000001B3);
		h ^= h >> 29;
	}
	return h ? h : 1;
}

static struct login *login_find(struct lm_limits *l, uint64_t account)
{
	struct login *set = l->logins[account % LOGIN_SETS], *best = set;

	for (int i = 0; i < LOGIN_WAYS; i++) {
		if (set[i].account == account)
			return &set[i];
		if (best->account && (!set[i].account || set[i].at < best->at))
			best = &set[i];
	}
	return best;
}

void lm_limits_login(struct lm_limits *l, struct lm_bytes account, lm_time_ms now)
{
	uint64_t h = account_hash(l, account);

	pthread_mutex_lock(&l->lock);
	*login_find(l, h) = (struct login){ h, now };
	pthread_mutex_unlock(&l->lock);
}

bool lm_limits_login_due(struct lm_limits *l, struct lm_bytes account, lm_time_ms delay,
                         lm_time_ms now)
{
	uint64_t h = account_hash(l, account);
	const struct login *login;
	bool due;

	pthread_mutex_lock(&l->lock);
	login = login_find(l, h);
	due = login->account != h || now - login->at >= delay;
	pthread_mutex_unlock(&l->lock);
	return due;
}

lm_time_ms lm_limits_auth_delay(lm_time_ms base, unsigned n)
{
	unsigned doublings = n > 5 ? 4 : n ? n - 1 : 0;
	lm_time_ms delay = base << doublings;

	if (delay > 30000)
		delay = base > 30000 ? base : 30000;
	return delay;
}
