/* infinity.crypto: digests, random octets, and passwords through crypt(3), here or on the pool. */
#include "base/error.h"
#include "script/js/sources.h"
#include "script/octets.h"
#include "script/runtime.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>

enum { DATA_MAX = 1 << 30, KEY_MAX = 1 << 24, RANDOM_MAX = 1 << 24 };
enum { ALGORITHM_SIZE = 41, PREFIX_SIZE = 16 };

/* What nobody's password is compared with: crypt(3)'s default method at its default cost. */
static const char nobody[] = "$y$j9T$9cSJ3bYpZTVOB0yVDA4Zk/";

/* ---- digests ---- */

static struct lm_js_value *encode_base64(struct lm_js *js, struct lm_bytes octets, bool url)
{
	char text[(EVP_MAX_MD_SIZE + 2) / 3 * 4 + 1];
	size_t len = (size_t)EVP_EncodeBlock((uint8_t *)text, octets.data, (int)octets.len);

	for (size_t i = 0; url && i < len; i++)
		text[i] = (char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
	while (url && len && text[len - 1] == '=')
		len--;
	return lm_js_string(js, lm_bytes(text, len));
}

static struct lm_js_value *encode_hex(struct lm_js *js, struct lm_bytes octets)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * EVP_MAX_MD_SIZE];

	for (size_t i = 0; i < octets.len; i++) {
		text[2 * i] = digits[octets.data[i] >> 4];
		text[2 * i + 1] = digits[octets.data[i] & 15];
	}
	return lm_js_string(js, lm_bytes(text, 2 * octets.len));
}

/* `encoding` is one of those that crypto.js lets through. */
static struct lm_js_value *encode(struct lm_js *js, const char *encoding, struct lm_bytes octets)
{
	if (strcmp(encoding, "hex") == 0)
		return encode_hex(js, octets);
	if (strcmp(encoding, "base64") == 0)
		return encode_base64(js, octets, false);
	if (strcmp(encoding, "base64url") == 0)
		return encode_base64(js, octets, true);
	return lm_js_bytes(js, octets);
}

/* NULL: no such algorithm. Those without a length of their own are none. */
static EVP_MD *algorithm_of(const char *name)
{
	EVP_MD *md = EVP_MD_fetch(NULL, name, NULL);

	if (md && !(EVP_MD_get_flags(md) & EVP_MD_FLAG_XOF))
		return md;
	EVP_MD_free(md);
	return NULL;
}

static struct lm_js_value *digest(struct lm_js *js, const EVP_MD *md, struct lm_bytes data,
                                  const struct lm_bytes *key, const char *encoding)
{
	uint8_t out[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	bool ok;

	if (key)
		ok = HMAC(md, key->data ? key->data : (const uint8_t *)"", (int)key->len,
		          data.data ? data.data : (const uint8_t *)"", data.len, out, &len);
	else
		ok = EVP_Digest(data.data ? data.data : (const uint8_t *)"", data.len, out, &len,
		                md, NULL) == 1;
	return ok ? encode(js, encoding, lm_bytes(out, len))
	          : lm_js_throw(js, LM_JS_ERROR, "infinity.crypto: the digest failed");
}

/* A copy: looking at the data next would end a view of the key. */
static bool copy_key(struct lm_js *js, struct lm_js_value *value, struct lm_buf *out)
{
	struct lm_bytes key;

	if (lm_js_type(js, value) != LM_JS_BYTES)
		return lm_js_add_octets(js, value, out);
	key = lm_js_view(js, value);
	if (lm_buf_add(out, key) == 0)
		return true;
	lm_js_throw(js, LM_JS_RANGE_ERROR, "infinity.crypto.hmac key: too long");
	return false;
}

static struct lm_js_value *digest_of(const struct lm_js_call *call, const EVP_MD *md,
                                     const char *encoding)
{
	struct lm_js *js = call->js;
	struct lm_buf data_room = { .max = DATA_MAX }, key_room = { .max = KEY_MAX };
	bool keyed = lm_js_type(js, lm_js_arg(call, 2)) != LM_JS_UNDEFINED;
	struct lm_js_value *result = NULL;
	struct lm_bytes data, key;

	if ((!keyed || copy_key(js, lm_js_arg(call, 2), &key_room)) &&
	    lm_octets_of(js, lm_js_arg(call, 1), &data_room, &data)) {
		key = lm_buf_bytes(&key_room);
		result = digest(js, md, data, keyed ? &key : NULL, encoding);
	}
	lm_buf_wipe(&data_room);
	lm_buf_wipe(&key_room);
	return result;
}

/* (algorithm, data, key or undefined, encoding); undefined for an unknown algorithm. */
static struct lm_js_value *crypto_digest(const struct lm_js_call *call)
{
	struct lm_js *js = call->js;
	char name[ALGORITHM_SIZE], encoding[PREFIX_SIZE];
	struct lm_js_value *result;
	EVP_MD *md;

	if (!lm_octets_text(js, lm_js_arg(call, 0), "algorithm", name, sizeof(name)) ||
	    !lm_octets_text(js, lm_js_arg(call, 3), "encoding", encoding, sizeof(encoding)))
		return NULL;
	md = algorithm_of(name);
	if (!md)
		return lm_js_undefined(js);
	result = digest_of(call, md, encoding);
	EVP_MD_free(md);
	return result;
}

/* ---- random octets, comparing ---- */

static struct lm_js_value *crypto_random(const struct lm_js_call *call)
{
	double count = lm_js_to_number(call->js, lm_js_arg(call, 0));
	struct lm_js_value *result;
	uint8_t *octets;

	if (!(count >= 0 && count <= RANDOM_MAX))
		return lm_js_throw(call->js, LM_JS_RANGE_ERROR, "infinity.crypto: how many octets");
	octets = lm_alloc((size_t)count + 1);
	if (!octets)
		return lm_js_throw(call->js, LM_JS_ERROR, "out of memory");
	if (RAND_bytes(octets, (int)count) == 1)
		result = lm_js_bytes(call->js, lm_bytes(octets, (size_t)count));
	else
		result = lm_js_throw(call->js, LM_JS_ERROR, "infinity.crypto: no random octets");
	lm_wipe(octets, (size_t)count);
	lm_free(octets);
	return result;
}

/* Both are copied, as a view ends with the next look. */
static struct lm_js_value *crypto_equal(const struct lm_js_call *call)
{
	struct lm_buf a = { .max = DATA_MAX }, b = { .max = DATA_MAX };
	struct lm_js_value *result = NULL;
	struct lm_bytes other;

	if (copy_key(call->js, lm_js_arg(call, 0), &a) &&
	    lm_octets_of(call->js, lm_js_arg(call, 1), &b, &other))
		result = lm_js_bool(call->js, lm_secret_equal(lm_buf_bytes(&a), other));
	lm_buf_wipe(&a);
	lm_buf_wipe(&b);
	return result;
}

static struct lm_js_value *crypto_length(const struct lm_js_call *call)
{
	struct lm_buf room = { .max = DATA_MAX };
	struct lm_js_value *result = NULL;
	struct lm_bytes octets;

	if (lm_octets_of(call->js, lm_js_arg(call, 0), &room, &octets))
		result = lm_js_number(call->js, (double)octets.len);
	lm_buf_wipe(&room);
	return result;
}

/* ---- passwords ---- */

struct password {
	char text[CRYPT_MAX_PASSPHRASE_SIZE + 1];
	char known[CRYPT_OUTPUT_SIZE]; /* verifying: the hash; else a crypt(3) setting */
	char hash[CRYPT_OUTPUT_SIZE];  /* the result */
	bool verify, usable, same;
	int err;
};

/* False where no hash comes out of it: a broken setting, or one this system does not know. */
static bool hash_it(struct password *p, const char *setting)
{
	struct crypt_data *data = lm_alloc_zero(1, sizeof(*data));
	const char *hash;
	bool ok;

	if (!data) {
		p->err = LM_E_NOMEM;
		return false;
	}
	hash = crypt_rn(p->text, setting, data, sizeof(*data));
	ok = hash && hash[0] != '*' && strlen(hash) < sizeof(p->hash);
	if (ok)
		memcpy(p->hash, hash, strlen(hash) + 1);
	else
		p->err = errno == ENOMEM ? LM_E_NOMEM : LM_E_SYNTAX;
	lm_wipe(data, sizeof(*data));
	lm_free(data);
	return ok;
}

/* Slow on purpose. Whoever verifies pays the same for what is no hash: time tells no names. */
static void work_on(struct password *p)
{
	bool hashed = p->known[0] && hash_it(p, p->known);

	p->same = p->usable && hashed && lm_secret_equal(lm_str(p->hash), lm_str(p->known));
	if (!hashed && p->verify && p->err != LM_E_NOMEM)
		(void)!hash_it(p, nobody);
	if (p->verify && p->err != LM_E_NOMEM)
		p->err = 0;
	lm_wipe(p->text, sizeof(p->text));
}

/* A text that crypt(3) can take; false: not usable as one, an error is not thrown for it. */
static bool take_text(struct lm_js *js, struct lm_js_value *value, char *out, size_t size,
                      bool *out_usable)
{
	struct lm_buf room = { .max = DATA_MAX };
	struct lm_bytes octets;
	bool ok = lm_octets_of(js, value, &room, &octets);

	*out_usable = ok && octets.len && octets.len < size && !memchr(octets.data, 0, octets.len);
	if (*out_usable)
		memcpy(out, octets.data, octets.len);
	lm_buf_wipe(&room);
	return ok;
}

static bool take_verify(const struct lm_js_call *call, struct password *p)
{
	bool known;

	p->verify = true;
	if (!take_text(call->js, lm_js_arg(call, 0), p->text, sizeof(p->text), &p->usable) ||
	    !take_text(call->js, lm_js_arg(call, 1), p->known, sizeof(p->known), &known))
		return false;
	if (!p->usable)
		p->text[0] = 'x';
	return true;
}

/* (password, prefix, cost): a setting with a fresh salt. */
static bool take_hash(const struct lm_js_call *call, struct password *p)
{
	double cost = lm_js_to_number(call->js, lm_js_arg(call, 2));
	char prefix[PREFIX_SIZE];

	if (!lm_octets_text(call->js, lm_js_arg(call, 1), "method", prefix, sizeof(prefix)) ||
	    !take_text(call->js, lm_js_arg(call, 0), p->text, sizeof(p->text), &p->usable))
		return false;
	if (!p->usable)
		lm_js_throw(call->js, LM_JS_RANGE_ERROR,
		            "infinity.crypto.hashPassword password: 1 to %d octets, no NUL",
		            CRYPT_MAX_PASSPHRASE_SIZE);
	else if (!crypt_gensalt_rn(prefix,
	                           cost >= 0 && cost <= UINT32_MAX ? (unsigned long)cost : 0, NULL,
	                           0, p->known, sizeof(p->known)))
		lm_js_throw(call->js, LM_JS_RANGE_ERROR,
		            "infinity.crypto.hashPassword: this method has no cost of %g", cost);
	else
		return true;
	return false;
}

/* NULL and thrown where there is none. */
static struct lm_js_value *result_of(struct lm_js *js, const struct password *p)
{
	struct lm_error error;

	if (p->err == 0)
		return p->verify ? lm_js_bool(js, p->same) : lm_js_string(js, lm_str(p->hash));
	lm_fail(&error, p->err, "infinity.crypto: the password cannot be hashed: %s",
	        lm_err_text(p->err));
	return lm_js_throw_error(js, &error);
}

static struct lm_js_value *work_here(const struct lm_js_call *call,
                                     bool (*take)(const struct lm_js_call *, struct password *))
{
	struct password p = { .err = 0 };
	struct lm_js_value *result = NULL;

	if (take(call, &p)) {
		work_on(&p);
		result = result_of(call->js, &p);
	}
	lm_wipe(&p, sizeof(p));
	return result;
}

static struct lm_js_value *crypto_hash_password(const struct lm_js_call *call)
{
	return work_here(call, take_hash);
}

static struct lm_js_value *crypto_verify_password(const struct lm_js_call *call)
{
	return work_here(call, take_verify);
}

/* ---- the same on the pool ---- */

struct job;

/* One runtime's; stays until the last job has left the pool. */
struct crypto {
	struct lm_runtime *rt; /* NULL: the runtime ended; guarded by the mutex */
	pthread_mutex_t mutex;
	atomic_uint refs;
	struct job *jobs; /* the runtime's thread alone */
};

struct job {
	struct lm_job job;
	struct lm_task task;
	struct crypto *crypto;
	struct lm_js_promise *promise;
	struct job *prev, *next;
	struct password password;
};

static void crypto_unref(struct crypto *crypto)
{
	if (atomic_fetch_sub(&crypto->refs, 1) > 1)
		return;
	pthread_mutex_destroy(&crypto->mutex);
	lm_free(crypto);
}

static void job_free(struct job *job)
{
	crypto_unref(job->crypto);
	lm_wipe(job, sizeof(*job));
	lm_free(job);
}

static void forget(struct job *job)
{
	if (job->prev)
		job->prev->next = job->next;
	else
		job->crypto->jobs = job->next;
	if (job->next)
		job->next->prev = job->prev;
}

static void settle(struct job *job, struct lm_runtime *rt)
{
	struct lm_js_error error;
	struct lm_js_value *value = result_of(rt->js, &job->password);
	bool good = value != NULL;

	if (good || lm_js_catch(rt->js, &error, &value))
		lm_js_promise_settle(rt->js, job->promise, good, value);
	else
		lm_js_promise_free(rt->js, job->promise);
	lm_runtime_release(rt);
}

static void arrived(struct lm_task *task)
{
	struct job *job = lm_container(task, struct job, task);
	struct lm_runtime *rt = job->crypto->rt;

	if (rt) {
		forget(job);
		settle(job, rt);
	}
	job_free(job);
}

static void job_work(struct lm_job *head)
{
	struct job *job = lm_container(head, struct job, job);
	struct crypto *crypto = job->crypto;
	bool orphan;

	work_on(&job->password);
	pthread_mutex_lock(&crypto->mutex);
	orphan = !crypto->rt;
	if (!orphan)
		lm_loop_post(crypto->rt->loop, &job->task);
	pthread_mutex_unlock(&crypto->mutex);
	if (orphan)
		job_free(job);
}

static struct lm_js_value *refuse(struct lm_js *js, struct job *job, const char *why)
{
	struct lm_error error;

	job_free(job);
	lm_fail(&error, LM_E_LIMIT, "infinity.crypto: %s", why);
	return lm_js_throw_error(js, &error);
}

static struct lm_js_value *start(struct lm_runtime *rt, struct crypto *crypto, struct job *job)
{
	struct lm_js_value *value = lm_js_promise_new(rt->js, &job->promise);

	if (!value) {
		job_free(job);
		return NULL;
	}
	job->job.work = job_work;
	job->task.run = arrived;
	if (!rt->script->pool || lm_pool_submit(rt->script->pool, &job->job)) {
		lm_js_promise_free(rt->js, job->promise);
		return refuse(rt->js, job, "too many passwords are being hashed");
	}
	job->next = crypto->jobs;
	if (job->next)
		job->next->prev = job;
	crypto->jobs = job;
	lm_runtime_hold(rt);
	return value;
}

static struct lm_js_value *work_there(const struct lm_js_call *call,
                                      bool (*take)(const struct lm_js_call *, struct password *))
{
	struct lm_runtime *rt = call->data;
	struct crypto *crypto = lm_runtime_state(rt, &lm_script_module_crypto);
	struct job *job = lm_alloc_zero(1, sizeof(*job));

	if (!job)
		return lm_js_throw(call->js, LM_JS_ERROR, "out of memory");
	job->crypto = crypto;
	atomic_fetch_add(&crypto->refs, 1);
	if (take(call, &job->password))
		return start(rt, crypto, job);
	job_free(job);
	return NULL;
}

static struct lm_js_value *crypto_hash_password_async(const struct lm_js_call *call)
{
	return work_there(call, take_hash);
}

static struct lm_js_value *crypto_verify_password_async(const struct lm_js_call *call)
{
	return work_there(call, take_verify);
}

/* ---- the module ---- */

static int crypto_open(struct lm_runtime *rt, void **out_state, struct lm_error *out_error)
{
	struct crypto *crypto = lm_alloc_zero(1, sizeof(*crypto));

	if (!crypto)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	crypto->rt = rt;
	pthread_mutex_init(&crypto->mutex, NULL);
	atomic_init(&crypto->refs, 1);
	*out_state = crypto;
	return 0;
}

/* Jobs that are under way end alone. */
static void crypto_close(void *state)
{
	struct crypto *crypto = state;

	for (struct job *job = crypto->jobs; job; job = job->next)
		lm_js_promise_free(crypto->rt->js, job->promise);
	pthread_mutex_lock(&crypto->mutex);
	crypto->rt = NULL;
	pthread_mutex_unlock(&crypto->mutex);
	crypto_unref(crypto);
}

static const struct lm_js_source *const sources[] = { &lm_js_crypto, NULL };
static const struct lm_script_native natives[] = {
	{ "cryptoDigest", crypto_digest },
	{ "cryptoRandom", crypto_random },
	{ "cryptoEqual", crypto_equal },
	{ "cryptoLength", crypto_length },
	{ "cryptoHashPassword", crypto_hash_password },
	{ "cryptoVerifyPassword", crypto_verify_password },
	{ "cryptoHashPasswordAsync", crypto_hash_password_async },
	{ "cryptoVerifyPasswordAsync", crypto_verify_password_async },
	{ NULL, NULL },
};

const struct lm_script_module lm_script_module_crypto = {
	.name = "infinity.crypto",
	.sources = sources,
	.natives = natives,
	.open = crypto_open,
	.close = crypto_close,
};
