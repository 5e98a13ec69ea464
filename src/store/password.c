/* Names and passwords of accounts: crypt(3) strings, SCRAM keys, and checks that cost the same for
 * everybody. */
#include "store/store_impl.h"

#include "base/error.h"
#include "sasl/sasl.h"
#include "wire/text.h"

#include <crypt.h>
#include <errno.h>
#include <sys/random.h>

/* What nobody's password is compared with: crypt(3)'s default method at its default cost. */
static const char nobody[] = "$y$j9T$9cSJ3bYpZTVOB0yVDA4Zk/";

enum { SCRAM_ITERATIONS = 10000 };

void lm_account_wipe(struct lm_account *account)
{
	lm_wipe(account, sizeof(*account));
}

static bool is_separator(uint8_t c)
{
	return c <= 0x20 || c == 0x7F || c == '/';
}

bool lm_account_name_ok(struct lm_bytes name)
{
	if (name.len == 0 || name.len > LM_NAME_MAX || !lm_is_utf8(name))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];
		bool c1 = c == 0xC2 && i + 1 < name.len && name.data[i + 1] < 0xA0;

		if (is_separator(c) || c1)
			return false;
	}
	return true;
}

bool lm_account_password_ok(struct lm_bytes password)
{
	return password.len > 0 && password.len < sizeof(((struct lm_account *)0)->secret) &&
	       !memchr(password.data, 0, password.len);
}

/* crypt(3) wants a C string; `setting` may be a whole crypt string. */
static int crypt_of(struct lm_bytes password, const char *setting, char out[384])
{
	struct crypt_data *data = lm_alloc_zero(1, sizeof(*data));
	char text[256];
	int err = LM_E_CORRUPT;
	const char *hash;

	if (!data)
		return LM_E_NOMEM;
	memcpy(text, password.data, password.len);
	text[password.len] = '\0';
	hash = crypt_rn(text, setting, data, sizeof(*data));
	if (hash && strlen(hash) < 384) {
		memcpy(out, hash, strlen(hash) + 1);
		err = 0;
	} else if (!hash && errno == ENOMEM) {
		err = LM_E_NOMEM;
	}
	lm_wipe(text, sizeof(text));
	lm_wipe(data, sizeof(*data));
	lm_free(data);
	return err;
}

static int new_crypt(struct lm_bytes password, const char *prefix, unsigned long cost,
                     char out[384])
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	if (!crypt_gensalt_rn(prefix, cost, NULL, 0, setting, sizeof(setting)))
		return LM_E_IO;
	return crypt_of(password, setting, out);
}

static int new_scram(bool sha256, struct lm_bytes password, uint32_t iterations,
                     struct lm_scram_record *out)
{
	size_t len;

	if (getrandom(out->salt, sizeof(out->salt), 0) != sizeof(out->salt))
		return LM_E_IO;
	out->iterations = iterations;
	return lm_scram_keys(sha256, password, lm_bytes(out->salt, sizeof(out->salt)), iterations,
	                     out->stored_key, out->server_key, &len);
}

static int make_scram(struct lm_account *account, struct lm_bytes password, uint32_t iterations)
{
	int err = new_scram(false, password, iterations, &account->sha1);

	if (!err)
		err = new_scram(true, password, iterations, &account->sha256);
	account->has_scram = !err;
	return err;
}

int lm_account_make_scram(struct lm_account *account, struct lm_bytes password)
{
	return make_scram(account, password, SCRAM_ITERATIONS);
}

int lm_account_set_password_cost(struct lm_account *account, struct lm_bytes password,
                                 unsigned flags, const char *crypt_prefix, unsigned long crypt_cost,
                                 uint32_t scram_iterations, struct lm_error *out_error)
{
	int err;

	if (!lm_account_password_ok(password))
		return lm_fail(out_error, LM_E_SYNTAX,
		               "a password has 1 to 255 octets and no NUL among them");
	err = new_crypt(password, crypt_prefix, crypt_cost, account->crypt);
	if (!err)
		err = make_scram(account, password, scram_iterations);
	if (err)
		return lm_fail(out_error, err, "cannot hash the password: %s", lm_err_text(err));
	account->flags = flags;
	lm_wipe(account->secret, sizeof(account->secret));
	if (flags & LM_ACCOUNT_KEEP_SECRET)
		memcpy(account->secret, password.data, password.len);
	return 0;
}

int lm_account_set_password(struct lm_account *account, struct lm_bytes password, unsigned flags,
                            struct lm_error *out_error)
{
	return lm_account_set_password_cost(account, password, flags, NULL, 0, SCRAM_ITERATIONS,
	                                    out_error);
}

int lm_account_check_password(const struct lm_account *account, struct lm_bytes password)
{
	const char *setting = account && account->crypt[0] ? account->crypt : nobody;
	bool ok = lm_account_password_ok(password);
	char hash[384];
	int err;

	/* The hash is made for everybody, so that time does not tell who exists. */
	err = crypt_of(ok ? password : lm_str("x"), setting, hash);
	if (err)
		return err == LM_E_NOMEM ? err : LM_E_AUTH;
	if (!account || !ok)
		ok = false;
	else if (account->crypt[0])
		ok = lm_secret_equal(lm_str(hash), lm_str(account->crypt));
	else
		ok = account->secret[0] && lm_secret_equal(password, lm_str(account->secret));
	lm_wipe(hash, sizeof(hash));
	return ok ? 0 : LM_E_AUTH;
}
