/** @file
 * A host for tests of the bridge: values are small structs, and each is counted.
 */
#ifndef LM_BRIDGE_FAKE_HOST_RIG_H
#define LM_BRIDGE_FAKE_HOST_RIG_H

#include <lettermill/lettermill.h>
#include <pthread.h>
#include <stdatomic.h>

struct fake_member;

struct lm_host_value {
	struct lm_host_value *next; /* of all there are */
	enum lm_host_kind kind;
	double number;
	bool truth;
	uint8_t *octets; /* STRING, BYTES; at a place of its own, so that a late reader is seen */
	size_t len;
	void (*done)(void *data);
	struct fake_member *members; /* ARRAY, OBJECT */
	unsigned kept;
};

struct fake {
	struct lm_bridge *bridge;
	pthread_mutex_t lock;
	pthread_cond_t woken;
	bool awake, woken_twice; /* under the lock */
	atomic_uint wakes;
	int alive;
	unsigned kept; /* refs there are now */
	struct lm_host_value *values;
	struct lm_error error; /* what the last call threw */
	/** Tests: after so many makings of values one fails; 0: none. */
	unsigned fail_at;
};

void fake_new(struct fake *fake);
/** Free the bridge, then all values; fails the test where a ref is left. */
void fake_free(struct fake *fake);
/** Free the values only: the bridge was freed without a script, and dropped no refs. */
void fake_abandon(struct fake *fake);
/** Forget what natives gave, as the end of a callback does. */
void fake_sweep(struct fake *fake);

struct lm_host_value *fake_number(struct fake *fake, double value);
struct lm_host_value *fake_string(struct fake *fake, const char *text);
struct lm_host_value *fake_bytes(struct fake *fake, const void *data, size_t len);
struct lm_host_value *fake_bool(struct fake *fake, bool value);
struct lm_host_value *fake_undefined(struct fake *fake);
/** An array of `count` values that follow. */
struct lm_host_value *fake_array(struct fake *fake, size_t count, ...);
void fake_push(struct lm_host_value *array, struct lm_host_value *value);
struct lm_host_value *fake_object(struct fake *fake);
void fake_set(struct lm_host_value *object, const char *name, struct lm_host_value *value);

struct lm_host_value *fake_get(struct lm_host_value *object, const char *name);
struct lm_host_value *fake_at(struct lm_host_value *array, size_t index);
size_t fake_length(struct lm_host_value *array);
double fake_num(struct lm_host_value *object, const char *name);
bool fake_truth(struct lm_host_value *object, const char *name);
/** The text of a member, NUL-terminated; lives as long as the value. */
const char *fake_text(struct lm_host_value *object, const char *name);
bool fake_has(struct lm_host_value *object, const char *name);

/** Call a native; NULL: it threw, see fake->error. */
struct lm_host_value *fake_try(struct fake *fake, const char *native, size_t count,
                               struct lm_host_value *const *args);
#define FAKE_ARGS(...)                                                        \
	(sizeof((struct lm_host_value *[]){ __VA_ARGS__ }) / sizeof(void *)), \
	        (struct lm_host_value *[])                                    \
	{                                                                     \
		__VA_ARGS__                                                   \
	}
/** The same; a throw fails the test. */
struct lm_host_value *fake_call(struct fake *fake, const char *native, size_t count,
                                struct lm_host_value *const *args);
/** A call that must throw a TypeError that begins with the native's name and has `part` in it. */
void fake_expect_type_error(struct fake *fake, const char *part, const char *native, size_t count,
                            struct lm_host_value *const *args);

/** The next entry; NULL: nothing was told within `ms`. */
struct lm_host_value *fake_take(struct fake *fake, int ms);
/** The next entry must be of this type ("AUTH"); those of pipes are passed by. */
struct lm_host_value *fake_expect(struct fake *fake, const char *type);

/** A server of script, without a store, on free ports. `options`: name, value, …, NULL; `decides`
 * and `hears`: names of events separated by spaces. */
double fake_server(struct fake *fake, const char *const *options, const char *decides,
                   const char *hears);
/** Drain and free it; entries on the way are ignored. */
void fake_server_end(struct fake *fake, double server);
/** A blocking socket connected to its listener, with a receive timeout of 30 s. */
int fake_connect(struct fake *fake, double server, const char *listener);

#endif
