/* Accounts behind the store handler: who may log in, and whom an address means. Looking blocks, so
 * it is done on the pool, with copies of all that is needed. */
#include "server/store_handler_impl.h"

#include "wire/text.h"

#include <time.h>

enum { SALT_LEN = 16, SECRETS_LEN = 96 };

struct job {
	struct lm_job job;
	struct lm_sh_worker *worker;
	struct lm_ticket ticket;
	struct lm_sh_session *session; /* of a recipient */
	struct lm_candidates candidates;
	struct lm_auth auth;     /* slices into `octets` */
	struct lm_bytes peer;    /* the certificate's name */
	struct lm_bytes address; /* of a recipient */
	struct lm_account account;
	char name[256]; /* the account that was found */
	struct lm_secret secret;
	uint8_t secrets[SECRETS_LEN]; /* made up; what `secret` may point into */
	char plain[65];
	size_t size;
	bool authenticated;
	uint8_t octets[];
};

static void job_free(struct job *j)
{
	lm_wipe(j, sizeof(*j) + j->size);
	lm_free(j);
}

static struct lm_bytes take(struct job *j, struct lm_bytes from)
{
	uint8_t *to = j->octets + j->size;

	if (from.len)
		memcpy(to, from.data, from.len);
	j->size += from.len;
	return lm_bytes(to, from.len);
}

static struct lm_bytes argument_of(const struct lm_event *event)
{
	const struct lm_envelope *envelope = event->envelope;

	if (event->type != LM_EVENT_RCPT || !envelope || !envelope->recipient_count)
		return lm_bytes(NULL, 0);
	return envelope->recipients[envelope->recipient_count - 1].address;
}

/* A job with copies of what an event says. */
static struct job *job_new(struct lm_sh_worker *w, const struct lm_event *event,
                           struct lm_ticket ticket)
{
	const struct lm_auth *a = &event->auth;
	struct lm_bytes peer = lm_str(event->info->tls.peer_name), address = argument_of(event);
	struct job *j = lm_alloc_zero(1, sizeof(*j) + a->mechanism.len + a->authcid.len +
	                                         a->authzid.len + a->password.len + a->token.len +
	                                         peer.len + address.len);

	if (!j)
		return NULL;
	j->worker = w;
	j->ticket = ticket;
	j->auth = *a;
	j->auth.mechanism = take(j, a->mechanism);
	j->auth.authcid = take(j, a->authcid);
	j->auth.authzid = take(j, a->authzid);
	j->auth.password = take(j, a->password);
	j->auth.token = take(j, a->token);
	j->peer = take(j, peer);
	j->address = take(j, address);
	return j;
}

static enum lm_verdict submit(struct job *j, void (*work)(struct lm_job *),
                              void (*done)(struct lm_op *), struct lm_reply *out_reply)
{
	struct lm_sh_worker *w = j->worker;

	j->job.work = work;
	j->job.op.loop = w->loop;
	j->job.op.done = done;
	if (lm_pool_submit(w->handler->pool, &j->job)) {
		job_free(j);
		out_reply->result = LM_E_AGAIN;
		return LM_ANSWERED;
	}
	if (j->session)
		j->session->refs++;
	lm_sh_begin(w);
	return LM_PENDING;
}

/* The first account that has one of these names. */
static int find(struct lm_store_handler *h, const struct lm_candidates *names, char out_name[256])
{
	for (size_t n = 0; n < names->count; n++) {
		for (size_t i = 0; i < h->account_count; i++) {
			struct lm_accounts *accounts = h->accounts[i];
			int err = accounts->ops->find(accounts, lm_str(names->names[n]), out_name);

			if (err != LM_E_NOT_FOUND)
				return err;
		}
	}
	return LM_E_NOT_FOUND;
}

static int find_login(struct lm_store_handler *h, struct lm_bytes name, char out_name[256])
{
	struct lm_candidates names;

	lm_resolve_login(&h->rules, name, &names);
	return find(h, &names, out_name);
}

static int peek_one(struct lm_accounts *accounts, struct lm_bytes name, struct lm_account *out)
{
	return accounts->ops->peek ? accounts->ops->peek(accounts, name, out) : LM_E_AGAIN;
}

/* The account of a login; `waits`: where need be. */
static int lookup(struct lm_store_handler *h, struct lm_bytes login, bool waits,
                  struct lm_account *out)
{
	struct lm_candidates names;

	lm_resolve_login(&h->rules, login, &names);
	for (size_t n = 0; n < names.count; n++) {
		for (size_t i = 0; i < h->account_count; i++) {
			struct lm_accounts *accounts = h->accounts[i];
			struct lm_bytes name = lm_str(names.names[n]);
			int err = waits ? accounts->ops->lookup(accounts, name, out)
			                : peek_one(accounts, name, out);

			if (err != LM_E_NOT_FOUND)
				return err;
		}
	}
	return LM_E_NOT_FOUND;
}

static lm_time_ms now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (lm_time_ms)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What tells that the password has changed. */
static const char *kept_of(const struct lm_account *a)
{
	return a->crypt[0] ? a->crypt : a->secret;
}

static int check_password(struct job *j)
{
	struct lm_verify *verify = j->worker->handler->verify;
	const struct lm_account *a = &j->account;
	const char *kept = kept_of(a);
	int err;

	if (lm_verify_known(verify, a->name, kept, j->auth.password, now_ms()))
		return 0;
	err = lm_account_check_password(a, j->auth.password);
	if (!err)
		lm_verify_remember(verify, a->name, kept, j->auth.password, now_ms());
	return err;
}

/* Nobody acts for another. */
static bool is_own(const struct lm_auth *auth, const struct lm_account *a)
{
	return !auth->authzid.len || lm_equal_nocase(auth->authzid, auth->authcid) ||
	       lm_equal_nocase(auth->authzid, lm_str(a->name));
}

static int judge_password(struct job *j)
{
	int err = lookup(j->worker->handler, j->auth.authcid, false, &j->account);

	/* SCRAM records, which may have to be made first, are not needed here. */
	if (err == LM_E_AGAIN)
		err = lookup(j->worker->handler, j->auth.authcid, true, &j->account);
	if (err == LM_E_NOT_FOUND) {
		/* The same work for nobody, so that time does not tell who exists. */
		return lm_account_check_password(NULL, j->auth.password);
	}
	if (!err)
		err = check_password(j);
	if (!err && !is_own(&j->auth, &j->account))
		err = LM_E_AUTH;
	memcpy(j->name, j->account.name, sizeof(j->name));
	return err;
}

/* One octet string of 32 for a purpose: unguessable, the same each time. */
static int make_up(struct job *j, const char *purpose, size_t at)
{
	return lm_verify_made_up(j->worker->handler->verify, purpose, j->auth.authcid,
	                         j->secrets + at);
}

static int made_up_plain(struct job *j)
{
	static const char hex[] = "0123456789abcdef";
	int err = make_up(j, "plain", 0);

	for (size_t i = 0; i < 32; i++) {
		j->plain[2 * i] = hex[j->secrets[i] >> 4];
		j->plain[2 * i + 1] = hex[j->secrets[i] & 15];
	}
	j->secret.plain = lm_bytes(j->plain, 64);
	return err;
}

static int made_up_scram(struct job *j, size_t len)
{
	int err = make_up(j, "salt", 0);

	if (!err)
		err = make_up(j, "stored key", 32);
	if (!err)
		err = make_up(j, "server key", 64);
	j->secret.salt = lm_bytes(j->secrets, SALT_LEN);
	j->secret.iterations = atomic_load(&j->worker->handler->iterations);
	j->secret.stored_key = lm_bytes(j->secrets + 32, len);
	j->secret.server_key = lm_bytes(j->secrets + 64, len);
	return err;
}

static void take_record(struct job *j, const struct lm_scram_record *record, size_t len)
{
	j->secret.salt = lm_bytes(record->salt, sizeof(record->salt));
	j->secret.iterations = record->iterations;
	j->secret.stored_key = lm_bytes(record->stored_key, len);
	j->secret.server_key = lm_bytes(record->server_key, len);
	atomic_store(&j->worker->handler->iterations, record->iterations);
}

/* A name that does not exist, and an account without what is needed, get a secret nobody knows. */
static int give_secret(struct job *j)
{
	bool sha256 = j->auth.need == LM_NEED_SCRAM_SHA256;
	size_t len = sha256 ? 32 : 20;
	int err = lookup(j->worker->handler, j->auth.authcid, true, &j->account);

	if (err && err != LM_E_NOT_FOUND)
		return err;
	if (!err)
		memcpy(j->name, j->account.name, sizeof(j->name));
	if (j->auth.need == LM_NEED_PLAIN) {
		if (err || !j->account.secret[0])
			return made_up_plain(j);
		j->secret.plain = lm_str(j->account.secret);
		return 0;
	}
	if (err || !j->account.has_scram)
		return made_up_scram(j, len);
	take_record(j, sha256 ? &j->account.sha256 : &j->account.sha1, len);
	return 0;
}

/* The account of a name somebody claims must be the one that was proven. */
static int check_claim(struct job *j, struct lm_bytes claimed)
{
	char name[256];
	int err;

	if (!claimed.len)
		return 0;
	err = find_login(j->worker->handler, claimed, name);
	if (err)
		return err == LM_E_NOT_FOUND ? LM_E_AUTH : err;
	return strcmp(name, j->name) == 0 ? 0 : LM_E_AUTH;
}

static int judge_token(struct job *j)
{
	struct lm_store_handler *h = j->worker->handler;
	char user[256] = "";
	int err;

	if (!h->check_token)
		return LM_E_AUTH;
	err = h->check_token(h->token_ctx, &j->auth, user);
	if (err)
		return err;
	user[sizeof(user) - 1] = '\0';
	err = find_login(h, lm_str(user), j->name);
	if (!err)
		err = check_claim(j, j->auth.authcid);
	if (!err)
		err = check_claim(j, j->auth.authzid);
	return err == LM_E_NOT_FOUND ? LM_E_AUTH : err;
}

static int judge_external(struct job *j)
{
	int err = j->peer.len ? find_login(j->worker->handler, j->peer, j->name) : LM_E_AUTH;

	if (!err)
		err = check_claim(j, j->auth.authzid);
	return err == LM_E_NOT_FOUND ? LM_E_AUTH : err;
}

static void auth_work(struct lm_job *job)
{
	struct job *j = lm_container(job, struct job, job);

	switch (j->auth.kind) {
	case LM_AUTH_PASSWORD:
		job->result = judge_password(j);
		break;
	case LM_AUTH_SECRET:
		job->result = give_secret(j);
		break;
	case LM_AUTH_TOKEN:
		job->result = judge_token(j);
		break;
	default:
		job->result = judge_external(j);
	}
}

static struct job *job_of(struct lm_op *op)
{
	struct lm_job *job = lm_container(op, struct lm_job, op);

	return lm_container(job, struct job, job);
}

static void auth_done(struct lm_op *op)
{
	struct job *j = job_of(op);
	struct lm_sh_worker *w = j->worker;
	struct lm_reply reply = LM_REPLY_INIT;

	reply.result = op->result;
	if (!op->result) {
		reply.user = lm_str(j->name);
		reply.secret = j->secret;
	}
	lm_ticket_answer(j->ticket, &reply);
	lm_account_wipe(&j->account);
	job_free(j);
	lm_sh_end(w);
}

/* What was right a moment ago, for an account that can be seen from here, needs no thread. All the
 * rest is for the pool to judge. */
static bool is_known(struct lm_sh_worker *w, const struct lm_auth *auth)
{
	struct lm_account a = { .name = "" };
	bool known = auth->kind == LM_AUTH_PASSWORD &&
	             lookup(w->handler, auth->authcid, false, &a) == 0 && is_own(auth, &a) &&
	             lm_verify_known(w->handler->verify, a.name, kept_of(&a), auth->password,
	                             now_ms());

	if (known)
		memcpy(w->login, a.name, sizeof(w->login));
	lm_account_wipe(&a);
	return known;
}

enum lm_verdict lm_sh_auth(struct lm_sh_worker *w, const struct lm_event *event,
                           struct lm_reply *out_reply, struct lm_ticket ticket)
{
	struct job *j;

	if (is_known(w, &event->auth)) {
		out_reply->user = lm_str(w->login);
		return LM_ANSWERED;
	}
	j = job_new(w, event, ticket);

	if (!j) {
		out_reply->result = LM_E_NOMEM;
		return LM_ANSWERED;
	}
	return submit(j, auth_work, auth_done, out_reply);
}

/* Keep an accepted recipient for DATA. */
static int accept(struct lm_sh_session *s, struct lm_bytes address, const char *account)
{
	size_t account_size = strlen(account) + 1;
	struct lm_sh_recipient *r;
	char *memory;

	if (s->recipient_count == s->recipient_room) {
		size_t room = s->recipient_room ? s->recipient_room * 2 : 4;

		r = lm_realloc(s->recipients, room, sizeof(*r));
		if (!r)
			return LM_E_NOMEM;
		s->recipients = r;
		s->recipient_room = room;
	}
	memory = lm_alloc(address.len + 1 + account_size);
	if (!memory)
		return LM_E_NOMEM;
	if (address.len)
		memcpy(memory, address.data, address.len);
	memory[address.len] = '\0';
	memcpy(memory + address.len + 1, account, account_size);
	r = &s->recipients[s->recipient_count++];
	*r = (struct lm_sh_recipient){ memory, address.len, memory + address.len + 1 };
	return 0;
}

const char *lm_sh_account_of(const struct lm_sh_session *s, struct lm_bytes address, size_t *hint)
{
	for (size_t i = 0; i < s->recipient_count; i++) {
		size_t at = (*hint + i) % s->recipient_count;
		const struct lm_sh_recipient *r = &s->recipients[at];

		if (lm_bytes_equal(address, lm_bytes(r->address, r->len))) {
			*hint = at + 1;
			return r->account;
		}
	}
	return NULL;
}

static void rcpt_work(struct lm_job *job)
{
	struct job *j = lm_container(job, struct job, job);

	job->result = find(j->worker->handler, &j->candidates, j->name);
}

static void no_such_user(struct lm_reply *reply, bool relay_wanted)
{
	reply->result = LM_E_NOT_FOUND;
	reply->smtp_code = 550;
	reply->enhanced[0] = 5;
	reply->enhanced[1] = relay_wanted ? 7 : 1;
	reply->enhanced[2] = 1;
	reply->text = lm_str(relay_wanted ? "relaying is not available" : "no such mailbox here");
}

static void rcpt_done(struct lm_op *op)
{
	struct job *j = job_of(op);
	struct lm_sh_worker *w = j->worker;
	struct lm_sh_session *s = j->session;
	struct lm_reply reply = LM_REPLY_INIT;

	reply.result = op->result;
	if (!op->result) {
		lm_resolve_cache_put(w->cache, j->address, j->name, lm_loop_now(w->loop));
		reply.result = accept(s, j->address, j->name);
	} else if (op->result == LM_E_NOT_FOUND) {
		no_such_user(&reply, j->authenticated && !w->handler->rules.domain_count &&
		                             memchr(j->address.data, '@', j->address.len));
	}
	lm_ticket_answer(j->ticket, &reply);
	lm_sh_session_unref(s);
	job_free(j);
	lm_sh_end(w);
}

static enum lm_verdict resolve(struct lm_sh_session *s, const struct lm_event *event,
                               struct lm_reply *out_reply, struct lm_ticket ticket)
{
	struct lm_sh_worker *w = s->worker;
	struct job *j = job_new(w, event, ticket);

	if (!j) {
		out_reply->result = LM_E_NOMEM;
		return LM_ANSWERED;
	}
	j->session = s;
	j->authenticated = event->info->user.len > 0;
	lm_resolve_address(&w->handler->rules, j->address, &j->candidates);
	if (j->candidates.count)
		return submit(j, rcpt_work, rcpt_done, out_reply);
	no_such_user(out_reply, j->candidates.foreign);
	job_free(j);
	return LM_ANSWERED;
}

enum lm_verdict lm_sh_rcpt(struct lm_sh_worker *w, struct lm_sh_session *s,
                           const struct lm_event *event, struct lm_reply *out_reply,
                           struct lm_ticket ticket)
{
	struct lm_bytes address = argument_of(event);
	const char *account = lm_resolve_cache_get(w->cache, address, lm_loop_now(w->loop));

	if (event->envelope->recipient_count == 1)
		lm_sh_forget_recipients(s);
	if (!account)
		return resolve(s, event, out_reply, ticket);
	out_reply->result = accept(s, address, account);
	return LM_ANSWERED;
}
