/* Right passwords remembered as HMACs for a short while, and secrets made up for nobody. */
#include "server/verify.h"

#include "wire/text.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <pthread.h>

enum { MAC_LEN = 32, WAYS = 4 };

struct entry {
	uint8_t mac[MAC_LEN];
	lm_time_ms until; /* 0: free */
};

struct lm_verify {
	EVP_MAC_CTX *keyed; /* never used itself: each MAC begins as a copy of it */
	pthread_mutex_t lock;
	lm_time_ms life;
	size_t sets;
	struct entry entries[]; /* sets of WAYS */
};

/* HMAC-SHA256 under a key that is nowhere else. */
static int make_key(EVP_MAC_CTX **out_keyed)
{
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
		                                                 (char[]){ "SHA256" }, 0),
		                OSSL_PARAM_construct_end() };
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *keyed = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
	uint8_t key[MAC_LEN];
	bool ok = keyed && RAND_bytes(key, sizeof(key)) == 1 &&
	          EVP_MAC_init(keyed, key, sizeof(key), params) == 1;

	EVP_MAC_free(hmac);
	lm_wipe(key, sizeof(key));
	if (ok)
		*out_keyed = keyed;
	else
		EVP_MAC_CTX_free(keyed);
	return ok ? 0 : LM_E_IO;
}

int lm_verify_new(size_t entries, lm_time_ms life, struct lm_verify **out_verify)
{
	size_t sets = (entries + WAYS - 1) / WAYS;
	struct lm_verify *v;

	if (!entries || entries > 1000000)
		return LM_E_MISUSE;
	v = lm_alloc_zero(1, sizeof(*v) + sets * WAYS * sizeof(struct entry));
	if (!v)
		return LM_E_NOMEM;
	if (make_key(&v->keyed)) {
		lm_free(v);
		return LM_E_IO;
	}
	pthread_mutex_init(&v->lock, NULL);
	v->life = life;
	v->sets = sets;
	*out_verify = v;
	return 0;
}

void lm_verify_free(struct lm_verify *verify)
{
	if (!verify)
		return;
	EVP_MAC_CTX_free(verify->keyed);
	pthread_mutex_destroy(&verify->lock);
	lm_wipe(verify, sizeof(*verify) + verify->sets * WAYS * sizeof(struct entry));
	lm_free(verify);
}

/* Each part with its length in front, so that no two lists of parts read alike. */
static bool mac_of(const struct lm_verify *v, const struct lm_bytes *parts, size_t count,
                   uint8_t out[MAC_LEN])
{
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(v->keyed);
	size_t len = 0;
	bool ok = ctx != NULL;

	for (size_t i = 0; ok && i < count; i++) {
		uint64_t size = parts[i].len;

		ok = EVP_MAC_update(ctx, (const uint8_t *)&size, sizeof(size)) == 1 &&
		     EVP_MAC_update(ctx, parts[i].data, parts[i].len) == 1;
	}
	ok = ok && EVP_MAC_final(ctx, out, &len, MAC_LEN) == 1;
	EVP_MAC_CTX_free(ctx);
	return ok;
}

static bool mac_password(const struct lm_verify *v, const char *account, const char *crypt,
                         struct lm_bytes password, uint8_t out[MAC_LEN])
{
	struct lm_bytes parts[] = { lm_str("password"), lm_str(account), lm_str(crypt), password };

	return mac_of(v, parts, sizeof(parts) / sizeof(parts[0]), out);
}

static struct entry *set_of(struct lm_verify *v, const uint8_t mac[MAC_LEN])
{
	uint64_t number;

	memcpy(&number, mac, sizeof(number));
	return &v->entries[(number % v->sets) * WAYS];
}

bool lm_verify_known(struct lm_verify *verify, const char *account, const char *crypt,
                     struct lm_bytes password, lm_time_ms now)
{
	uint8_t mac[MAC_LEN];
	bool known = false;
	struct entry *set;

	if (!mac_password(verify, account, crypt, password, mac))
		return false;
	set = set_of(verify, mac);
	pthread_mutex_lock(&verify->lock);
	for (size_t i = 0; i < WAYS; i++) {
		bool fresh = set[i].until > now;

		if (lm_secret_equal(lm_bytes(set[i].mac, MAC_LEN), lm_bytes(mac, MAC_LEN)) && fresh)
			known = true;
	}
	pthread_mutex_unlock(&verify->lock);
	return known;
}

void lm_verify_remember(struct lm_verify *verify, const char *account, const char *crypt,
                        struct lm_bytes password, lm_time_ms now)
{
	uint8_t mac[MAC_LEN];
	struct entry *set, *oldest;

	if (!mac_password(verify, account, crypt, password, mac))
		return;
	set = oldest = set_of(verify, mac);
	pthread_mutex_lock(&verify->lock);
	for (size_t i = 1; i < WAYS; i++) {
		if (set[i].until < oldest->until)
			oldest = &set[i];
	}
	memcpy(oldest->mac, mac, MAC_LEN);
	oldest->until = now + verify->life;
	pthread_mutex_unlock(&verify->lock);
}

int lm_verify_made_up(const struct lm_verify *verify, const char *purpose, struct lm_bytes name,
                      uint8_t out[32])
{
	char folded[256];
	size_t len = name.len < sizeof(folded) ? name.len : sizeof(folded);
	struct lm_bytes parts[] = { lm_str("made up"), lm_str(purpose), lm_bytes(folded, len) };

	for (size_t i = 0; i < len; i++)
		folded[i] = (char)lm_upper(name.data[i]);
	return mac_of(verify, parts, sizeof(parts) / sizeof(parts[0]), out) ? 0 : LM_E_NOMEM;
}
