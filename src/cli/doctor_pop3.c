/* POP3 servers examined: what they announce, and what they do. */
#include "cli/doctor_pop3.h"

#include "base/arena.h"
#include "base/mem.h"
#include "wire/text.h"

#include <inttypes.h>
#include <stdlib.h>

enum { MAX_ITEMS = 200000, NAMED = 3 /* of many alike that many are named */ };

static const struct lm_capability_words words[] = {
	{ "TOP", "header and first lines can be fetched (RFC 1939)" },
	{ "UIDL", "messages have lasting names (RFC 1939)" },
	{ "USER", "login by USER and PASS (RFC 1939)" },
	{ "SASL", "ways to log in (RFC 5034)" },
	{ "STLS", "TLS on the same connection (RFC 2595)" },
	{ "PIPELINING", "commands may be sent in groups (RFC 2449)" },
	{ "RESP-CODES", "refusals have codes (RFC 2449)" },
	{ "AUTH-RESP-CODE", "refused logins say whether to try again (RFC 3206)" },
	{ "LOGIN-DELAY", "seconds to wait between two logins (RFC 2449)" },
	{ "EXPIRE", "days messages are kept (RFC 2449)" },
	{ "IMPLEMENTATION", "what the server is called (RFC 2449)" },
	{ "LANG", "replies in other languages (RFC 6856)" },
	{ "UTF8", "user names and headers in UTF-8 (RFC 6856)" },
	{ NULL, NULL },
};

/* ---- Listings ---- */

static int take_item(void *ctx, const struct lm_event *event)
{
	struct lm_pop3_listing *l = ctx;

	if (event->type != LM_EVENT_ITEM)
		return 0;
	if (l->count == MAX_ITEMS)
		return LM_E_LIMIT;
	if (l->count == l->capacity) {
		size_t capacity = l->capacity ? 2 * l->capacity : 64;
		struct lm_pop3_item *items = lm_realloc(l->items, capacity, sizeof(*items));

		if (!items)
			return LM_E_NOMEM;
		l->items = items;
		l->capacity = capacity;
	}
	l->items[l->count++] = (struct lm_pop3_item){ event->message.number, event->message.octets,
		                                      lm_arena_copy(&l->ids, event->argument) };
	return 0;
}

static int list(struct lm_client *client, enum lm_request_type type, struct lm_pop3_listing *out,
                struct lm_error *why)
{
	struct lm_request request = LM_REQUEST_INIT(type);

	*out = (struct lm_pop3_listing){ 0 };
	lm_arena_init(&out->ids, 64 << 20);
	return lm_client_do(client, &request, take_item, out, why);
}

static void free_listing(struct lm_pop3_listing *l)
{
	lm_free(l->items);
	lm_arena_reset(&l->ids);
	*l = (struct lm_pop3_listing){ 0 };
}

/* ---- UIDL ---- */

static int by_id(const void *left, const void *right)
{
	const struct lm_pop3_item *a = *(const struct lm_pop3_item *const *)left;
	const struct lm_pop3_item *b = *(const struct lm_pop3_item *const *)right;
	size_t len = a->id.len < b->id.len ? a->id.len : b->id.len;
	int order = len ? memcmp(a->id.data, b->id.data, len) : 0;

	return order ? order : (a->id.len > b->id.len) - (a->id.len < b->id.len);
}

static void check_doubles(struct lm_doctor *d, const struct lm_pop3_listing *ids)
{
	const struct lm_pop3_item **sorted = lm_alloc_zero(ids->count + 1, sizeof(*sorted));
	size_t doubles = 0;

	if (!sorted)
		return;
	for (size_t i = 0; i < ids->count; i++)
		sorted[i] = &ids->items[i];
	qsort(sorted, ids->count, sizeof(*sorted), by_id);
	for (size_t i = 1; i < ids->count; i++)
		if (by_id(&sorted[i - 1], &sorted[i]) == 0 && ++doubles <= NAMED)
			lm_doctor_say(d, LM_WRONG, "uidl",
			              "messages %" PRIu64 " and %" PRIu64
			              " have the same UIDL %.*s: one of them may never be fetched",
			              sorted[i - 1]->number, sorted[i]->number,
			              LM_FMT(sorted[i]->id));
	if (doubles > NAMED)
		lm_doctor_say(d, LM_WRONG, "uidl", "%zu UIDLs are not unique", doubles);
	lm_free(sorted);
}

static bool has_odd_octets(struct lm_bytes id)
{
	for (size_t i = 0; i < id.len; i++)
		if (id.data[i] < 0x21 || id.data[i] > 0x7E)
			return true;
	return false;
}

static void check_forms(struct lm_doctor *d, const struct lm_pop3_listing *ids)
{
	size_t odd = 0;

	for (size_t i = 0; i < ids->count; i++) {
		const struct lm_pop3_item *m = &ids->items[i];
		const char *what = m->id.len == 0          ? "is empty"
		                   : m->id.len > 70        ? "is longer than 70 octets"
		                   : has_odd_octets(m->id) ? "holds octets that may not be there"
		                                           : NULL;

		if (what && ++odd <= NAMED)
			lm_doctor_say(d, LM_WEAK, "uidl",
			              "the UIDL of message %" PRIu64 " %s (RFC 1939 7)", m->number,
			              what);
	}
	if (odd > NAMED)
		lm_doctor_say(d, LM_WEAK, "uidl", "%zu UIDLs are of a wrong form", odd);
}

/* The same number, the same name, a connection later. */
static void check_lasting(struct lm_doctor *d, const struct lm_pop3_listing *ids)
{
	struct lm_client *client = NULL;
	struct lm_pop3_listing again = { 0 };
	struct lm_error why = { 0 };
	size_t changed = 0;

	if (lm_doctor_open(d, d->remote.params.tls, true, &client, &why) < 0 ||
	    list(client, LM_REQUEST_UIDL, &again, &why) < 0) {
		lm_doctor_say(d, LM_REMARK, "uidl", "a second session was not possible: %s",
		              why.text);
	} else {
		for (size_t i = 0; i < ids->count && i < again.count; i++)
			changed += !lm_bytes_equal(ids->items[i].id, again.items[i].id);
		if (changed)
			lm_doctor_say(d, LM_WRONG, "uidl",
			              "%zu of %zu UIDLs are others in a second session: everything "
			              "is fetched again and again",
			              changed, ids->count);
		else
			lm_doctor_say(d, LM_FINE, "uidl", "UIDLs last from session to session");
	}
	free_listing(&again);
	lm_doctor_close(client);
}

static int check_uidl(struct lm_doctor *d, struct lm_client *client, bool announced,
                      const struct lm_pop3_listing *sizes, struct lm_pop3_listing *out)
{
	struct lm_error why = { 0 };
	int err = list(client, LM_REQUEST_UIDL, out, &why);

	if (err < 0) {
		lm_doctor_say(
		        d, announced ? LM_WRONG : LM_WEAK, "uidl",
		        announced ? "UIDL is announced, but fails: %s"
		                  : "UIDL does not work: fetching cannot remember what it has (%s)",
		        why.text);
		return err;
	}
	if (!announced)
		lm_doctor_say(d, LM_REMARK, "uidl", "UIDL works, but is not announced");
	if (out->count != sizes->count)
		lm_doctor_say(d, LM_WRONG, "uidl", "UIDL names %zu messages, LIST %zu", out->count,
		              sizes->count);
	check_doubles(d, out);
	check_forms(d, out);
	return 0;
}

/* ---- LIST and STAT ---- */

static int check_list(struct lm_doctor *d, struct lm_client *client, struct lm_pop3_listing *out)
{
	uint64_t count = 0, octets = 0, sum = 0;
	struct lm_error why = { 0 };
	int err = lm_pop3_client_stat(client, &count, &octets, &why);

	if (err == 0)
		err = list(client, LM_REQUEST_LIST, out, &why);
	if (err < 0) {
		lm_doctor_say(d, LM_WRONG, "list", "STAT or LIST fails: %s", why.text);
		return err;
	}
	for (size_t i = 0; i < out->count; i++)
		sum += out->items[i].octets;
	if (count != out->count)
		lm_doctor_say(d, LM_WRONG, "list", "STAT counts %" PRIu64 " messages, LIST %zu",
		              count, out->count);
	else
		lm_doctor_say(d, LM_FINE, "list", "%zu messages", out->count);
	if (octets != sum)
		lm_doctor_say(d, LM_WEAK, "list",
		              "STAT says %" PRIu64 " octets, the sum of LIST is %" PRIu64, octets,
		              sum);
	return 0;
}

static void check_pipelining(struct lm_doctor *d, struct lm_client *client, bool announced)
{
	struct lm_request requests[4];
	struct lm_error why = { 0 };

	if (!announced) {
		lm_doctor_say(
		        d, LM_REMARK, "capability",
		        "PIPELINING is missing: a round trip is waited for with every message");
		return;
	}
	for (int i = 0; i < 4; i++)
		requests[i] = LM_REQUEST_INIT(i & 1 ? LM_REQUEST_STAT : LM_REQUEST_NOOP);
	if (lm_client_do_all(client, requests, 4, NULL, NULL, &why) < 0)
		lm_doctor_say(d, LM_WRONG, "capability",
		              "PIPELINING is announced, but commands in a group fail: %s",
		              why.text);
}

/* ---- The sessions ---- */

static void examine_drop(struct lm_doctor *d, struct lm_client *client,
                         const struct lm_capabilities *c)
{
	struct lm_pop3_listing sizes = { 0 }, ids = { 0 };
	struct lm_bytes rest;
	bool has_ids = false;

	check_pipelining(d, client, lm_capabilities_find(c, "PIPELINING", &rest));
	if (check_list(d, client, &sizes) == 0) {
		has_ids = check_uidl(d, client, lm_capabilities_find(c, "UIDL", &rest), &sizes,
		                     &ids) == 0;
		lm_doctor_messages(d, client, lm_capabilities_find(c, "TOP", &rest), &sizes);
	}
	lm_doctor_close(client);
	if (has_ids && ids.count)
		check_lasting(d, &ids);
	free_listing(&sizes);
	free_listing(&ids);
}

static void login(struct lm_doctor *d)
{
	struct lm_client *client = NULL;
	struct lm_capabilities c = { 0 };
	struct lm_error why = { 0 };

	if (!d->remote.params.user && !d->remote.params.token) {
		lm_doctor_say(d, LM_REMARK, "login",
		              "nobody was named: the maildrop was not looked at");
		return;
	}
	if (lm_doctor_open(d, d->remote.params.tls, true, &client, &why) < 0) {
		lm_doctor_say(d, LM_WRONG, "login", "fails: %s", why.text);
		return;
	}
	lm_doctor_say(d, LM_FINE, "login", "works, by %.*s",
	              LM_FMT(lm_client_info(client)->mechanism));
	if (lm_capabilities_ask(client, &c, &why) < 0)
		lm_doctor_say(d, LM_WEAK, "capability", "CAPA fails behind the login: %s",
		              why.text);
	examine_drop(d, client, &c);
	lm_buf_done(&c.lines);
}

static void check_stamp(struct lm_doctor *d, const struct lm_client *client)
{
	struct lm_bytes greeting = lm_client_greeting(client);

	if (lm_client_stamp(client).len)
		lm_doctor_say(
		        d, LM_REMARK, "login",
		        "APOP is possible: its MD5 is weak, and the server keeps the passwords "
		        "readable");
	else if (greeting.len && memchr(greeting.data, '<', greeting.len))
		lm_doctor_say(
		        d, LM_WRONG, "login",
		        "the greeting's APOP stamp is no message id: clients that use it can be "
		        "tricked (CVE-2007-1558)");
}

/* Before TLS, or under it where it is from the first octet. */
static int first_look(struct lm_doctor *d, bool implicit, bool *out_offered)
{
	struct lm_client *client = NULL;
	struct lm_capabilities c = { 0 };
	struct lm_error why = { 0 };
	struct lm_bytes rest;

	if (lm_doctor_open(d, implicit ? LM_TLS_IMPLICIT : LM_TLS_OFF, false, &client, &why) < 0)
		return lm_remote_failed(&d->remote, &why);
	lm_doctor_greeting(d, lm_client_greeting(client));
	check_stamp(d, client);
	if (lm_capabilities_ask(client, &c, &why) < 0) {
		lm_doctor_say(d, LM_WEAK, "capability", "CAPA fails: %s", why.text);
	} else {
		lm_doctor_explain(d, &c, words);
		*out_offered = lm_capabilities_find(&c, "STLS", &rest);
		if (!implicit && lm_capabilities_find(&c, "SASL", &rest))
			lm_doctor_plain_login(d, rest);
		if (!implicit && lm_capabilities_find(&c, "USER", &rest))
			lm_doctor_say(
			        d, d->local ? LM_REMARK : LM_WEAK, "login",
			        "USER is offered without TLS: passwords can be read on the way");
	}
	lm_buf_done(&c.lines);
	lm_doctor_close(client);
	return LM_EXIT_OK;
}

int lm_doctor_pop3(struct lm_doctor *doctor)
{
	bool implicit = doctor->remote.params.tls == LM_TLS_IMPLICIT, offered = false;
	int code = first_look(doctor, implicit, &offered);

	if (code != LM_EXIT_OK)
		return code;
	lm_doctor_tls(doctor, "STLS", offered);
	login(doctor);
	return LM_EXIT_OK;
}
