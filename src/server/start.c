/* Opens what a server stands on, in order, and closes it in the reverse one. */
#include "base/error.h"
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { POOL_QUEUE = 4096, POOL_MIN = 2, POOL_MAX = 8 };

void lm_server_worker_started(struct lm_shared *shared, int err, const struct lm_error *error)
{
	struct lm_server *s = lm_container(shared, struct lm_server, shared);

	pthread_mutex_lock(&s->lock);
	s->starting--;
	s->accepting += err == 0;
	if (err && !s->start_result) {
		s->start_result = err;
		s->start_error = *error;
	}
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void lm_server_worker_ended(struct lm_shared *shared)
{
	struct lm_server *s = lm_container(shared, struct lm_server, shared);

	pthread_mutex_lock(&s->lock);
	s->alive--;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void lm_server_worker_shut(struct lm_shared *shared)
{
	struct lm_server *s = lm_container(shared, struct lm_server, shared);

	pthread_mutex_lock(&s->lock);
	s->accepting--;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void lm_server_forget_cert(struct lm_server *s)
{
	if (s->own_key)
		lm_wipe(s->own_key, strlen(s->own_key));
	lm_free(s->own_cert);
	lm_free(s->own_key);
	lm_free(s->own_name);
	s->own_cert = s->own_key = s->own_name = NULL;
}

/* A reload keeps it: whoever trusts it goes on to. */
static int own_in_memory(struct lm_server *s, const char *hostname, struct lm_error *out_error)
{
	int err;

	if (s->own_name && strcmp(s->own_name, hostname) == 0)
		return 0;
	lm_server_forget_cert(s);
	err = lm_tls_make_self_signed_pem(hostname, &s->own_cert, &s->own_key, out_error);
	if (err)
		return err;
	s->own_name = lm_strdup_bytes(lm_str(hostname));
	return s->own_name ? 0 : lm_fail(out_error, LM_E_NOMEM, "out of memory");
}

int lm_server_own_cert(struct lm_server *s, struct lm_server_options *o, struct lm_error *out_error)
{
	int err;

	if (!o->cert) {
		err = own_in_memory(s, o->hostname, out_error);
		if (err)
			return err;
		o->cert = lm_strdup_bytes(lm_str(s->own_cert));
		o->key = lm_strdup_bytes(lm_str(s->own_key));
		return o->cert && o->key ? 0 : lm_fail(out_error, LM_E_NOMEM, "out of memory");
	}

	if (access(o->cert, F_OK) == 0 && access(o->key, F_OK) == 0)
		return 0;
	err = lm_make_directory(o->data_dir, out_error);
	return err ? err : lm_tls_make_self_signed(o->hostname, o->cert, o->key, out_error);
}

static int trial_account_add(struct lm_accounts *accounts, const char *text)
{
	struct lm_bytes all = lm_str(text);
	const uint8_t *colon = all.len ? memchr(all.data, ':', all.len) : NULL;
	size_t at = colon ? (size_t)(colon - all.data) : all.len;

	return colon ? lm_accounts_static_add(accounts, lm_bytes(all.data, at),
	                                      lm_bytes_from(all, at + 1))
	             : LM_E_SYNTAX;
}

/* Accounts of the option "user" come first: they are there to try things out. */
static int trial_accounts_open(struct lm_server *s, const struct lm_server_options *o,
                               struct lm_error *out_error)
{
	int err;

	if (!o->user.count)
		return 0;
	err = lm_accounts_static_new(&s->base.accounts[0]);
	if (!err)
		s->base.account_count = 1;
	for (size_t i = 0; !err && i < o->user.count; i++)
		err = trial_account_add(s->base.accounts[0], o->user.items[i]);
	/* The text names no value: a password is in it. */
	return err ? lm_fail(out_error, err == LM_E_NOMEM ? err : LM_E_CONFIG,
	                     "an account of \"user\" cannot be NAME:PASSWORD: %s", lm_err_text(err))
	           : 0;
}

/* Does it keep its file in the data directory, which may not be there yet? */
static bool is_in_data_dir(const struct lm_server_options *o, const char *url)
{
	size_t n = o->data_dir ? strlen(o->data_dir) : 0;

	return n && url && strncmp(url, "sqlite:", 7) == 0 &&
	       strncmp(url + 7, o->data_dir, n) == 0 && url[7 + n] == '/';
}

static int store_open(struct lm_server *s, const struct lm_server_options *o,
                      struct lm_error *out_error)
{
	bool in_dir = is_in_data_dir(o, o->store) || is_in_data_dir(o, o->accounts);
	int err;

	s->shared.has_store = !lm_server_options_storeless(o);
	if (!s->shared.has_store)
		return 0;
	err = in_dir ? lm_make_directory(o->data_dir, out_error) : 0;
	if (!err)
		err = lm_store_open(o->store, &s->base.store, out_error);
	if (!err)
		err = trial_accounts_open(s, o, out_error);
	if (!err && o->accounts) {
		err = lm_accounts_open(o->accounts, &s->base.accounts[s->base.account_count],
		                       out_error);
		s->base.account_count += !err;
	}
	return err;
}

static unsigned worker_count(const struct lm_server_options *o)
{
	long cpus = o->workers ? (long)o->workers : sysconf(_SC_NPROCESSORS_ONLN);

	return cpus < 1 ? 1 : cpus > 256 ? 256 : (unsigned)cpus;
}

static int base_open(struct lm_server *s, const struct lm_server_options *o,
                     struct lm_error *out_error)
{
	unsigned n = s->shared.worker_count;
	int err = store_open(s, o, out_error);

	if (err)
		return err;
	s->base.log = s->shared.log;
	s->base.languages = s->languages;
	s->base.decides = LM_EVENT_BIT(LM_EVENT_AUTH_DONE);
	if (s->shared.has_store)
		s->base.decides |= lm_store_handler_ops()->decides | lm_store_handler_ops()->hears;
	for (size_t i = 0; i < s->shared.handler_count; i++) {
		const struct lm_handler_ops *ops = s->shared.handlers[i].ops;

		s->base.decides |= ops->decides | ops->hears;
		if (ops->decides & LM_EVENT_BIT(LM_EVENT_AUTH))
			s->base.auth_by_handler = true;
		if (ops->decides & LM_EVENT_BIT(LM_EVENT_CERTIFICATE))
			s->shared.asks_certificate = true;
	}
	err = lm_limits_new(&s->shared.limits);
	if (!err)
		err = lm_pool_new(n < POOL_MIN   ? POOL_MIN
		                  : n > POOL_MAX ? POOL_MAX
		                                 : n,
		                  POOL_QUEUE, &s->base.pool);
	return err ? lm_fail(out_error, err, "%s", lm_err_text(err)) : 0;
}

/* The other workers bind the port the first one got, or share the one Unix socket. */
static int bind_more(struct lm_server *s, enum lm_service service, struct lm_address *at,
                     struct lm_error *out_error)
{
	for (unsigned i = 1; i < s->shared.worker_count; i++) {
		int *fd = &s->workers[i]->fds[service], err = 0;

		if (!at->is_unix)
			err = lm_listen(at, fd, out_error);
		else if ((*fd = fcntl(s->workers[0]->fds[service], F_DUPFD_CLOEXEC, 0)) < 0)
			err = lm_fail_errno(out_error, LM_E_IO, errno, "%s", at->text);
		if (err)
			return err;
	}
	return 0;
}

static int bind_one(struct lm_server *s, enum lm_service service,
                    const struct lm_option_address *option, struct lm_error *out_error)
{
	struct lm_address at = option->at;
	int err = at.is_unix || !at.port ? 0 : lm_listen_probe(&at, out_error);

	if (!err)
		err = lm_listen(&at, &s->workers[0]->fds[service], out_error);
	if (err)
		return err;
	if (at.is_unix) {
		s->socket_path = lm_strdup_bytes(lm_str(at.text));
		if (!s->socket_path)
			return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	}
	lm_address_format(&at, s->endpoints[service]);
	return bind_more(s, service, &at, out_error);
}

static int bind_all(struct lm_server *s, const struct lm_server_options *o,
                    struct lm_error *out_error)
{
	for (int i = 0; i < LM_SERVICE_COUNT; i++) {
		const struct lm_option_address *at = lm_service_address(o, (enum lm_service)i);
		int err = at->on ? bind_one(s, (enum lm_service)i, at, out_error) : 0;

		if (err)
			return err;
	}
	return 0;
}

static int workers_make(struct lm_server *s, struct lm_error *out_error)
{
	s->workers = lm_alloc_zero(s->shared.worker_count, sizeof(struct lm_worker *));
	if (!s->workers)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	for (unsigned i = 0; i < s->shared.worker_count; i++) {
		int err = lm_worker_new(&s->shared, i, s->config, &s->workers[i]);

		if (err)
			return lm_fail(out_error, err, "worker: %s", lm_err_text(err));
	}
	return 0;
}

static int workers_run(struct lm_server *s, struct lm_error *out_error)
{
	int err = 0;

	for (unsigned i = 0; !err && i < s->shared.worker_count; i++) {
		pthread_mutex_lock(&s->lock);
		s->starting++;
		s->alive++;
		pthread_mutex_unlock(&s->lock);
		err = lm_worker_run(s->workers[i]);
		if (err) {
			pthread_mutex_lock(&s->lock);
			s->starting--;
			s->alive--;
			pthread_mutex_unlock(&s->lock);
			lm_fail(out_error, err, "worker: %s", lm_err_text(err));
		}
	}
	pthread_mutex_lock(&s->lock);
	while (s->starting)
		pthread_cond_wait(&s->changed, &s->lock);
	if (!err && s->start_result) {
		err = s->start_result;
		if (out_error)
			*out_error = s->start_error;
	}
	pthread_mutex_unlock(&s->lock);
	return err;
}

static void log_listeners(const struct lm_server *s)
{
	for (int i = 0; i < LM_SERVICE_COUNT; i++)
		if (s->endpoints[i][0])
			lm_log(s->shared.log, LM_LOG_INFO, "listener.start",
			       LM_LOG_TEXT("service",
			                   lm_str(lm_service_info((enum lm_service)i)->name)),
			       LM_LOG_TEXT("address", lm_str(s->endpoints[i])));
}

static int start(struct lm_server *s, struct lm_server_options *o, bool own_cert,
                 struct lm_error *out_error)
{
	int err;

	s->start_result = 0;
	s->shared.worker_count = worker_count(o);
	err = base_open(s, o, out_error);
	if (!err && own_cert)
		err = lm_server_own_cert(s, o, out_error);
	if (!err)
		err = lm_config_new(o, &s->base, &s->config, out_error);
	if (!err)
		err = workers_make(s, out_error);
	if (!err)
		err = bind_all(s, o, out_error);
	if (!err)
		err = workers_run(s, out_error);
	return err;
}

int lm_server_start(struct lm_server *s, struct lm_error *out_error)
{
	struct lm_server_options options;
	bool own_cert;
	int err;

	if (s->workers)
		return lm_fail(out_error, LM_E_MISUSE, "the server was started already");
	err = lm_server_options_ready(s, &options, &own_cert, out_error);
	if (err)
		return err;
	err = start(s, &options, own_cert, out_error);
	if (!err) {
		log_listeners(s);
		lm_server_check_names(s, &options);
		lm_server_check_postmaster(s, &options);
	}
	lm_server_options_done(&options);
	if (!err)
		return 0;
	lm_server_drain(s, 0);
	lm_server_wait(s);
	lm_server_close(s);
	return err;
}

void lm_server_close(struct lm_server *s)
{
	for (unsigned i = 0; s->workers && i < s->shared.worker_count; i++)
		lm_worker_free(s->workers[i]);
	lm_free(s->workers);
	s->workers = NULL;
	if (s->socket_path)
		unlink(s->socket_path);
	lm_free(s->socket_path);
	s->socket_path = NULL;
	lm_config_unref(s->config);
	s->config = NULL;
	if (s->base.pool)
		lm_pool_free(s->base.pool);
	while (s->base.account_count)
		lm_accounts_close(s->base.accounts[--s->base.account_count]);
	if (s->base.store)
		lm_store_close(s->base.store);
	lm_limits_free(s->shared.limits);
	s->shared.limits = NULL;
	s->base = (struct lm_config_base){ 0 };
	memset(s->endpoints, 0, sizeof(s->endpoints));
}
