/* mboxes: what is read of any file, once written, reads the same again. */
#include "target.h"

#include "base/buf.h"
#include "cli/mbox.h"

#include <sys/mman.h>
#include <unistd.h>

/* Messages one behind the other, each with its length in front. */
struct got {
	struct lm_buf message, all;
	size_t count;
};

static void begin(void *ctx)
{
	lm_buf_clear(&((struct got *)ctx)->message);
}

static void octets(void *ctx, struct lm_bytes octets)
{
	FUZZ_CHECK(lm_buf_add(&((struct got *)ctx)->message, octets) == 0);
}

static void end(void *ctx)
{
	struct got *got = ctx;
	size_t len = lm_buf_len(&got->message);

	got->count++;
	FUZZ_CHECK(lm_buf_add(&got->all, lm_bytes(&len, sizeof(len))) == 0);
	FUZZ_CHECK(lm_buf_add(&got->all, lm_buf_bytes(&got->message)) == 0);
}

static int read_fd(int fd, struct got *got)
{
	static const struct lm_mbox_events events = { begin, octets, end };

	*got = (struct got){ .message.max = 1 << 24, .all.max = 1 << 24 };
	FUZZ_CHECK(lseek(fd, 0, SEEK_SET) == 0);
	return lm_mbox_read(fd, &events, got, NULL);
}

static void got_done(struct got *got)
{
	lm_buf_done(&got->message);
	lm_buf_done(&got->all);
}

static void write_all(const struct got *got, FILE *file)
{
	struct lm_mbox_writer w = { .file = file };
	struct lm_bytes all = lm_buf_bytes(&got->all);

	while (all.len) {
		size_t len;

		memcpy(&len, all.data, sizeof(len));
		lm_mbox_begin(&w, 0);
		lm_mbox_write(&w, lm_bytes(all.data + sizeof(len), len));
		FUZZ_CHECK(lm_mbox_end(&w, NULL) == 0);
		all = lm_bytes_from(all, sizeof(len) + len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("mbox", MFD_CLOEXEC), again = memfd_create("mbox", MFD_CLOEXEC);
	FILE *file = fdopen(again, "w+");
	struct got first, second;

	FUZZ_CHECK(fd >= 0 && file && write(fd, data, size) == (ssize_t)size);
	if (read_fd(fd, &first) == 0) {
		write_all(&first, file);
		FUZZ_CHECK(read_fd(again, &second) == 0 && first.count == second.count);
		got_done(&second);
	}
	got_done(&first);
	fclose(file);
	close(fd);
	return 0;
}
