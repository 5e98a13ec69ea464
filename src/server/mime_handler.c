/* The mime handler's doors: one password for all names, one session a name. */
#include "base/error.h"
#include "sasl/sasl.h"
#include "server/mime_handler_impl.h"
#include "wire/text.h"

#include <sys/random.h>

enum { QUEUE = 65536, ITERATIONS = 4096 };

void lm_mime_handler_free(struct lm_mime_handler *h)
{
	if (!h)
		return;
	lm_pool_free(h->pool);
	LM_ASSERT(!h->locks);
	if (h->password)
		lm_wipe(h->password, strlen(h->password));
	lm_free(h->password);
	lm_free(h->spool_dir);
	for (size_t i = 0; h->users && i < h->user_count; i++)
		lm_free(h->users[i]);
	lm_free(h->users);
	pthread_mutex_destroy(&h->mutex);
	lm_wipe(&h->sha1, sizeof(h->sha1));
	lm_wipe(&h->sha256, sizeof(h->sha256));
	lm_free(h);
}

static int keys_make(bool sha256, const char *password, struct lm_mh_keys *out)
{
	struct lm_bytes salt = lm_bytes(out->salt, sizeof(out->salt));

	if (getrandom(out->salt, sizeof(out->salt), 0) != (ssize_t)sizeof(out->salt))
		return LM_E_IO;
	return lm_scram_keys(sha256, lm_str(password), salt, ITERATIONS, out->stored, out->server,
	                     &out->len);
}

static int copy_text(const char *from, char **out)
{
	if (!from)
		return 0;
	*out = lm_strdup_bytes(lm_str(from));
	return *out ? 0 : LM_E_NOMEM;
}

static int copy_users(struct lm_mime_handler *h, const struct lm_mime_handler_params *params)
{
	if (!params->user_count)
		return 0;
	h->users = lm_alloc_zero(params->user_count, sizeof(*h->users));
	if (!h->users)
		return LM_E_NOMEM;
	h->user_count = params->user_count;
	for (size_t i = 0; i < params->user_count; i++)
		if (copy_text(params->users[i], &h->users[i]))
			return LM_E_NOMEM;
	return 0;
}

static int fill(struct lm_mime_handler *h, const struct lm_mime_handler_params *params)
{
	int err = copy_users(h, params);

	if (!err)
		err = copy_text(params->password, &h->password);
	if (!err)
		err = copy_text(params->spool_dir, &h->spool_dir);
	if (!err && h->password && *h->password)
		err = keys_make(false, h->password, &h->sha1);
	if (!err && h->password && *h->password)
		err = keys_make(true, h->password, &h->sha256);
	return err ? err : lm_pool_new(1, QUEUE, &h->pool);
}

int lm_mime_handler_new(const struct lm_mime_handler_params *params,
                        struct lm_mime_handler **out_handler, struct lm_error *out_error)
{
	struct lm_mime_handler *h = lm_alloc_zero(1, sizeof(*h));
	int err;

	if (!h)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	pthread_mutex_init(&h->mutex, NULL);
	h->store = params->store;
	h->tags = params->tags;
	h->limit = params->limit;
	h->count_octets = params->count_octets;
	h->log = params->log;
	err = fill(h, params);
	if (err) {
		lm_mime_handler_free(h);
		return lm_fail(out_error, err, "the mime store's server: %s", lm_err_text(err));
	}
	*out_handler = h;
	return 0;
}

/* ---- names in use ---- */

static bool is_locked(const struct lm_mime_handler *h, struct lm_bytes name)
{
	for (const struct lm_mh_lock *l = h->locks; l; l = l->next)
		if (lm_equal_nocase(name, lm_bytes(l->name, l->len)))
			return true;
	return false;
}

static void insert(struct lm_mime_handler *h, struct lm_mh_lock *lock)
{
	lock->next = h->locks;
	if (h->locks)
		h->locks->prev = lock;
	h->locks = lock;
}

struct lm_mh_lock *lm_mh_lock(struct lm_mime_handler *h, struct lm_bytes name, int *out_error)
{
	struct lm_mh_lock *lock = lm_alloc(sizeof(*lock) + name.len);
	bool taken;

	if (!lock) {
		*out_error = LM_E_NOMEM;
		return NULL;
	}
	*lock = (struct lm_mh_lock){ .len = name.len };
	if (name.len)
		memcpy(lock->name, name.data, name.len);
	pthread_mutex_lock(&h->mutex);
	taken = is_locked(h, name);
	if (!taken)
		insert(h, lock);
	pthread_mutex_unlock(&h->mutex);
	if (!taken)
		return lock;
	lm_free(lock);
	*out_error = LM_E_IN_USE;
	return NULL;
}

void lm_mh_unlock(struct lm_mime_handler *h, struct lm_mh_lock *lock)
{
	if (!lock)
		return;
	pthread_mutex_lock(&h->mutex);
	if (lock->prev)
		lock->prev->next = lock->next;
	else
		h->locks = lock->next;
	if (lock->next)
		lock->next->prev = lock->prev;
	pthread_mutex_unlock(&h->mutex);
	lm_free(lock);
}

/* ---- logins ---- */

static bool may_log_in(const struct lm_mime_handler *h, struct lm_bytes name)
{
	for (size_t i = 0; i < h->user_count; i++)
		if (lm_equal_nocase(name, lm_str(h->users[i])))
			return true;
	return !h->user_count;
}

static void take_keys(const struct lm_mh_keys *keys, struct lm_secret *out)
{
	out->salt = lm_bytes(keys->salt, sizeof(keys->salt));
	out->iterations = ITERATIONS;
	out->stored_key = lm_bytes(keys->stored, keys->len);
	out->server_key = lm_bytes(keys->server, keys->len);
}

/* Every name has the same secret, so there is nothing a made-up one would hide. */
static int give_secret(const struct lm_mime_handler *h, enum lm_secret_need need,
                       struct lm_secret *out)
{
	if (need == LM_NEED_PLAIN)
		out->plain = lm_str(h->password);
	else
		take_keys(need == LM_NEED_SCRAM_SHA256 ? &h->sha256 : &h->sha1, out);
	return 0;
}

static int judge(const struct lm_mime_handler *h, const struct lm_auth *auth,
                 struct lm_reply *out_reply)
{
	struct lm_bytes password = lm_str(h->password);

	if (!password.len || !may_log_in(h, auth->authcid))
		return LM_E_AUTH;
	if (auth->authzid.len && !lm_equal_nocase(auth->authzid, auth->authcid))
		return LM_E_AUTH;
	if (auth->kind == LM_AUTH_SECRET)
		return give_secret(h, auth->need, &out_reply->secret);
	if (auth->kind != LM_AUTH_PASSWORD)
		return LM_E_AUTH;
	return lm_secret_equal(auth->password, password) ? 0 : LM_E_AUTH;
}

/* ---- workers ---- */

static int worker_start(void *handler, struct lm_worker *worker, void **out_context,
                        struct lm_error *out_error)
{
	struct lm_mh_worker *w = lm_alloc_zero(1, sizeof(*w));

	if (!w)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory for a worker");
	w->handler = handler;
	w->worker = worker;
	w->loop = lm_worker_loop(worker);
	*out_context = w;
	return 0;
}

static void worker_check_end(struct lm_mh_worker *w)
{
	if (w->stopped && !w->pending)
		lm_free(w);
}

static void worker_stop(void *context)
{
	struct lm_mh_worker *w = context;

	w->stopped = true;
	worker_check_end(w);
}

static void job_done(struct lm_op *op)
{
	struct lm_job *job = lm_container(op, struct lm_job, op);
	struct lm_mh_job *j = lm_container(job, struct lm_mh_job, job);
	struct lm_mh_worker *w = j->worker;
	struct lm_worker *worker = w->worker;

	j->done(j, op->result);
	w->pending--;
	worker_check_end(w);
	lm_worker_release(worker);
}

int lm_mh_submit(struct lm_mh_job *job, struct lm_mh_worker *worker, void (*work)(struct lm_job *),
                 void (*done)(struct lm_mh_job *job, int result))
{
	job->job = (struct lm_job){ .work = work,
		                    .op = { .loop = worker->loop, .done = job_done } };
	job->worker = worker;
	job->done = done;
	if (lm_pool_submit(worker->handler->pool, &job->job))
		return LM_E_AGAIN;
	worker->pending++;
	lm_worker_hold(worker->worker);
	return 0;
}

static enum lm_verdict decide(void *context, void **session_slot, const struct lm_event *event,
                              struct lm_reply *out_reply, struct lm_ticket ticket)
{
	struct lm_mh_worker *w = context;
	struct lm_mh_drop *drop = *session_slot;

	switch (event->type) {
	case LM_EVENT_AUTH:
		out_reply->result = judge(w->handler, &event->auth, out_reply);
		return LM_ANSWERED;
	case LM_EVENT_MAILDROP:
		return lm_mh_maildrop(w, session_slot, event, out_reply, ticket);
	case LM_EVENT_RETR:
	case LM_EVENT_TOP:
		return drop ? lm_mh_retr(drop, event, out_reply, ticket) : LM_PROCEED;
	case LM_EVENT_QUIT:
		return drop ? lm_mh_quit(drop, event, out_reply, ticket) : LM_PROCEED;
	default:
		return LM_PROCEED;
	}
}

static void notice(void *context, void **session_slot, const struct lm_event *event,
                   const struct lm_reply *reply)
{
	(void)context, (void)reply;
	if (event->type != LM_EVENT_DISCONNECT)
		return;
	lm_mh_drop_leave(*session_slot);
	*session_slot = NULL;
}

const struct lm_handler_ops *lm_mime_handler_ops(void)
{
	static const struct lm_handler_ops ops = {
		.size = sizeof(ops),
		.name = "mime",
		.worker_start = worker_start,
		.worker_stop = worker_stop,
		.decide = decide,
		.notice = notice,
		.decides = LM_EVENT_BIT(LM_EVENT_AUTH) | LM_EVENT_BIT(LM_EVENT_MAILDROP) |
		           LM_EVENT_BIT(LM_EVENT_RETR) | LM_EVENT_BIT(LM_EVENT_TOP) |
		           LM_EVENT_BIT(LM_EVENT_QUIT),
		.hears = LM_EVENT_BIT(LM_EVENT_DISCONNECT),
	};

	return &ops;
}
