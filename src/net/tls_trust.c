/* Whom the system trusts. */
#include "net/tls_impl.h"

#include <dirent.h>
#include <openssl/x509.h>
#include <stdlib.h>

/* "5f15c80c.0": OpenSSL finds a certificate by such a name when it needs it. */
static bool is_hashed(const char *name)
{
	size_t len = strspn(name, "0123456789abcdef");

	return len == 8 && name[8] == '.' && name[9] >= '0' && name[9] <= '9';
}

static bool has_hashed(const char *folder)
{
	DIR *dir = folder ? opendir(folder) : NULL;
	const struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)))
		found = is_hashed(entry->d_name);
	(void)closedir(dir);
	return found;
}

/* The file with all authorities in one takes 20 ms to read, so only where there is no folder, or
 * somebody asks for it. */
void lm_tls_trust_system(SSL_CTX *ctx)
{
	const char *folder = getenv(X509_get_default_cert_dir_env());

	if (!folder)
		folder = X509_get_default_cert_dir();
	(void)SSL_CTX_set_default_verify_dir(ctx);
	if (getenv(X509_get_default_cert_file_env()) || !has_hashed(folder))
		(void)SSL_CTX_set_default_verify_file(ctx);
}
