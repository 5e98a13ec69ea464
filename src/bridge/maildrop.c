/* The answer to MAILDROP: a list of messages, checked and kept as long as the session is. */
#include "base/buf.h"
#include "bridge/session.h"

enum { MESSAGES_MAX = 10000000, UIDL_MAX = 70, NAMES_MAX = MESSAGES_MAX * (UIDL_MAX + 1) };

struct drop {
	size_t count;
	struct lm_message *messages;
	struct lm_buf names; /* of all messages, one behind the other */
	uint32_t *places;    /* message numbers by their names' hashes */
};

static bool complain(const struct lm_bx_call *call, size_t i, const char *wants)
{
	(void)lm_bx_throw(call, LM_E_MISUSE, "\"uidl\" %zu must be %s", i, wants);
	return false;
}

static bool no_memory(const struct lm_bx_call *call)
{
	(void)lm_bx_throw(call, LM_E_NOMEM, "%s", lm_err_text(LM_E_NOMEM));
	return false;
}

static bool is_printable(const uint8_t *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (name[i] < 0x21 || name[i] > 0x7E)
			return false;
	return true;
}

static bool is_name(const uint8_t *name, size_t len)
{
	return len && len <= UIDL_MAX && is_printable(name, len);
}

static bool complain_of_name(const struct lm_bx_call *call, size_t i)
{
	return complain(call, i, "1 to 70 printable ASCII characters without spaces");
}

/* Names move while more come: only their lengths are noted. */
static bool read_name(const struct lm_bx_call *call, struct drop *d, size_t i)
{
	struct lm_host_value *name = call->ops->at(call->host, call->args[3], i);
	uint8_t *room;
	size_t len = 0;

	if (!name || call->ops->kind(call->host, name) != LM_HOST_STRING)
		return complain(call, i, "a string");
	if (lm_buf_room(&d->names, UIDL_MAX, &room))
		return no_memory(call);
	len = call->ops->octets(call->host, name, room, UIDL_MAX);
	if (!is_name(room, len))
		return complain_of_name(call, i);
	lm_buf_grew(&d->names, len);
	d->messages[i].uidl.len = len;
	return true;
}

static bool read_size(const struct lm_bx_call *call, struct drop *d, size_t i)
{
	struct lm_host_value *octets = call->ops->at(call->host, call->args[2], i);

	d->messages[i].id = i + 1;
	return lm_bx_to_count(call, octets, "octets", &d->messages[i].octets);
}

static uint64_t hash(struct lm_bytes name)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ name.data[i]) * UINT64_C(1099511628211);
	return h ^ h >> 29;
}

static bool has_twins(const struct lm_bx_call *call, struct drop *d)
{
	size_t size = 16;

	while (size < d->count * 2)
		size *= 2;
	d->places = lm_alloc_zero(size, sizeof(*d->places));
	if (!d->places)
		return !no_memory(call);
	for (size_t i = 0; i < d->count; i++) {
		struct lm_bytes name = d->messages[i].uidl;
		size_t at = hash(name) & (size - 1);

		for (; d->places[at]; at = (at + 1) & (size - 1))
			if (lm_bytes_equal(d->messages[d->places[at] - 1].uidl, name))
				return !complain(call, i, "no other message's, too");
		d->places[at] = (uint32_t)(i + 1);
	}
	return false;
}

static void settle_names(struct drop *d)
{
	const uint8_t *at = d->names.data;

	for (size_t i = 0; i < d->count; i++) {
		d->messages[i].uidl.data = at;
		at += d->messages[i].uidl.len;
	}
}

static bool read_list(const struct lm_bx_call *call, struct drop *d)
{
	size_t names;

	if (!lm_bx_arg_array(call, 3, "uidls", MESSAGES_MAX, &names))
		return false;
	if (names != d->count) {
		(void)lm_bx_throw(call, LM_E_MISUSE, "%zu sizes but %zu names", d->count, names);
		return false;
	}
	for (size_t i = 0; i < d->count; i++)
		if (!read_name(call, d, i))
			return false;
	settle_names(d);
	return true;
}

static bool take_text(const struct lm_bx_call *call, struct drop *d)
{
	size_t len = call->ops->octets(call->host, call->args[3], NULL, 0);
	uint8_t *room;

	if (lm_buf_room(&d->names, len + 1, &room))
		return no_memory(call);
	lm_buf_grew(&d->names, len ? call->ops->octets(call->host, call->args[3], room, len) : 0);
	return true;
}

/* All names in one string, with a space between each two: much faster than one by one. */
static bool read_text(const struct lm_bx_call *call, struct drop *d)
{
	const uint8_t *at, *end;
	size_t i = 0;

	if (!take_text(call, d))
		return false;
	at = d->names.data;
	end = at + d->names.len;
	while (d->names.len && at <= end) {
		const uint8_t *space = memchr(at, ' ', (size_t)(end - at));
		size_t len = (size_t)((space ? space : end) - at);

		if (!is_name(at, len))
			return complain_of_name(call, i);
		if (i < d->count)
			d->messages[i].uidl = lm_bytes(at, len);
		i++;
		at += len + 1;
	}
	if (i == d->count)
		return true;
	(void)lm_bx_throw(call, LM_E_MISUSE, "%zu sizes but %zu uidls, which have no spaces",
	                  d->count, i);
	return false;
}

static bool read_drop(const struct lm_bx_call *call, struct drop *d)
{
	bool is_text = lm_bx_arg_kind(call, 3) == LM_HOST_STRING;

	if (!lm_bx_arg_array(call, 2, "octets", MESSAGES_MAX, &d->count))
		return false;
	d->messages = lm_alloc_zero(d->count + 1, sizeof(*d->messages));
	if (!d->messages)
		return no_memory(call);
	for (size_t i = 0; i < d->count; i++)
		if (!read_size(call, d, i))
			return false;
	return (is_text ? read_text(call, d) : read_list(call, d)) && !has_twins(call, d);
}

/* An older list is no longer read: its decision is over. */
static void keep(struct lm_bx_session *s, struct drop *d)
{
	lm_free(s->messages);
	lm_free(s->names);
	s->messages = d->messages;
	s->names = d->names.data;
	d->messages = NULL;
	d->names = (struct lm_buf){ .max = 0 };
}

struct lm_host_value *lm_bx_answerMaildrop(const struct lm_bx_call *call)
{
	struct lm_host_value *result = NULL;
	struct lm_reply reply = LM_REPLY_INIT;
	struct lm_bx_session *s;
	struct drop d = { .count = 0 };

	if (!lm_bx_decision_of(call, &s))
		return NULL;
	lm_buf_init(&d.names, NAMES_MAX);
	if (read_drop(call, &d)) {
		if (s)
			keep(s, &d);
		reply.messages = s ? s->messages : NULL;
		reply.message_count = d.count;
		result = s ? lm_bx_answer_with(call, s, &reply) : lm_bx_undefined(call);
	}
	lm_free(d.places);
	lm_free(d.messages);
	lm_buf_done(&d.names);
	return result;
}
