/* Messages as trees: the octets come back, parts lie in each other, text is UTF-8, names are safe;
 * and what is written anew reads as what went in. */
#include "target.h"

#include "mime/letter.h"
#include "mime/letter_writer.h"
#include "mime/mailbox.h"

static struct lm_letter *load(struct lm_bytes octets)
{
	struct lm_letter *l;

	return lm_letter_of_bytes(octets, &l, NULL) == 0 ? l : NULL;
}

static void check_octets(struct lm_letter *l, struct lm_bytes want)
{
	uint8_t chunk[1000];
	size_t got;

	FUZZ_CHECK(lm_letter_size(l) == want.len);
	for (uint64_t at = 0; at < want.len; at += got) {
		FUZZ_CHECK(lm_letter_read_at(l, at, chunk, sizeof(chunk), &got) == 0 && got);
		FUZZ_CHECK(memcmp(chunk, want.data + at, got) == 0);
	}
}

/* NUL is a character, though not for GLib. */
static void check_utf8(struct lm_buf *b)
{
	for (size_t i = b->head; i < b->len; i++)
		if (b->data[i] == 0)
			b->data[i] = ' ';
	FUZZ_CHECK(lm_mailbox_is_utf8(lm_buf_bytes(b)));
}

static int take_address(void *ctx, struct lm_bytes name, struct lm_bytes address)
{
	struct lm_buf all = { .max = 64 << 20 };

	(void)ctx;
	FUZZ_CHECK(lm_buf_add(&all, name) == 0 && lm_buf_add(&all, address) == 0);
	check_utf8(&all);
	lm_buf_done(&all);
	return 0;
}

static void check_fields(const struct lm_letter *l)
{
	for (size_t i = 0; i < lm_letter_field_count(l); i++) {
		struct lm_buf text = { .max = 64 << 20 };
		struct lm_bytes name, body;
		int64_t ms;

		lm_letter_field(l, i, &name, &body);
		FUZZ_CHECK(name.len);
		FUZZ_CHECK(lm_letter_decode_text(body, &text) == 0);
		check_utf8(&text);
		for (size_t k = text.head; k < text.len; k++)
			FUZZ_CHECK(text.data[k] != '\r' && text.data[k] != '\n');
		FUZZ_CHECK(lm_letter_decode_addresses(body, take_address, NULL) == 0);
		(void)!lm_letter_decode_date(body, &ms);
		lm_buf_done(&text);
	}
}

static void check_part(const struct lm_letter *l, uint32_t index)
{
	const struct lm_letter_part *p = lm_letter_part(l, index);
	struct lm_buf text = { .max = 64 << 20 }, name = { .max = 1000 };
	struct lm_letter_info info;

	FUZZ_CHECK(p->start <= p->body && p->body <= p->end && p->end <= lm_letter_size(l));
	FUZZ_CHECK(index == 0 ||
	           (p->parent < index && p->start >= lm_letter_part(l, p->parent)->body &&
	            p->end <= lm_letter_part(l, p->parent)->end));
	FUZZ_CHECK(strchr(p->type, '/') && p->multipart == (p->child != LM_LETTER_NO_PART));
	FUZZ_CHECK(lm_letter_info(l, index, &info) == 0);
	FUZZ_CHECK(lm_mailbox_is_utf8(lm_str(info.name)) && !strpbrk(info.id, "\r\n"));
	FUZZ_CHECK(lm_letter_safe_name(info.name, &name) == 0 && lm_buf_len(&name) <= 124);
	FUZZ_CHECK(lm_buf_len(&name) == 0 ||
	           (name.data[0] != '.' && !memchr(name.data, '/', name.len)));
	if (!p->multipart) {
		FUZZ_CHECK(lm_letter_text(l, index, &text) == 0);
		check_utf8(&text);
	}
	lm_letter_info_done(&info);
	lm_buf_done(&text);
	lm_buf_done(&name);
}

static void check_letter(const struct lm_letter *l)
{
	check_fields(l);
	for (uint32_t i = 0; i < lm_letter_part_count(l) && i < 200; i++)
		check_part(l, i);
}

static bool is_multipart_mixed(const struct lm_letter *l)
{
	return lm_letter_part(l, 0)->multipart &&
	       strcmp(lm_letter_part(l, 0)->type, "multipart/mixed") == 0;
}

/* A field more, and a part more: both must be there, and the letter stay readable. */
static void check_written(struct lm_letter *l)
{
	struct lm_letter_writer_text part = {
		.type = "", .charset = "", .transfer = -1, .text = lm_str("added")
	};
	struct lm_buf text = { .max = 64 << 20 };
	struct lm_stash stash;
	struct lm_letter *again;
	struct lm_letter_writer *w;
	uint32_t last;

	FUZZ_CHECK(lm_letter_writer_new(l, &w) == 0);
	FUZZ_CHECK(lm_letter_writer_field(w, LM_LETTER_NO_FIELD, "X-Added", lm_str("\xC3\xA4"),
	                                  LM_FORM_TEXT, NULL) == 0);
	FUZZ_CHECK(lm_letter_writer_append(w, NULL) == 0 &&
	           lm_letter_writer_text(w, &part, NULL) == 0);
	FUZZ_CHECK(lm_letter_writer_end(w, &stash, NULL) == 0);
	lm_letter_writer_free(w);
	FUZZ_CHECK(lm_letter_of_stash(&stash, &again, NULL) == 0);
	FUZZ_CHECK(lm_letter_find(again, "X-Added", 0) >= 0);
	FUZZ_CHECK(is_multipart_mixed(again));
	last = (uint32_t)lm_letter_part_count(again) - 1;
	FUZZ_CHECK(lm_letter_text(again, last, &text) == 0);
	FUZZ_CHECK(lm_bytes_equal(lm_buf_bytes(&text), lm_str("added")));
	lm_buf_done(&text);
	lm_letter_unref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lm_letter *l = load(lm_bytes(data, size));

	if (!l)
		return 0;
	check_octets(l, lm_bytes(data, size));
	check_letter(l);
	check_written(l);
	lm_letter_unref(l);
	return 0;
}
