/* A server from outside: configured by name and text, started, reloaded, drained, counted. */
#include "server/server.h"

#include "base/error.h"

#include <stdio.h>

int lm_server_new(struct lm_server **out_server)
{
	struct lm_server *s = lm_alloc_zero(1, sizeof(*s));
	int err;

	if (!s)
		return LM_E_NOMEM;
	err = lm_server_options_init(&s->options);
	if (err) {
		lm_free(s);
		return err;
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->shared.started = lm_server_worker_started;
	s->shared.ended = lm_server_worker_ended;
	s->shared.shut = lm_server_worker_shut;
	*out_server = s;
	return 0;
}

void lm_server_free(struct lm_server *s)
{
	if (!s)
		return;
	lm_server_drain(s, 0);
	lm_server_wait(s);
	lm_server_close(s);
	for (size_t i = 0; i < LM_MAX_HANDLERS; i++)
		lm_free(s->memory[i]);
	lm_server_options_done(&s->options);
	lm_languages_done(&s->languages);
	lm_server_forget_cert(s);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	lm_free(s);
}

int lm_server_set(struct lm_server *s, const char *name, const char *value,
                  struct lm_error *out_error)
{
	int err;

	pthread_mutex_lock(&s->lock);
	err = lm_server_options_set(&s->options, name, value, out_error);
	pthread_mutex_unlock(&s->lock);
	return err;
}

int lm_server_language(struct lm_server *s, const struct lm_pop3_language *language,
                       struct lm_error *out_error)
{
	if (s->workers || !language)
		return lm_fail(out_error, LM_E_MISUSE, "languages are given before the start");
	return lm_languages_add(&s->languages, language, out_error);
}

void lm_server_log(struct lm_server *s, const struct lm_log *log)
{
	s->shared.log = log;
}

static int handler_add(struct lm_server *s, const struct lm_installed *handler, void *memory)
{
	size_t i = s->shared.handler_count;

	if (i == LM_MAX_HANDLERS)
		return LM_E_LIMIT;
	s->shared.handlers[i] = *handler;
	s->memory[i] = memory;
	s->shared.handler_count++;
	return 0;
}

int lm_server_handler(struct lm_server *s, const struct lm_handler_ops *ops, void *handler)
{
	struct lm_installed installed = { ops, handler };

	if (s->workers || !ops || ops->size < sizeof(*ops) || (ops->decides && !ops->decide))
		return LM_E_MISUSE;
	return handler_add(s, &installed, NULL);
}

int lm_server_callbacks(struct lm_server *s, const struct lm_callbacks *callbacks)
{
	struct lm_installed installed;
	void *memory;
	int err;

	if (s->workers || !callbacks || callbacks->size < offsetof(struct lm_callbacks, on_connect))
		return LM_E_MISUSE;
	err = lm_callbacks_new(callbacks, &installed, &memory);
	if (err)
		return err;
	err = handler_add(s, &installed, memory);
	if (err)
		lm_free(memory);
	return err;
}

const char *lm_server_endpoint(const struct lm_server *s, const char *name)
{
	for (int i = 0; i < LM_SERVICE_COUNT; i++)
		if (strcmp(lm_service_info((enum lm_service)i)->name, name) == 0)
			return s->endpoints[i][0] ? s->endpoints[i] : NULL;
	return NULL;
}

/* The options as they would run, with what follows from others filled in. */
int lm_server_options_ready(struct lm_server *s, struct lm_server_options *out_options,
                            bool *out_own_cert, struct lm_error *out_error)
{
	int err;

	pthread_mutex_lock(&s->lock);
	err = lm_server_options_copy(&s->options, out_options);
	pthread_mutex_unlock(&s->lock);
	if (err)
		return lm_fail(out_error, err, "%s", lm_err_text(err));
	err = lm_server_options_complete(out_options, out_own_cert, out_error);
	if (!err)
		err = lm_languages_check(&s->languages, out_options->language, out_error);
	if (err)
		lm_server_options_done(out_options);
	return err;
}

static int reload(struct lm_server *s, struct lm_server_options *wanted, bool own_cert,
                  struct lm_error *out_error)
{
	const char *fixed = lm_server_options_fixed_change(&s->config->options, wanted);
	struct lm_config *config;
	int err;

	if (fixed)
		return lm_fail(out_error, LM_E_CONFIG,
		               "\"%s\" cannot change while the server runs; restart it", fixed);
	err = own_cert ? lm_server_own_cert(s, wanted, out_error) : 0;
	if (!err)
		err = lm_config_new(wanted, &s->base, &config, out_error);
	if (err)
		return err;
	for (unsigned i = 0; i < s->shared.worker_count; i++)
		lm_worker_reconfigure(s->workers[i], config);
	lm_config_unref(s->config);
	s->config = config;
	lm_log(s->shared.log, LM_LOG_INFO, "server.reload",
	       LM_LOG_TEXT("hostname", lm_str(wanted->hostname)));
	lm_server_check_names(s, wanted);
	return 0;
}

int lm_server_reload(struct lm_server *s, struct lm_error *out_error)
{
	struct lm_server_options wanted;
	bool own_cert = false;
	int err;

	if (!s->workers)
		return lm_fail(out_error, LM_E_MISUSE, "the server does not run");
	err = lm_server_options_ready(s, &wanted, &own_cert, out_error);
	if (err)
		return err;
	err = reload(s, &wanted, own_cert, out_error);
	lm_server_options_done(&wanted);
	return err;
}

void lm_server_drain(struct lm_server *s, lm_time_ms timeout)
{
	/* A start that failed half way has gaps. */
	for (unsigned i = 0; s->workers && i < s->shared.worker_count; i++)
		if (s->workers[i])
			lm_worker_drain(s->workers[i], timeout);
}

void lm_server_wait_shut(struct lm_server *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->accepting)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

void lm_server_wait(struct lm_server *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->alive)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void lm_server_stats(const struct lm_server *s, struct lm_server_stats *out_stats)
{
	struct lm_server_stats sum = { 0 };

	for (unsigned i = 0; s->workers && i < s->shared.worker_count; i++) {
		const struct lm_counters *c = &s->workers[i]->counters;

		sum.sessions_open += read_counter(&c->open);
		sum.sessions_total += read_counter(&c->total);
		sum.sessions_refused += read_counter(&c->refused);
		sum.messages_in += read_counter(&c->messages_in);
		sum.messages_out += read_counter(&c->messages_out);
		sum.octets_in += read_counter(&c->octets_in);
		sum.octets_out += read_counter(&c->octets_out);
		sum.auth_failures += read_counter(&c->auth_failures);
	}
	*out_stats = sum;
}
