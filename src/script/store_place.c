/* A store's URL and settings from script, with relative names of files made whole. */
#include "script/store_place.h"

#include "base/error.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARENA_MAX = 1 << 20, TEXT_MAX = 1 << 16, SETTINGS_MAX = 100 };

static void *no_memory(struct lm_js *js)
{
	struct lm_error error;

	lm_fail(&error, LM_E_NOMEM, "infinity.store: %s", lm_err_text(LM_E_NOMEM));
	lm_js_throw_error(js, &error);
	return NULL;
}

/* A C string in the arena; NULL and thrown. */
static char *text_of(struct lm_js *js, struct lm_js_value *value, struct lm_arena *arena)
{
	struct lm_buf buf = { .max = TEXT_MAX };
	char *text = NULL;

	if (lm_js_add_octets(js, value, &buf)) {
		struct lm_bytes octets = lm_buf_bytes(&buf);

		if (octets.len && memchr(octets.data, 0, octets.len))
			lm_js_throw(js, LM_JS_RANGE_ERROR,
			            "infinity.store: no NUL can stand in a URL or setting");
		else if (!(text = (char *)lm_arena_copy(arena, octets).data))
			no_memory(js);
	}
	lm_buf_wipe(&buf);
	return text;
}

/* One name for what has several, as far as its folders are there: a store is open once by name. */
static void resolve(const char *path, char out[PATH_MAX])
{
	char parent[PATH_MAX];
	const char *last = strrchr(path, '/');
	size_t before = last ? (size_t)(last - path) : 0, len;

	if (realpath(path, out))
		return;
	if (before && before < sizeof(parent)) {
		memcpy(parent, path, before);
		parent[before] = '\0';
		if (realpath(parent, out) && (len = strlen(out)) + strlen(last) < PATH_MAX) {
			memcpy(out + len, last, strlen(last) + 1);
			return;
		}
	}
	snprintf(out, PATH_MAX, "%s", path);
}

/* The file's whole name in the arena, behind `prefix`. */
static char *whole_name(struct lm_runtime *rt, const char *prefix, const char *name,
                        struct lm_arena *arena)
{
	char *path = lm_runtime_data_path(rt, lm_str(name)), *whole, resolved[PATH_MAX];
	size_t before = strlen(prefix), len;

	if (!path)
		return NULL;
	resolve(path, resolved);
	lm_free(path);
	len = strlen(resolved);
	whole = lm_arena_alloc(arena, before + len + 1);
	if (whole) {
		memcpy(whole, prefix, before);
		memcpy(whole + before, resolved, len + 1);
	}
	return whole ? whole : no_memory(rt->js);
}

/* Those whose rest is the name of a file or folder. */
static const char *scheme_of(const char *url)
{
	static const char *const schemes[] = { "maildir:", "sqlite:", "localfs:" };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
		if (strncmp(url, schemes[i], strlen(schemes[i])) == 0)
			return schemes[i];
	return NULL;
}

static char *url_of(struct lm_runtime *rt, struct lm_js_value *value, struct lm_arena *arena)
{
	char *url = text_of(rt->js, value, arena);
	const char *scheme = url ? scheme_of(url) : NULL;

	if (!scheme || !url[strlen(scheme)])
		return url;
	return whole_name(rt, scheme, url + strlen(scheme), arena);
}

static bool take_setting(struct lm_runtime *rt, struct lm_js_value *list, unsigned i,
                         struct lm_arena *arena, struct lm_mime_setting *out)
{
	struct lm_js_value *name = lm_js_at(rt->js, list, 2 * i);
	struct lm_js_value *value = lm_js_at(rt->js, list, 2 * i + 1);

	if (!name || !value || !(out->name = text_of(rt->js, name, arena)))
		return false;
	out->value = text_of(rt->js, value, arena);
	if (out->value && *out->value &&
	    (strcmp(out->name, "path") == 0 || strcmp(out->name, "cafile") == 0))
		out->value = whole_name(rt, "", out->value, arena);
	return out->value != NULL;
}

static bool take_settings(struct lm_runtime *rt, struct lm_js_value *list,
                          struct lm_place_room *room)
{
	struct lm_js_value *length = lm_js_get(rt->js, list, "length");
	double count = length ? lm_js_to_number(rt->js, length) / 2 : -1;
	struct lm_mime_setting *settings;

	if (!length)
		return false;
	if (!(count >= 0 && count <= SETTINGS_MAX)) {
		lm_js_throw(rt->js, LM_JS_RANGE_ERROR, "infinity.store: too many settings");
		return false;
	}
	settings = lm_arena_alloc(&room->arena, (SETTINGS_MAX + 1) * sizeof(*settings));
	if (!settings) {
		no_memory(rt->js);
		return false;
	}
	room->place.settings = settings;
	for (unsigned i = 0; i < (unsigned)count; i++) {
		if (!take_setting(rt, list, i, &room->arena, &settings[i]))
			return false;
		room->place.setting_count++;
	}
	return true;
}

bool lm_place_take(struct lm_place_room *room, struct lm_runtime *rt, const struct lm_js_call *call)
{
	struct lm_js_value *mailbox = lm_js_arg(call, 2);
	bool ok;

	*room = (struct lm_place_room){ .place = { .url = NULL } };
	lm_arena_init(&room->arena, ARENA_MAX);
	room->place.url = url_of(rt, lm_js_arg(call, 0), &room->arena);
	ok = room->place.url && take_settings(rt, lm_js_arg(call, 1), room);
	if (ok && lm_js_type(rt->js, mailbox) != LM_JS_UNDEFINED) {
		room->place.mailbox = text_of(rt->js, mailbox, &room->arena);
		ok = room->place.mailbox != NULL;
	}
	if (!ok)
		lm_place_done(room);
	return ok;
}

void lm_place_done(struct lm_place_room *room)
{
	const struct lm_script_store_place *place = &room->place;

	for (size_t i = 0; i < place->setting_count; i++)
		lm_wipe((char *)place->settings[i].value, strlen(place->settings[i].value));
	lm_arena_reset(&room->arena);
}
