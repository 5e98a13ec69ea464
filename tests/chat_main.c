/* Finds the transcripts and runs each dialogue as a cmocka test. */
#include "chat_main.h"

#include "lm_test.h"

#include <glob.h>
#include <stdlib.h>

enum { TESTS_MAX = 1000, FILES_MAX = 100 };

struct one {
	struct chat chat;
	chat_factory_fn factory;
};

/* Dialogues that others point into, or that could not be turned round: kept, so that nobody takes
 * them for lost. */
static struct chat *sources[FILES_MAX];
static struct one *left_out[TESTS_MAX];
static size_t source_count, left_out_count;

static void run(void **state)
{
	struct one *one = *state;

	chat_run(&one->chat, one->factory);
}

static size_t add_file(const char *path, bool mirrored, chat_factory_fn factory,
                       struct CMUnitTest *tests, size_t count)
{
	struct chat *chats;
	size_t n = chat_load(path, &chats);

	for (size_t i = 0; i < n && count < TESTS_MAX; i++) {
		struct one *one = lm_alloc(sizeof(*one));

		if (!one)
			abort();
		*one = (struct one){ chats[i], factory };
		if (mirrored && !chat_mirror(&chats[i], &one->chat)) {
			left_out[left_out_count++] = one;
			continue;
		}
		tests[count++] = (struct CMUnitTest){ one->chat.name, run, NULL, NULL, one };
	}
	if (mirrored && source_count < FILES_MAX)
		sources[source_count++] = chats;
	else
		lm_free(chats);
	return count;
}

int chat_main(const char *const *prefixes, chat_factory_fn factory)
{
	static struct CMUnitTest tests[TESTS_MAX];
	const char *root = getenv("LM_SOURCE_ROOT");
	size_t count = 0;

	for (; *prefixes; prefixes++) {
		bool mirrored = **prefixes == '~';
		char pattern[4096];
		glob_t found;

		snprintf(pattern, sizeof(pattern), "%s/tests/chat/%s*.md", root ? root : ".",
		         *prefixes + mirrored);
		if (glob(pattern, 0, NULL, &found) != 0)
			continue;
		for (size_t i = 0; i < found.gl_pathc; i++)
			count = add_file(found.gl_pathv[i], mirrored, factory, tests, count);
		globfree(&found);
	}
	if (count == 0) {
		fprintf(stderr, "no transcripts found below %s\n", root ? root : ".");
		return 1;
	}
	return _cmocka_run_group_tests("chat", tests, count, NULL, NULL);
}
