/* The script handler with a whole server: each hook as the documents have it. */
#include "script/handler_rig.h"

#define LOGIN                                          \
	"const s = infinity.pop3.session;\n"           \
	"s.authenticated = s.password === 'secret';\n" \
	"for (let i = 1; i <= 3; i++)\n"               \
	"	s.items.push({ id: 100 + i, uid: 'u' + i, size: 20 * i, deleted: false });\n"

/* ---- POP3 ---- */

static void pop3_as_documented(void **state)
{
	struct lm_hr hr;
	struct lm_buf got;
	int fd;

	(void)state;
	lm_hr_begin(&hr, LM_POP3);
	lm_hr_hook(&hr, "onLogin", LOGIN);
	lm_hr_hook(
	        &hr, "onRetrieve",
	        "const { item } = infinity.pop3.session;\n"
	        "item.msg = `Subject: ${item.id} ${item.uid} ${item.size}\\r\\n\\r\\nbody\\r\\n`;\n"
	        "item.lines = 3;\n");
	lm_hr_hook(&hr, "onDelete", "infinity.pop3.session.item.deleted = true;\n");
	lm_hr_hook(&hr, "onQuit",
	           "const { items } = infinity.pop3.session;\n"
	           "console.log('gone: ' + items.filter((i) => i.deleted).map((i) => "
	           "i.id).join());\n");
	lm_hr_start(&hr, NULL, NULL);

	fd = lm_hr_session(&hr, NULL);
	lm_hr_chat(fd, "USER anna\r\n", "+OK");
	lm_hr_chat(fd, "PASS wrong\r\n", "-ERR [AUTH]");
	lm_hr_chat(fd, "USER anna\r\n", "+OK");
	lm_hr_chat(fd, "PASS secret\r\n", "+OK");
	lm_hr_chat(fd, "STAT\r\n", "+OK 3 120\r\n");
	lm_hr_chat(fd, "UIDL 2\r\n", "+OK 2 u2\r\n");
	lm_hr_chat(fd, "RETR 2\r\n", "+OK");
	lm_buf_init(&got, 1 << 20);
	lm_hr_lines(fd, &got);
	assert_bytes(lm_buf_bytes(&got), lm_str("Subject: 102 u2 40\r\n\r\nbody\r\n"));
	lm_buf_clear(&got);
	lm_hr_chat(fd, "TOP 3 0\r\n", "+OK");
	lm_hr_lines(fd, &got);
	assert_bytes(lm_buf_bytes(&got), lm_str("Subject: 103 u3 60\r\n\r\n"));
	lm_buf_done(&got);
	lm_hr_chat(fd, "DELE 1\r\n", "+OK");
	lm_hr_chat(fd, "RSET\r\n", "+OK");
	lm_hr_chat(fd, "DELE 3\r\n", "+OK");
	lm_hr_chat(fd, "QUIT\r\n", "+OK");
	lm_hr_expect_end(fd);
	lm_hr_await_print(&hr, "gone: 103\n");
	lm_hr_end(&hr);
}

/* ---- SMTP ---- */

static void smtp_as_documented(void **state)
{
	struct lm_hr hr;
	int fd;

	(void)state;
	lm_hr_begin(&hr, LM_SMTP);
	lm_hr_hook(&hr, "onMailFrom",
	           "const s = infinity.smtp.session;\n"
	           "s.accept = s.address === 'a@x.example';\n");
	lm_hr_hook(&hr, "onRcptTo",
	           "const s = infinity.smtp.session;\n"
	           "s.accept = s.address !== 'no@y.example';\n");
	lm_hr_hook(&hr, "onReceive",
	           "const s = infinity.smtp.session;\n"
	           "console.log(`got ${s.msg.length} for ${s.envelope.recipients.map((r) => \n"
	           "	r.address)} from ${s.envelope.sender}`);\n"
	           "s.received = s.msg === 'Subject: x\\r\\n\\r\\nbody\\r\\n';\n");
	lm_hr_start(&hr, NULL, NULL);

	fd = lm_hr_session(&hr, NULL);
	lm_hr_chat(fd, "MAIL FROM:<b@x.example>\r\n", "550 5.7.1");
	lm_hr_chat(fd, "MAIL FROM:<a@x.example>\r\n", "250");
	lm_hr_chat(fd, "RCPT TO:<no@y.example>\r\n", "550 5.1.1");
	lm_hr_chat(fd, "RCPT TO:<yes@y.example>\r\n", "250");
	lm_hr_chat(fd, "RCPT TO:<too@y.example>\r\n", "250");
	lm_hr_chat(fd, "DATA\r\n", "354");
	lm_hr_chat(fd, "Subject: x\r\n\r\nbody\r\n.\r\n", "250");
	lm_hr_chat(fd, "MAIL FROM:<a@x.example>\r\n", "250");
	lm_hr_chat(fd, "RCPT TO:<yes@y.example>\r\n", "250");
	lm_hr_chat(fd, "DATA\r\n", "354");
	lm_hr_chat(fd, "Subject: y\r\n\r\nbody\r\n.\r\n", "554 5.3.0");
	lm_hr_chat(fd, "QUIT\r\n", "221");
	lm_hr_expect_end(fd);
	lm_hr_await_print(&hr, "got 20 for yes@y.example,too@y.example from a@x.example\n");
	lm_hr_end(&hr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pop3_as_documented),
		cmocka_unit_test(smtp_as_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
