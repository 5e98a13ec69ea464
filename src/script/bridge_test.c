/* Servers of bindings/js in a runtime: script on one side, a socket on the other. */
#include "script/rig_each.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <sys/socket.h>

/* A connection that says all at once and hears until the end, on a thread of its own. */
struct talk {
	struct lm_task task;
	struct lm_runtime *rt;
	struct lm_js_promise *promise;
	pthread_t thread;
	int port;
	struct lm_buf say, hear;
};

static int dial(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void *run_talk(void *ctx)
{
	struct talk *t = ctx;
	int fd = dial(t->port);
	uint8_t octets[4096];
	ssize_t n;

	assert_int_equal(send(fd, lm_buf_bytes(&t->say).data, lm_buf_len(&t->say), MSG_NOSIGNAL),
	                 lm_buf_len(&t->say));
	while ((n = recv(fd, octets, sizeof(octets), 0)) > 0)
		assert_err(lm_buf_add(&t->hear, lm_bytes(octets, (size_t)n)), 0);
	close(fd);
	lm_loop_post(t->rt->loop, &t->task);
	return NULL;
}

static void talked(struct lm_task *task)
{
	struct talk *t = lm_container(task, struct talk, task);
	struct lm_js *js = t->rt->js;

	assert_int_equal(pthread_join(t->thread, NULL), 0);
	lm_js_promise_settle(js, t->promise, true, lm_js_string(js, lm_buf_bytes(&t->hear)));
	lm_runtime_release(t->rt);
	lm_buf_done(&t->say);
	lm_buf_done(&t->hear);
	free(t);
}

/* talk(port, octets) -> promise of what was heard until the end */
static struct lm_js_value *native_talk(const struct lm_js_call *call)
{
	struct talk *t = calloc(1, sizeof(*t));
	struct lm_js_value *promise;

	assert_non_null(t);
	t->rt = call->data;
	t->task.run = talked;
	t->port = (int)lm_js_to_number(call->js, lm_js_arg(call, 0));
	lm_buf_init(&t->say, 1 << 20);
	lm_buf_init(&t->hear, 1 << 20);
	assert_true(lm_js_add_octets(call->js, lm_js_arg(call, 1), &t->say));
	promise = lm_js_promise_new(call->js, &t->promise);
	assert_non_null(promise);
	lm_runtime_hold(t->rt);
	assert_int_equal(pthread_create(&t->thread, NULL, run_talk, t), 0);
	return promise;
}

/* What the scripts begin with; see with(). */
static const char prelude[] =
        "const { Server } = require('lettermill/js/core/server');\n"
        "const host = require('lettermill/js/host');\n"
        "const log = [];\n"
        "const options = { pop3: '127.0.0.1:0', store: 'none', hostname: 'mill.example',\n"
        "	workers: '2', 'allow-plaintext-login': 'yes', pop3s: 'off', smtp: 'off',\n"
        "	smtps: 'off', submission: 'off', lmtp: 'off' };\n"
        "const make = (answers) => {\n"
        "	const server = new Server({ decides: Object.keys(answers), deadline: 20000,\n"
        "		event: (session, event) => answers[event.name]?.(event, session),\n"
        "		gone: (session) => log.push('gone'),\n"
        "		failed: (error) => log.push(String(error)) });\n"
        "	for (const name in options)\n"
        "		server.set(name, options[name]);\n"
        "	server.start();\n"
        "	return server;\n"
        "};\n"
        "const portOf = (server) => Number(server.endpoint('pop3').split(':').at(-1));\n"
        "const answers = {\n"
        "	AUTH: (event) => event.user(event.entry.authcid),\n"
        "	MAILDROP: (event) => event.maildrop([6, 12], ['a', 'b']),\n"
        "	RETR: (event) => event.bytes(Buffer.from('A: \\xff\\n', 'latin1')),\n"
        "	QUIT: (event) => event.yes(),\n"
        "};\n";

/* The prelude and a text; lives until the next call. */
static const char *with(const char *text)
{
	static char both[8000];
	int n = snprintf(both, sizeof(both), "%s%s", prelude, text);

	assert_true(n > 0 && (size_t)n < sizeof(both));
	return both;
}

static void with_talk(void)
{
	struct lm_js *js = rig->rt->js;
	struct lm_js_value *talk = lm_js_function(js, "talk", native_talk, rig->rt);

	assert_non_null(talk);
	assert_true(lm_js_set(js, rig->rt->global, "talk", talk));
}

static void whole_session(void **state)
{
	(void)state;
	with_talk();
	assert_script(
	        rig,
	        with("const server = make(answers);\n"
	             "const heard = await talk(portOf(server), 'USER anna\\r\\nPASS "
	             "x\\r\\nSTAT\\r\\n"
	             "UIDL 2\\r\\nRETR 1\\r\\nDELE 2\\r\\nQUIT\\r\\n');\n"
	             "await server.drain(1000);\n"
	             "return [heard.includes('+OK 2 18\\r\\n+OK 2 b\\r\\n'),\n"
	             "	heard.includes('\\r\\nA: \\udcff\\r\\n.\\r\\n'), log, server.running]"),
	        "[true,true,[\"gone\"],false]");
	assert_string_equal(lm_rig_err(rig), "");
}

/* Answers that come late, out of order, from many sessions. */
static void many_sessions(void **state)
{
	(void)state;
	with_talk();
	assert_script(
	        rig,
	        with("const slow = (fn) => (event) => setTimeout(() => fn(event),\n"
	             "	Math.random() * 20);\n"
	             "for (const name in answers)\n"
	             "	answers[name] = slow(answers[name]);\n"
	             "answers.RETR = slow((event) => {\n"
	             "	const name = event.session.info.user;\n"
	             "	event.bytes(Buffer.from(`To: ${name}\\n\\n${name}\\n`.repeat(200)));\n"
	             "});\n"
	             "const server = make(answers);\n"
	             "const all = await Promise.all(Array.from({ length: 50 }, async (_, i) => {\n"
	             "	const text = await talk(portOf(server),\n"
	             "		`USER u${i}\\r\\nPASS x\\r\\nRETR 1\\r\\nQUIT\\r\\n`);\n"
	             "	return text.split(`\\r\\nu${i}\\r\\n`).length === 201;\n"
	             "}));\n"
	             "infinity.gc();\n"
	             "await server.drain(1000);\n"
	             "return [all.every(Boolean), log.length, server.sessions.size]"),
	        "[true,50,0]");
}

/* A callback that throws, and one that never answers, cost their own session. */
static void bad_callbacks(void **state)
{
	(void)state;
	with_talk();
	assert_script(rig,
	              with("const server = make({ ...answers, AUTH(event) {\n"
	                   "	if (event.entry.authcid === 'throws')\n"
	                   "		throw new RangeError('mine');\n"
	                   "	event.user('x');\n"
	                   "} });\n"
	                   "const port = portOf(server);\n"
	                   "const [bad, good] = await Promise.all([\n"
	                   "	talk(port, 'USER throws\\r\\nPASS x\\r\\nQUIT\\r\\n'),\n"
	                   "	talk(port, 'USER u\\r\\nPASS x\\r\\nSTAT\\r\\nQUIT\\r\\n')]);\n"
	                   "await server.drain(1000);\n"
	                   "return [bad.includes('-ERR [SYS/TEMP]'), good.includes('+OK 2 18'),\n"
	                   "	log.filter((word) => word !== 'gone')]"),
	              "[true,true,[\"RangeError: mine\"]]");
}

/* The program's end drains what runs, and only then is it the end. */
static void termination(void **state)
{
	(void)state;
	with_talk();
	assert_script(
	        rig,
	        with("const server = make(answers);\n"
	             "const heard = talk(portOf(server), 'USER a\\r\\nPASS x\\r\\nQUIT\\r\\n');\n"
	             "await heard;\n"
	             "infinity.terminate();\n"
	             "return server.running"),
	        "true");
	assert_script(rig, "return require('lettermill/js/core/pump').servers.size", "0");
}

/* What still runs when the runtime ends is cut. */
static void cut(void **state)
{
	struct lm_js_source source = { rig->main_file,
		                       lm_str(with("make(answers); make(answers).drain(20000);")) };
	struct lm_js_value *path = lm_js_string(rig->rt->js, lm_str(rig->main_file)), *args[2];

	(void)state;
	args[0] = rig->rt->infinity;
	args[1] = lm_js_call(rig->rt->js, lm_js_get(rig->rt->js, rig->rt->internal, "requireFor"),
	                     NULL, 1, &path);
	assert_non_null(lm_js_call(rig->rt->js,
	                           lm_js_compile(rig->rt->js, &source, "infinity, require"), NULL,
	                           2, args));
}

static void natives(void **state)
{
	(void)state;
	assert_script(rig,
	              "const host = require('lettermill/js/host'), {native} = host;\n"
	              "const why = (fn) => { try { fn() } catch (e) {\n"
	              "	return `${e.name} ${e.code} ${e.message}` } };\n"
	              "return [why(() => native.serverSet(9, 'pop3', 'off')),\n"
	              "	why(() => native.serverSet(native.serverNew(), 'pop4', 'off')).slice(0, "
	              "20),\n"
	              "	why(() => native.serverSet(native.serverNew(), {}, 'off')).slice(0, 16),\n"
	              "	native.take(), native.constants().version === infinity.version]",
	              "[\"TypeError MISUSE serverSet: \\\"server\\\" is not one, or was freed\","
	              "\"Error CONFIG there i\",\"TypeError MISUSE\",undefined,true]");
	assert_script(
	        rig,
	        "const host = require('lettermill/js/host');\n"
	        "const all = Uint8Array.from({ length: 256 }, (_, i) => i);\n"
	        "return [host.octets(host.text(all)).equals(all), host.octets('') instanceof\n"
	        "	Buffer, host.octets(new Uint8Array(2)).length, host.name,\n"
	        "	host.md5(Buffer.from('abc')), host.hmacMd5('key', Buffer.from('')),\n"
	        "	host.hostname() !== '']",
	        "[true,true,2,\"lettermill\",\"900150983cd24fb0d6963f7d28e17f72\","
	        "\"63530468a04e386459855da0063b6596\",true]");
	assert_script_throws(rig, "require('lettermill/js/host').onWake(5)",
	                     "TypeError: host.onWake: fn: a function");
	assert_script_throws(rig, "require('lettermill/js/host').text('x')",
	                     "TypeError: host.text");
}

static void workers(void **state)
{
	struct lm_rig *worker = lm_rig_new_as(false, NULL);

	(void)state;
	assert_script_throws(worker, "require('lettermill')",
	                     "Error: require('lettermill'): is for the main script only");
	assert_script(worker, "return typeof require('events')", "function");
	lm_rig_free(worker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
		T(whole_session), T(many_sessions), T(bad_callbacks), T(termination),
		T(cut),           T(natives),       T(workers),
	};

	return cmocka_run_group_tests_name("script/bridge", tests, NULL, NULL);
}
