/* Script workers and generations of hooks: who runs where, files that change, functions as hooks.
 */
#include "script/handler_rig.h"

#include <sys/socket.h>
#include <time.h>

#define LOGIN                                \
	"const s = infinity.pop3.session;\n" \
	"s.authenticated = true;\n"

static void four(struct lm_script_handler_params *params)
{
	params->pool_size = 4;
}

/* Whoever waits holds only his worker: those who come meanwhile get others, up to the pool's size;
 * then they wait, and all get their answer. */
static void sleepers_hold_their_workers(void **state)
{
	struct lm_hr hr;
	int fds[6], quick;

	(void)state;
	lm_hr_begin(&hr, LM_POP3);
	lm_hr_hook(&hr, "onLogin",
	           LOGIN "if (s.username !== 'quick') infinity.sleep(400);\n"
	                 "console.log('ran ' + s.username);\n");
	lm_hr_start(&hr, four, NULL);
	for (size_t i = 0; i < 3; i++) {
		fds[i] = lm_hr_session(&hr, NULL);
		lm_hr_chat(fds[i], "USER slow\r\n", "+OK");
		lm_hr_say(fds[i], "PASS secret\r\n");
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	}
	quick = lm_hr_session(&hr, "quick");
	/* The quick one was first to end, though last to come. */
	lm_hr_await_print(&hr, "ran quick");
	pthread_mutex_lock(&hr.rig->lock);
	assert_null(strstr(lm_rig_cstr(&hr.rig->out), "ran slow"));
	pthread_mutex_unlock(&hr.rig->lock);
	for (size_t i = 3; i < 6; i++) {
		fds[i] = lm_hr_session(&hr, NULL);
		lm_hr_chat(fds[i], "USER slow\r\n", "+OK");
		lm_hr_say(fds[i], "PASS secret\r\n");
	}
	for (size_t i = 0; i < 6; i++) {
		lm_hr_expect(fds[i], "+OK");
		close(fds[i]);
	}
	close(quick);
	lm_hr_end(&hr);
}

/* Free members last as long as the session, in the VM it began in. */
static void free_members_last(void **state)
{
	struct lm_hr hr;
	int fd;

	(void)state;
	lm_hr_begin(&hr, LM_POP3);
	lm_hr_hook(&hr, "onConnect", "infinity.pop3.session.mine = { n: 1 };\n");
	lm_hr_hook(&hr, "onLogin",
	           LOGIN "s.mine.n++;\n"
	                 "s.items.push({ id: 7, uid: 'a', size: 1, extra: 'kept' });\n");
	lm_hr_hook(&hr, "onNoop",
	           "infinity.pop3.session.mine.n++;\n"
	           "let twice = 1;\n"
	           "infinity.own = (infinity.own ?? 0) + twice;\n");
	lm_hr_hook(&hr, "onRetrieve",
	           "const s = infinity.pop3.session;\n"
	           "s.item.msg = `${s.mine.n} ${infinity.own} ${s.item.extra} ${s.item === "
	           "s.items[0]}`;\n");
	lm_hr_hook(&hr, "onDisconnect",
	           "const s = infinity.pop3.session;\n"
	           "console.log(`${s.id} ${s.ip} ${s.items.length} ${s.mine.n}`);\n");
	lm_hr_start(&hr, NULL, NULL);
	fd = lm_hr_session(&hr, "anna");
	lm_hr_chat(fd, "NOOP\r\n", "+OK");
	lm_hr_chat(fd, "NOOP\r\n", "+OK");
	lm_hr_chat(fd, "RETR 1\r\n", "+OK");
	lm_hr_expect(fd, "4 2 kept true\r\n");
	lm_hr_expect(fd, ".\r\n");
	close(fd);
	lm_hr_await_print(&hr, "undefined 127.0.0.1 1 4\n");
	lm_hr_end(&hr);
}

/* ---- files that change ---- */

static void write_version(struct lm_hr *hr, const char *body)
{
	char text[200];

	snprintf(text, sizeof(text), "infinity.pop3.session.reply({ ok: true, text: %s });\n",
	         body);
	lm_hr_hook(hr, "onNoop", text);
}

static void expect_version(struct lm_hr *hr, const char *want)
{
	int fd = lm_hr_session(hr, "anna");

	lm_hr_chat(fd, "NOOP\r\n", want);
	lm_hr_chat(fd, "QUIT\r\n", "+OK");
	close(fd);
}

/* Files are looked at every half second. */
static void wait_for_look(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 600000000 }, NULL);
}

static void changed_files_are_for_new_sessions(void **state)
{
	struct lm_hr hr;
	int old;

	(void)state;
	lm_hr_begin(&hr, LM_POP3);
	hr.rig->script.watch = true;
	lm_hr_hook(&hr, "onLogin", LOGIN);
	write_version(&hr, "'one'");
	lm_hr_start(&hr, NULL, NULL);
	old = lm_hr_session(&hr, "anna");
	lm_hr_chat(old, "NOOP\r\n", "+OK one");
	write_version(&hr, "'second'");
	wait_for_look();
	expect_version(&hr, "+OK second");
	lm_hr_chat(old, "NOOP\r\n", "+OK one");
	/* What does not compile is told once, with its place, and what was there stays. */
	lm_hr_hook(&hr, "onNoop", "let fine;\nlet = = broken;\n");
	wait_for_look();
	expect_version(&hr, "+OK second");
	wait_for_look();
	expect_version(&hr, "+OK second");
	assert_int_equal(lm_hr_count_logged(&hr, "onNoop.js line=2"), 1);
	lm_hr_chat(old, "NOOP\r\n", "+OK one");
	write_version(&hr, "'number three'");
	wait_for_look();
	expect_version(&hr, "+OK number three");
	close(old);
	lm_hr_end(&hr);
}

static void without_watch_nothing_changes(void **state)
{
	struct lm_hr hr;

	(void)state;
	lm_hr_begin(&hr, LM_POP3);
	lm_hr_hook(&hr, "onLogin", LOGIN);
	write_version(&hr, "'one'");
	lm_hr_start(&hr, NULL, NULL);
	expect_version(&hr, "+OK one");
	write_version(&hr, "'second'");
	wait_for_look();
	expect_version(&hr, "+OK one");
	lm_hr_end(&hr);
}

/* ---- what cannot begin ---- */

static void broken_hooks_are_found_at_once(void **state)
{
	static const struct {
		const char *file, *text, *told;
	} cases[] = {
		{ "onLogin.js", "let x = ;\n", "SyntaxError" },
		{ "missing.js", NULL, "missing.js" },
	};
	size_t count;
	const struct lm_script_hook *hooks = lm_script_hooks(&count);

	(void)state;
	assert_true(count > 20);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct lm_rig *rig = lm_rig_new();
		struct lm_script_hooked hooked = { &hooks[3], cases[i].file, NULL };
		struct lm_script_handler_params params = {
			.protocol = LM_POP3, .hooked = &hooked, .hooked_count = 1, .pool_size = 1
		};
		struct lm_script_handler *handler = NULL;
		struct lm_js_error error;

		if (cases[i].text)
			lm_rig_file(rig, cases[i].file, cases[i].text);
		assert_false(lm_script_handler_new(rig->rt, &params, &handler));
		assert_true(lm_js_catch(rig->rt->js, &error, NULL));
		assert_non_null(strstr(error.message, cases[i].told));
		assert_null(handler);
		lm_rig_free(rig);
	}
}

/* ---- a VM made anew ---- */

static void one(struct lm_script_handler_params *params)
{
	params->pool_size = 1;
	params->cpu = 50;
}

/* Limits ended its scripts again and again: sessions go on in a new VM with what the documents
 * name; free members are gone. */
static void a_vm_is_made_anew(void **state)
{
	struct lm_hr hr;
	int fd, other;

	(void)state;
	lm_hr_begin(&hr, LM_POP3);
	lm_hr_hook(&hr, "onLogin",
	           LOGIN "s.mine = 1;\n"
	                 "for (let i = 1; i < 4; i++)\n"
	                 "	s.items.push({ id: i + 0.5, uid: 'u' + i, size: i });\n");
	lm_hr_hook(&hr, "onNoop", "for (;;) ;\n");
	lm_hr_hook(&hr, "onDelete", "infinity.pop3.session.item.deleted = true;\n");
	lm_hr_hook(&hr, "onRetrieve",
	           "const s = infinity.pop3.session;\n"
	           "s.item.msg = [s.item.id, s.item.uid, s.item.size, s.username, s.password, "
	           "s.mine,\n"
	           "	s.items.map((i) => i.deleted), s.item === s.items[1]].join(' ');\n");
	lm_hr_start(&hr, one, NULL);
	fd = lm_hr_session(&hr, "anna");
	other = lm_hr_session(&hr, "bert");
	lm_hr_chat(fd, "DELE 1\r\n", "+OK");
	for (int i = 0; i < 3; i++)
		lm_hr_chat(fd, "NOOP\r\n", "-ERR [SYS/TEMP]");
	lm_hr_chat(fd, "RETR 2\r\n", "+OK");
	lm_hr_expect(fd, "2.5 u2 2 anna secret  true,false,false true\r\n");
	lm_hr_expect(fd, ".\r\n");
	lm_hr_chat(other, "RETR 2\r\n", "+OK");
	lm_hr_expect(other, "2.5 u2 2 bert secret  false,false,false true\r\n");
	lm_hr_expect(other, ".\r\n");
	assert_int_equal(lm_hr_count_logged(&hr, "VM made anew"), 1);
	assert_int_equal(lm_hr_count_logged(&hr, "script.renewed"), 2);
	lm_hr_chat(fd, "QUIT\r\n", "-ERR");
	lm_hr_chat(other, "QUIT\r\n", "+OK");
	close(fd);
	close(other);
	lm_hr_end(&hr);
}

/* ---- functions as hooks ---- */

struct talk {
	struct lm_hr *hr;
	bool failed;
};

static void *talk_main(void *arg)
{
	struct talk *t = arg;
	int fd = lm_hr_session(t->hr, "anna");

	lm_hr_chat(fd, "STAT\r\n", "+OK 1 5");
	lm_hr_chat(fd, "RETR 1\r\n", "+OK");
	lm_hr_expect(fd, "body 2\r\n");
	lm_hr_expect(fd, ".\r\n");
	lm_hr_chat(fd, "NOOP\r\n", "-ERR [SYS/TEMP]");
	lm_hr_chat(fd, "NOOP\r\n", "-ERR [SYS/TEMP]");
	lm_hr_chat(fd, "QUIT\r\n", "+OK");
	close(fd);
	lm_loop_stop(t->hr->rig->loop);
	return NULL;
}

static void add_function(struct lm_hr *hr, struct lm_script_hooked *out, const char *property,
                         const char *text)
{
	const struct lm_js_source source = { "main.js", lm_str(text) };
	size_t count;
	const struct lm_script_hook *hooks = lm_script_hooks(&count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(hooks[i].property, property) == 0)
			out->hook = &hooks[i];
	out->file = NULL;
	out->function = lm_js_run(hr->rig->rt->js, &source);
	assert_non_null(out->function);
}

static struct lm_hr *making;

static void with_functions(struct lm_script_handler_params *params)
{
	static struct lm_script_hooked hooked[4];

	add_function(making, &hooked[0], "onLogin",
	             "globalThis.count = 0;\n"
	             "(session) => { count++; session.authenticated = true;\n"
	             "	session.items = [{ id: 1, uid: 'a', size: 5 }]; }");
	add_function(making, &hooked[1], "onRetrieve",
	             "async (session) => { await null; count++;\n"
	             "	session.item.msg = `body ${count}\\n`; }");
	add_function(making, &hooked[2], "onNoop", "(session) => { for (;;) ; }");
	params->hooked = hooked;
	params->hooked_count = 3;
}

static void functions_run_where_they_were_made(void **state)
{
	struct lm_hr hr;
	struct talk talk = { &hr, false };
	pthread_t thread;

	(void)state;
	lm_hr_begin(&hr, LM_POP3);
	making = &hr;
	lm_hr_start(&hr, with_functions, NULL);
	assert_int_equal(pthread_create(&thread, NULL, talk_main, &talk), 0);
	lm_loop_run(hr.rig->loop);
	pthread_join(thread, NULL);
	lm_hr_end(&hr);
}

/* ---- sessions that vanish ---- */

/* The hook goes on to its end, its answer goes nowhere, then comes the session's end. */
static void sessions_vanish_under_their_hooks(void **state)
{
	static const char *const waits[] = { "infinity.sleep(150);",
		                             "return new Promise((done) => setTimeout(() => {\n"
		                             "	console.log('ended'); done(); }, 150));" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct lm_hr hr;
		char text[400];
		int fd;

		lm_hr_begin(&hr, LM_SMTP);
		lm_hr_hook(&hr, "onRcptTo", "infinity.smtp.session.accept = true;");
		snprintf(text, sizeof(text),
		         "const s = infinity.smtp.session;\nconsole.log('began');\n"
		         "s.left = s.msg.length;\ns.received = true;\n%s\nconsole.log('ended');\n",
		         waits[i]);
		lm_hr_hook(&hr, "onReceive", text);
		lm_hr_hook(&hr, "onDisconnect",
		           "console.log('over ' + infinity.smtp.session.left);\n");
		lm_hr_start(&hr, NULL, NULL);
		fd = lm_hr_session(&hr, NULL);
		lm_hr_chat(fd, "MAIL FROM:<a@x.example>\r\n", "250");
		lm_hr_chat(fd, "RCPT TO:<b@y.example>\r\n", "250");
		lm_hr_chat(fd, "DATA\r\n", "354");
		lm_hr_say(fd, "Subject: x\r\n\r\nbody\r\n.\r\n");
		lm_hr_await_print(&hr, "began");
		close(fd);
		lm_hr_await_print(&hr, "over 20\n");
		pthread_mutex_lock(&hr.rig->lock);
		assert_true(strstr(lm_rig_cstr(&hr.rig->out), "ended") <
		            strstr(lm_rig_cstr(&hr.rig->out), "over"));
		pthread_mutex_unlock(&hr.rig->lock);
		lm_hr_end(&hr);
	}
}

/* A server that is freed in the middle of hooks ends them, and nothing is left. */
static void servers_end_under_hooks(void **state)
{
	struct lm_hr hr;
	int fds[4];

	(void)state;
	lm_hr_begin(&hr, LM_POP3);
	lm_hr_hook(&hr, "onLogin",
	           LOGIN "if (s.username === 'sleep') infinity.sleep(100000);\n"
	                 "if (s.username === 'wait') return new Promise(() => {});\n"
	                 "if (s.username === 'loop') for (;;) ;\n");
	lm_hr_start(&hr, four, NULL);
	for (size_t i = 0; i < 4; i++) {
		static const char *const users[] = { "sleep", "wait", "loop", "sleep" };
		char line[40];

		fds[i] = lm_hr_session(&hr, NULL);
		snprintf(line, sizeof(line), "USER %s\r\n", users[i]);
		lm_hr_chat(fds[i], line, "+OK");
		lm_hr_say(fds[i], "PASS x\r\n");
	}
	nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	lm_hr_end(&hr);
	for (size_t i = 0; i < 4; i++)
		close(fds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sleepers_hold_their_workers),
		cmocka_unit_test(free_members_last),
		cmocka_unit_test(changed_files_are_for_new_sessions),
		cmocka_unit_test(without_watch_nothing_changes),
		cmocka_unit_test(broken_hooks_are_found_at_once),
		cmocka_unit_test(a_vm_is_made_anew),
		cmocka_unit_test(functions_run_where_they_were_made),
		cmocka_unit_test(sessions_vanish_under_their_hooks),
		cmocka_unit_test(servers_end_under_hooks),
	};

	cmocka_set_test_filter(getenv("LM_ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
