/* Runs a target over files and folders without libFuzzer: the corpus as an ordinary test, TAP on
 * stdout. */
#include "target.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

static unsigned count;

static void replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct lm_buf b;
	uint8_t *room;
	size_t n;

	lm_buf_init(&b, 16 << 20);
	while (f && lm_buf_room(&b, 65536, &room) == 0 && (n = fread(room, 1, 65536, f)) > 0)
		lm_buf_grew(&b, n);
	if (f)
		fclose(f);
	LLVMFuzzerTestOneInput(lm_buf_bytes(&b).data, lm_buf_len(&b));
	lm_buf_done(&b);
	printf("ok %u %s\n", ++count, path);
	fflush(stdout);
}

static void replay(const char *path)
{
	struct dirent *e;
	DIR *d = opendir(path);
	char name[4096];

	if (!d) {
		replay_file(path);
		return;
	}
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		replay(name);
	}
	closedir(d);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	printf("ok %u nothing\n1..%u\n", count + 1, count + 1);
	return 0;
}
