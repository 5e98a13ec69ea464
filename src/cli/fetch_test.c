/* What a fetch remembers, and the bar it shows, without a server. */
#include "cli/fetch_memory.h"
#include "cli/progress.h"

#include "lm_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
	char folder[64], path[128];
};

static int make_place(void **state)
{
	struct place *p = lm_alloc_zero(1, sizeof(*p));

	assert_non_null(p);
	snprintf(p->folder, sizeof(p->folder), "/tmp/lm-fetch-test-XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	snprintf(p->path, sizeof(p->path), "%s/deep/state", p->folder);
	*state = p;
	return 0;
}

static int drop_place(void **state)
{
	struct place *p = *state;
	char deep[128];

	unlink(p->path);
	snprintf(deep, sizeof(deep), "%s/deep", p->folder);
	rmdir(deep);
	rmdir(p->folder);
	lm_free(p);
	return 0;
}

static struct lm_fetch_memory opened(const struct place *p)
{
	struct lm_fetch_memory m;

	assert_err(lm_fetch_memory_open(&m, NULL, lm_str("anna@h"), p->path, NULL), 0);
	return m;
}

static void put(const struct place *p, const char *text, size_t len)
{
	int fd = open(p->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
}

static void what_was_flushed_is_known_again(void **state)
{
	static const char odd[] = { 'a', ' ', '%', '\n', (char)0xFF, 0 };
	const struct place *p = *state;
	struct lm_fetch_memory m = opened(p);

	assert_int_equal(lm_fetch_memory_has(&m, lm_str("one"), 10), 0);
	assert_err(lm_fetch_memory_note(&m, lm_str("one"), 10), 0);
	assert_err(lm_fetch_memory_note(&m, lm_bytes(odd, sizeof(odd)), 0), 0);
	assert_err(lm_fetch_memory_flush(&m, NULL), 0);
	assert_err(lm_fetch_memory_note(&m, lm_str("never"), 1), 0);
	lm_fetch_memory_done(&m);
	m = opened(p);
	assert_int_equal(lm_fetch_memory_has(&m, lm_str("one"), 10), 1);
	assert_int_equal(lm_fetch_memory_has(&m, lm_bytes(odd, sizeof(odd)), 0), 1);
	assert_int_equal(lm_fetch_memory_has(&m, lm_str("one"), 11), 0);
	assert_int_equal(lm_fetch_memory_has(&m, lm_str("on"), 10), 0);
	assert_int_equal(lm_fetch_memory_has(&m, lm_str("never"), 1), 0);
	lm_fetch_memory_done(&m);
}

static void a_torn_line_was_not_written(void **state)
{
	static const char torn[] = "lettermill fetched 1\none 10\ntwo 2";
	const struct place *p = *state;
	struct lm_fetch_memory m = opened(p);

	lm_fetch_memory_done(&m);
	put(p, torn, sizeof(torn) - 1);
	m = opened(p);
	assert_int_equal(lm_fetch_memory_has(&m, lm_str("one"), 10), 1);
	assert_int_equal(lm_fetch_memory_has(&m, lm_str("two"), 2), 0);
	assert_err(lm_fetch_memory_note(&m, lm_str("two"), 20), 0);
	assert_err(lm_fetch_memory_flush(&m, NULL), 0);
	lm_fetch_memory_done(&m);
	m = opened(p);
	assert_int_equal(lm_fetch_memory_has(&m, lm_str("one"), 10), 1);
	assert_int_equal(lm_fetch_memory_has(&m, lm_str("two"), 20), 1);
	lm_fetch_memory_done(&m);
	put(p, "lettermill fet", 14);
	m = opened(p);
	assert_int_equal(lm_fetch_memory_has(&m, lm_str("one"), 10), 0);
	lm_fetch_memory_done(&m);
}

static void strange_files_are_left_alone(void **state)
{
	const struct place *p = *state;
	struct lm_fetch_memory m = opened(p), other;
	struct lm_error why;

	assert_err(lm_fetch_memory_open(&other, NULL, lm_str("x"), p->path, &why), LM_E_IN_USE);
	lm_fetch_memory_done(&other);
	lm_fetch_memory_done(&m);
	put(p, "my diary\n", 9);
	assert_err(lm_fetch_memory_open(&m, NULL, lm_str("x"), p->path, &why), LM_E_CORRUPT);
	lm_fetch_memory_done(&m);
	assert_err(lm_fetch_memory_open(&m, NULL, lm_str("x"), p->folder, &why), LM_E_IO);
	lm_fetch_memory_done(&m);
}

static void paths_differ_with_place_and_store(void **state)
{
	char one[4096], two[4096], three[4096];

	(void)state;
	setenv("XDG_STATE_HOME", "/state", 1);
	assert_err(lm_fetch_memory_path("../a@h", "localfs:/x", one, sizeof(one), NULL), 0);
	assert_err(lm_fetch_memory_path("../a@h", "localfs:/y", two, sizeof(two), NULL), 0);
	assert_err(lm_fetch_memory_path("../a_h", "localfs:/x", three, sizeof(three), NULL), 0);
	assert_string_not_equal(one, two);
	assert_string_not_equal(one, three);
	assert_int_equal(strncmp(one, "/state/lettermill/fetch/___a@h-", 31), 0);
	unsetenv("XDG_STATE_HOME");
	unsetenv("HOME");
	assert_err(lm_fetch_memory_path("a", "b:", one, sizeof(one), NULL), LM_E_CONFIG);
	setenv("HOME", "/home/a", 1);
	assert_err(lm_fetch_memory_path("a", "b:", one, sizeof(one), NULL), 0);
	assert_int_equal(strncmp(one, "/home/a/.local/state/lettermill/fetch/a-", 40), 0);
	assert_err(lm_fetch_memory_path("a", "b:", one, 20, NULL), LM_E_LIMIT);
}

static void the_bar_says_share_rate_and_time_left(void **state)
{
	struct lm_progress p = { .total = 200, .total_octets = 4000000, .began = 1000 };
	char line[240];
	size_t len = lm_progress_line(&p, 50, 1000000, 11000, 80, line, sizeof(line));

	(void)state;
	assert_true(len < 80 && len == strlen(line));
	assert_non_null(strstr(line, " 25% 50/200 5/s 100 kB/s 0:30 left"));
	assert_non_null(strstr(line, "[=======>   "));
	len = lm_progress_line(&p, 200, 4000000, 11000, 80, line, sizeof(line));
	assert_int_equal(len, strlen(line));
	assert_non_null(strstr(line, "100% 200/200"));
	assert_non_null(strstr(line, "0:00 left"));
	len = lm_progress_line(&p, 0, 0, 1000, 80, line, sizeof(line));
	assert_int_equal(len, strlen(line));
	assert_non_null(strstr(line, "  0% 0/200 0/s 0 B/s ? left"));
	for (unsigned columns = 0; columns < 200; columns++) {
		len = lm_progress_line(&p, 50, 9000000, 11000, columns, line, sizeof(line));
		assert_true(len < columns || len == 0);
	}
}

static void sizes_have_units(void **state)
{
	static const struct {
		double octets;
		const char *text;
	} rows[] = { { 0, "0 B" },           { 999, "999 B" },     { 1000, "1.0 kB" },
		     { 99940, "99.9 kB" },   { 123456, "123 kB" }, { 1e6, "1.0 MB" },
		     { 12.34e9, "12.3 GB" }, { 5e15, "5000 TB" } };
	char text[16];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_string_equal(lm_progress_size(rows[i].octets, text), rows[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_flushed_is_known_again, make_place,
		                                drop_place),
		cmocka_unit_test_setup_teardown(a_torn_line_was_not_written, make_place,
		                                drop_place),
		cmocka_unit_test_setup_teardown(strange_files_are_left_alone, make_place,
		                                drop_place),
		cmocka_unit_test(paths_differ_with_place_and_store),
		cmocka_unit_test(the_bar_says_share_rate_and_time_left),
		cmocka_unit_test(sizes_have_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
