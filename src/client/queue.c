/* Requests that wait for their session, with copies of what they borrow. */
#include "base/error.h"
#include "client/client_impl.h"

static bool fits(enum lm_request_type type, bool is_pop3)
{
	if (type <= LM_REQUEST_OPEN || type >= LM_REQUEST_COUNT)
		return false;
	if (type < LM_REQUEST_STAT)
		return true;
	return (type < LM_REQUEST_SEND) == is_pop3;
}

static bool has_break(struct lm_bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i] == '\r' || b.data[i] == '\n' || b.data[i] == '\0')
			return true;
	return false;
}

static bool is_broken(const struct lm_request *request)
{
	const struct lm_credentials *c = request->credentials;

	if (has_break(request->argument) || (request->type == LM_REQUEST_LOGIN) != (c != NULL) ||
	    (request->type == LM_REQUEST_SEND) != (request->envelope != NULL))
		return true;
	return c && (has_break(c->user) || has_break(c->password) || has_break(c->authzid) ||
	             has_break(c->token) || has_break(lm_str(c->mechanism)));
}

static struct lm_bytes copy(struct lm_held *held, struct lm_bytes b)
{
	uint8_t *at = held->octets + held->len;

	if (!b.len)
		return lm_bytes(NULL, 0);
	memcpy(at, b.data, b.len);
	held->len += b.len;
	return lm_bytes(at, b.len);
}

static void copy_credentials(struct lm_held *held, const struct lm_credentials *c)
{
	held->credentials = *c;
	held->credentials.user = copy(held, c->user);
	held->credentials.password = copy(held, c->password);
	held->credentials.authzid = copy(held, c->authzid);
	held->credentials.token = copy(held, c->token);
	if (c->mechanism)
		held->credentials.mechanism =
		        (const char *)copy(held, lm_bytes(c->mechanism, strlen(c->mechanism) + 1))
		                .data;
	held->request.credentials = &held->credentials;
}

static size_t size_of(const struct lm_request *request)
{
	const struct lm_credentials *c = request->credentials;
	size_t size = request->argument.len;

	if (c)
		size += c->user.len + c->password.len + c->authzid.len + c->token.len +
		        (c->mechanism ? strlen(c->mechanism) + 1 : 0);
	return size;
}

int lm_held_new(const struct lm_request *request, enum lm_protocol protocol,
                struct lm_held **out_held)
{
	struct lm_held *held;

	if (!fits(request->type, protocol == LM_POP3))
		return LM_E_UNSUPPORTED;
	if (is_broken(request))
		return LM_E_SYNTAX;
	held = lm_alloc_zero(1, sizeof(*held) + size_of(request));
	if (!held)
		return LM_E_NOMEM;
	held->request = *request;
	held->request.argument = copy(held, request->argument);
	if (request->credentials)
		copy_credentials(held, request->credentials);
	*out_held = held;
	return 0;
}

void lm_held_free(struct lm_held *held)
{
	if (held)
		lm_wipe(held->octets, held->len);
	lm_free(held);
}

void lm_held_add(struct lm_held_queue *queue, struct lm_held *held)
{
	held->next = NULL;
	if (queue->last)
		queue->last->next = held;
	else
		queue->first = held;
	queue->last = held;
	queue->count++;
}

struct lm_held *lm_held_take(struct lm_held_queue *queue)
{
	struct lm_held *held = queue->first;

	if (!held)
		return NULL;
	queue->first = held->next;
	if (!queue->first)
		queue->last = NULL;
	queue->count--;
	return held;
}
