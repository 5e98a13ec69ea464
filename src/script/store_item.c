/* Items of stores: from objects of script, and to them. */
#include "script/store_item.h"

#include "base/error.h"
#include "server/mime_handler_impl.h"

#include <math.h>

enum { ID_MAX = 1 << 17, METADATA_MAX = 1 << 21, UID_ARENA = 1 << 28 };

static bool take_text(struct lm_js *js, struct lm_js_value *object, const char *name,
                      struct lm_buf *buf, struct lm_bytes *out)
{
	struct lm_js_value *value = lm_js_get(js, object, name);

	if (!value || !lm_js_add_octets(js, value, buf))
		return false;
	*out = lm_buf_bytes(buf);
	return true;
}

/* A number that fits; what is none is 0, "not known". */
static bool take_number(struct lm_js *js, struct lm_js_value *object, const char *name, double *out)
{
	struct lm_js_value *value = lm_js_get(js, object, name);
	double number = value ? lm_js_to_number(js, value) : 0;

	*out = number >= 0 && number < 9e15 ? floor(number) : 0;
	return value != NULL;
}

bool lm_item_take(struct lm_item_room *room, struct lm_js *js, struct lm_js_value *object)
{
	struct lm_mime_item *item = &room->item;
	double size, timestamp, tag;

	*room = (struct lm_item_room){ .name = { .max = ID_MAX },
		                       .sourceid = { .max = ID_MAX },
		                       .guid = { .max = ID_MAX },
		                       .metadata = { .max = METADATA_MAX } };
	if (take_text(js, object, "name", &room->name, &item->name) &&
	    take_text(js, object, "sourceid", &room->sourceid, &item->sourceid) &&
	    take_text(js, object, "guid", &room->guid, &item->guid) &&
	    take_text(js, object, "metadata", &room->metadata, &item->metadata) &&
	    take_number(js, object, "size", &size) &&
	    take_number(js, object, "timestamp", &timestamp) &&
	    take_number(js, object, "tag", &tag)) {
		item->octets = (uint64_t)size;
		item->timestamp_ms = (int64_t)timestamp;
		item->tag = tag < LM_TAG_COUNT ? (enum lm_mime_tag)(int)tag : LM_TAG_UNREAD;
		return true;
	}
	lm_item_done(room);
	return false;
}

void lm_item_done(struct lm_item_room *room)
{
	lm_buf_done(&room->name);
	lm_buf_done(&room->sourceid);
	lm_buf_done(&room->guid);
	lm_buf_done(&room->metadata);
}

static bool set_text(struct lm_js *js, struct lm_js_value *object, const char *name,
                     struct lm_bytes text)
{
	struct lm_js_value *value = lm_js_string(js, text);

	return value && lm_js_set(js, object, name, value);
}

static bool set_number(struct lm_js *js, struct lm_js_value *object, const char *name, double value)
{
	return lm_js_set(js, object, name, lm_js_number(js, value));
}

static struct lm_js_value *show(struct lm_js *js, const struct lm_mime_item *item)
{
	struct lm_js_value *object = lm_js_object(js);
	const char *tag = lm_mime_tag_name(item->tag);

	if (object && set_text(js, object, "name", item->name) &&
	    set_text(js, object, "sourceid", item->sourceid) &&
	    set_text(js, object, "guid", item->guid) &&
	    set_number(js, object, "size", (double)item->octets) &&
	    set_number(js, object, "timestamp", (double)item->timestamp_ms) &&
	    set_text(js, object, "metadata", item->metadata) &&
	    set_text(js, object, "tag", lm_str(tag)))
		return object;
	return NULL;
}

/* The array's values are kept by the array itself: a list on the heap would keep nothing. */
static struct lm_js_value *show_all(struct lm_js *js, const struct lm_script_items *items,
                                    const struct lm_message *messages)
{
	struct lm_js_value *array = lm_js_array(js, 0, NULL);
	struct lm_js_value *push = array ? lm_js_get(js, array, "push") : NULL;

	for (size_t i = 0; push && i < items->count; i++) {
		struct lm_js_value *object = show(js, &items->items[i]);

		if (!object || (messages && !set_text(js, object, "uid", messages[i].uidl)) ||
		    !lm_js_call(js, push, array, 1, &object))
			return NULL;
	}
	return push ? array : NULL;
}

static int name_all(const struct lm_script_items *items, struct lm_arena *arena,
                    struct lm_message **out_messages)
{
	size_t size;
	struct lm_mh_item *list;

	if (!lm_mul(items->count + 1, sizeof(*list), &size))
		return LM_E_NOMEM;
	list = lm_arena_alloc(arena, size);
	*out_messages = lm_arena_alloc(arena, (items->count + 1) * sizeof(**out_messages));
	if (!list || !*out_messages)
		return LM_E_NOMEM;
	for (size_t i = 0; i < items->count; i++)
		list[i] = (struct lm_mh_item){ .item = items->items[i] };
	return lm_mh_name(list, items->count, arena, *out_messages);
}

struct lm_js_value *lm_items_show(struct lm_js *js, const struct lm_script_items *items,
                                  bool with_uid)
{
	struct lm_message *messages = NULL;
	struct lm_js_value *array;
	struct lm_arena arena;
	struct lm_error error;

	lm_arena_init(&arena, UID_ARENA);
	if (with_uid && name_all(items, &arena, &messages)) {
		lm_fail(&error, LM_E_NOMEM, "infinity.store: %s", lm_err_text(LM_E_NOMEM));
		array = lm_js_throw_error(js, &error);
	} else {
		array = show_all(js, items, messages);
	}
	lm_arena_reset(&arena);
	return array;
}
