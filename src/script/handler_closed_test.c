/* What scripts give that is no clear yes: refused, and told of. */
#include "script/handler_rig.h"

/* One case of a hook: what its script does with the session `s`, the reply to it, what the log
 * tells (NULL: no warning and no error). */
struct closed {
	const char *script, *reply, *log;
};

/* The name or address that begins with a number says which case runs. */
static void write_cases(struct lm_hr *hr, const char *property, const char *namespace,
                        const char *chooser, const struct closed *cases, size_t count)
{
	struct lm_buf text;

	lm_buf_init(&text, 1 << 20);
	assert_err(lm_buf_printf(&text, "const s = infinity.%s.session;\nconst cases = [\n",
	                         namespace),
	           0);
	for (size_t i = 0; i < count; i++)
		assert_err(lm_buf_printf(&text, "(s) => {%s},\n", cases[i].script), 0);
	assert_err(lm_buf_printf(&text, "];\nreturn cases[parseInt(%s)](s);\n", chooser), 0);
	lm_hr_hook(hr, property, lm_rig_cstr(&text));
	lm_buf_done(&text);
}

/* The log and the console of this case alone. */
static void expect_told(struct lm_hr *hr, const struct closed *c)
{
	if (c->log) {
		lm_hr_await_log(hr, c->log);
	} else if (lm_hr_has_logged(hr, "script.")) {
		fail_msg("%s: %s", c->script, lm_rig_cstr(&hr->logged));
	}
	pthread_mutex_lock(&hr->lock);
	lm_buf_clear(&hr->logged);
	pthread_mutex_unlock(&hr->lock);
}

/* ---- POP3 login ---- */

static const struct closed login_cases[] = {
	{ "s.authenticated = true;", "+OK", NULL },
	{ "s.authenticated = false;", "-ERR [AUTH]", NULL },
	{ "", "-ERR [AUTH]", "script.result" },
	{ "s.authenticated = 1;", "-ERR [AUTH]", "found=1" },
	{ "s.authenticated = 'true';", "-ERR [AUTH]", "session.authenticated" },
	{ "s.authenticated = {};", "-ERR [AUTH]", "found=\"an object\"" },
	{ "s.authenticated = new Boolean(true);", "-ERR [AUTH]", "hook=onLogin" },
	{ "s.authenticated = null;", "-ERR [AUTH]", "found=null" },
	{ "s.authenticated = () => true;", "-ERR [AUTH]", "found=\"a function\"" },
	{ "s.authenticated = true; throw new Error('no');", "-ERR [SYS/TEMP]",
	  "message=\"Error: no\"" },
	{ "return Promise.resolve().then(() => { s.authenticated = true; });", "+OK", NULL },
	{ "s.authenticated = true; return Promise.reject(new Error('bad'));", "-ERR [SYS/TEMP]",
	  "message=\"Error: bad\"" },
	{ "s.authenticated = true; return { then(ok) { ok(); ok(); } };", "+OK", NULL },
	{ "s.authenticated = true; return { then(ok, bad) { bad('x'); ok(); } };",
	  "-ERR [SYS/TEMP]", "script.error" },
	{ "s.authenticated = true; s.authenticated = false;", "-ERR [AUTH]", NULL },
	{ "s.items = 'none';", "-ERR [SYS/TEMP]", "session.items: an array" },
	{ "s.items = { length: 1 };", "-ERR [SYS/TEMP]", "session.items: an array" },
	{ "s.authenticated = true; s.items = [3];", "-ERR [SYS/TEMP]", "items[0]: an object" },
	{ "s.authenticated = true; s.items = [, null];", "-ERR [SYS/TEMP]", "items[0]: an object" },
	{ "s.authenticated = true; s.items = [{ id: 1, uid: 'a', size: 1 }, null];",
	  "-ERR [SYS/TEMP]", "items[1]: an object" },
	{ "s.authenticated = true; s.items = [{ id: '1', uid: 'a', size: 1 }];", "-ERR [SYS/TEMP]",
	  "items[0].id: a number" },
	{ "s.authenticated = true; s.items = [{ id: NaN, uid: 'a', size: 1 }];", "-ERR [SYS/TEMP]",
	  "items[0].id: a number" },
	{ "s.authenticated = true; s.items = [{ id: 1, uid: 7, size: 1 }];", "-ERR [SYS/TEMP]",
	  "items[0].uid: 1 to 70" },
	{ "s.authenticated = true; s.items = [{ id: 1, uid: '', size: 1 }];", "-ERR [SYS/TEMP]",
	  "items[0].uid: 1 to 70" },
	{ "s.authenticated = true; s.items = [{ id: 1, uid: 'a b', size: 1 }];", "-ERR [SYS/TEMP]",
	  "items[0].uid: 1 to 70" },
	{ "s.authenticated = true; s.items = [{ id: 1, uid: 'a\\r\\nb', size: 1 }];",
	  "-ERR [SYS/TEMP]", "items[0].uid: 1 to 70" },
	{ "s.authenticated = true; s.items = [{ id: 1, uid: 'ü', size: 1 }];", "-ERR [SYS/TEMP]",
	  "items[0].uid: 1 to 70" },
	{ "s.authenticated = true; s.items = [{ id: 1, uid: 'x'.repeat(71), size: 1 }];",
	  "-ERR [SYS/TEMP]", "items[0].uid: 1 to 70" },
	{ "s.authenticated = true; s.items = [{ id: 1, uid: 'x'.repeat(70), size: 1 }];", "+OK",
	  NULL },
	{ "s.authenticated = true; s.items = [{ id: 1, uid: 'a', size: 1 },"
	  " { id: 2, uid: 'b', size: 1 }, { id: 3, uid: 'a', size: 2 }];",
	  "-ERR [SYS/TEMP]", "items[2].uid: \\u0022a\\u0022 is that of items[0]" },
	{ "s.authenticated = true; s.items = [{ id: 1, uid: 'a', size: -1 }];", "-ERR [SYS/TEMP]",
	  "items[0].size: a whole number" },
	{ "s.authenticated = true; s.items = [{ id: 1, uid: 'a', size: 1.5 }];", "-ERR [SYS/TEMP]",
	  "items[0].size: a whole number" },
	{ "s.authenticated = true; s.items = [{ id: 1, uid: 'a', size: 2 ** 53 }];",
	  "-ERR [SYS/TEMP]", "items[0].size: a whole number" },
	{ "s.authenticated = true; s.items = [{ id: 1, uid: 'a' }];", "-ERR [SYS/TEMP]",
	  "items[0].size: a whole number" },
	{ "s.authenticated = true; s.items = [{ id: 1, uid: 'a', size: 1, deleted: 0 }];",
	  "-ERR [SYS/TEMP]", "items[0].deleted: true or false" },
	{ "s.authenticated = true; s.items = [{ id: 1, get uid() { throw Error('g'); } }];",
	  "-ERR [SYS/TEMP]", "message=\"Error: g\"" },
	{ "s.authenticated = true; s.items = new Proxy([], { get() { throw Error('p'); } "
	  "});",
	  "-ERR [SYS/TEMP]", "message=\"Error: p\"" },
	{ "s.items = [3];", "-ERR [AUTH]", "found=undefined" },
	{ "s.reply({ ok: false, text: 'later', pop3Code: 'IN-USE' });", "-ERR [IN-USE] later\r\n",
	  NULL },
	{ "s.reply({ ok: false, pop3Code: 'LOGIN-DELAY' });", "-ERR [LOGIN-DELAY]", NULL },
	{ "s.reply({ ok: true });", "+OK", NULL },
	{ "s.reply({ ok: true }); s.authenticated = false;", "-ERR [AUTH]", NULL },
	{ "s.authenticated = true; s.reply({ ok: false });", "-ERR [AUTH]", NULL },
	{ "s.authenticated = true; s.reply({ ok: false, text: 'a\\r\\n+OK' });", "-ERR [SYS/TEMP]",
	  "session.reply.text: a line cannot hold" },
	{ "s.authenticated = true; s.reply({ ok: 'no' });", "-ERR [SYS/TEMP]",
	  "session.reply.ok: true or false" },
	{ "s.authenticated = true; s.reply({ ok: false, pop3Code: 'NONE' });", "-ERR [SYS/TEMP]",
	  "session.reply.pop3Code: one of" },
	{ "s.authenticated = true; s.reply('no');", "-ERR [SYS/TEMP]",
	  "session.reply: a code or an object" },
	{ "s.authenticated = true; s.reply();", "-ERR [SYS/TEMP]", "session.reply: a code" },
	{ "s.authenticated = true; s.reply({});", "-ERR [SYS/TEMP]",
	  "session.reply: ok (true or false) or a code is needed" },
	{ "s.proceed();", "-ERR [AUTH]", NULL },
	{ "s.authenticated = true; s.proceed();", "-ERR [AUTH]", NULL },
	{ "s.username = 'root'; s.authenticated = true;", "-ERR [SYS/TEMP]",
	  "session.username: read-only" },
	{ "s.password = 'x';", "-ERR [SYS/TEMP]", "session.password: read-only" },
	{ "s.id = 1;", "-ERR [SYS/TEMP]", "session.id: read-only" },
	{ "s.ip = '::1';", "-ERR [SYS/TEMP]", "session.ip: read-only" },
	{ "s.port = 1;", "-ERR [SYS/TEMP]", "session.port: read-only" },
	{ "s.tls = {};", "-ERR [SYS/TEMP]", "session.tls: read-only" },
	{ "s.item = {};", "-ERR [SYS/TEMP]", "session.item: read-only" },
	{ "s.msg = 'x';", "-ERR [SYS/TEMP]", "session.msg: there is no item" },
	{ "new s.constructor({});", "-ERR [SYS/TEMP]", "sessions are made by servers" },
	{ "null.x;", "-ERR [SYS/TEMP]", "TypeError" },
	{ "throw undefined;", "-ERR [SYS/TEMP]", "script.error" },
	{ "throw { toString() { throw 1; } };", "-ERR [SYS/TEMP]", "script.error" },
};

static void logins(void **state)
{
	enum { COUNT = sizeof(login_cases) / sizeof(*login_cases) };
	struct lm_hr hr;

	(void)state;
	lm_hr_begin(&hr, LM_POP3);
	write_cases(&hr, "onLogin", "pop3", "s.username", login_cases, COUNT);
	lm_hr_start(&hr, NULL, NULL);
	for (size_t i = 0; i < COUNT; i++) {
		int fd = lm_hr_session(&hr, NULL);
		char line[40];

		snprintf(line, sizeof(line), "USER %zu\r\n", i);
		lm_hr_chat(fd, line, "+OK");
		fprintf(stderr, "# %s\n", login_cases[i].script);
		lm_hr_chat(fd, "PASS secret\r\n", login_cases[i].reply);
		expect_told(&hr, &login_cases[i]);
		close(fd);
	}
	lm_hr_end(&hr);
}

/* ---- POP3 messages ---- */

#define ITEMS                                \
	"const s = infinity.pop3.session;\n" \
	"s.authenticated = true;\n"          \
	"for (let i = 0; i < 60; i++)\n"     \
	"	s.items.push({ id: i, uid: 'u' + i, size: 10 });\n"

static void run_items(const char *property, const char *command, const char *behind,
                      const struct closed *cases, size_t count)
{
	struct lm_hr hr;
	int fd;

	lm_hr_begin(&hr, LM_POP3);
	lm_hr_hook(&hr, "onLogin", ITEMS);
	write_cases(&hr, property, "pop3", "s.item.id", cases, count);
	lm_hr_start(&hr, NULL, NULL);
	fd = lm_hr_session(&hr, "anna");
	for (size_t i = 0; i < count; i++) {
		struct lm_buf got;
		char line[40];

		fprintf(stderr, "# %s\n", cases[i].script);
		snprintf(line, sizeof(line), "%s %zu%s\r\n", command, i + 1, behind);
		lm_hr_chat(fd, line, cases[i].reply);
		lm_buf_init(&got, 1 << 20);
		if (cases[i].reply[0] == '+' && strcmp(command, "DELE") != 0)
			lm_hr_lines(fd, &got);
		lm_buf_done(&got);
		expect_told(&hr, &cases[i]);
	}
	lm_hr_chat(fd, "NOOP\r\n", "+OK");
	close(fd);
	lm_hr_end(&hr);
}

static void messages(void **state)
{
	static const struct closed cases[] = {
		{ "s.item.msg = 'Subject: x\\r\\n\\r\\n';", "+OK", NULL },
		{ "s.msg = 'Subject: x\\r\\n\\r\\n';", "+OK", NULL },
		{ "s.item.msg = new Uint8Array([65, 13, 10]);", "+OK", NULL },
		{ "s.item.msg = new Uint8Array([65, 13, 10]).buffer;", "+OK", NULL },
		{ "s.item.msg = { toBytes: () => new Uint8Array([65, 13, 10]) };", "+OK", NULL },
		{ "s.item.msg = '';", "+OK", NULL },
		{ "", "-ERR", "found=undefined" },
		{ "s.item.msg = 7;", "-ERR", "session.item.msg" },
		{ "s.item.msg = true;", "-ERR", "found=true" },
		{ "s.item.msg = null;", "-ERR", "found=null" },
		{ "s.item.msg = {};", "-ERR", "found=\"an object\"" },
		{ "s.item.msg = ['a'];", "-ERR", "found=\"an array\"" },
		{ "s.item.msg = () => 'x';", "-ERR", "found=\"a function\"" },
		{ "s.item.msg = { toBytes: () => 'x' };", "-ERR [SYS/TEMP]", "toBytes()" },
		{ "s.item.msg = { toBytes() { throw Error('tb'); } };", "-ERR [SYS/TEMP]",
		  "Error: tb" },
		{ "s.item.msg = 'x'; throw Error('late');", "-ERR [SYS/TEMP]", "Error: late" },
		{ "return Promise.resolve().then(() => { s.item.msg = 'x\\r\\n'; });", "+OK",
		  NULL },
		{ "s.item.msg = 'x'; return Promise.reject(3);", "-ERR [SYS/TEMP]",
		  "script.error" },
		{ "s.item.msg = 'x'; s.reply({ ok: false, text: 'not now' });", "-ERR not now",
		  NULL },
		{ "s.item.msg = 'x'; s.reply({ ok: true, text: 'here' });", "+OK here", NULL },
		{ "s.reply({ ok: true, text: 'here' });", "-ERR", "found=undefined" },
		{ "s.proceed();", "-ERR", NULL },
		{ "Object.defineProperty(s.item, 'msg', { get() { throw Error('gm'); } });",
		  "-ERR [SYS/TEMP]", "Error: gm" },
		{ "Object.freeze(s.item); s.item.msg = 'x';", "-ERR this message cannot be had",
		  "found=undefined" },
	};

	(void)state;
	run_items("onRetrieve", "RETR", "", cases, sizeof(cases) / sizeof(*cases));
	run_items("onTop", "TOP", " 1", cases, sizeof(cases) / sizeof(*cases));
}

static void deletions(void **state)
{
	static const struct closed cases[] = {
		{ "s.item.deleted = true;", "+OK", NULL },
		{ "s.item.deleted = false;", "-ERR", NULL },
		{ "", "-ERR", NULL },
		{ "s.item.deleted = 1;", "-ERR", "session.item.deleted" },
		{ "s.item.deleted = 'true';", "-ERR", "script.result" },
		{ "s.item.deleted = undefined;", "-ERR", "found=undefined" },
		{ "delete s.item.deleted;", "-ERR", "found=undefined" },
		{ "s.item.deleted = true; throw Error('x');", "-ERR [SYS/TEMP]", "Error: x" },
		{ "s.item.deleted = true; return Promise.reject(Error('y'));", "-ERR [SYS/TEMP]",
		  "Error: y" },
		{ "return Promise.resolve().then(() => { s.item.deleted = true; });", "+OK", NULL },
		{ "s.reply({ ok: true });", "+OK", NULL },
		{ "s.item.deleted = true; s.reply({ ok: false, text: 'kept' });", "-ERR kept",
		  NULL },
	};

	(void)state;
	run_items("onDelete", "DELE", "", cases, sizeof(cases) / sizeof(*cases));
}

/* ---- SMTP ---- */

static void run_addresses(const char *property, const struct closed *cases, size_t count)
{
	bool mail = strcmp(property, "onMailFrom") == 0;
	struct lm_hr hr;

	lm_hr_begin(&hr, LM_SMTP);
	write_cases(&hr, property, "smtp", "s.address", cases, count);
	lm_hr_start(&hr, NULL, (const char *[]){ "max-errors", "1000", NULL });
	for (size_t i = 0; i < count; i++) {
		int fd = lm_hr_session(&hr, NULL);
		char line[100];

		fprintf(stderr, "# %s\n", cases[i].script);
		if (!mail)
			lm_hr_chat(fd, "MAIL FROM:<a@x.example>\r\n", "250");
		snprintf(line, sizeof(line), "%s:<%zu@x.example>\r\n",
		         mail ? "MAIL FROM" : "RCPT TO", i);
		lm_hr_chat(fd, line, cases[i].reply);
		expect_told(&hr, &cases[i]);
		close(fd);
	}
	lm_hr_end(&hr);
}

static void senders(void **state)
{
	static const struct closed cases[] = {
		{ "s.accept = true;", "250 2.1.0", NULL },
		{ "s.accept = false;", "550 5.7.1", NULL },
		{ "", "550 5.7.1", "session.accept" },
		{ "s.accept = 1;", "550 5.7.1", "found=1" },
		{ "s.accept = 'yes';", "550 5.7.1", "script.result" },
		{ "s.accept = [];", "550 5.7.1", "found=\"an array\"" },
		{ "s.accept = true; throw Error('x');", "451 4.3.0", "hook=onMailFrom" },
		{ "s.accept = true; return Promise.reject(1);", "451 4.3.0", "script.error" },
		{ "return Promise.resolve().then(() => { s.accept = true; });", "250", NULL },
		{ "s.reply(452, '4.2.2', 'full');", "452 4.2.2 full", NULL },
		{ "s.reply(452, 'full');", "452 4.3.0 full", NULL },
		{ "s.reply(251, '2.1.5', 'fine');", "251 2.1.5 fine", NULL },
		{ "s.reply({ code: 550, enhanced: '5.7.25', text: 'no name' });",
		  "550 5.7.25 no name", NULL },
		{ "s.reply({ ok: false, text: 'no' });", "550 5.7.1 no", NULL },
		{ "s.reply({ ok: true, text: 'yes' });", "250 2.1.0 yes", NULL },
		{ "s.reply({ ok: true, code: 550 });", "451 4.3.0", "does not fit 550" },
		{ "s.reply(550, '4.7.1', 'x');", "451 4.3.0", "must begin alike" },
		{ "s.reply(550, '5.7', 'x');", "451 4.3.0", "a code such as" },
		{ "s.reply(199, '', 'x');", "451 4.3.0", "a whole number from 200 to 599" },
		{ "s.reply(600);", "451 4.3.0", "a whole number from 200 to 599" },
		{ "s.reply(354);", "451 4.3.0", "the server's own" },
		{ "s.reply('550');", "451 4.3.0", "a code or an object" },
		{ "s.reply(550, '5.7.1', 'a\\nb');", "451 4.3.0", "cannot hold CR, LF or NUL" },
		{ "s.reply(550, '5.7.1', 'a\\0b');", "451 4.3.0", "cannot hold CR, LF or NUL" },
		{ "s.reply(550, '5.7.1', 7);", "451 4.3.0", "session.reply.text: a string" },
		{ "s.reply(550, '5.7.1', 'x'.repeat(2001));", "451 4.3.0", "at most 2000" },
		{ "s.reply(550); s.reply(452);", "452", NULL },
		{ "s.accept = true; s.reply(550);", "550", NULL },
		{ "s.accept = false; s.reply(250, '2.0.0', 'ok');", "550 5.7.1 denied", NULL },
		{ "s.reply(421, '4.3.2', 'go');", "421 4.3.2 go", NULL },
		{ "s.reply({ code: 250, recipient: 0 });", "451 4.3.0", "only LMTP" },
		{ "s.proceed();", "250", NULL },
		{ "s.address = 'x';", "451 4.3.0", "session.address: read-only" },
		{ "s.envelope = {};", "451 4.3.0", "session.envelope: read-only" },
		{ "'use strict'; s.envelope.sender = 'x';", "451 4.3.0", "TypeError" },
	};

	(void)state;
	run_addresses("onMailFrom", cases, sizeof(cases) / sizeof(*cases));
}

static void recipients(void **state)
{
	static const struct closed cases[] = {
		{ "s.accept = true;", "250 2.1.5", NULL },
		{ "s.accept = false;", "550 5.1.1", NULL },
		{ "", "550 5.1.1", "found=undefined" },
		{ "s.accept = {};", "550 5.1.1", "hook=onRcptTo" },
		{ "throw new TypeError('t');", "451 4.3.0", "TypeError: t" },
		{ "s.reply(450, '4.2.1', 'busy');", "450 4.2.1 busy", NULL },
		{ "s.proceed();", "550 5.7.1", NULL },
	};

	(void)state;
	run_addresses("onRcptTo", cases, sizeof(cases) / sizeof(*cases));
}

static void receipts(void **state)
{
	static const struct closed cases[] = {
		{ "s.received = true;", "250", NULL },
		{ "s.receive = true;", "250", NULL },
		{ "s.received = false;", "554 5.3.0", NULL },
		{ "s.receive = false;", "554 5.3.0", NULL },
		{ "", "554 5.3.0", "session.received" },
		{ "s.received = 'true';", "554 5.3.0", "script.result" },
		{ "s.received = [true];", "554 5.3.0", "found=\"an array\"" },
		{ "s.received = true; throw Error('r');", "451 4.3.0", "Error: r" },
		{ "return Promise.resolve().then(() => { s.received = true; });", "250", NULL },
		{ "s.received = true; return Promise.reject(Error('q'));", "451 4.3.0",
		  "Error: q" },
		{ "s.reply(250, '2.0.0', 'kept as 7');", "250 2.0.0 kept as 7", NULL },
		{ "s.reply(550, '5.7.1', 'spam');", "550 5.7.1 spam", NULL },
		{ "s.msg = 'x';", "451 4.3.0", "session.msg: read-only" },
		{ "s.proceed();", "451", NULL },
	};
	enum { COUNT = sizeof(cases) / sizeof(*cases) };
	struct lm_hr hr;

	(void)state;
	lm_hr_begin(&hr, LM_SMTP);
	lm_hr_hook(&hr, "onRcptTo", "infinity.smtp.session.accept = true;");
	write_cases(&hr, "onReceive", "smtp", "s.envelope.sender", cases, COUNT);
	lm_hr_start(&hr, NULL, NULL);
	for (size_t i = 0; i < COUNT; i++) {
		int fd = lm_hr_session(&hr, NULL);
		char line[100];

		fprintf(stderr, "# %s\n", cases[i].script);
		snprintf(line, sizeof(line), "MAIL FROM:<%zu@x.example>\r\n", i);
		lm_hr_chat(fd, line, "250");
		lm_hr_chat(fd, "RCPT TO:<b@y.example>\r\n", "250");
		lm_hr_chat(fd, "DATA\r\n", "354");
		lm_hr_chat(fd, "Subject: x\r\n\r\n.\r\n", cases[i].reply);
		expect_told(&hr, &cases[i]);
		close(fd);
	}
	lm_hr_end(&hr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logins),     cmocka_unit_test(messages),
		cmocka_unit_test(deletions),  cmocka_unit_test(senders),
		cmocka_unit_test(recipients), cmocka_unit_test(receipts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
