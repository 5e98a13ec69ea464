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

/* ---- LMTP ---- */

static void lmtp_answers_each_recipient(void **state)
{
	static const char *const names[] = { "all", "list", "reply", "short", "wrong" };
	struct lm_hr hr;
	int fd;

	(void)state;
	lm_hr_begin(&hr, LM_LMTP);
	lm_hr_hook(&hr, "onRcptTo", "infinity.lmtp.session.accept = true;");
	lm_hr_hook(&hr, "onReceive",
	           "const s = infinity.lmtp.session;\n"
	           "switch (s.envelope.sender.split('@')[0]) {\n"
	           "case 'all': s.received = true; break;\n"
	           "case 'list': s.received = [true, false,\n"
	           "	{ ok: false, code: 452, enhanced: '4.2.2', text: 'full' }]; break;\n"
	           "case 'reply': s.received = true;\n"
	           "	s.reply({ recipient: 1, code: 550, enhanced: '5.2.1', text: 'closed' });\n"
	           "	s.reply({ recipient: 'c@y', ok: true, text: 'for c' }); break;\n"
	           "case 'short': s.received = [true]; break;\n"
	           "case 'wrong': s.received = [true, 1, true]; break;\n"
	           "}\n");
	lm_hr_start(&hr, NULL, NULL);
	fd = lm_hr_session(&hr, NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		static const char *const replies[][3] = {
			{ "250", "250", "250" },
			{ "250", "554 5.3.0", "452 4.2.2 full" },
			{ "250", "550 5.2.1 closed", "250 2.0.0 for c" },
			{ "451 4.3.0", "451 4.3.0", "451 4.3.0" },
			{ "250", "554 5.3.0", "250" },
		};
		char line[60];

		snprintf(line, sizeof(line), "MAIL FROM:<%s@x>\r\n", names[i]);
		lm_hr_chat(fd, line, "250");
		lm_hr_chat(fd, "RCPT TO:<a@y>\r\n", "250");
		lm_hr_chat(fd, "RCPT TO:<b@y>\r\n", "250");
		lm_hr_chat(fd, "RCPT TO:<c@y>\r\n", "250");
		lm_hr_chat(fd, "DATA\r\n", "354");
		lm_hr_say(fd, "Subject: x\r\n\r\n.\r\n");
		for (size_t r = 0; r < 3; r++)
			lm_hr_expect(fd, replies[i][r]);
	}
	close(fd);
	lm_hr_end(&hr);
}

/* ---- members ---- */

static void members_of_smtp(void **state)
{
	struct lm_hr hr;
	int fd;

	(void)state;
	lm_hr_begin(&hr, LM_SMTP);
	lm_hr_hook(&hr, "onLogin",
	           "const s = infinity.smtp.session;\n"
	           "console.log(s.auth);\n"
	           "console.log(`login ${s.username} ${s.password} ${s.items} ${s.user}`);\n"
	           "s.authenticated = true;\n");
	lm_hr_hook(
	        &hr, "onMailFrom",
	        "const s = infinity.smtp.session;\n"
	        "console.log(`mail ${s.address} ${s.user} ${s.mechanism} ${s.helo} ${s.esmtp} `\n"
	        "	+ `${s.tls} ${s.protocol} ${s.username} ${s.msg} ${s.size} ${s.stream}`);\n"
	        "console.log(s.envelope);\n"
	        "s.accept = true;\n");
	lm_hr_hook(&hr, "onRcptTo",
	           "const s = infinity.smtp.session;\n"
	           "console.log(`rcpt ${s.address} ${s.envelope.recipients.length} `\n"
	           "	+ `${s.envelope.recipients.map((r) => r.address + r.notify).join('|')}`);\n"
	           "s.accept = !s.address.startsWith('no');\n");
	lm_hr_hook(
	        &hr, "onVrfy",
	        "const s = infinity.smtp.session;\n"
	        "s.reply(252, `${s.verb} ${s.argument} ${typeof s.id} ${s.server.port > 0}`);\n");
	lm_hr_start(&hr, NULL, NULL);
	fd = lm_hr_session(&hr, NULL);
	lm_hr_chat(fd, "VRFY anna\r\n", "252 2.1.5 VRFY anna number true");
	lm_hr_chat(fd, "AUTH PLAIN AGFubmEAc2VjcmV0\r\n", "235");
	lm_hr_chat(fd, "MAIL FROM:<a@x> SIZE=77 BODY=8BITMIME RET=HDRS ENVID=e1\r\n", "250");
	lm_hr_chat(fd, "RCPT TO:<b@y> NOTIFY=SUCCESS,DELAY\r\n", "250");
	lm_hr_chat(fd, "RCPT TO:<no@y>\r\n", "550");
	lm_hr_chat(fd, "RCPT TO:<c@y>\r\n", "250");
	lm_hr_await_print(&hr, "login anna secret undefined undefined\n");
	lm_hr_await_print(&hr, "\"mechanism\":\"PLAIN\"");
	lm_hr_await_print(&hr, "mail a@x anna PLAIN c.example true null smtp anna undefined "
	                       "undefined undefined\n");
	lm_hr_await_print(&hr, "\"size\":77");
	lm_hr_await_print(&hr, "\"eightBit\":true");
	lm_hr_await_print(&hr, "\"envid\":\"e1\"");
	lm_hr_await_print(&hr, "rcpt b@y 1 b@ySUCCESS,DELAY\n");
	lm_hr_await_print(&hr, "rcpt no@y 2 b@ySUCCESS,DELAY|no@y\n");
	lm_hr_await_print(&hr, "rcpt c@y 2 b@ySUCCESS,DELAY|c@y\n");
	close(fd);
	lm_hr_end(&hr);
}

static void disconnecting(void **state)
{
	struct lm_hr hr;
	int fd;

	(void)state;
	lm_hr_begin(&hr, LM_SMTP);
	lm_hr_hook(&hr, "onConnect",
	           "const s = infinity.smtp.session;\n"
	           "if (s.ip === '127.0.0.2') s.disconnect();\n"
	           "if (s.ip === '127.0.0.3') s.reply(421, 'later');\n");
	lm_hr_hook(&hr, "onNoop", "infinity.smtp.session.disconnect();\n");
	lm_hr_hook(&hr, "onHelp",
	           "const s = infinity.smtp.session;\n"
	           "s.reply({ code: 214, text: 'bye', close: true });\n");
	lm_hr_start(&hr, NULL, NULL);
	fd = lm_hr_connect_from(&hr, 2);
	lm_hr_expect(fd, "554 ");
	lm_hr_expect_end(fd);
	fd = lm_hr_connect_from(&hr, 3);
	lm_hr_expect(fd, "421 later");
	lm_hr_expect_end(fd);
	fd = lm_hr_session(&hr, NULL);
	lm_hr_chat(fd, "NOOP\r\n", "250");
	lm_hr_expect_end(fd);
	fd = lm_hr_session(&hr, NULL);
	lm_hr_chat(fd, "HELP\r\n", "214 2.0.0 bye");
	lm_hr_expect_end(fd);
	lm_hr_end(&hr);
}

/* ---- with a store behind ---- */

static void with_store(struct lm_script_handler_params *params)
{
	params->has_store = true;
}

/* What a script leaves, or does not decide, the store does; what it takes, the store has not. */
static void a_store_behind(void **state)
{
	static const char *const options[] = { "store", "memory:", "user", "anna:secret", NULL };
	struct lm_hr hr;
	int fd;

	(void)state;
	lm_hr_begin(&hr, LM_SMTP);
	lm_hr_hook(&hr, "onRcptTo",
	           "const s = infinity.smtp.session;\n"
	           "if (s.address === 'mine@here') s.accept = true; else s.proceed();\n");
	lm_hr_hook(&hr, "onReceive",
	           "const s = infinity.smtp.session;\n"
	           "if (s.msg.includes('take')) s.received = true; else s.proceed();\n");
	lm_hr_start(&hr, with_store, options);
	fd = lm_hr_session(&hr, NULL);
	for (int turn = 0; turn < 3; turn++) {
		lm_hr_chat(fd, "MAIL FROM:<a@x>\r\n", "250");
		lm_hr_chat(fd, "RCPT TO:<nobody>\r\n", "550");
		lm_hr_chat(fd, turn == 2 ? "RCPT TO:<mine@here>\r\n" : "RCPT TO:<anna>\r\n", "250");
		lm_hr_chat(fd, "DATA\r\n", "354");
		lm_hr_chat(fd, turn ? "Subject: take\r\n\r\n.\r\n" : "Subject: x\r\n\r\n.\r\n",
		           "250");
	}
	assert_int_equal(lm_hr_count_logged(&hr, "message.stored"), 1);
	close(fd);
	lm_hr_end(&hr);

	lm_hr_begin(&hr, LM_POP3);
	lm_hr_hook(&hr, "onLogin",
	           "const s = infinity.pop3.session;\n"
	           "if (s.username === 'own') {\n"
	           "	s.authenticated = true;\n"
	           "	s.items = [{ id: 1, uid: 'a', size: 3 }];\n"
	           "} else s.proceed();\n");
	lm_hr_hook(&hr, "onNoop", "");
	lm_hr_start(&hr, with_store, options);
	fd = lm_hr_session(&hr, "anna");
	lm_hr_chat(fd, "STAT\r\n", "+OK 0 0");
	lm_hr_chat(fd, "NOOP\r\n", "+OK");
	lm_hr_chat(fd, "QUIT\r\n", "+OK");
	close(fd);
	fd = lm_hr_session(&hr, "own");
	lm_hr_chat(fd, "STAT\r\n", "+OK 1 3");
	lm_hr_chat(fd, "RETR 1\r\n", "-ERR");
	lm_hr_chat(fd, "QUIT\r\n", "+OK");
	close(fd);
	lm_hr_end(&hr);
}

/* Secrets for mechanisms that never show the password; messages marked at login are not listed. */
static void secrets_and_lists(void **state)
{
	struct lm_hr hr;
	int fd;

	(void)state;
	lm_hr_begin(&hr, LM_POP3);
	lm_hr_hook(&hr, "onAuth",
	           "const s = infinity.pop3.session;\n"
	           "if (s.auth.kind === 'secret') s.secret = 'secret';\n"
	           "else if (s.username === 'token') s.authenticated = false;\n");
	lm_hr_hook(&hr, "onLogin", "infinity.pop3.session.authenticated = true;\n");
	lm_hr_hook(&hr, "onMaildrop",
	           "const s = infinity.pop3.session;\n"
	           "s.items = [{ id: 1, uid: 'a', size: 1, deleted: true },\n"
	           "	{ id: 2, uid: 'b', size: 2 }];\n");
	lm_hr_hook(&hr, "onRetrieve",
	           "const { item } = infinity.pop3.session; item.msg = `n${item.id}\\r\\n`;\n");
	lm_hr_start(&hr, NULL, (const char *[]){ "auth", "CRAM-MD5 PLAIN", NULL });
	fd = lm_hr_session(&hr, "anna");
	lm_hr_chat(fd, "STAT\r\n", "+OK 1 2");
	lm_hr_chat(fd, "RETR 1\r\n", "+OK");
	lm_hr_expect(fd, "n2\r\n");
	lm_hr_expect(fd, ".\r\n");
	close(fd);
	fd = lm_hr_session(&hr, NULL);
	lm_hr_chat(fd, "AUTH CRAM-MD5\r\n", "+ ");
	lm_hr_chat(fd, "YW5uYSAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMA==\r\n", "-ERR [AUTH]");
	lm_hr_chat(fd, "USER token\r\n", "+OK");
	lm_hr_chat(fd, "PASS x\r\n", "-ERR [AUTH]");
	close(fd);
	lm_hr_end(&hr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pop3_as_documented),
		cmocka_unit_test(smtp_as_documented),
		cmocka_unit_test(lmtp_answers_each_recipient),
		cmocka_unit_test(members_of_smtp),
		cmocka_unit_test(disconnecting),
		cmocka_unit_test(a_store_behind),
		cmocka_unit_test(secrets_and_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
