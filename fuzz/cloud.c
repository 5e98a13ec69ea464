/* Answers of a cloud service: rows or an error in one line, whatever comes; and values in SQL,
 * which are UTF-8 and cannot be left. */
#include "target.h"

#include "store/cloud/impl.h"
#include "wire/text.h"

static void check_rows(struct lm_bytes rest, struct lm_bytes whole)
{
	struct lm_cloud_row *rows;
	struct lm_error e = { 0 };
	size_t count;
	int err = lm_cloud_rows(rest, &rows, &count, &e);

	FUZZ_CHECK(err == 0 || err == LM_E_PROTO);
	for (size_t i = 0; err == 0 && i < count; i++)
		for (size_t f = 0; f < LM_CLOUD_FIELDS; f++) {
			struct lm_bytes field = rows[i].field[f];

			if (!field.len)
				continue;
			FUZZ_CHECK(field.data >= whole.data && field.len <= whole.len);
			FUZZ_CHECK(field.data + field.len <= whole.data + whole.len);
		}
	if (err == 0)
		lm_free(rows);
}

static void check_answer(struct lm_bytes answer)
{
	struct lm_error e = { 0 };
	struct lm_bytes rest;

	if (lm_cloud_judge(answer, &rest, &e) == 0)
		check_rows(rest, answer);
	for (const char *p = e.text; *p; p++)
		FUZZ_CHECK(*p >= ' ' && *p < 0x7F);
}

/* The quotes around a value are the only single ones in it. */
static void check_value(struct lm_bytes value)
{
	struct lm_buf sql = { .max = 1 << 24 }, hidden = { .max = 1 << 24 };
	struct lm_bytes text;
	size_t from;

	FUZZ_CHECK(lm_cloud_quote(&sql, value) == 0);
	text = lm_buf_bytes(&sql);
	FUZZ_CHECK(lm_is_utf8(text) && !memmem(text.data, text.len, "__QUERY_SEP__", 13));
	from = text.data[0] == 'x' ? 2 : 1;
	FUZZ_CHECK(text.data[from - 1] == '\'' && text.data[text.len - 1] == '\'');
	for (size_t i = from; i + 1 < text.len; i++)
		if (text.data[i] == '\'' || text.data[i] == '\\') {
			FUZZ_CHECK(i + 2 < text.len && text.data[i + 1] == text.data[i]);
			i++;
		}
	FUZZ_CHECK(lm_cloud_obfuscate(text, &hidden) == 0);
	FUZZ_CHECK(lm_is_utf8(lm_buf_bytes(&hidden)));
	lm_buf_done(&sql);
	lm_buf_done(&hidden);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = lm_alloc(size + 1);

	FUZZ_CHECK(copy);
	check_value(lm_bytes(data, size));
	if (size)
		memcpy(copy, data, size);
	check_answer(lm_bytes(copy, size));
	lm_free(copy);
	return 0;
}
