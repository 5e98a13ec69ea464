/* The classes of servers: what they take, what they refuse, and how their runs begin and end. */
#include "script/rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define POP3 "infinity.loadModule('infinity.pop3'); "
#define SMTP "infinity.loadModule('infinity.smtp'); "
#define LMTP "infinity.loadModule('infinity.lmtp'); "
#define HERE "{ host: '127.0.0.1', port: 0, workers: 1, dataDir: 'data' }"

static int setup(void **state)
{
	*state = lm_rig_new();
	return 0;
}

static int teardown(void **state)
{
	lm_rig_free(*state);
	return 0;
}

static void defaults_are_those_of_the_documents(void **state)
{
	struct lm_rig *rig = *state;

	assert_script(rig, POP3 "return new infinity.pop3.server().port", "110");
	assert_script(rig, POP3 "return new infinity.pop3.server(true, false, 995).port", "995");
	assert_script(rig, POP3 "return new infinity.pop3.server({ implicitTls: true }).port",
	              "995");
	assert_script(rig, SMTP "return new infinity.smtp.server().port", "25");
	assert_script(rig, SMTP "return new infinity.smtp.server({ implicitTls: true }).port",
	              "465");
	assert_script(rig, LMTP "return new infinity.lmtp.server().port", "24");
	assert_script(rig, POP3 "return new infinity.pop3.server().host", "*");
	assert_script(rig, POP3 "return JSON.stringify(new infinity.pop3.server().stats)",
	              "{\"sessionsOpen\":0,\"sessionsTotal\":0,\"sessionsRefused\":0,"
	              "\"messagesIn\":0,\"messagesOut\":0,\"octetsIn\":0,\"octetsOut\":0,"
	              "\"authFailures\":0}");
	for (int i = 0; i < 2; i++) {
		assert_script(rig, POP3 "return JSON.stringify(infinity.pop3.server.protocol)",
		              "{\"tls1_0\":2,\"tls1_1\":3,\"tls1_2\":4,\"tls1_3\":5}");
		assert_script(rig, POP3 "return infinity.pop3.server.name", "server");
	}
}

static void every_argument_has_its_type_and_range(void **state)
{
	static const struct {
		const char *args, *want;
	} rows[] = {
		{ "1", "TypeError: infinity.pop3.server.ssl: true or false, not 1" },
		{ "true, 'no'", "TypeError: infinity.pop3.server.verifyCertificate" },
		{ "null", "TypeError: infinity.pop3.server.ssl" },
		{ "true, true, '110'", "TypeError: infinity.pop3.server.port" },
		{ "true, true, 65536", "RangeError: infinity.pop3.server.port" },
		{ "true, true, 1.5", "RangeError: infinity.pop3.server.port" },
		{ "true, true, 1, 0", "RangeError: infinity.pop3.server.maxConnections" },
		{ "true, true, 1, '7'", "TypeError: infinity.pop3.server.maxConnections" },
		{ "true, true, 1, 1, 0", "RangeError: infinity.pop3.server.poolSize" },
		{ "true, true, 1, 1, 1025", "RangeError: infinity.pop3.server.poolSize" },
		{ "true, true, 1, 1, 1, 6", "RangeError: infinity.pop3.server.minProtocol: one of "
		                            "tls1_0 (2)" },
		{ "true, true, 1, 1, 1, '4'", "TypeError: infinity.pop3.server.minProtocol" },
		{ "true, true, 1, 1, 1, 4, 1", "RangeError: infinity.pop3.server.maxProtocol" },
		{ "true, true, 1, 1, 1, 5, 4", "RangeError: infinity.pop3.server.minProtocol: is" },
		{ "true, true, 1, 1, 1, undefined, 2",
		  "RangeError: infinity.pop3.server.minProtocol: is" },
		{ "true, true, 1, 1, 1, 4, 5, 6", "TypeError: infinity.pop3.server: at most 7" },
		{ "{ prot: 1 }", "TypeError: infinity.pop3.server.prot: there is no such name; the "
		                 "nearest is port" },
		{ "{ maxConnection: 1 }", "TypeError: infinity.pop3.server.maxConnection: there is "
		                          "no such name; the nearest is maxConnections" },
		{ "{ pop3: '1' }", "TypeError: infinity.pop3.server.pop3: say port and host" },
		{ "{ host: 'mail.example' }", "RangeError: infinity.pop3.server.host: " },
		{ "{ host: 5 }", "TypeError: infinity.pop3.server.host: a string" },
		{ "{ host: '' }", "RangeError: infinity.pop3.server.host: a name" },
		{ "{ implicitTls: true, ssl: false }",
		  "RangeError: infinity.pop3.server.implicitTls: ssl is false" },
		{ "{ maxMessageSize: '5X' }", "RangeError: infinity.pop3.server.maxMessageSize: " },
		{ "{ maxMessageSize: -1 }", "RangeError: infinity.pop3.server.maxMessageSize: " },
		{ "{ maxMessageSize: true }", "TypeError: infinity.pop3.server.maxMessageSize: " },
		{ "{ handlerTimeout: '2 weeks' }",
		  "RangeError: infinity.pop3.server.handlerTimeout: " },
		{ "{ bareNewlines: 'eat' }", "RangeError: infinity.pop3.server.bareNewlines: " },
		{ "{ requireTls: 'yes' }", "TypeError: infinity.pop3.server.requireTls: " },
		{ "{ domain: ['a.example', 5] }", "TypeError: infinity.pop3.server.domain: " },
		{ "{ store: '' }", "RangeError: infinity.pop3.server.store: " },
		{ "{ heapBudget: 5 }", "RangeError: infinity.pop3.server.heapBudget: " },
		{ "{ cpuBudget: 0 }", "RangeError: infinity.pop3.server.cpuBudget: " },
		{ "{ onLogin: 5 }", "TypeError: infinity.pop3.server.onLogin: the name of a script "
		                    "file, a function, or null, not 5" },
		{ "{ tlsCertFor: 'x' }", "RangeError: infinity.pop3.server.tlsCertFor: " },
	};
	struct lm_rig *rig = *state;
	char script[300];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		snprintf(script, sizeof(script), POP3 "new infinity.pop3.server(%s)", rows[i].args);
		assert_script_throws(rig, script, rows[i].want);
	}
	assert_script_throws(rig, POP3 "infinity.pop3.server()", "TypeError: ");
	assert_script_throws(rig, LMTP "new infinity.lmtp.server({ implicitTls: true })",
	                     "RangeError: infinity.lmtp.server.implicitTls: LMTP has");
}

static void options_of_the_server_are_taken(void **state)
{
	struct lm_rig *rig = *state;

	assert_script(rig,
	              SMTP "return new infinity.smtp.server({ domain: ['a.example', 'b.example'], "
	                   "maxMessageSize: '5M', maxRecipients: 200, idleTimeout: 1000, "
	                   "handlerTimeout: '5s', requireTls: true, ssl: true, language: 'nl', "
	                   "auth: ['PLAIN', 'LOGIN'], proxyFrom: '127.0.0.1', expire: 'never', "
	                   "hostname: 'mx.example', workers: 2, logLevel: 'debug', apop: false, "
	                   "requireLogin: true, drainTimeout: 5, cpuBudget: 100, host: '::1', "
	                   "heapBudget: 64e6, poolSize: 2, minProtocol: 5 }).host",
	              "::1");
}

static void a_slip_of_the_pen_is_said(void **state)
{
	struct lm_rig *rig = *state;

	assert_script_throws(rig, POP3 "new infinity.pop3.server().onLogn = 'x'",
	                     "TypeError: infinity.pop3.server.onLogn: there is no such name; the "
	                     "nearest is onLogin");
	assert_script_throws(rig, POP3 "new infinity.pop3.server().onRcptTo = 'x'",
	                     "TypeError: infinity.pop3.server.onRcptTo: there is no such name");
	assert_script_throws(rig, POP3 "new infinity.pop3.server().colour = 'x'",
	                     "TypeError: infinity.pop3.server.colour: there is no such name");
	assert_script_throws(rig, POP3 "new infinity.pop3.server().port = 5",
	                     "TypeError: infinity.pop3.server.port: can only be read; say it to "
	                     "the constructor");
	assert_script_throws(rig, POP3 "new infinity.pop3.server().onLogin = 5",
	                     "TypeError: infinity.pop3.server.onLogin: the name");
	assert_script_throws(rig, POP3 "new infinity.pop3.server().onLogin = ''",
	                     "RangeError: infinity.pop3.server.onLogin: a name");
	assert_script(rig,
	              POP3 "class Mine extends infinity.pop3.server { constructor() { super({ "
	                   "port: 0 }); this.name = 'mine'; } } const m = new Mine(); "
	                   "let said; try { m.onXylophone = 1 } catch (e) { said = e.message } "
	                   "return m.name + ' ' + said",
	              "mine infinity.pop3.server.onXylophone: there is no such name");
	assert_script(rig,
	              POP3 "const s = new infinity.pop3.server(); s.onLogin = 'a.js'; "
	                   "const f = () => {}; s.onTop = f; s.onQuit = 'x'; s.onQuit = null; "
	                   "return [s.onLogin, s.onTop === f, s.onQuit, s.onStat].join()",
	              "a.js,true,,");
}

static void certificates_are_looked_at(void **state)
{
	struct lm_rig *rig = *state;

	lm_rig_file(rig, "no.pem", "no certificate");
	assert_script_throws(rig, POP3 "new infinity.pop3.server().setCertificate()",
	                     "TypeError: infinity.pop3.server.setCertificate, certFile: ");
	assert_script_throws(rig, POP3 "new infinity.pop3.server().setCertificate('a.pem', 5)",
	                     "TypeError: infinity.pop3.server.setCertificate, keyFile: ");
	assert_script_throws(
	        rig, POP3 "new infinity.pop3.server().setCertificate('no.pem', 'no.pem', 5)",
	        "TypeError: infinity.pop3.server.setCertificate, rootCertFile: ");
	assert_script_throws(rig,
	                     POP3 "new infinity.pop3.server().setCertificate('no.pem', 'no.pem', "
	                          "'no.pem', 1)",
	                     "TypeError: infinity.pop3.server.setCertificate, verify: ");
	assert_script(rig,
	              POP3 "try { new infinity.pop3.server().setCertificate('a.pem', 'b.pem') } "
	                   "catch (e) { return e.code + ' ' + e.message.includes('/a.pem') }",
	              "NOT_FOUND true");
	assert_script(rig,
	              POP3 "try { new infinity.pop3.server().setCertificate('no.pem', 'no.pem') } "
	                   "catch (e) { return e.code + ' ' + e.message.includes('/no.pem') }",
	              "CONFIG true");
	assert_script_throws(rig,
	                     POP3 "new infinity.pop3.server({ ssl: true, verifyCertificate: true, "
	                          "port: 0 }).start()",
	                     "Error: infinity.pop3.server.verifyCertificate: ");
	assert_script_throws(rig,
	                     POP3 "new infinity.pop3.server({ ssl: true, clientCertificates: "
	                          "true, port: 0 }).start()",
	                     "Error: infinity.pop3.server.clientCertificates: ");
}

static void a_server_starts_and_stops(void **state)
{
	struct lm_rig *rig = *state;

	assert_script(rig,
	              POP3 "const s = new infinity.pop3.server(" HERE "), said = []; "
	                   "said.push(s.running, s.address, s.port); s.start(); "
	                   "said.push(s.running, s.address === `127.0.0.1:${s.port}`, s.port > 0); "
	                   "try { s.start() } catch (e) { said.push(e.code) } "
	                   "try { s.onLogin = null } catch (e) { said.push(e.code) } "
	                   "try { s.setCertificate('a', 'b') } catch (e) { said.push(e.code) } "
	                   "s.stop(); said.push(s.running, s.address); s.stop(); s.free(); "
	                   "s.start(); said.push(s.running); await s.stopAsync(0); "
	                   "await s.stopAsync(); said.push(s.running); return said.join()",
	              "false,,0,true,true,true,MISUSE,MISUSE,MISUSE,false,,true,false");
	assert_script(rig, POP3 "return typeof await new infinity.pop3.server().stopAsync()",
	              "undefined");
	assert_script_throws(rig, POP3 "new infinity.pop3.server().stop('now')",
	                     "TypeError: infinity.pop3.server.stop: timeout");
	assert_script_throws(rig, POP3 "new infinity.pop3.server().stop(-1)",
	                     "RangeError: infinity.pop3.server.stop: timeout");
}

static void a_taken_address_is_named(void **state)
{
	struct lm_rig *rig = *state;

	assert_script(rig,
	              POP3 SMTP
	              "const a = new infinity.pop3.server(" HERE "); a.start(); "
	              "const b = new infinity.smtp.server({ host: '127.0.0.1', port: a.port }); "
	              "let said; try { b.start() } catch (e) { said = [e.code, "
	              "e.message.startsWith('infinity.smtp.server.start: '), "
	              "e.message.includes(a.address)] } "
	              "const port = a.port; a.stop(); b.start(); said.push(b.port === port); "
	              "b.stop(); return said.join()",
	              "EXISTS,true,true,true");
}

static void lmtp_listens_on_a_path(void **state)
{
	struct lm_rig *rig = *state;
	char want[100];

	snprintf(want, sizeof(want), "%s/lmtp.sock", rig->folder);
	assert_script(rig,
	              LMTP "const s = new infinity.lmtp.server({ port: 'lmtp.sock' }); s.start(); "
	                   "const where = s.address; s.stop(); return where",
	              want);
	assert_int_equal(access(want, F_OK), -1);
}

static void logins_nobody_judges_are_not_offered(void **state)
{
	struct lm_rig *rig = *state;

	assert_script_throws(rig,
	                     POP3 "new infinity.pop3.server({ port: 0, auth: 'SCRAM-SHA-256', "
	                          "onLogin() {} }).start()",
	                     "RangeError: infinity.pop3.server.auth: SCRAM-SHA-256 needs");
	assert_script_throws(rig,
	                     POP3 "new infinity.pop3.server({ port: 0, auth: ['APOP'] }).start()",
	                     "RangeError: infinity.pop3.server.auth: APOP needs");
	assert_script_throws(rig,
	                     POP3 "new infinity.pop3.server({ port: 0, auth: ['GUESS'] }).start()",
	                     "Error: infinity.pop3.server.start: auth: there is no mechanism");
	assert_script_throws(
	        rig, POP3 "new infinity.pop3.server({ port: 0, accounts: 'sqlite:a.db' }).start()",
	        "Error: infinity.pop3.server.start: accounts: ");
}

static void who_runs_at_the_end_is_cut_off(void **state)
{
	struct lm_rig *rig = *state;

	/* Its run holds the loop, so the end comes from outside. */
	assert_script(rig,
	              POP3 "const s = new infinity.pop3.server(" HERE "); s.start(); "
	                   "setTimeout(() => infinity.terminate(), 10); return s.running",
	              "true");
	assert_script(rig,
	              POP3 "globalThis.s = new infinity.pop3.server(" HERE "); s.start(); "
	                   "return s.running",
	              "true");
}

static void only_the_main_script_starts_servers(void **state)
{
	struct lm_rig *rig = lm_rig_new_as(false, NULL);

	(void)state;
	assert_script_throws(rig, POP3 "new infinity.pop3.server(" HERE ").start()",
	                     "Error: servers are started by the main script");
	lm_rig_free(rig);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(defaults_are_those_of_the_documents),
		T(every_argument_has_its_type_and_range),
		T(options_of_the_server_are_taken),
		T(a_slip_of_the_pen_is_said),
		T(certificates_are_looked_at),
		T(a_server_starts_and_stops),
		T(a_taken_address_is_named),
		T(lmtp_listens_on_a_path),
		T(logins_nobody_judges_are_not_offered),
		T(who_runs_at_the_end_is_cut_off),
		cmocka_unit_test(only_the_main_script_starts_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
