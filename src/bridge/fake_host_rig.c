/* A host for tests of the bridge. */
#include "bridge/fake_host_rig.h"

#include "lm_test.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct lm_host {
	struct fake *fake;
};

struct fake_member {
	struct fake_member *next;
	const char *name;
	struct lm_host_value *value;
};

/* ---- values ---- */

static struct lm_host_value *value_new(struct fake *fake, enum lm_host_kind kind)
{
	struct lm_host_value *v;

	if (fake->fail_at && --fake->fail_at == 0)
		return NULL;
	v = calloc(1, sizeof(*v));
	assert_non_null(v);
	v->kind = kind;
	v->next = fake->values;
	fake->values = v;
	return v;
}

static void value_free(struct lm_host_value *v)
{
	while (v->members) {
		struct fake_member *m = v->members;

		v->members = m->next;
		free(m);
	}
	if (v->done)
		v->done(v->octets);
	else
		free(v->octets);
	free(v);
}

void fake_sweep(struct fake *fake)
{
	struct lm_host_value **at = &fake->values;

	while (*at) {
		struct lm_host_value *v = *at;

		if (v->kept) {
			at = &v->next;
			continue;
		}
		*at = v->next;
		value_free(v);
	}
}

static void set_octets(struct lm_host_value *v, const void *data, size_t len)
{
	v->octets = malloc(len + 1);
	assert_non_null(v->octets);
	if (len)
		memcpy(v->octets, data, len);
	v->octets[len] = '\0';
	v->len = len;
}

struct lm_host_value *fake_number(struct fake *fake, double value)
{
	struct lm_host_value *v = value_new(fake, LM_HOST_NUMBER);

	if (v)
		v->number = value;
	return v;
}

struct lm_host_value *fake_bytes(struct fake *fake, const void *data, size_t len)
{
	struct lm_host_value *v = value_new(fake, LM_HOST_BYTES);

	set_octets(v, data, len);
	return v;
}

struct lm_host_value *fake_string(struct fake *fake, const char *text)
{
	struct lm_host_value *v = value_new(fake, LM_HOST_STRING);

	set_octets(v, text, strlen(text));
	return v;
}

struct lm_host_value *fake_bool(struct fake *fake, bool value)
{
	struct lm_host_value *v = value_new(fake, LM_HOST_BOOL);

	if (v)
		v->truth = value;
	return v;
}

struct lm_host_value *fake_undefined(struct fake *fake)
{
	return value_new(fake, LM_HOST_UNDEFINED);
}

static void add_member(struct lm_host_value *v, const char *name, struct lm_host_value *value)
{
	struct fake_member *m = calloc(1, sizeof(*m)), **at = &v->members;

	assert_non_null(m);
	m->name = name;
	m->value = value;
	while (*at)
		at = &(*at)->next;
	*at = m;
	v->len++;
}

void fake_push(struct lm_host_value *array, struct lm_host_value *value)
{
	add_member(array, NULL, value);
}

struct lm_host_value *fake_array(struct fake *fake, size_t count, ...)
{
	struct lm_host_value *v = value_new(fake, LM_HOST_ARRAY);
	va_list args;

	va_start(args, count);
	for (size_t i = 0; i < count; i++)
		fake_push(v, va_arg(args, struct lm_host_value *));
	va_end(args);
	return v;
}

struct lm_host_value *fake_object(struct fake *fake)
{
	return value_new(fake, LM_HOST_OBJECT);
}

void fake_set(struct lm_host_value *object, const char *name, struct lm_host_value *value)
{
	add_member(object, name, value);
}

struct lm_host_value *fake_get(struct lm_host_value *object, const char *name)
{
	for (struct fake_member *m = object->members; m; m = m->next)
		if (m->name && strcmp(m->name, name) == 0)
			return m->value;
	return NULL;
}

bool fake_has(struct lm_host_value *object, const char *name)
{
	return fake_get(object, name) != NULL;
}

struct lm_host_value *fake_at(struct lm_host_value *array, size_t index)
{
	struct fake_member *m = array->members;

	while (m && index--)
		m = m->next;
	return m ? m->value : NULL;
}

size_t fake_length(struct lm_host_value *array)
{
	return array->len;
}

static struct lm_host_value *member(struct lm_host_value *object, const char *name,
                                    enum lm_host_kind kind)
{
	struct lm_host_value *v = fake_get(object, name);

	if (!v)
		fail_msg("no member \"%s\"", name);
	assert_int_equal(v->kind, kind);
	return v;
}

double fake_num(struct lm_host_value *object, const char *name)
{
	return member(object, name, LM_HOST_NUMBER)->number;
}

bool fake_truth(struct lm_host_value *object, const char *name)
{
	return member(object, name, LM_HOST_BOOL)->truth;
}

const char *fake_text(struct lm_host_value *object, const char *name)
{
	return (const char *)member(object, name, LM_HOST_STRING)->octets;
}

/* ---- the operations ---- */

static struct lm_host_value *op_undefined(struct lm_host *host)
{
	return fake_undefined(host->fake);
}

static struct lm_host_value *op_boolean(struct lm_host *host, bool value)
{
	return fake_bool(host->fake, value);
}

static struct lm_host_value *op_number(struct lm_host *host, double value)
{
	return fake_number(host->fake, value);
}

static struct lm_host_value *op_string(struct lm_host *host, struct lm_bytes octets)
{
	struct lm_host_value *v = value_new(host->fake, LM_HOST_STRING);

	if (v)
		set_octets(v, octets.data, octets.len);
	return v;
}

static struct lm_host_value *op_bytes(struct lm_host *host, void *data, size_t len,
                                      void (*done)(void *data))
{
	struct lm_host_value *v = value_new(host->fake, LM_HOST_BYTES);

	if (!v) {
		done(data);
		return NULL;
	}
	v->octets = data;
	v->len = len;
	v->done = done;
	return v;
}

static struct lm_host_value *op_object(struct lm_host *host)
{
	return value_new(host->fake, LM_HOST_OBJECT);
}

static struct lm_host_value *op_array(struct lm_host *host, size_t count)
{
	(void)count;
	return value_new(host->fake, LM_HOST_ARRAY);
}

static bool op_set(struct lm_host *host, struct lm_host_value *object, const char *name,
                   struct lm_host_value *value)
{
	(void)host;
	assert_int_equal(object->kind, LM_HOST_OBJECT);
	assert_null(fake_get(object, name));
	add_member(object, name, value);
	return true;
}

static bool op_put(struct lm_host *host, struct lm_host_value *array, size_t index,
                   struct lm_host_value *value)
{
	(void)host;
	assert_int_equal(array->kind, LM_HOST_ARRAY);
	assert_int_equal(array->len, index);
	fake_push(array, value);
	return true;
}

static enum lm_host_kind op_kind(struct lm_host *host, struct lm_host_value *value)
{
	(void)host;
	return value->kind;
}

static double op_to_number(struct lm_host *host, struct lm_host_value *value)
{
	(void)host;
	assert_int_equal(value->kind, LM_HOST_NUMBER);
	return value->number;
}

static bool op_to_bool(struct lm_host *host, struct lm_host_value *value)
{
	(void)host;
	assert_int_equal(value->kind, LM_HOST_BOOL);
	return value->truth;
}

static size_t op_octets(struct lm_host *host, struct lm_host_value *value, uint8_t *to, size_t size)
{
	(void)host;
	assert_int_equal(value->kind, LM_HOST_STRING);
	if (size)
		memcpy(to, value->octets, value->len < size ? value->len : size);
	return value->len;
}

static struct lm_bytes op_view(struct lm_host *host, struct lm_host_value *bytes)
{
	(void)host;
	assert_int_equal(bytes->kind, LM_HOST_BYTES);
	return lm_bytes(bytes->octets, bytes->len);
}

static struct lm_host_value *op_get(struct lm_host *host, struct lm_host_value *object,
                                    const char *name)
{
	struct lm_host_value *v = fake_get(object, name);

	return v ? v : fake_undefined(host->fake);
}

static size_t op_length(struct lm_host *host, struct lm_host_value *array)
{
	(void)host;
	assert_int_equal(array->kind, LM_HOST_ARRAY);
	return array->len;
}

static struct lm_host_value *op_at(struct lm_host *host, struct lm_host_value *array, size_t index)
{
	struct lm_host_value *v = fake_at(array, index);

	return v ? v : fake_undefined(host->fake);
}

static struct lm_host_ref *op_keep(struct lm_host *host, struct lm_host_value *value)
{
	host->fake->kept++;
	value->kept++;
	return (struct lm_host_ref *)value;
}

static void op_drop(struct lm_host *host, struct lm_host_ref *ref)
{
	struct lm_host_value *value = (struct lm_host_value *)ref;

	assert_true(value->kept > 0);
	value->kept--;
	host->fake->kept--;
}

static void op_fail(struct lm_host *host, const struct lm_error *error)
{
	host->fake->error = *error;
}

static const struct lm_host_ops ops = {
	.size = sizeof(struct lm_host_ops),
	.undefined = op_undefined,
	.boolean = op_boolean,
	.number = op_number,
	.string = op_string,
	.bytes = op_bytes,
	.object = op_object,
	.array = op_array,
	.set = op_set,
	.put = op_put,
	.kind = op_kind,
	.to_number = op_to_number,
	.to_bool = op_to_bool,
	.octets = op_octets,
	.view = op_view,
	.get = op_get,
	.length = op_length,
	.at = op_at,
	.keep = op_keep,
	.drop = op_drop,
	.fail = op_fail,
};

/* ---- the host ---- */

static void wake(void *ctx)
{
	struct fake *fake = ctx;

	pthread_mutex_lock(&fake->lock);
	/* Once until the next empty take; said on the test's own thread. */
	fake->woken_twice |= fake->awake;
	fake->awake = true;
	atomic_fetch_add(&fake->wakes, 1);
	pthread_cond_signal(&fake->woken);
	pthread_mutex_unlock(&fake->lock);
}

static void alive(void *ctx, bool yes)
{
	struct fake *fake = ctx;

	fake->alive += yes ? 1 : -1;
	assert_true(fake->alive == 0 || fake->alive == 1);
}

void fake_new(struct fake *fake)
{
	struct lm_bridge_host host = {
		.size = sizeof(host), .ops = &ops, .wake = wake, .alive = alive, .ctx = fake
	};

	*fake = (struct fake){ .alive = 0 };
	pthread_mutex_init(&fake->lock, NULL);
	pthread_cond_init(&fake->woken, NULL);
	assert_err(lm_bridge_new(&host, &fake->bridge), 0);
}

void fake_free(struct fake *fake)
{
	struct lm_host host = { fake };

	lm_bridge_free(fake->bridge, &host);
	assert_int_equal(fake->kept, 0);
	fake_abandon(fake);
}

void fake_abandon(struct fake *fake)
{
	assert_false(fake->woken_twice);
	for (struct lm_host_value *v = fake->values; v; v = v->next)
		v->kept = 0;
	fake_sweep(fake);
	assert_null(fake->values);
	pthread_mutex_destroy(&fake->lock);
	pthread_cond_destroy(&fake->woken);
}

struct lm_host_value *fake_try(struct fake *fake, const char *native, size_t count,
                               struct lm_host_value *const *args)
{
	struct lm_host host = { fake };
	struct lm_bridge_call call = { fake->bridge, &host, count, args };
	const struct lm_bridge_native *n = lm_bridge_natives();

	while (n->name && strcmp(n->name, native) != 0)
		n++;
	assert_non_null(n->name);
	fake->error = (struct lm_error){ 0 };
	return n->run(&call);
}

struct lm_host_value *fake_call(struct fake *fake, const char *native, size_t count,
                                struct lm_host_value *const *args)
{
	struct lm_host_value *v = fake_try(fake, native, count, args);

	if (!v)
		fail_msg("%s threw %s", native, fake->error.text);
	return v;
}

void fake_expect_type_error(struct fake *fake, const char *part, const char *native, size_t count,
                            struct lm_host_value *const *args)
{
	assert_null(fake_try(fake, native, count, args));
	assert_err(fake->error.code, LM_E_MISUSE);
	if (strncmp(fake->error.text, native, strlen(native)) != 0 ||
	    !strstr(fake->error.text, part))
		fail_msg("%s threw \"%s\", without \"%s\"", native, fake->error.text, part);
}

static bool await_wake(struct fake *fake, int ms)
{
	struct timespec until;
	bool woken;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&fake->lock);
	while (!fake->awake)
		if (pthread_cond_timedwait(&fake->woken, &fake->lock, &until))
			break;
	woken = fake->awake;
	pthread_mutex_unlock(&fake->lock);
	return woken;
}

/* Awake until a take gives nothing, as a pump is. */
struct lm_host_value *fake_take(struct fake *fake, int ms)
{
	struct lm_host_value *v;

	for (;;) {
		if (!await_wake(fake, ms))
			return NULL;
		pthread_mutex_lock(&fake->lock);
		fake->awake = false;
		pthread_mutex_unlock(&fake->lock);
		v = fake_call(fake, "take", 0, NULL);
		if (v->kind == LM_HOST_UNDEFINED)
			continue;
		pthread_mutex_lock(&fake->lock);
		fake->awake = true;
		pthread_mutex_unlock(&fake->lock);
		return v;
	}
}

static double event_number(struct fake *fake, const char *name)
{
	struct lm_host_value *constants = fake_call(fake, "constants", 0, NULL);

	return fake_num(fake_get(constants, "events"), name);
}

struct lm_host_value *fake_expect(struct fake *fake, const char *type)
{
	double want = event_number(fake, type), got;
	struct lm_host_value *v;

	do {
		v = fake_take(fake, 30000);
		if (!v)
			fail_msg("no %s came", type);
		got = fake_num(v, "type");
	} while (got != want && fake_has(v, "pipe"));
	if (got != want)
		fail_msg("type %g instead of %s", got, type);
	return v;
}

/* ---- servers ---- */

static struct lm_host_value *events_of(struct fake *fake, const char *names)
{
	struct lm_host_value *list = fake_array(fake, 0);
	char *copy = strdup(names), *save = NULL;

	for (char *name = strtok_r(copy, " ", &save); name; name = strtok_r(NULL, " ", &save))
		fake_push(list, fake_number(fake, event_number(fake, name)));
	free(copy);
	return list;
}

double fake_server(struct fake *fake, const char *const *options, const char *decides,
                   const char *hears)
{
	static const char *const own[] = { "smtp",
		                           "127.0.0.1:0",
		                           "pop3",
		                           "127.0.0.1:0",
		                           "store",
		                           "none",
		                           "hostname",
		                           "mill.example",
		                           "workers",
		                           "2",
		                           "auth-delay",
		                           "1ms",
		                           "pop3s",
		                           "off",
		                           "smtps",
		                           "off",
		                           "submission",
		                           "off",
		                           "lmtp",
		                           "off",
		                           "allow-plaintext-login",
		                           "yes",
		                           NULL };
	double server = fake_call(fake, "serverNew", 0, NULL)->number;
	struct lm_host_value *s = fake_number(fake, server);

	for (const char *const *o = own; *o; o += 2)
		fake_call(fake, "serverSet",
		          FAKE_ARGS(s, fake_string(fake, o[0]), fake_string(fake, o[1])));
	for (const char *const *o = options; o && *o; o += 2)
		fake_call(fake, "serverSet",
		          FAKE_ARGS(s, fake_string(fake, o[0]), fake_string(fake, o[1])));
	fake_call(fake, "serverStart",
	          FAKE_ARGS(s, events_of(fake, decides), events_of(fake, hears)));
	return server;
}

void fake_server_end(struct fake *fake, double server)
{
	struct lm_host_value *s = fake_number(fake, server), *v;

	fake_call(fake, "serverDrain", FAKE_ARGS(s, fake_number(fake, 0)));
	do {
		v = fake_take(fake, 30000);
		assert_non_null(v);
	} while (fake_num(v, "type") != event_number(fake, "STOPPED"));
	assert_true(fake_num(v, "server") == server);
	fake_call(fake, "serverFree", FAKE_ARGS(s));
}

int fake_connect(struct fake *fake, double server, const char *listener)
{
	struct lm_host_value *where = fake_call(
	        fake, "serverEndpoint",
	        FAKE_ARGS(fake_number(fake, server), fake_string(fake, listener)));
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct timeval patience = { .tv_sec = 30 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(where->kind, LM_HOST_STRING);
	at.sin_port = htons((uint16_t)strtoul(strrchr((char *)where->octets, ':') + 1, NULL, 10));
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}
