/* The natives of clients: each reads its arguments and posts to the clients' thread. */
#include "bridge/client.h"

/* A word to a client that has more to it than who it is for. */
struct step {
	struct lm_task task;
	struct lm_bx_client *client;
	uint64_t number;
	struct lm_source *source;
	size_t len;
	uint8_t octets[];
};

static struct lm_host_value *no_memory(const struct lm_bx_call *call)
{
	return lm_bx_throw(call, LM_E_NOMEM, "%s", lm_err_text(LM_E_NOMEM));
}

static void post(struct lm_bx_client *client, struct lm_task *task)
{
	lm_loop_post(client->all->loop, task);
}

/* ---- Their thread ---- */

static void *run(void *arg)
{
	const struct lm_bx_clients *all = arg;

	lm_loop_run(all->loop);
	return NULL;
}

static int start_thread(struct lm_bx_clients *all)
{
	int err = lm_loop_new(&all->loop);

	if (err)
		return err;
	if (pthread_create(&all->thread, NULL, run, all) == 0)
		return 0;
	lm_loop_free(all->loop);
	return LM_E_NOMEM;
}

/* The first client starts it. */
static int find_clients(struct lm_bridge *bridge, struct lm_bx_clients **out_clients)
{
	struct lm_bx_clients *all = bridge->clients;
	int err = 0;

	if (!all) {
		all = lm_alloc_zero(1, sizeof(*all));
		if (!all)
			return LM_E_NOMEM;
		all->bridge = bridge;
		err = start_thread(all);
	}
	if (err) {
		lm_free(all);
		return err;
	}
	bridge->clients = all;
	*out_clients = all;
	return 0;
}

static void enter(struct lm_bx_clients *all, struct lm_bx_client *client)
{
	client->next = all->first;
	if (client->next)
		client->next->prev = client;
	all->first = client;
}

static void leave(struct lm_bx_clients *all, const struct lm_bx_client *client)
{
	if (client->next)
		client->next->prev = client->prev;
	if (client->prev)
		client->prev->next = client->next;
	else
		all->first = client->next;
}

void lm_bx_clients_free(struct lm_bridge *bridge, struct lm_host *host)
{
	struct lm_bx_clients *all = bridge->clients;

	(void)host;
	if (!all)
		return;
	bridge->clients = NULL;
	lm_loop_stop(all->loop);
	pthread_join(all->thread, NULL);
	while (all->first) {
		struct lm_bx_client *client = all->first;

		leave(all, client);
		lm_bx_remove(bridge, &client->thing);
		lm_bx_client_free(client);
	}
	lm_client_free(all->donor);
	lm_loop_free(all->loop);
	lm_free(all);
}

/* ---- A client's life ---- */

static struct lm_bx_client *client_new(struct lm_bridge *bridge, struct lm_bx_clients *all)
{
	struct lm_bx_client *client = lm_alloc_zero(1, sizeof(*client));

	if (!client)
		return NULL;
	client->closed = lm_alloc_zero(1, sizeof(*client->closed));
	client->thing.kind = LM_BX_CLIENT;
	if (!client->closed || lm_bx_add(bridge, &client->thing)) {
		lm_bx_client_free(client);
		return NULL;
	}
	client->all = all;
	client->number = client->closed->client = client->thing.number;
	client->closed->head.tell = lm_bx_client_is_over;
	client->closed->head.drop = lm_bx_client_drop_over;
	client->start.run = lm_bx_client_start;
	client->resume.run = lm_bx_client_resume;
	client->abort.run = lm_bx_client_abort;
	client->end.run = lm_bx_client_end;
	return client;
}

struct lm_host_value *lm_bx_clientNew(const struct lm_bx_call *call)
{
	struct lm_bx_plan *plan = lm_bx_plan_read(call, lm_bx_arg(call, 0));
	struct lm_bx_client *client;
	struct lm_bx_clients *all;

	if (!plan)
		return NULL;
	client = find_clients(call->bridge, &all) ? NULL : client_new(call->bridge, all);
	if (!client) {
		lm_bx_plan_free(plan);
		return no_memory(call);
	}
	client->plan = plan;
	enter(all, client);
	lm_bx_running(call->bridge, true);
	post(client, &client->start);
	return call->ops->number(call->host, (double)client->number);
}

/* False: thrown. True with NULL: it is gone. */
static bool find(const struct lm_bx_call *call, struct lm_bx_client **out_client)
{
	struct lm_bx_thing *thing;

	if (!lm_bx_arg_thing(call, 0, "client", LM_BX_CLIENT, &thing))
		return false;
	*out_client = thing ? lm_container(thing, struct lm_bx_client, thing) : NULL;
	return true;
}

struct lm_host_value *lm_bx_clientFree(const struct lm_bx_call *call)
{
	struct lm_bx_client *client;

	if (!find(call, &client))
		return NULL;
	if (!client)
		return lm_bx_undefined(call);
	lm_bx_remove(call->bridge, &client->thing);
	leave(client->all, client);
	if (!client->is_over)
		lm_bx_running(call->bridge, false);
	post(client, &client->end);
	return lm_bx_undefined(call);
}

struct lm_host_value *lm_bx_clientAbort(const struct lm_bx_call *call)
{
	struct lm_bx_client *client;

	if (!find(call, &client))
		return NULL;
	if (client && !client->is_aborted) {
		client->is_aborted = true;
		post(client, &client->abort);
	}
	return lm_bx_undefined(call);
}

/* ---- Requests ---- */

static bool read_credentials(const struct lm_bx_call *call, struct lm_host_value *options,
                             struct lm_bx_ask *ask)
{
	struct lm_credentials *c = &ask->credentials;
	struct lm_bytes mechanism = { NULL, 0 };

	if (!lm_bx_member_text(call, options, "user", &ask->texts, &c->user) ||
	    !lm_bx_member_text(call, options, "password", &ask->texts, &c->password) ||
	    !lm_bx_member_text(call, options, "authzid", &ask->texts, &c->authzid) ||
	    !lm_bx_member_text(call, options, "token", &ask->texts, &c->token) ||
	    !lm_bx_member_text(call, options, "mechanism", &ask->texts, &mechanism) ||
	    !lm_bx_member_bool(call, options, "askToken", &c->ask_token))
		return false;
	c->mechanism = mechanism.len ? (const char *)mechanism.data : NULL;
	ask->request.credentials = c;
	return true;
}

static bool read_request(const struct lm_bx_call *call, struct lm_host_value *options,
                         struct lm_bx_ask *ask)
{
	const double large = 9007199254740991.0;
	double number = 0, lines = 0, expected = 0;

	if (call->ops->kind(call->host, options) != LM_HOST_OBJECT) {
		(void)lm_bx_throw(call, LM_E_MISUSE, "options must be an object");
		return false;
	}
	if (ask->request.type == LM_REQUEST_SEND)
		return lm_bx_letter_read(call, options, ask->letter);
	if (ask->request.type == LM_REQUEST_LOGIN)
		return read_credentials(call, options, ask);
	if (!lm_bx_member_text(call, options, "argument", &ask->texts, &ask->request.argument) ||
	    !lm_bx_member_number(call, options, "number", 0, large, &number) ||
	    !lm_bx_member_number(call, options, "lines", 0, large, &lines) ||
	    !lm_bx_member_number(call, options, "expected", 0, large, &expected))
		return false;
	ask->request.number = (uint64_t)number;
	ask->request.lines = (int64_t)lines;
	ask->request.expected = (uint64_t)expected;
	return true;
}

static bool read_type(const struct lm_bx_call *call, enum lm_request_type *out_type)
{
	struct lm_bx_string name;

	if (!lm_bx_arg_string(call, 2, "type", false, 64, &name))
		return false;
	*out_type = lm_bx_request_type(name.octets);
	lm_bx_string_done(&name);
	if (*out_type != LM_REQUEST_NONE)
		return true;
	(void)lm_bx_throw(call, LM_E_MISUSE, "type must be the name of a request");
	return false;
}

static struct lm_bx_ask *new_ask(struct lm_bx_client *client, uint64_t number,
                                 enum lm_request_type type)
{
	struct lm_bx_ask *ask = lm_bx_ask_new(client, number);

	if (!ask)
		return NULL;
	ask->request.type = type;
	ask->task.run = lm_bx_client_ask;
	if (type != LM_REQUEST_SEND || !lm_bx_letter_new(&ask->letter))
		return ask;
	lm_bx_ask_free(ask);
	return NULL;
}

struct lm_host_value *lm_bx_clientRequest(const struct lm_bx_call *call)
{
	enum lm_request_type type;
	struct lm_bx_client *client;
	struct lm_bx_ask *ask;
	uint64_t number;

	if (!find(call, &client) || !lm_bx_arg_count(call, 1, "request", &number) ||
	    !read_type(call, &type))
		return NULL;
	if (!client)
		return lm_bx_undefined(call);
	ask = new_ask(client, number, type);
	if (!ask)
		return no_memory(call);
	if (!read_request(call, lm_bx_arg(call, 3), ask)) {
		lm_bx_ask_free(ask);
		return NULL;
	}
	post(client, &ask->task);
	return lm_bx_undefined(call);
}

/* ---- The message of a SEND ---- */

static void on_octets(struct lm_task *task)
{
	struct step *step = lm_container(task, struct step, task);

	lm_bx_client_octets(step->client, step->number, step->source);
	lm_free(step);
}

static struct step *step_new(struct lm_bx_client *client, void (*run_it)(struct lm_task *),
                             struct lm_bytes octets)
{
	struct step *step = lm_alloc_zero(1, sizeof(*step) + octets.len);

	if (!step)
		return NULL;
	step->task.run = run_it;
	step->client = client;
	step->len = octets.len;
	if (octets.len)
		memcpy(step->octets, octets.data, octets.len);
	return step;
}

/* False: thrown. True with NULL: the client is gone. */
static bool octets_step(const struct lm_bx_call *call, struct step **out_step)
{
	struct lm_bx_client *client;
	uint64_t number;

	*out_step = NULL;
	if (!find(call, &client) || !lm_bx_arg_count(call, 1, "request", &number))
		return false;
	if (!client)
		return true;
	*out_step = step_new(client, on_octets, lm_bytes(NULL, 0));
	if (!*out_step)
		return no_memory(call);
	(*out_step)->number = number;
	return true;
}

struct lm_host_value *lm_bx_clientBytes(const struct lm_bx_call *call)
{
	struct step *step;

	if (lm_bx_arg_kind(call, 2) != LM_HOST_BYTES)
		return lm_bx_throw(call, LM_E_MISUSE, "bytes must be a Uint8Array");
	if (!octets_step(call, &step))
		return NULL;
	if (!step)
		return lm_bx_undefined(call);
	if (lm_bx_source_bytes(call, lm_bx_arg(call, 2), &step->source)) {
		lm_free(step);
		return no_memory(call);
	}
	post(step->client, &step->task);
	return lm_bx_undefined(call);
}

struct lm_host_value *lm_bx_clientPipe(const struct lm_bx_call *call)
{
	struct step *step;
	uint64_t pipe;

	if (!octets_step(call, &step))
		return NULL;
	if (!step)
		return lm_bx_undefined(call);
	if (lm_bx_pipe_new(call->bridge, step->client->all->loop, &pipe, &step->source)) {
		lm_free(step);
		return no_memory(call);
	}
	post(step->client, &step->task);
	return call->ops->number(call->host, (double)pipe);
}

/* ---- A token, octets taken ---- */

static void on_token(struct lm_task *task)
{
	struct step *step = lm_container(task, struct step, task);
	struct lm_client *client = step->client->client;

	if (client)
		(void)lm_client_token(client, lm_bytes(step->octets, step->len));
	lm_wipe(step->octets, step->len);
	lm_free(step);
}

struct lm_host_value *lm_bx_clientToken(const struct lm_bx_call *call)
{
	struct lm_bx_string token;
	struct lm_bx_client *client;
	struct step *step = NULL;

	if (!find(call, &client) || !lm_bx_arg_string(call, 1, "token", true, 65536, &token))
		return NULL;
	if (client)
		step = step_new(client, on_token, token.octets);
	lm_bx_string_done(&token);
	if (client && !step)
		return no_memory(call);
	if (step)
		post(client, &step->task);
	return lm_bx_undefined(call);
}

void lm_bx_client_taken(struct lm_bridge *bridge, struct lm_bx_thing *thing, uint64_t octets)
{
	struct lm_bx_client *client = lm_container(thing, struct lm_bx_client, thing);

	(void)bridge;
	if (lm_bx_client_used(client, octets))
		post(client, &client->resume);
}
