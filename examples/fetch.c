/* Fetch a maildrop into files, with the blocking face. Run it as `fetch URL DIRECTORY [CA-FILE]`;
 * the password stands in the URL or in LETTERMILL_PASSWORD. Nothing is deleted on the server. */
#include <lettermill/lettermill.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A sink: takes the message piece by piece, whatever its size. */
static int write_piece(void *ctx, struct lm_bytes octets)
{
	return fwrite(octets.data, 1, octets.len, ctx) == octets.len ? 0 : LM_E_IO;
}

struct sizes {
	uint64_t *octets;
	uint64_t count;
};

static int note_size(void *ctx, uint64_t number, uint64_t octets)
{
	struct sizes *sizes = ctx;

	if (number <= sizes->count)
		sizes->octets[number - 1] = octets;
	return 0;
}

/* A message that was cut short never gets its name: it is renamed when it is whole and on disk. */
static int fetch_one(struct lm_client *client, const char *directory, uint64_t number,
                     uint64_t octets)
{
	char part[4096], name[4096];
	struct lm_error error = { 0 };
	FILE *file;
	int err;

	snprintf(part, sizeof(part), "%s/%llu.part", directory, (unsigned long long)number);
	snprintf(name, sizeof(name), "%s/%llu.eml", directory, (unsigned long long)number);
	file = fopen(part, "wb");
	if (!file) {
		perror(part);
		return LM_E_IO;
	}
	err = lm_pop3_client_retr(client, number, octets, write_piece, file, &error);
	if (!err && (fflush(file) || fsync(fileno(file))))
		err = LM_E_IO;
	if (fclose(file) && !err)
		err = LM_E_IO;
	if (!err && rename(part, name))
		err = LM_E_IO;
	if (err) {
		remove(part);
		fprintf(stderr, "message %llu: %s\n", (unsigned long long)number,
		        error.code ? error.text : strerror(errno));
		return err;
	}
	printf("%s\n", name);
	return 0;
}

/* One message that fails does not keep the others. */
static int fetch_all(struct lm_client *client, const char *directory, struct lm_error *error)
{
	struct sizes sizes = { 0 };
	uint64_t total;
	int err = lm_pop3_client_stat(client, &sizes.count, &total, error), first = 0;

	if (err)
		return err;
	sizes.octets = calloc(sizes.count + 1, sizeof(*sizes.octets));
	if (!sizes.octets)
		return LM_E_NOMEM;
	err = lm_pop3_client_list(client, 0, note_size, &sizes, error);
	for (uint64_t i = 0; !err && i < sizes.count; i++) {
		int one = fetch_one(client, directory, i + 1, sizes.octets[i]);

		first = first ? first : one;
	}
	free(sizes.octets);
	return err ? err : first;
}

static int settings(const char *text, struct lm_client_url *url, struct lm_client_params *params,
                    struct lm_error *error)
{
	int err = lm_client_url_parse(text, url, error);

	if (err)
		return err;
	lm_client_params_init(params, url->protocol);
	params->host = url->host;
	params->port = url->port;
	params->tls = url->tls ? LM_TLS_IMPLICIT : LM_TLS_STARTTLS;
	params->user = url->user;
	params->password = url->has_password ? url->password : getenv("LETTERMILL_PASSWORD");
	params->mechanism = url->mechanism[0] ? url->mechanism : NULL;
	return 0;
}

int main(int argc, char **argv)
{
	struct lm_client_params params;
	struct lm_client_url url;
	struct lm_client *client = NULL;
	struct lm_error error = { 0 };
	int err;

	if (argc < 3) {
		fprintf(stderr, "usage: %s URL DIRECTORY [CA-FILE]\n", argv[0]);
		return 64;
	}
	err = settings(argv[1], &url, &params, &error);
	if (!err) {
		params.ca_file = argc > 3 ? argv[3] : NULL;
		err = lm_client_open(&params, &client, &error);
	}
	if (!err)
		err = fetch_all(client, argv[2], &error);
	if (!err)
		err = lm_client_quit(client, &error);
	if (err && error.code)
		fprintf(stderr, "%s\n", error.text);
	lm_client_free(client);
	return lm_err_exit_code(err);
}
