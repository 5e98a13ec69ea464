/* The conformance suite of stores. */
#include "store/conformance.h"

#include "store/rig.h"

#include <stdlib.h>

static void deliver_octets(struct rig *rig, const char *name, struct lm_bytes text)
{
	assert_err(rig_deliver(rig, name, text), 0);
	rig_expect(rig, name, rig_count(rig, name) - 1, text);
}

static void keeps_every_octet(void **state)
{
	struct rig *rig = *state;
	uint8_t all[512];

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	deliver_octets(rig, "a", lm_bytes(all, sizeof(all)));
	deliver_octets(rig, "a", lm_str("Subject: x\r\n\r\nbody\r\n"));
	deliver_octets(rig, "a", lm_str("no line end"));
	deliver_octets(rig, "a", lm_str("bare\nline\n"));
	deliver_octets(rig, "a", lm_str("ends in CR\r"));
	deliver_octets(rig, "a", lm_str("\r\n"));
	deliver_octets(rig, "a", lm_bytes("\0\0\r\n.\r\n", 7));
	deliver_octets(rig, "a", lm_str("\n"));
	deliver_octets(rig, "a", lm_str(""));
	assert_int_equal(rig_count(rig, "a"), 9);
}

static void deliver_size(struct rig *rig, size_t size, size_t piece)
{
	uint8_t *data = lm_alloc(size);
	const char *name = "sizes";

	assert_non_null(data);
	rig_fill(data, size, (unsigned)size);
	assert_err(rig_deliver_to(rig, &name, 1, lm_bytes(data, size), piece), 0);
	rig_expect(rig, name, rig_count(rig, name) - 1, lm_bytes(data, size));
	lm_free(data);
}

static void keeps_every_size(void **state)
{
	static const size_t sizes[] = { 1,      2,      16383,  65535,  65536,  65537,  98304,
		                        131071, 131072, 131073, 262143, 262144, 262145, 327681 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		deliver_size(*state, sizes[i], sizes[i]);
		if (sizes[i] > 1000)
			deliver_size(*state, sizes[i], sizes[i] / 3);
	}
}

static void keeps_ten_megabytes(void **state)
{
	deliver_size(*state, 10 << 20, 10 << 20);
	deliver_size(*state, (10 << 20) + 1, 655361);
}

static void reads_from_any_offset(void **state)
{
	struct rig *rig = *state;
	static uint8_t data[300000];
	static const uint64_t offsets[] = { 299999, 0, 65535, 65536, 65537, 131072, 1, 299999 };
	struct rig_box box;

	rig_fill(data, sizeof(data), 1);
	assert_err(rig_deliver(rig, "a", lm_bytes(data, sizeof(data))), 0);
	assert_err(rig_open(rig, "a", &box), 0);
	for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		struct wait_op wait;

		rig->store->ops->message_read(box.mailbox, box.messages[0].id, offsets[i],
		                              &wait_start(rig, &wait)->op);
		assert_err(wait_for(rig, &wait), 0);
		assert_true(wait.op.chunk.len > 0);
		assert_memory_equal(wait.op.chunk.data, data + offsets[i], wait.op.chunk.len);
	}
	assert_err(rig_close(rig, &box), 0);
}

static void no_message_is_not_found(void **state)
{
	struct rig *rig = *state;
	struct lm_buf got;
	struct rig_box box;

	lm_buf_init(&got, 1000);
	assert_err(rig_deliver(rig, "a", lm_str("a")), 0);
	assert_err(rig_deliver(rig, "b", lm_str("b")), 0);
	assert_err(rig_open(rig, "a", &box), 0);
	assert_int_equal(box.count, 1);
	assert_err(rig_read(rig, &box, box.messages[0].id + 1, &got), LM_E_NOT_FOUND);
	assert_err(rig_read(rig, &box, 0, &got), LM_E_NOT_FOUND);
	assert_err(rig_read(rig, &box, UINT64_MAX, &got), LM_E_NOT_FOUND);
	assert_int_equal(lm_buf_len(&got), 0);
	assert_err(rig_close(rig, &box), 0);
}

static void an_unknown_maildrop_is_empty(void **state)
{
	struct rig *rig = *state;
	static char name[300];
	struct rig_box box;

	assert_int_equal(rig_count(rig, "nobody"), 0);
	memset(name, 'x', sizeof(name) - 1);
	assert_err(rig_open(rig, name, &box), LM_E_SYNTAX);
	if (!rig_is_plain_maildir(rig))
		assert_err(rig_open(rig, "", &box), LM_E_SYNTAX);
	name[255] = '\0';
	assert_int_equal(rig_count(rig, name), 0);
}

static void several_recipients_get_one_message_each(void **state)
{
	struct rig *rig = *state;
	static const char *const names[] = { "ann", "Bob", "carol", "BOB" };
	static uint8_t data[200000];
	struct rig_box box;

	rig_fill(data, sizeof(data), 3);
	assert_err(rig_deliver_to(rig, names, 4, lm_str("small\r\n"), 100), 0);
	assert_err(rig_deliver_to(rig, names, 4, lm_bytes(data, sizeof(data)), 5000), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(rig_count(rig, names[i]), 2);
		rig_expect(rig, names[i], 0, lm_str("small\r\n"));
		rig_expect(rig, names[i], 1, lm_bytes(data, sizeof(data)));
	}
	/* What one removes the others keep. */
	assert_err(rig_open(rig, "ann", &box), 0);
	assert_err(
	        rig_expunge(rig, &box, (uint64_t[]){ box.messages[0].id, box.messages[1].id }, 2),
	        0);
	assert_err(rig_close(rig, &box), 0);
	assert_int_equal(rig_count(rig, "ann"), 0);
	rig_expect(rig, "bob", 1, lm_bytes(data, sizeof(data)));
	rig_expect(rig, "carol", 0, lm_str("small\r\n"));
}

static void one_bad_recipient_refuses_all(void **state)
{
	static const char *const names[] = { "ann", "" };
	struct lm_draft *draft;

	assert_err(rig_begin(*state, names, 2, &draft), LM_E_SYNTAX);
	assert_err(rig_begin(*state, names, 0, &draft), LM_E_MISUSE);
	assert_int_equal(rig_count(*state, "ann"), 0);
}

static void a_session_sees_its_snapshot(void **state)
{
	struct rig *rig = *state;
	struct rig_box box;
	struct lm_buf got;

	lm_buf_init(&got, 1000);
	assert_err(rig_deliver(rig, "a", lm_str("one")), 0);
	assert_err(rig_open(rig, "a", &box), 0);
	for (int i = 0; i < 20; i++)
		assert_err(rig_deliver(rig, "a", lm_str("more")), 0);
	assert_int_equal(box.count, 1);
	assert_err(rig_read(rig, &box, box.messages[0].id, &got), 0);
	assert_bytes(lm_buf_bytes(&got), lm_str("one"));
	assert_err(rig_expunge(rig, &box, &box.messages[0].id, 1), 0);
	assert_err(rig_close(rig, &box), 0);
	assert_int_equal(rig_count(rig, "a"), 20);
	lm_buf_done(&got);
}

static void one_session_a_maildrop(void **state)
{
	struct rig *rig = *state;
	struct rig_box box, other, third;

	assert_err(rig_open(rig, "Ann@example.org", &box), 0);
	assert_err(rig_open(rig, "ann@EXAMPLE.org", &other), LM_E_IN_USE);
	assert_err(rig_open(rig, "ann", &third), 0);
	assert_err(rig_close(rig, &third), 0);
	assert_err(rig_close(rig, &box), 0);
	assert_err(rig_open(rig, "ANN@example.org", &other), 0);
	other.mailbox->store->ops->mailbox_close(other.mailbox, NULL);
	assert_err(rig_open(rig, "ann@example.org", &other), 0);
	assert_err(rig_close(rig, &other), 0);
}

static void expunge_is_all_or_none(void **state)
{
	struct rig *rig = *state;
	struct rig_box box;
	uint64_t ids[3];

	for (int i = 0; i < 5; i++)
		assert_err(rig_deliver(rig, "a", lm_str("text\r\n")), 0);
	assert_err(rig_deliver(rig, "b", lm_str("another's\r\n")), 0);
	assert_err(rig_open(rig, "a", &box), 0);
	ids[0] = box.messages[0].id;
	ids[1] = box.messages[4].id + 1; /* b's */
	ids[2] = box.messages[1].id;
	assert_err(rig_expunge(rig, &box, ids, 3), LM_E_NOT_FOUND);
	ids[1] = 1 << 30;
	assert_err(rig_expunge(rig, &box, ids, 3), LM_E_NOT_FOUND);
	assert_err(rig_expunge(rig, &box, ids, 0), 0);
	assert_err(rig_close(rig, &box), 0);
	assert_int_equal(rig_count(rig, "a"), 5);
	assert_int_equal(rig_count(rig, "b"), 1);

	assert_err(rig_open(rig, "a", &box), 0);
	ids[1] = box.messages[3].id;
	assert_err(rig_expunge(rig, &box, ids, 3), 0);
	assert_err(rig_close(rig, &box), 0);
	assert_int_equal(rig_count(rig, "a"), 2);
}

static void uidl_of_last(struct rig *rig, char out[LM_UIDL_LEN + 60])
{
	struct rig_box box;

	assert_err(rig_open(rig, "a", &box), 0);
	assert_true(box.count > 0);
	assert_in_range(box.messages[box.count - 1].uidl.len, 1, 70);
	memset(out, 0, LM_UIDL_LEN + 60);
	memcpy(out, box.messages[box.count - 1].uidl.data, box.messages[box.count - 1].uidl.len);
	for (const char *p = out; *p; p++)
		assert_in_range(*p, 0x21, 0x7E);
	assert_err(rig_close(rig, &box), 0);
}

static void uidls_are_never_used_again(void **state)
{
	struct rig *rig = *state;
	char seen[6][LM_UIDL_LEN + 60], again[LM_UIDL_LEN + 60];
	struct rig_box box;

	for (size_t i = 0; i < 6; i++) {
		assert_err(rig_deliver(rig, "a", lm_str("x\r\n")), 0);
		uidl_of_last(rig, seen[i]);
		if (rig_is_lasting(rig))
			rig_reopen(rig);
		else
			continue;
		uidl_of_last(rig, again);
		assert_string_equal(again, seen[i]);
		if (i % 2)
			continue;
		assert_err(rig_open(rig, "a", &box), 0);
		assert_err(rig_expunge(rig, &box, &box.messages[box.count - 1].id, 1), 0);
		assert_err(rig_close(rig, &box), 0);
		rig_reopen(rig);
	}
	for (size_t i = 0; i < 6; i++)
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(seen[i], seen[k]);
}

static void an_aborted_draft_leaves_nothing(void **state)
{
	struct rig *rig = *state;
	static uint8_t data[500000];
	const char *name = "a";
	struct lm_draft *draft;

	for (size_t size = 0; size <= sizeof(data); size += sizeof(data) / 5) {
		assert_err(rig_begin(rig, &name, 1, &draft), 0);
		assert_err(rig_write(rig, draft, lm_bytes(data, size)), 0);
		draft->store->ops->draft_abort(draft);
	}
	assert_int_equal(rig_count(rig, "a"), 0);
	deliver_octets(rig, "a", lm_bytes(data, 300000));
	assert_int_equal(rig_count(rig, "a"), 1);
}

static void lists_and_reads_many_in_order(void **state)
{
	struct rig *rig = *state;
	struct rig_box box;
	struct lm_buf got;
	char text[40];
	size_t many = rig_times(rig, 200);

	lm_buf_init(&got, 1000);
	for (size_t i = 0; i < many; i++) {
		snprintf(text, sizeof(text), "message %zu\r\n", i);
		assert_err(rig_deliver(rig, "a", lm_str(text)), 0);
		if (i % 3 == 0)
			assert_err(rig_deliver(rig, "b", lm_str("not a's")), 0);
	}
	assert_err(rig_open(rig, "a", &box), 0);
	assert_int_equal(box.count, many);
	for (size_t i = 0; i < 2 * many; i++) {
		size_t n = i < many ? i : (i * 7919) % many;

		snprintf(text, sizeof(text), "message %zu\r\n", n);
		lm_buf_clear(&got);
		assert_err(rig_read(rig, &box, box.messages[n].id, &got), 0);
		assert_bytes(lm_buf_bytes(&got), lm_str(text));
	}
	assert_err(rig_close(rig, &box), 0);
	lm_buf_done(&got);
}

static void cancel_tells_the_truth(void **state)
{
	struct rig *rig = *state;
	const char *name = "a";
	size_t stored = 0;

	for (int i = 0; i < 20; i++) {
		struct lm_draft *draft;
		struct wait_op wait;
		int result;

		assert_err(rig_begin(rig, &name, 1, &draft), 0);
		assert_err(rig_write(rig, draft, lm_str("text\r\n")), 0);
		rig->store->ops->draft_commit(draft, &wait_start(rig, &wait)->op);
		rig->store->ops->cancel(rig->store, &wait.op);
		assert_false(wait.done);
		result = wait_for(rig, &wait);
		assert_true(result == 0 || result == LM_E_CANCELED);
		stored += result == 0;
	}
	assert_int_equal(rig_count(rig, "a"), stored);
}

static void a_canceled_open_holds_no_lock(void **state)
{
	struct rig *rig = *state;

	for (int i = 0; i < 20; i++) {
		struct rig_box box = { 0 };
		struct wait_op wait;

		rig->store->ops->mailbox_open(rig->store, lm_str("a"), &wait_start(rig, &wait)->op);
		rig->store->ops->cancel(rig->store, &wait.op);
		if (wait_for(rig, &wait) == 0) {
			box.mailbox = wait.op.mailbox;
			assert_err(rig_close(rig, &box), 0);
		} else {
			assert_err(wait.op.op.result, LM_E_CANCELED);
		}
		assert_int_equal(rig_count(rig, "a"), 0);
	}
}

static void many_drafts_at_once(void **state)
{
	enum { DRAFTS = 40 };
	struct rig *rig = *state;
	static struct wait_op waits[DRAFTS];
	struct lm_draft *drafts[DRAFTS];
	const char *name = "a";
	char text[40];

	for (int i = 0; i < DRAFTS; i++) {
		assert_err(rig_begin(rig, &name, 1, &drafts[i]), 0);
		snprintf(text, sizeof(text), "message %d\r\n", i);
		assert_err(rig_write(rig, drafts[i], lm_str(text)), 0);
	}
	for (int i = 0; i < DRAFTS; i++)
		rig->store->ops->draft_commit(drafts[i], &wait_start(rig, &waits[i])->op);
	for (int i = 0; i < DRAFTS; i++)
		assert_err(wait_for(rig, &waits[i]), 0);
	assert_int_equal(rig_count(rig, "a"), DRAFTS);
	rig_expect(rig, "a", 0, lm_str("message 0\r\n"));
	rig_expect(rig, "a", DRAFTS - 1, lm_str("message 39\r\n"));
}

static void moved_messages_are_whole_and_once(void **state)
{
	struct rig *rig = *state;
	static uint8_t big[300000];
	struct rig_box box;
	uint64_t ids[3];

	rig_fill(big, sizeof(big), 8);
	assert_err(rig_deliver(rig, "a", lm_str("one\r\n")), 0);
	assert_err(rig_deliver(rig, "a", lm_bytes(big, sizeof(big))), 0);
	assert_err(rig_deliver(rig, "a", lm_str("three")), 0);
	assert_err(rig_deliver(rig, "b/staged", lm_str("was here\r\n")), 0);
	assert_err(rig_open(rig, "a", &box), 0);
	ids[0] = box.messages[2].id;
	ids[1] = box.messages[1].id;
	ids[2] = ids[0];
	assert_err(rig_move(rig, &box, ids, 3, "B/Staged"), 0);
	assert_err(rig_expunge(rig, &box, ids, 1), LM_E_NOT_FOUND);
	assert_err(rig_close(rig, &box), 0);
	assert_int_equal(rig_count(rig, "a"), 1);
	rig_expect(rig, "a", 0, lm_str("one\r\n"));
	assert_int_equal(rig_count(rig, "b/staged"), 3);
	assert_int_equal(rig_count(rig, "b"), 0);
	/* And back again. */
	assert_err(rig_open(rig, "b/staged", &box), 0);
	for (size_t i = 0; i < 3; i++)
		ids[i] = box.messages[i].id;
	assert_err(rig_move(rig, &box, ids, 3, "a"), 0);
	assert_err(rig_close(rig, &box), 0);
	assert_int_equal(rig_count(rig, "a"), 4);
	assert_int_equal(rig_count(rig, "b/staged"), 0);
}

static void move_is_all_or_none(void **state)
{
	struct rig *rig = *state;
	static char name[300];
	struct rig_box box;
	uint64_t ids[2];

	for (int i = 0; i < 3; i++)
		assert_err(rig_deliver(rig, "a", lm_str("text\r\n")), 0);
	memset(name, 'x', sizeof(name) - 1);
	assert_err(rig_open(rig, "a", &box), 0);
	ids[0] = box.messages[0].id;
	ids[1] = 1 << 30;
	assert_err(rig_move(rig, &box, ids, 2, "b"), LM_E_NOT_FOUND);
	if (!rig_is_plain_maildir(rig))
		assert_err(rig_move(rig, &box, ids, 1, ""), LM_E_SYNTAX);
	assert_err(rig_move(rig, &box, ids, 1, name), LM_E_SYNTAX);
	assert_err(rig_move(rig, &box, ids, 0, "b"), 0);
	assert_err(rig_move(rig, &box, ids, 1, "A"), 0); /* where it is */
	assert_err(rig_close(rig, &box), 0);
	assert_int_equal(rig_count(rig, "a"), 3);
	assert_int_equal(rig_count(rig, "b"), 0);
}

static void moving_leaves_other_recipients_theirs(void **state)
{
	struct rig *rig = *state;
	static const char *const names[] = { "a", "b" };
	struct rig_box box;

	assert_err(rig_deliver_to(rig, names, 2, lm_str("text\r\n"), 100), 0);
	assert_err(rig_open(rig, "a", &box), 0);
	assert_err(rig_move(rig, &box, &box.messages[0].id, 1, "c"), 0);
	assert_err(rig_close(rig, &box), 0);
	assert_err(rig_open(rig, "b", &box), 0);
	assert_err(rig_expunge(rig, &box, &box.messages[0].id, 1), 0);
	assert_err(rig_close(rig, &box), 0);
	rig_expect(rig, "c", 0, lm_str("text\r\n"));
	assert_int_equal(rig_count(rig, "a"), 0);
}

static void moving_to_another_recipient_loses_nothing(void **state)
{
	struct rig *rig = *state;
	static const char *const names[] = { "a", "b" };
	struct rig_box box;

	assert_err(rig_deliver_to(rig, names, 2, lm_str("text\r\n"), 100), 0);
	assert_err(rig_open(rig, "a", &box), 0);
	assert_err(rig_move(rig, &box, &box.messages[0].id, 1, "b"), 0);
	assert_err(rig_close(rig, &box), 0);
	assert_int_equal(rig_count(rig, "a"), 0);
	assert_in_range(rig_count(rig, "b"), 1, 2);
	rig_expect(rig, "b", 0, lm_str("text\r\n"));
}

static void a_guid_is_taken_once_for_ever(void **state)
{
	struct rig *rig = *state;
	static const char *const names[] = { "a", "b" };
	struct rig_box box;

	assert_false(rig_knows(rig, "a", "1"));
	assert_err(rig_deliver_guid(rig, names, 1, "1", lm_str("one\r\n")), 0);
	assert_err(rig_deliver_guid(rig, names, 1, "2", lm_str("two\r\n")), 0);
	assert_err(rig_deliver_guid(rig, names, 1, "1", lm_str("again\r\n")), LM_E_EXISTS);
	/* Known to one is refused for both. */
	assert_err(rig_deliver_guid(rig, names, 2, "1", lm_str("again\r\n")), LM_E_EXISTS);
	assert_int_equal(rig_count(rig, "a"), 2);
	assert_int_equal(rig_count(rig, "b"), 0);
	assert_false(rig_knows(rig, "b", "1"));
	assert_err(rig_open(rig, "a", &box), 0);
	assert_err(rig_move(rig, &box, &box.messages[0].id, 1, "b"), 0);
	assert_err(rig_expunge(rig, &box, &box.messages[1].id, 1), 0);
	assert_err(rig_close(rig, &box), 0);
	if (rig_is_lasting(rig))
		rig_reopen(rig);
	assert_err(rig_deliver_guid(rig, names, 1, "1", lm_str("again\r\n")), LM_E_EXISTS);
	assert_err(rig_deliver_guid(rig, names, 1, "2", lm_str("again\r\n")), LM_E_EXISTS);
	assert_true(rig_knows(rig, "A", "1"));
	assert_true(rig_knows(rig, "a", "2"));
	assert_int_equal(rig_count(rig, "a"), 0);
	assert_int_equal(rig_count(rig, "b"), 1);
}

static void no_guid_is_never_known(void **state)
{
	struct rig *rig = *state;
	static const char *const names[] = { "a" };
	static char text[LM_GUID_MAX + 2];

	assert_err(rig_deliver_guid(rig, names, 1, "", lm_str("x")), 0);
	assert_err(rig_deliver_guid(rig, names, 1, "", lm_str("x")), 0);
	assert_false(rig_knows(rig, "a", ""));
	memset(text, 'g', sizeof(text) - 1);
	assert_err(rig_deliver_guid(rig, names, 1, text, lm_str("x")), LM_E_SYNTAX);
	text[LM_GUID_MAX] = '\0';
	assert_err(rig_deliver_guid(rig, names, 1, text, lm_str("x")), 0);
	assert_err(rig_deliver_guid(rig, names, 1, text, lm_str("x")), LM_E_EXISTS);
	text[0]++;
	assert_err(rig_deliver_guid(rig, names, 1, text, lm_str("x")), 0);
	assert_int_equal(rig_count(rig, "a"), 4);
}

static void a_large_message_known_already_is_refused(void **state)
{
	struct rig *rig = *state;
	static const char *const names[] = { "a" };
	static uint8_t big[400000];

	rig_fill(big, sizeof(big), 5);
	for (size_t size = 100000; size <= sizeof(big); size += 300000) {
		struct lm_bytes text = lm_bytes(big, size);
		char guid[20];

		snprintf(guid, sizeof(guid), "%zu", size);
		assert_err(rig_deliver_guid(rig, names, 1, guid, text), 0);
		assert_err(rig_deliver_guid(rig, names, 1, guid, text), LM_E_EXISTS);
		rig_expect(rig, "a", rig_count(rig, "a") - 1, text);
	}
	assert_int_equal(rig_count(rig, "a"), 2);
}

static void one_guid_at_once_is_taken_once(void **state)
{
	enum { DRAFTS = 12 };
	struct rig *rig = *state;
	struct lm_bytes name = lm_str("a");
	struct lm_delivery delivery = { .mailboxes = &name,
		                        .mailbox_count = 1,
		                        .guid = { lm_str("s"), lm_str("g") } };
	static struct wait_op waits[DRAFTS];
	struct lm_draft *drafts[DRAFTS];
	size_t taken = 0;

	for (int i = 0; i < DRAFTS; i++) {
		rig->store->ops->draft_begin(rig->store, &delivery,
		                             &wait_start(rig, &waits[i])->op);
		assert_err(wait_for(rig, &waits[i]), 0);
		drafts[i] = waits[i].op.draft;
		assert_err(rig_write(rig, drafts[i], lm_str("text\r\n")), 0);
	}
	for (int i = 0; i < DRAFTS; i++)
		rig->store->ops->draft_commit(drafts[i], &wait_start(rig, &waits[i])->op);
	for (int i = 0; i < DRAFTS; i++) {
		int err = wait_for(rig, &waits[i]);

		assert_true(err == 0 || err == LM_E_EXISTS);
		taken += err == 0;
	}
	assert_int_equal(taken, 1);
	assert_int_equal(rig_count(rig, "a"), 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
static const struct CMUnitTest tests[] = {
	T(keeps_every_octet),
	T(keeps_every_size),
	T(keeps_ten_megabytes),
	T(reads_from_any_offset),
	T(no_message_is_not_found),
	T(an_unknown_maildrop_is_empty),
	T(several_recipients_get_one_message_each),
	T(one_bad_recipient_refuses_all),
	T(a_session_sees_its_snapshot),
	T(one_session_a_maildrop),
	T(expunge_is_all_or_none),
	T(uidls_are_never_used_again),
	T(an_aborted_draft_leaves_nothing),
	T(lists_and_reads_many_in_order),
	T(cancel_tells_the_truth),
	T(a_canceled_open_holds_no_lock),
	T(many_drafts_at_once),
	T(moved_messages_are_whole_and_once),
	T(move_is_all_or_none),
	T(moving_leaves_other_recipients_theirs),
	T(moving_to_another_recipient_loses_nothing),
	T(a_guid_is_taken_once_for_ever),
	T(no_guid_is_never_known),
	T(a_large_message_known_already_is_refused),
	T(one_guid_at_once_is_taken_once),
};

struct CMUnitTest *lm_conformance(const char *const *patterns, size_t count, size_t *out_count)
{
	size_t each = sizeof(tests) / sizeof(*tests);
	struct CMUnitTest *all = lm_alloc_zero(count * each, sizeof(*all));

	if (!all)
		return NULL;
	for (size_t i = 0; i < count * each; i++) {
		struct lm_buf name = { .max = 200 };

		all[i] = tests[i % each];
		all[i].initial_state = (void *)patterns[i / each];
		assert_err(lm_buf_printf(&name, "%s %s", patterns[i / each], all[i].name), 0);
		all[i].name = (const char *)name.data; /* ends in NUL */
	}
	*out_count = count * each;
	return all;
}

void lm_conformance_free(struct CMUnitTest *all, size_t count)
{
	for (size_t i = 0; all && i < count; i++)
		lm_free((void *)(uintptr_t)all[i].name);
	lm_free(all);
}
