/* What goes wrong in a script costs its own session a temporary failure, and nobody else anything:
 * every fault in every hook, with a second session on the same workers. */
#include "script/handler_rig.h"

/* One step of a dialogue and the hook it calls. Say: NULL reads only, "" does nothing. */
struct step {
	const char *hook, *say, *good, *bad;
};

#define TEMP "-ERR [SYS/TEMP]"

static const struct step pop3_steps[] = {
	{ "onConnect", NULL, "+OK", TEMP },
	{ "onCapa", "CAPA\r\n", "+OK", TEMP },
	{ "onLang", "LANG nl\r\n", "+OK", TEMP },
	{ "onLang", "LANG en\r\n", "+OK", TEMP },
	{ "onCommand", "XYZZY\r\n", "+OK", TEMP },
	{ "onAuth", "USER anna\r\nPASS secret\r\n", "+OK", TEMP },
	{ "onLogin", "", "", "" },
	{ "onAuthDone", "", "", "" },
	{ "onMaildrop", "", "", "" },
	{ "onStat", "STAT\r\n", "+OK 2 40", TEMP },
	{ "onList", "LIST 1\r\n", "+OK", TEMP },
	{ "onUidl", "UIDL 1\r\n", "+OK", TEMP },
	{ "onRetrieve", "RETR 1\r\n", "+OK", TEMP },
	{ "onTop", "TOP 1 1\r\n", "+OK", TEMP },
	{ "onDelete", "DELE 1\r\n", "+OK", TEMP },
	{ "onReset", "RSET\r\n", "+OK", TEMP },
	{ "onNoop", "NOOP\r\n", "+OK", TEMP },
	{ "onQuit", "QUIT\r\n", "+OK", TEMP },
	{ "onDisconnect", "", "", "" },
	{ NULL, NULL, NULL, NULL },
};

static const struct step smtp_steps[] = {
	{ "onConnect", NULL, "220 ", "421 " },
	{ "onHelo", "EHLO c.example\r\n", "250 ", "451 " },
	{ "onVrfy", "VRFY x\r\n", "252", "451 4.3.0" },
	{ "onExpn", "EXPN x\r\n", "250", "451 4.3.0" },
	{ "onHelp", "HELP\r\n", "214", "451 4.3.0" },
	{ "onCommand", "XYZZY\r\n", "250", "451 4.3.0" },
	{ "onAuth", "AUTH PLAIN AGFubmEAc2VjcmV0\r\n", "235", "454 4.7.0" },
	{ "onLogin", "", "", "" },
	{ "onAuthDone", "", "", "" },
	{ "onMailFrom", "MAIL FROM:<a@x.example>\r\n", "250", "451 4.3.0" },
	{ "onReset", "RSET\r\n", "250", "451 4.3.0" },
	{ "onAbort", "", "", "" },
	{ "onNoop", "NOOP\r\n", "250", "451 4.3.0" },
	{ "", "MAIL FROM:<a@x.example>\r\n", "250", "" },
	{ "onRcptTo", "RCPT TO:<b@x.example>\r\n", "250", "451 4.3.0" },
	{ "onData", "DATA\r\n", "354", "451 4.3.0" },
	{ "onReceive", "Subject: x\r\n\r\n.\r\n", "250", "451 4.3.0" },
	{ "onQuit", "QUIT\r\n", "221", "451 4.3.0" },
	{ "onDisconnect", "", "", "" },
	{ NULL, NULL, NULL, NULL },
};

/* What each hook does when nothing is wrong with it. */
static const char *good_script(const char *hook)
{
	static const char *const scripts[][2] = {
		{ "onAuth", "" },
		{ "onLogin", "s.authenticated = true; s.left = 'free';" },
		{ "onMaildrop",
		  "s.items = [{ id: 1, uid: 'a', size: 20 }, { id: 2, uid: 'b', size: 20 }];" },
		{ "onRetrieve", "s.item.msg = 'Subject: x\\r\\n\\r\\nbody\\r\\n';" },
		{ "onTop", "s.item.msg = 'Subject: x\\r\\n\\r\\n';" },
		{ "onDelete", "s.item.deleted = true;" },
		{ "onCommand", "s.reply({ ok: true, text: 'well' });" },
		{ "onExpn", "s.reply(250, 'well');" },
		{ "onMailFrom", "s.accept = true;" },
		{ "onRcptTo", "s.accept = true;" },
		{ "onReceive", "s.received = true;" },
		{ "onDisconnect", "console.log('over');" },
	};

	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++)
		if (strcmp(hook, scripts[i][0]) == 0)
			return scripts[i][1];
	return "";
}

struct fault {
	const char *script; /* of the hook; the good one does not run behind it */
	const char *told;   /* in the log */
	bool is_timeout;    /* 451 4.4.7 instead of 4.3.0 */
};

/* Whoever comes from 127.0.0.(10 + i) has the fault in the i-th step's hook. */
enum { FIRST = 10 };

static void write_hooks(struct lm_hr *hr, const char *space, const struct step *steps,
                        const struct fault *fault)
{
	for (unsigned i = 0; steps[i].hook; i++) {
		char text[2000];

		if (!*steps[i].hook || (i && strcmp(steps[i].hook, steps[i - 1].hook) == 0))
			continue;
		snprintf(text, sizeof(text),
		         "const s = infinity.%s.session;\n"
		         "if (s.ip === '127.0.0.%u') { %s }\nelse { %s }\n",
		         space, FIRST + i, fault->script, good_script(steps[i].hook));
		lm_hr_hook(hr, steps[i].hook, text);
	}
}

static const char *bad_reply(const struct step *step, const struct fault *fault)
{
	if (fault->is_timeout && strncmp(step->bad, "451 4", 5) == 0)
		return "451 4.4.7";
	return step->bad;
}

/* LIST, RETR and so on: behind the first line there is more. */
static void read_rest(int fd, const struct step *step)
{
	struct lm_buf rest;

	if (strcmp(step->hook, "onRetrieve") && strcmp(step->hook, "onTop") &&
	    strcmp(step->hook, "onCapa"))
		return;
	lm_buf_init(&rest, 1 << 20);
	lm_hr_lines(fd, &rest);
	lm_buf_done(&rest);
}

/* What a command calls besides the hook of its step. */
static bool is_of_step(const struct step *steps, unsigned i, unsigned bad)
{
	while (!*steps[bad].good && bad > i)
		bad--;
	return bad == i;
}

static void say(int fd, const char *text)
{
	const char *second = strstr(text, "\r\n") + 2;
	char first[100];

	if (!*second || second[-3] == '.' || strncmp(text, "USER", 4) != 0) {
		lm_hr_say(fd, text);
		return;
	}
	snprintf(first, sizeof(first), "%.*s", (int)(second - text), text);
	lm_hr_chat(fd, first, "+OK");
	lm_hr_say(fd, second);
}

static bool ends_session(const struct step *step)
{
	return strcmp(step->hook, "onConnect") == 0 || strcmp(step->hook, "onQuit") == 0;
}

/* Walk up to the faulty step, while `other` goes on. */
static void walk(struct lm_hr *hr, const struct step *steps, unsigned bad, int other,
                 const struct fault *fault)
{
	int fd = lm_hr_connect_from(hr, FIRST + bad);
	unsigned i;

	for (i = 0; steps[i].hook; i++) {
		bool is_bad = is_of_step(steps, i, bad) && strcmp(steps[bad].hook, "onAbort") &&
		              strcmp(steps[bad].hook, "onDisconnect");
		if (!*steps[i].good)
			continue;
		if (steps[i].say)
			say(fd, steps[i].say);
		if (is_bad) {
			lm_hr_chat(other, "NOOP\r\n", steps == pop3_steps ? "+OK" : "250");
			lm_hr_expect(fd, bad_reply(&steps[i], fault));
			break;
		}
		lm_hr_expect(fd, steps[i].good);
		if (steps == pop3_steps)
			read_rest(fd, &steps[i]);
	}
	/* Its session goes on, on the same VM or another. */
	if (steps[i].hook && !ends_session(&steps[i]) && strcmp(steps[i].hook, "onHelo"))
		lm_hr_chat(fd, "QUIT\r\n", steps == pop3_steps ? "+OK" : "221");
	close(fd);
	/* The worker is free for the next one. */
	if (strcmp(steps[bad].hook, "onDisconnect") != 0)
		lm_hr_await_prints(hr, "over", ++hr->walks);
}

static bool is_documented(const char *hook)
{
	size_t count;
	const struct lm_script_hook *hooks = lm_script_hooks(&count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(hooks[i].property, hook) == 0)
			return hooks[i].documented;
	return false;
}

static void small(struct lm_script_handler_params *params)
{
	params->cpu = 100;
	params->heap = 48 << 20;
}

static void run_fault(enum lm_protocol protocol, const struct fault *fault, bool documented)
{
	const struct step *steps = protocol == LM_POP3 ? pop3_steps : smtp_steps;
	const char *ok = protocol == LM_POP3 ? "+OK" : "250";
	struct lm_hr hr;
	int other;

	lm_hr_begin(&hr, protocol);
	write_hooks(&hr, protocol == LM_POP3 ? "pop3" : "smtp", steps, fault);
	lm_hr_start(&hr, small,
	            (const char *[]){ "handler-timeout", fault->is_timeout ? "400ms" : "30s",
	                              "max-auth-failures", "1000", NULL });
	other = lm_hr_session(&hr, "other");
	for (unsigned i = 0; steps[i].hook; i++) {
		char told[100];

		/* Who only hears is waited for, as the order of events wants it. */
		if (fault->is_timeout && strcmp(steps[i].hook, "onAbort") == 0)
			continue;
		if (!*steps[i].hook || (documented && !is_documented(steps[i].hook)) ||
		    (i && strcmp(steps[i].hook, steps[i - 1].hook) == 0))
			continue;
		fprintf(stderr, "# %s: %.40s\n", steps[i].hook, fault->script);
		lm_hr_chat(other, "NOOP\r\n", ok);
		walk(&hr, steps, i, other, fault);
		lm_hr_chat(other, "NOOP\r\n", ok);
		snprintf(told, sizeof(told), "hook=%s", steps[i].hook);
		if (!fault->is_timeout && !strstr(fault->told, "lost"))
			lm_hr_await_log(&hr, told);
	}
	lm_hr_await_log(&hr, fault->told);
	lm_hr_chat(other, "QUIT\r\n", protocol == LM_POP3 ? "+OK" : "221");
	close(other);
	lm_hr_end(&hr);
}

static void run_both(const struct fault *fault)
{
	run_fault(LM_POP3, fault, false);
	run_fault(LM_SMTP, fault, false);
}

static void throws(void **state)
{
	(void)state;
	run_both(&(struct fault){ "throw new RangeError('broken');", "RangeError: broken", false });
}

static void rejections(void **state)
{
	(void)state;
	run_both(&(struct fault){ "return Promise.reject(new Error('broken'));", "Error: broken",
	                          false });
}

static void recursions(void **state)
{
	(void)state;
	run_both(&(struct fault){ "const f = () => f() + 1; f();", "RangeError", false });
}

static void endless_loops(void **state)
{
	(void)state;
	run_both(&(struct fault){ "for (;;) ;", "more processor time", false });
}

static void memory_bombs(void **state)
{
	(void)state;
	run_both(&(struct fault){ "const a = []; for (;;) a.push(new Array(1000).fill({}));",
	                          "script.error", false });
}

static void promises_never_settled(void **state)
{
	(void)state;
	run_both(&(struct fault){ "return new Promise(() => {});", "handler.timeout", true });
}

static void blocked_for_long(void **state)
{
	(void)state;
	run_both(&(struct fault){ "infinity.sleep(1000000);", "handler.timeout", true });
}

static void endless_microtasks(void **state)
{
	static const struct fault fault = { "(async () => { for (;;) await 0; })();", "script.lost",
		                            false };

	(void)state;
	run_fault(LM_POP3, &fault, true);
	run_fault(LM_SMTP, &fault, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(throws),           cmocka_unit_test(rejections),
		cmocka_unit_test(recursions),       cmocka_unit_test(endless_loops),
		cmocka_unit_test(memory_bombs),     cmocka_unit_test(promises_never_settled),
		cmocka_unit_test(blocked_for_long), cmocka_unit_test(endless_microtasks),
	};

	cmocka_set_test_filter(getenv("LM_ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
