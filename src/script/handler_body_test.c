/* Messages through scripts: octet for octet, as string, octets and stream, small and large. */
#include "script/handler_rig.h"

#include <sys/socket.h>

/* ---- in ---- */

static void patient(struct lm_script_handler_params *params)
{
	params->cpu = 10000;
}

/* A message of all octets, none of them a bare CR or LF or NUL, in lines. */
static void all_octets(struct lm_buf *out)
{
	assert_err(lm_buf_add_str(out, "Subject: all\r\n\r\n"), 0);
	for (unsigned n = 0; n < 3; n++) {
		for (unsigned c = 1; c < 256; c++) {
			uint8_t octet = (uint8_t)c;

			if (c != '\r' && c != '\n')
				assert_err(lm_buf_add(out, lm_bytes(&octet, 1)), 0);
		}
		assert_err(lm_buf_add_str(out, "\r\nü\xE2\x82\xAC\xF0\x9F\x90\xB4\xED\xA0\x80\r\n"),
		           0);
	}
}

static void begin_mail(struct lm_hr *hr, int fd)
{
	(void)hr;
	lm_hr_chat(fd, "MAIL FROM:<a@x.example>\r\n", "250");
	lm_hr_chat(fd, "RCPT TO:<b@y.example>\r\n", "250");
}

static void send_by_bdat(struct lm_hr *hr, int fd, struct lm_bytes octets, const char *reply)
{
	char line[60];

	begin_mail(hr, fd);
	snprintf(line, sizeof(line), "BDAT %zu LAST\r\n", octets.len);
	lm_hr_say(fd, line);
	lm_hr_send(fd, octets);
	lm_hr_expect(fd, reply);
}

static void read_file(struct lm_hr *hr, const char *name, struct lm_buf *out)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", hr->rig->folder, name);
	assert_true(lm_runtime_read_file(hr->rig->rt, path, out));
}

static void twice(struct lm_buf *buf)
{
	size_t len = lm_buf_len(buf);
	uint8_t *room;

	assert_err(lm_buf_room(buf, len, &room), 0);
	memcpy(room, buf->data + buf->head, len);
	lm_buf_grew(buf, len);
}

/* What came is what scripts see in each of its three forms; they write it down again. */
static void incoming_octets(void **state)
{
	static const char *const names[] = { "text", "bytes", "stream" };
	struct lm_hr hr;
	struct lm_buf sent, got;
	int fd;

	(void)state;
	lm_hr_begin(&hr, LM_SMTP);
	lm_hr_hook(&hr, "onRcptTo", "infinity.smtp.session.accept = true;");
	lm_hr_hook(&hr, "onReceive",
	           "const s = infinity.smtp.session;\n"
	           "const save = (name, what) => {\n"
	           "	const out = new infinity.stream(name, infinity.fileMode.create);\n"
	           "	if (typeof what === 'string') out.writeString(what); else "
	           "out.writeBytes(what);\n"
	           "	out.free();\n"
	           "};\n"
	           "save('text', s.msg);\n"
	           "save('bytes', s.msgBytes);\n"
	           "const out = new infinity.stream('stream', infinity.fileMode.create);\n"
	           "out.copyFrom(s.stream);\n"
	           "out.free();\n"
	           "s.received = s.size === s.msgBytes.length && s.stream.size === s.size &&\n"
	           "	s.msg === s.msg && s.msgBytes === s.msgBytes;\n");
	lm_hr_start(&hr, patient, (const char *[]){ "bare-newlines", "keep", NULL });
	lm_buf_init(&sent, 8 << 20);
	lm_buf_init(&got, 8 << 20);
	fd = lm_hr_session(&hr, NULL);
	for (int turn = 0; turn < 4; turn++) {
		if (turn == 1)
			all_octets(&sent);
		/* With what only BINARYMIME or an option lets in; then large. */
		if (turn == 2)
			assert_err(lm_buf_add(&sent, lm_bytes("\n\r\0x\r", 5)), 0);
		for (int i = 0; turn == 3 && i < 11; i++)
			twice(&sent);
		send_by_bdat(&hr, fd, lm_buf_bytes(&sent), "250");
		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
			lm_buf_clear(&got);
			read_file(&hr, names[i], &got);
			assert_bytes(lm_buf_bytes(&got), lm_buf_bytes(&sent));
		}
	}
	lm_buf_done(&sent);
	lm_buf_done(&got);
	close(fd);
	lm_hr_end(&hr);
}

/* ---- out ---- */

static void expect_message(int fd, unsigned number, struct lm_bytes want)
{
	struct lm_buf got;
	char line[40];

	snprintf(line, sizeof(line), "RETR %u\r\n", number);
	lm_hr_chat(fd, line, "+OK");
	lm_buf_init(&got, 8 << 20);
	lm_hr_lines(fd, &got);
	assert_bytes(lm_buf_bytes(&got), want);
	lm_buf_done(&got);
}

static void outgoing_octets(void **state)
{
	struct lm_hr hr;
	struct lm_buf all;
	char path[200];
	FILE *file;
	int fd;

	(void)state;
	lm_hr_begin(&hr, LM_POP3);
	lm_buf_init(&all, 1 << 20);
	all_octets(&all);
	snprintf(path, sizeof(path), "%s/all", hr.rig->folder);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(all.data, 1, all.len, file), all.len);
	assert_int_equal(fclose(file), 0);
	lm_hr_hook(&hr, "onLogin",
	           "const s = infinity.pop3.session;\n"
	           "s.authenticated = true;\n"
	           "for (let i = 1; i < 9; i++) s.items.push({ id: i, uid: 'u' + i, size: 1 });\n");
	lm_hr_hook(&hr, "onRetrieve",
	           "const { item } = infinity.pop3.session;\n"
	           "const file = () => new infinity.stream('all', infinity.fileMode.read);\n"
	           "const all = new Uint8Array(file().size);\n"
	           "const bytes = new TextEncoder();\n"
	           "const stream = new infinity.stream();\n"
	           "switch (item.id) {\n"
	           "case 1: item.msg = file(); break;\n"
	           "case 2: stream.copyFrom(file()); item.msg = stream; break;\n"
	           "case 3: item.msg = 'a\\nb\\r\\nc\\n\\nd'; break;\n"
	           "case 4: item.msg = 'a\\r\\nb\\nc\\r\\n'; break;\n"
	           "case 5: item.msg = bytes.encode('x\\n.\\n..y\\n'); break;\n"
	           "case 6: stream.writeString('long ' + 'l'.repeat(100000) + '\\nb\\n');\n"
	           "	item.msg = stream; break;\n"
	           "case 7: item.msg = ''; break;\n"
	           "case 8: item.msg = 'no end'; break;\n"
	           "}\n");
	lm_hr_start(&hr, NULL, NULL);
	fd = lm_hr_session(&hr, "anna");
	expect_message(fd, 1, lm_buf_bytes(&all));
	expect_message(fd, 2, lm_buf_bytes(&all));
	expect_message(fd, 3, lm_str("a\r\nb\r\nc\r\n\r\nd\r\n"));
	expect_message(fd, 4, lm_str("a\r\nb\nc\r\n"));
	expect_message(fd, 5, lm_str("x\r\n..\r\n...y\r\n"));
	expect_message(fd, 8, lm_str("no end\r\n"));
	expect_message(fd, 7, lm_str(""));
	lm_buf_done(&all);
	close(fd);
	lm_hr_end(&hr);
}

/* ---- large ---- */

static size_t resident(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	size_t all = 0, pages = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%zu %zu", &all, &pages), 2);
	fclose(file);
	return pages * 4096;
}

/* The sanitizers keep what was freed for a while. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { ROOM = 600 << 20 };
#else
enum { ROOM = 32 << 20 };
#endif
enum { BLOCK = 1 << 20, BLOCKS = 100 };

/* 100 MB in by a stream and out again, with memory for a few of them at most. */
static void large_messages_are_streams(void **state)
{
	struct lm_hr hr;
	uint8_t *block = malloc(BLOCK);
	size_t before, most = 0;
	char line[60];
	int fd;

	(void)state;
	assert_non_null(block);
	for (size_t i = 0; i < BLOCK; i++)
		block[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'x';
	lm_hr_begin(&hr, LM_SMTP);
	lm_hr_hook(&hr, "onRcptTo", "infinity.smtp.session.accept = true;");
	lm_hr_hook(&hr, "onReceive",
	           "const s = infinity.smtp.session;\n"
	           "const out = new infinity.stream('big', infinity.fileMode.create);\n"
	           "s.received = out.copyFrom(s.stream) === s.size;\n"
	           "out.free();\n");
	lm_hr_start(&hr, patient, (const char *[]){ "max-message-size", "200M", NULL });
	fd = lm_hr_session(&hr, NULL);
	before = resident();
	begin_mail(&hr, fd);
	snprintf(line, sizeof(line), "BDAT %d LAST\r\n", BLOCK * BLOCKS);
	lm_hr_say(fd, line);
	for (int i = 0; i < BLOCKS; i++) {
		lm_hr_send(fd, lm_bytes(block, BLOCK));
		if (resident() > most)
			most = resident();
	}
	lm_hr_expect(fd, "250");
	assert_true(most < before + ROOM);
	close(fd);
	free(block);
	lm_hr_end(&hr);
}

static void large_messages_go_out(void **state)
{
	struct lm_hr hr;
	size_t before, most = 0, total = 0;
	char room[1 << 16], tail[5] = "";
	int fd;

	(void)state;
	lm_hr_begin(&hr, LM_POP3);
	lm_hr_hook(&hr, "onLogin",
	           "const s = infinity.pop3.session;\n"
	           "s.authenticated = true;\n"
	           "s.items.push({ id: 1, uid: 'u', size: 1 });\n");
	lm_hr_hook(&hr, "onRetrieve",
	           "const out = new infinity.stream('big', infinity.fileMode.create);\n"
	           "const line = 'x'.repeat(62) + '\\n';\n"
	           "const block = line.repeat(16384);\n"
	           "for (let i = 0; i < 100; i++) out.writeString(block);\n"
	           "infinity.pop3.session.item.msg = out;\n");
	lm_hr_start(&hr, patient, NULL);
	fd = lm_hr_session(&hr, "anna");
	lm_hr_chat(fd, "RETR 1\r\n", "+OK");
	before = resident();
	while (memcmp(tail, "\r\n.\r\n", 5) != 0) {
		ssize_t n = recv(fd, room, sizeof(room), 0);

		assert_true(n >= 5 || (n > 0 && total));
		total += (size_t)n;
		if (n >= 5)
			memcpy(tail, room + n - 5, 5);
		if (resident() > most)
			most = resident();
	}
	assert_int_equal(total, 100UL * 16384 * 64 + 3);
	assert_true(most < before + ROOM);
	close(fd);
	lm_hr_end(&hr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(incoming_octets),
		cmocka_unit_test(outgoing_octets),
		cmocka_unit_test(large_messages_are_streams),
		cmocka_unit_test(large_messages_go_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
