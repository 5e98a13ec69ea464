/* Messages that script writes piece by piece, and all the ways in which one side goes first. */
#include "bridge/pop3_rig.h"
#include "lm_test.h"

#include <unistd.h>

static struct fake fake;
static double server;
static int fd;

static int setup(void **state)
{
	(void)state;
	fake_new(&fake);
	server = fake_server(&fake, NULL, POP3_DECIDES, "");
	fd = pop3_login(&fake, server);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_server_end(&fake, server);
	assert_int_equal(fake.kept, 0);
	fake_free(&fake);
	return 0;
}

static struct lm_host_value *pipe_for(struct lm_host_value *e)
{
	struct lm_host_value *pipe = fake_call(&fake, "answerPipe", FAKE_ARGS(POP3_OF(e)));

	assert_true(pipe->number > 0);
	return pipe;
}

static bool write_octets(struct lm_host_value *pipe, const void *data, size_t len, bool last)
{
	return fake_call(&fake, "pipeWrite",
	                 FAKE_ARGS(pipe, fake_bytes(&fake, data, len), fake_bool(&fake, last)))
	        ->truth;
}

static bool write_text(struct lm_host_value *pipe, const char *text, bool last)
{
	return write_octets(pipe, text, strlen(text), last);
}

static void piece_by_piece(void **state)
{
	struct lm_host_value *pipe = pipe_for(pop3_retr(&fake, fd));
	char *got;

	(void)state;
	assert_true(write_text(pipe, "A: b\n\n", false));
	lm_rig_expect(fd, "+OK");
	lm_rig_expect(fd, "A: b");
	lm_rig_expect(fd, "\r\n");
	/* The session has read all there was, and is woken. */
	assert_true(write_text(pipe, "", false));
	assert_true(write_text(pipe, "x\n", false));
	lm_rig_expect(fd, "x\r\n");
	write_text(pipe, ".", true);
	got = lm_rig_read(fd, "\r\n.\r\n");
	assert_string_equal(got, "..\r\n.\r\n");
	free(got);
	/* Ended is ended. */
	assert_false(write_text(pipe, "more", false));
	fake_call(&fake, "pipeFail", FAKE_ARGS(pipe));
	lm_rig_chat(fd, "NOOP\r\n", "+OK");
	close(fd);
}

static void end_without_octets(void **state)
{
	struct lm_host_value *pipe = pipe_for(pop3_retr(&fake, fd));

	(void)state;
	fake_call(&fake, "pipeWrite",
	          FAKE_ARGS(pipe, fake_undefined(&fake), fake_bool(&fake, true)));
	lm_rig_expect(fd, "+OK");
	lm_rig_expect(fd, ".\r\n");
	lm_rig_chat(fd, "NOOP\r\n", "+OK");
	close(fd);
}

static char block[64 * 1024];

static unsigned fill(struct lm_host_value *pipe)
{
	unsigned n = 1;

	while (write_octets(pipe, block, sizeof(block), false))
		n++;
	return n;
}

static void fill_block(void)
{
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'x';
}

static void *read_all(void *arg)
{
	char *got = lm_rig_read(fd, "\r\n.\r\n");

	*(size_t *)arg = strlen(strstr(got, "\r\n") + 2);
	free(got);
	return NULL;
}

/* Script is asked for more only when the client takes it. */
static void back_pressure(void **state)
{
	struct lm_host_value *pipe = pipe_for(pop3_retr(&fake, fd)), *e;
	size_t written, len = 0;
	pthread_t reader;

	(void)state;
	fill_block();
	written = fill(pipe);
	/* The client reads nothing yet; what the session and the kernel take has an end. */
	while ((e = fake_take(&fake, 200))) {
		assert_true(fake_num(e, "type") == 1002);
		written += fill(pipe);
	}
	assert_in_range(written, 4, 64 * 1024 * 1024 / sizeof(block));
	pthread_create(&reader, NULL, read_all, &len);
	for (int i = 0; i < 20; i++) {
		e = fake_expect(&fake, "WANT");
		assert_true(fake_num(e, "pipe") == pipe->number);
		written += fill(pipe);
	}
	write_text(pipe, "", true);
	pthread_join(reader, NULL);
	assert_int_equal(len, written * sizeof(block) + 3);
	close(fd);
}

static void failed(void **state)
{
	struct lm_host_value *pipe = pipe_for(pop3_retr(&fake, fd));

	(void)state;
	write_text(pipe, "A: b\n\n", false);
	lm_rig_expect(fd, "+OK");
	lm_rig_expect(fd, "A: b");
	lm_rig_expect(fd, "\r\n");
	fake_call(&fake, "pipeFail", FAKE_ARGS(pipe));
	lm_rig_expect_end(fd);
	fake_expect(&fake, "DISCONNECT");
}

static void failed_at_once(void **state)
{
	struct lm_host_value *pipe = pipe_for(pop3_retr(&fake, fd));

	(void)state;
	fake_call(&fake, "pipeFail", FAKE_ARGS(pipe));
	fake_expect(&fake, "DISCONNECT");
	close(fd);
}

static void reader_goes(void **state)
{
	struct lm_host_value *e = pop3_retr(&fake, fd), *pipe = pipe_for(e);

	(void)state;
	fill_block();
	fill(pipe);
	pop3_reset(fd);
	/* It may have asked for more before. */
	do
		e = fake_take(&fake, 30000);
	while (e && fake_num(e, "type") == 1002);
	assert_non_null(e);
	assert_true(fake_num(e, "type") == 1003);
	assert_true(fake_num(e, "pipe") == pipe->number);
	assert_false(write_text(pipe, "more", false));
	fake_expect(&fake, "DISCONNECT");
}

/* The reader goes, and script writes on, because it has not heard of it. */
static void writer_does_not_know(void **state)
{
	struct lm_host_value *e = pop3_retr(&fake, fd), *pipe = pipe_for(e);

	(void)state;
	fake_call(&fake, "disconnect", FAKE_ARGS(fake_get(e, "session")));
	write_text(pipe, "into the void\n", false);
	write_text(pipe, "", true);
	fake_expect(&fake, "DISCONNECT");
	close(fd);
}

/* Too late for the session: nobody ever reads the pipe. */
static void late(void **state)
{
	struct lm_host_value *e = pop3_retr(&fake, fd), *pipe;

	(void)state;
	pop3_reset(fd);
	pipe = pipe_for(e);
	write_text(pipe, "hello\n", false);
	fake_expect(&fake, "DISCONNECT");
	write_text(pipe, "hello\n", true);
}

static void left_open(void **state)
{
	struct lm_host_value *pipe = pipe_for(pop3_retr(&fake, fd));

	(void)state;
	write_text(pipe, "A: b\n", false);
	lm_rig_expect(fd, "+OK");
	close(fd);
	/* The server's end takes both sides. */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(piece_by_piece), T(end_without_octets),   T(back_pressure),
		T(failed),         T(failed_at_once),       T(reader_goes),
		T(left_open),      T(writer_does_not_know), T(late),
	};
#undef T

	return cmocka_run_group_tests_name("bridge/pipe", tests, NULL, NULL);
}
