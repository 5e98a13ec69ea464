/* mbox files: what is written is read back, and odd files say so. */
#include "lm_test.h"

#include "base/buf.h"
#include "cli/mbox.h"

#include <unistd.h>

struct got {
	struct lm_buf text;
	size_t count;
};

static void begin(void *ctx)
{
	struct got *got = ctx;

	got->count++;
	assert_err(lm_buf_add_str(&got->text, "["), 0);
}

static void octets(void *ctx, struct lm_bytes octets)
{
	assert_err(lm_buf_add(&((struct got *)ctx)->text, octets), 0);
}

static void end(void *ctx)
{
	assert_err(lm_buf_add_str(&((struct got *)ctx)->text, "]"), 0);
}

static int read_file(FILE *file, struct got *got)
{
	static const struct lm_mbox_events events = { begin, octets, end };

	*got = (struct got){ .text.max = 4 << 20 };
	assert_int_equal(fflush(file), 0);
	assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
	return lm_mbox_read(fileno(file), &events, got, NULL);
}

static void reads_as(const char *text, const char *want)
{
	FILE *file = tmpfile();
	struct got got;

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_err(read_file(file, &got), 0);
	assert_bytes(lm_buf_bytes(&got.text), lm_str(want));
	lm_buf_done(&got.text);
	fclose(file);
}

static void files_of_others(void **state)
{
	(void)state;
	reads_as("", "");
	reads_as("From a\n", "[]");
	reads_as("From a\nS: x\n\nbody\n", "[S: x\r\n\r\nbody\r\n]");
	reads_as("From a\nS: x\n\nbody\n\nFrom b\nS: y\n\n\n",
	         "[S: x\r\n\r\nbody\r\n][S: y\r\n\r\n]");
	reads_as("From a\nx\nFrom b\n", "[x\r\nFrom b\r\n]"); /* no empty line before it */
	reads_as("From a\n>From b\n>>From c\n>Fro\n", "[From b\r\n>From c\r\n>Fro\r\n]");
	reads_as("From a\r\nx\r\n\r\n\r\nFrom b\r\ny", "[x\r\n\r\n][y]");
	reads_as("From a\n\n\n\nx\n\n", "[\r\n\r\n\r\nx\r\n]");
}

static void what_is_no_mbox_says_so(void **state)
{
	FILE *file = tmpfile();
	struct got got;

	(void)state;
	assert_non_null(file);
	assert_true(fputs("Subject: x\n\nFrom a\n", file) >= 0);
	assert_err(read_file(file, &got), LM_E_SYNTAX);
	assert_int_equal(got.count, 0);
	fclose(file);
}

static void comes_back(const char *text, const char *want)
{
	struct lm_mbox_writer w = { .file = tmpfile() };
	struct lm_buf both = { .max = 1000 };
	struct got got;

	assert_non_null(w.file);
	for (int i = 0; i < 2; i++) {
		lm_mbox_begin(&w, 1447951628000);
		for (size_t at = 0; text[at]; at++) /* an octet at a time */
			lm_mbox_write(&w, lm_bytes(text + at, 1));
		assert_err(lm_mbox_end(&w, NULL), 0);
	}
	assert_err(read_file(w.file, &got), 0);
	assert_err(lm_buf_printf(&both, "[%s][%s]", want, want), 0);
	assert_bytes(lm_buf_bytes(&got.text), lm_buf_bytes(&both));
	lm_buf_done(&got.text);
	lm_buf_done(&both);
	fclose(w.file);
}

static void what_is_written_comes_back(void **state)
{
	(void)state;
	comes_back("S: x\r\n\r\nbody\r\n", "S: x\r\n\r\nbody\r\n");
	comes_back("From me\r\n>From you\r\n>>From them\r\n",
	           "From me\r\n>From you\r\n>>From them\r\n");
	comes_back("x\r\n\r\nFrom me\r\n\r\n\r\n", "x\r\n\r\nFrom me\r\n\r\n\r\n");
	comes_back("Fro\r\nFromage\r\n>\r\n", "Fro\r\nFromage\r\n>\r\n");
	comes_back("no end", "no end\r\n");
	comes_back("Fro", "Fro\r\n");
	comes_back("bare\rCR\r\n", "bare\rCR\r\n");
	comes_back("", "");
}

static void long_lines_are_kept(void **state)
{
	struct lm_mbox_writer w = { .file = tmpfile() };
	size_t len = 300001;
	uint8_t *line = lm_alloc(len);
	struct got got;

	(void)state;
	assert_non_null(line);
	assert_non_null(w.file);
	memset(line, '>', len);
	lm_mbox_begin(&w, 0);
	lm_mbox_write(&w, lm_bytes(line, len));
	assert_err(lm_mbox_end(&w, NULL), 0);
	assert_err(read_file(w.file, &got), 0);
	assert_int_equal(lm_buf_len(&got.text), len + 4);
	lm_buf_done(&got.text);
	lm_free(line);
	fclose(w.file);
}

static void a_full_disk_is_told(void **state)
{
	struct lm_mbox_writer w = { .file = fopen("/dev/full", "w") };
	struct lm_error error = { 0 };

	(void)state;
	assert_non_null(w.file);
	lm_mbox_begin(&w, 0);
	lm_mbox_write(&w, lm_str("x"));
	assert_err(lm_mbox_end(&w, &error), LM_E_FULL);
	fclose(w.file);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_of_others),
		cmocka_unit_test(what_is_no_mbox_says_so),
		cmocka_unit_test(what_is_written_comes_back),
		cmocka_unit_test(long_lines_are_kept),
		cmocka_unit_test(a_full_disk_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
