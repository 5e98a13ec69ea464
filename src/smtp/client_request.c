/* Requests as they are pushed: checked before anything is taken, then copied. */
#include "smtp/client.h"

#include "wire/text.h"

void lm_smtpc_job_free(struct lm_smtpc_job *job)
{
	lm_buf_done(&job->argument);
	lm_buf_wipe(&job->secrets);
	lm_free(job);
}

/* These have requests of their own, or leave the session where nobody knows what it waits for. */
static bool is_ours(struct lm_bytes line)
{
	static const char *const verbs[] = { "DATA", "BDAT", "STARTTLS", "AUTH",   "EHLO",
		                             "HELO", "LHLO", "QUIT",     "XCLIENT" };
	struct lm_bytes verb = lm_next_word(&line);

	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (lm_equal_nocase(verb, lm_str(verbs[i])))
			return true;
	return false;
}

static int check_argument(const struct lm_request *r)
{
	bool due = r->type == LM_REQUEST_COMMAND || r->type == LM_REQUEST_VRFY ||
	           r->type == LM_REQUEST_EXPN;

	if (!due)
		return 0;
	if (!r->argument.len || r->argument.len > LM_SMTPC_ARGUMENT ||
	    !lm_smtpc_is_text(r->argument))
		return LM_E_SYNTAX;
	return r->type == LM_REQUEST_COMMAND && is_ours(r->argument) ? LM_E_UNSUPPORTED : 0;
}

static bool is_safe(struct lm_bytes b)
{
	return !b.len || !(memchr(b.data, 0, b.len) || memchr(b.data, '\r', b.len) ||
	                   memchr(b.data, '\n', b.len));
}

static int check_credentials(const struct lm_credentials *c)
{
	if (!c || !is_safe(c->user) || !is_safe(c->password) || !is_safe(c->authzid) ||
	    !is_safe(c->token) || (c->mechanism && !lm_smtpc_is_word(lm_str(c->mechanism))))
		return LM_E_SYNTAX;
	return c->user.len + c->password.len + c->authzid.len + c->token.len +
	                               (c->mechanism ? strlen(c->mechanism) : 0) >
	                       LM_SMTPC_AUTH_ARGUMENT - 8
	               ? LM_E_LIMIT
	               : 0;
}

static int check(const struct lm_smtpc *s, const struct lm_request *r)
{
	switch (r->type) {
	case LM_REQUEST_LOGIN:
		return check_credentials(r->credentials);
	case LM_REQUEST_SEND:
		return r->envelope ? lm_smtpc_check_envelope(r->envelope) : LM_E_SYNTAX;
	case LM_REQUEST_COMMAND:
	case LM_REQUEST_VRFY:
	case LM_REQUEST_EXPN:
		return check_argument(r);
	case LM_REQUEST_CAPA:
	case LM_REQUEST_NOOP:
	case LM_REQUEST_RSET:
	case LM_REQUEST_QUIT:
		return 0;
	default:
		(void)s;
		return LM_E_UNSUPPORTED;
	}
}

/* Room was made before: nothing moves, so nothing secret is left behind. */
static struct lm_bytes keep(struct lm_buf *b, struct lm_bytes text)
{
	struct lm_bytes kept = lm_bytes(b->data + b->len, text.len);

	if (text.len)
		memcpy(b->data + b->len, text.data, text.len);
	lm_buf_grew(b, text.len);
	return kept;
}

static int keep_credentials(struct lm_smtpc_job *job, const struct lm_credentials *c)
{
	struct lm_credentials *own = &job->credentials;
	uint8_t *room;
	int err;

	lm_buf_init(&job->secrets, LM_SMTPC_AUTH_ARGUMENT);
	err = lm_buf_room(&job->secrets,
	                  c->user.len + c->password.len + c->authzid.len + c->token.len +
	                          (c->mechanism ? strlen(c->mechanism) : 0) + 1,
	                  &room);
	if (err)
		return err;
	*own = *c;
	own->user = keep(&job->secrets, c->user);
	own->password = keep(&job->secrets, c->password);
	own->authzid = keep(&job->secrets, c->authzid);
	own->token = keep(&job->secrets, c->token);
	if (c->mechanism)
		own->mechanism = (const char *)keep(
		                         &job->secrets,
		                         lm_bytes(c->mechanism, strlen(c->mechanism) + 1))
		                         .data;
	return 0;
}

static int make_job(const struct lm_request *r, struct lm_smtpc_job **out_job)
{
	struct lm_smtpc_job *job = lm_alloc_zero(1, sizeof(*job));
	int err = 0;

	if (!job)
		return LM_E_NOMEM;
	job->type = r->type;
	job->tag = r->tag;
	lm_buf_init(&job->argument, LM_SMTPC_ARGUMENT);
	if (check_argument(r) == 0 && (r->type == LM_REQUEST_COMMAND ||
	                               r->type == LM_REQUEST_VRFY || r->type == LM_REQUEST_EXPN))
		err = lm_buf_add(&job->argument, r->argument);
	if (r->type == LM_REQUEST_SEND)
		job->envelope = r->envelope;
	if (!err && r->type == LM_REQUEST_LOGIN)
		err = keep_credentials(job, r->credentials);
	if (err)
		lm_smtpc_job_free(job);
	else
		*out_job = job;
	return err;
}

int lm_smtpc_request(struct lm_smtpc *s, const struct lm_request *request)
{
	struct lm_smtpc_job *job;
	int err = check(s, request);

	if (!err && s->jobs >= LM_SMTPC_REQUESTS)
		err = LM_E_LIMIT;
	if (!err)
		err = make_job(request, &job);
	if (err)
		return err;
	if (s->newest)
		s->newest->next = job;
	else
		s->job = job;
	s->newest = job;
	s->jobs++;
	s->quitting = request->type == LM_REQUEST_QUIT;
	return 0;
}
