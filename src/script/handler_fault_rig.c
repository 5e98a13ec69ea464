/* Every fault in every hook: the dialogues, and what they must hear. */
#include "script/handler_fault_rig.h"

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

/* Whoever comes from 127.0.0.(10 + i) has the fault in the i-th step's hook. */
enum { FIRST = 10, STEPS_MAX = 32 };

static void write_hooks(struct lm_hr *hr, const char *space, const struct step *steps,
                        const struct lm_fault *fault)
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

static const char *bad_reply(const struct step *step, const struct lm_fault *fault)
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

/* Its hook is not heard by the client. */
static bool is_silent(const struct step *step)
{
	return strcmp(step->hook, "onAbort") == 0 || strcmp(step->hook, "onDisconnect") == 0;
}

/* A dialogue, and the step it stands at; `bad` is the one with the faulty hook. */
struct walk {
	const struct step *steps;
	unsigned bad, at;
	int fd;
};

/* Up to the faulty step, whose reply is still to be read. */
static struct walk set_out(struct lm_hr *hr, const struct step *steps, unsigned bad)
{
	struct walk w = { .steps = steps, .bad = bad, .fd = lm_hr_connect_from(hr, FIRST + bad) };

	for (; steps[w.at].hook; w.at++) {
		const struct step *step = &steps[w.at];

		if (!*step->good)
			continue;
		if (step->say)
			say(w.fd, step->say);
		if (is_of_step(steps, w.at, bad) && !is_silent(&steps[bad]))
			break;
		lm_hr_expect(w.fd, step->good);
		if (steps == pop3_steps)
			read_rest(w.fd, step);
	}
	return w;
}

/* The fault is told, and the session goes on, on the same VM or another. */
static void arrive(struct lm_hr *hr, struct walk *w, const struct lm_fault *fault)
{
	const struct step *step = &w->steps[w->at];

	if (step->hook)
		lm_hr_expect(w->fd, bad_reply(step, fault));
	if (step->hook && !ends_session(step) && strcmp(step->hook, "onHelo") != 0)
		lm_hr_chat(w->fd, "QUIT\r\n", w->steps == pop3_steps ? "+OK" : "221");
	close(w->fd);
	if (strcmp(w->steps[w->bad].hook, "onDisconnect") != 0)
		hr->walks++;
}

/* The workers are free for the next one. */
static void await_end(struct lm_hr *hr)
{
	lm_hr_await_prints(hr, "over", hr->walks);
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

static bool is_tried(const struct step *steps, unsigned i, const struct lm_fault *fault)
{
	/* Who only hears is waited for, as the order of events wants it. */
	if (fault->is_timeout && strcmp(steps[i].hook, "onAbort") == 0)
		return false;
	if (!*steps[i].hook || (i && strcmp(steps[i].hook, steps[i - 1].hook) == 0))
		return false;
	return !fault->is_dear || is_documented(steps[i].hook);
}

static void expect_logged(struct lm_hr *hr, const struct step *step, const struct lm_fault *fault)
{
	char told[100];

	snprintf(told, sizeof(told), "hook=%s", step->hook);
	if (!fault->is_timeout && !strstr(fault->told, "lost"))
		lm_hr_await_log(hr, told);
}

/* One session at a time has the fault, while `other` goes on. */
static void in_turn(struct lm_hr *hr, const struct step *steps, const struct lm_fault *fault,
                    int other)
{
	const char *ok = steps == pop3_steps ? "+OK" : "250";

	for (unsigned i = 0; steps[i].hook; i++) {
		struct walk w;

		if (!is_tried(steps, i, fault))
			continue;
		fprintf(stderr, "# %s: %.40s\n", steps[i].hook, fault->script);
		lm_hr_chat(other, "NOOP\r\n", ok);
		w = set_out(hr, steps, i);
		lm_hr_chat(other, "NOOP\r\n", ok);
		arrive(hr, &w, fault);
		await_end(hr);
		lm_hr_chat(other, "NOOP\r\n", ok);
		expect_logged(hr, &steps[i], fault);
	}
}

/* All sessions stand in their fault together, on the same two workers as `other`. */
static void together(struct lm_hr *hr, const struct step *steps, const struct lm_fault *fault,
                     int other)
{
	const char *ok = steps == pop3_steps ? "+OK" : "250";
	struct walk walks[STEPS_MAX];
	unsigned count = 0, heard = 0;

	for (unsigned i = 0; steps[i].hook; i++) {
		if (!is_tried(steps, i, fault))
			continue;
		heard += !is_silent(&steps[i]);
		walks[count++] = set_out(hr, steps, i);
		lm_hr_chat(other, "NOOP\r\n", ok);
	}
	for (unsigned i = 0; i < count; i++) {
		arrive(hr, &walks[i], fault);
		lm_hr_chat(other, "NOOP\r\n", ok);
	}
	await_end(hr);
	assert_int_equal(lm_hr_count_logged(hr, fault->told), heard);
}

static void small(struct lm_script_handler_params *params)
{
	params->cpu = 100;
	params->heap = 48 << 20;
	params->gone_patience = 500;
}

static void run_fault(enum lm_protocol protocol, const struct lm_fault *fault)
{
	const struct step *steps = protocol == LM_POP3 ? pop3_steps : smtp_steps;
	struct lm_hr hr;
	int other;

	lm_hr_begin(&hr, protocol);
	write_hooks(&hr, protocol == LM_POP3 ? "pop3" : "smtp", steps, fault);
	lm_hr_start(&hr, small,
	            (const char *[]){ "handler-timeout", fault->is_timeout ? "400ms" : "30s",
	                              "max-auth-failures", "1000", NULL });
	other = lm_hr_session(&hr, "other");
	if (fault->is_idle)
		together(&hr, steps, fault, other);
	else
		in_turn(&hr, steps, fault, other);
	lm_hr_await_log(&hr, fault->told);
	lm_hr_chat(other, "QUIT\r\n", protocol == LM_POP3 ? "+OK" : "221");
	close(other);
	lm_hr_end(&hr);
}

void lm_fault_run(const struct lm_fault *fault)
{
	run_fault(LM_POP3, fault);
	run_fault(LM_SMTP, fault);
}
