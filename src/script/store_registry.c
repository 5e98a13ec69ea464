/* The stores that scripts have open: each once, counted, with its maildrops beside each other. */
#include "script/store_impl.h"

#include "base/error.h"
#include "store/mime.h"
#include "wire/text.h"

#include <stdlib.h>

/* What was opened with one URL and settings. */
struct lm_script_store_root {
	struct lm_script_store_root *next;
	struct lm_script_stores *all;
	struct lm_script_store *stores;
	bool stays;
	struct lm_bytes key; /* behind the struct; settings may be secrets */
};

struct lm_script_stores {
	pthread_mutex_t mutex; /* guards the lists and counts; taken before a store's own */
	struct lm_script_store_root *roots;
};

int lm_script_stores_new(struct lm_script_stores **out_stores)
{
	struct lm_script_stores *all = lm_alloc_zero(1, sizeof(*all));

	if (!all)
		return LM_E_NOMEM;
	pthread_mutex_init(&all->mutex, NULL);
	*out_stores = all;
	return 0;
}

static void store_free(struct lm_script_store *store)
{
	lm_mime_store_close(store->mime);
	pthread_mutex_destroy(&store->mutex);
	lm_free(store);
}

static void root_free(struct lm_script_store_root *root)
{
	struct lm_script_store *store;

	while ((store = root->stores)) {
		root->stores = store->next;
		store_free(store);
	}
	lm_wipe((uint8_t *)(root + 1), root->key.len);
	lm_free(root);
}

void lm_script_stores_free(struct lm_script_stores *all)
{
	struct lm_script_store_root *root;

	if (!all)
		return;
	while ((root = all->roots)) {
		all->roots = root->next;
		root_free(root);
	}
	pthread_mutex_destroy(&all->mutex);
	lm_free(all);
}

/* ---- keys ---- */

static int compare(const void *a, const void *b)
{
	const struct lm_mime_setting *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* URL and settings in order, with NUL between: neither can hold one. */
static int make_key(const struct lm_script_store_place *place, struct lm_buf *key)
{
	struct lm_mime_setting *sorted = lm_alloc_zero(place->setting_count + 1, sizeof(*sorted));
	int err = sorted ? 0 : LM_E_NOMEM;

	for (size_t i = 0; err == 0 && i < place->setting_count; i++)
		sorted[i] = place->settings[i];
	if (err == 0) {
		qsort(sorted, place->setting_count, sizeof(*sorted), compare);
		err = lm_buf_add(key, lm_bytes(place->url, strlen(place->url) + 1));
	}
	for (size_t i = 0; err == 0 && i < place->setting_count; i++)
		err = lm_buf_printf(key, "%s=%s%c", sorted[i].name, sorted[i].value, 0);
	lm_free(sorted);
	return err;
}

static struct lm_script_store_root *find_root(struct lm_script_stores *all, struct lm_bytes key)
{
	struct lm_script_store_root *root = all->roots;

	while (root && !lm_bytes_equal(root->key, key))
		root = root->next;
	return root;
}

static struct lm_script_store_root *root_new(struct lm_script_stores *all, struct lm_bytes key)
{
	struct lm_script_store_root *root = lm_alloc(sizeof(*root) + key.len);

	if (!root)
		return NULL;
	*root = (struct lm_script_store_root){ .all = all, .key = lm_bytes(root + 1, key.len) };
	if (key.len)
		memcpy(root + 1, key.data, key.len);
	root->stays = lm_bytes_equal(lm_bytes(key.data, 7), lm_str("memory:"));
	return root;
}

/* ---- opening ---- */

/* The store of a mailbox, by its name in any case, or of none where nobody said one. */
static struct lm_script_store *find_store(struct lm_script_store_root *root, const char *mailbox)
{
	struct lm_script_store *store = root->stores;

	for (; store; store = store->next) {
		const char *known = lm_mime_store_mailbox(store->mime);

		if (mailbox ? known && lm_equal_nocase(lm_str(known), lm_str(mailbox))
		            : store->is_default)
			break;
	}
	return store;
}

static int open_first(const struct lm_script_store_place *place, struct lm_mime_store **out_mime,
                      struct lm_error *out_error)
{
	size_t count = place->setting_count;
	struct lm_mime_setting *settings = lm_alloc_zero(count + 1, sizeof(*settings));
	int err;

	if (!settings)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	for (size_t i = 0; i < count; i++)
		settings[i] = place->settings[i];
	if (place->mailbox)
		settings[count++] = (struct lm_mime_setting){ "mailbox", place->mailbox };
	err = lm_mime_store_open(place->url, settings, count, out_mime, out_error);
	lm_free(settings);
	return err;
}

static int open_mime(struct lm_script_store_root *root, const struct lm_script_store_place *place,
                     struct lm_mime_store **out_mime, struct lm_error *out_error)
{
	struct lm_script_store *one = root->stores;
	int err;

	if (!one)
		return open_first(place, out_mime, out_error);
	pthread_mutex_lock(&one->mutex);
	err = lm_mime_store_beside(one->mime, place->mailbox, out_mime, out_error);
	pthread_mutex_unlock(&one->mutex);
	return err;
}

/* The mailbox that nobody named may be open under its name. */
static struct lm_script_store *same_mailbox(struct lm_script_store_root *root,
                                            struct lm_mime_store *mime)
{
	const char *name = lm_mime_store_mailbox(mime);

	return name ? find_store(root, name) : NULL;
}

static int open_in(struct lm_script_store_root *root, const struct lm_script_store_place *place,
                   struct lm_script_store **out_store, struct lm_error *out_error)
{
	struct lm_script_store *store = find_store(root, place->mailbox);
	struct lm_mime_store *mime = NULL;
	int err = store ? 0 : open_mime(root, place, &mime, out_error);

	if (err)
		return err;
	if (!store && (store = same_mailbox(root, mime)))
		lm_mime_store_close(mime);
	if (!store) {
		store = lm_alloc_zero(1, sizeof(*store));
		if (!store) {
			lm_mime_store_close(mime);
			return lm_fail(out_error, LM_E_NOMEM, "out of memory");
		}
		store->root = root;
		store->mime = mime;
		pthread_mutex_init(&store->mutex, NULL);
		store->next = root->stores;
		root->stores = store;
	}
	store->is_default |= !place->mailbox;
	store->refs++;
	*out_store = store;
	return 0;
}

static int open_locked(struct lm_script_stores *all, const struct lm_script_store_place *place,
                       struct lm_bytes key, struct lm_script_store **out_store,
                       struct lm_error *out_error)
{
	struct lm_script_store_root *known = find_root(all, key);
	struct lm_script_store_root *root = known ? known : root_new(all, key);
	int err;

	if (!root)
		return lm_fail(out_error, LM_E_NOMEM, "out of memory");
	err = open_in(root, place, out_store, out_error);
	if (known)
		return err;
	if (err) {
		root_free(root);
	} else {
		root->next = all->roots;
		all->roots = root;
	}
	return err;
}

int lm_script_store_open(struct lm_script_stores *all, const struct lm_script_store_place *place,
                         struct lm_script_store **out_store, struct lm_error *out_error)
{
	struct lm_buf key = { .max = 1 << 16 };
	int err = make_key(place, &key);

	if (err) {
		lm_fail(out_error, err, "a store's URL and settings are too long");
	} else {
		pthread_mutex_lock(&all->mutex);
		err = open_locked(all, place, lm_buf_bytes(&key), out_store, out_error);
		pthread_mutex_unlock(&all->mutex);
	}
	lm_buf_wipe(&key);
	return err;
}

/* ---- closing ---- */

static void remove_store(struct lm_script_store *store)
{
	struct lm_script_store_root *root = store->root, **at;
	struct lm_script_store **link = &root->stores;

	while (*link != store)
		link = &(*link)->next;
	*link = store->next;
	store_free(store);
	if (root->stores)
		return;
	for (at = &root->all->roots; *at != root;)
		at = &(*at)->next;
	*at = root->next;
	root_free(root);
}

/* Under the mutex, so that nobody opens what is not closed yet. */
void lm_script_store_unref(struct lm_script_store *store)
{
	struct lm_script_stores *all;

	if (!store)
		return;
	all = store->root->all;
	pthread_mutex_lock(&all->mutex);
	if (--store->refs == 0 && !store->root->stays)
		remove_store(store);
	pthread_mutex_unlock(&all->mutex);
}
