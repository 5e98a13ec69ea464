/* Clients of scripts where C can reach them only: interrupts, collection, memory that runs out. */
#include "base/error.h"
#include "script/client.h"
#include "script/protocols.h"
#include "script/rig_each.h"
#include "script/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* ---- A POP3 server that does something of its own when a command comes ---- */

enum { CLIENTS_MAX = 1000 };

struct server {
	int listener;
	uint16_t port;
	pthread_t thread;
	void (*on)(void *ctx); /* instead of an answer to STAT */
	void *ctx;
	sem_t closed; /* posted for each client that has gone */
};

struct served {
	struct server *server;
	int fd;
	pthread_t thread;
};

static void say(int fd, const char *text)
{
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void answer(struct server *s, int fd, const char *line)
{
	if (strncmp(line, "STAT", 4) == 0 && s->on)
		s->on(s->ctx);
	else if (strncmp(line, "CAPA", 4) == 0)
		say(fd, "+OK\r\nUSER\r\n.\r\n");
	else if (strncmp(line, "STAT", 4) == 0)
		say(fd, "+OK 1 10\r\n");
	else if (strncmp(line, "RETR", 4) == 0)
		say(fd, "+OK\r\nS: x\r\n\r\n\xFF\r\n.\r\n");
	else if (strncmp(line, "LIST", 4) == 0 || strncmp(line, "UIDL", 4) == 0)
		say(fd, "+OK\r\n1 10\r\n.\r\n");
	else
		say(fd, "+OK\r\n");
}

static void *serve_one(void *arg)
{
	struct served *one = arg;
	FILE *file = fdopen(dup(one->fd), "r");
	char line[600];

	assert_non_null(file);
	say(one->fd, "+OK hello\r\n");
	while (fgets(line, sizeof(line), file))
		answer(one->server, one->fd, line);
	fclose(file);
	assert_int_equal(sem_post(&one->server->closed), 0);
	return NULL;
}

static void *serve_all(void *arg)
{
	struct server *s = arg;
	struct served *all = calloc(CLIENTS_MAX, sizeof(*all));
	size_t count = 0;
	int fd;

	while (count < CLIENTS_MAX && (fd = accept(s->listener, NULL, NULL)) >= 0) {
		all[count] = (struct served){ .server = s, .fd = fd };
		assert_int_equal(pthread_create(&all[count].thread, NULL, serve_one, &all[count]),
		                 0);
		count++;
	}
	for (size_t i = 0; i < count; i++) {
		(void)shutdown(all[i].fd, SHUT_RDWR);
		pthread_join(all[i].thread, NULL);
		close(all[i].fd);
	}
	free(all);
	return NULL;
}

static void server_start(struct server *s)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(sem_init(&s->closed, 0, 0), 0);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->listener >= 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s->listener, 64), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &len), 0);
	s->port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&s->thread, NULL, serve_all, s), 0);
}

static void server_end(struct server *s)
{
	(void)shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
	sem_destroy(&s->closed);
}

/* A script behind the making of `open()`, a client of the server. */
static const char *with(const struct server *s, const char *text)
{
	static char all[8000];

	snprintf(all, sizeof(all),
	         "infinity.loadModule('infinity.pop3');"
	         "const open = () => Object.assign(new infinity.pop3.client(), { host: '127.0.0.1',"
	         " port: %u, username: 'a', password: 'b', timeout: 600000 });\n%s",
	         s->port, text);
	return all;
}

/* ---- Interrupts ---- */

static void interrupt(void *rt)
{
	lm_runtime_interrupt(rt);
}

static void terminate(void *script)
{
	lm_script_terminate(script);
}

static void an_interrupt_ends_a_call_that_blocks(void **state)
{
	struct server s = { .on = interrupt, .ctx = rig->rt };

	(void)state;
	server_start(&s);
	assert_script(rig,
	              with(&s, "const c = globalThis.client = open(); c.connect();"
	                       "try { c.count() } catch (e) { return [e.code, e.message,"
	                       " c.connected, infinity.terminated] }"),
	              "[\"CANCELED\",\"interrupted\",false,false]");
	/* As long as nobody resumes, nothing else begins. */
	assert_script_throws(rig, "client.connect()", "Error: interrupted");
	lm_runtime_resume(rig->rt);
	assert_script(rig, "client.connect(); client.noop(); client.free(); return 'again'",
	              "again");
	server_end(&s);
}

static void an_interrupt_spares_other_connections(void **state)
{
	struct server s = { .on = interrupt, .ctx = rig->rt };

	(void)state;
	server_start(&s);
	assert_script(rig,
	              with(&s, "globalThis.other = open(); other.connect();"
	                       "const c = open(); c.connect();"
	                       "try { c.count() } catch (e) { return [e.code, other.connected] }"),
	              "[\"CANCELED\",true]");
	lm_runtime_resume(rig->rt);
	assert_script(rig, "other.noop(); other.free(); return 1", "1");
	server_end(&s);
}

static void the_end_of_the_program_ends_a_call_that_blocks(void **state)
{
	struct server s = { .on = terminate, .ctx = &rig->script };

	(void)state;
	server_start(&s);
	assert_script(rig,
	              with(&s, "const c = open(); c.connect(); let code;"
	                       "try { c.count() } catch (e) { code = e.code }"
	                       "c.connect(); c.noop(); c.disconnect();"
	                       "return [code, infinity.terminated]"),
	              "[\"CANCELED\",true]");
	server_end(&s);
}

static void dialling_can_be_interrupted(void **state)
{
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	lm_runtime_interrupt(rig->rt);
	assert_script(rig, with(&s, "try { open().connect() } catch (e) { return e.code }"),
	              "CANCELED");
	lm_runtime_resume(rig->rt);
	server_end(&s);
}

/* ---- What nobody holds any more ---- */

static void a_collected_client_hangs_up(void **state)
{
	enum { MANY = 24, MOST = 20 }; /* the engine may see an old one on the stack */
	struct server s = { 0 };
	struct timespec until;

	(void)state;
	server_start(&s);
	assert_script(rig,
	              with(&s, "for (let i = 0; i < 24; i++) { const c = open(); c.connect(); }"
	                       "return 'dropped'"),
	              "dropped");
	for (int i = 0; i < 3; i++)
		lm_js_collect(rig->rt->js);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 30;
	for (int i = 0; i < MOST; i++)
		if (sem_timedwait(&s.closed, &until) != 0)
			fail_msg("%d of %d have hung up", i, MANY);
	lm_rig_free(rig);
	server_end(&s);
	rig = lm_rig_new();
}

static void a_runtime_ends_with_calls_under_way(void **state)
{
	static const char text[] = "const c = open(); c.connectAsync().then(() => c.noopAsync());"
	                           "const d = open(); d.connect();"
	                           "globalThis.kept = [d, d.retrieveAsync(1), d.countAsync()];";
	struct server s = { .on = terminate, .ctx = &rig->script };
	struct lm_js_source source = { "ends.js", { NULL, 0 } };

	(void)state;
	server_start(&s);
	source.text = lm_str(with(&s, text));
	assert_non_null(lm_js_run(rig->rt->js, &source));
	lm_rig_free(rig);
	server_end(&s);
	rig = lm_rig_new();
}

/* ---- Memory ---- */

static struct lm_js_value *fail_at(const struct lm_js_call *call)
{
	const double n = lm_js_to_number(call->js, lm_js_arg(call, 0));
	struct lm_js_value *nothing = lm_js_undefined(call->js);

	lm_alloc_fail_at((unsigned long)n);
	return nothing;
}

static void memory_runs_out(void **state)
{
	static const char text[] =
	        "let good = 0, bad = 0;"
	        "for (let n = 1; n < 900 && good < 5; n++) {"
	        "  const c = open();"
	        "  failAt(n);"
	        "  try { c.connect(); c.list(); c.uidl(); c.retrieve(1, 'a.eml');"
	        "    c.retrieveBytes(1); c.disconnect(); good++; }"
	        "  catch (e) { good = 0; bad++; }"
	        "  finally { failAt(0); c.free(); }"
	        "}"
	        "return [good, bad > 50]";
	struct lm_js *js = rig->rt->js;
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	assert_true(lm_js_set(js, rig->rt->global, "failAt",
	                      lm_js_function(js, "failAt", fail_at, NULL)));
	assert_script(rig, with(&s, text), "[5,true]");
	server_end(&s);
}

/* ---- Natives trust nothing ---- */

static void try_junk(struct lm_js_value *fn, struct lm_js_value *first, struct lm_js_value *junk)
{
	struct lm_js *js = rig->rt->js;
	struct lm_js_value *args[7] = {
		first, lm_js_bool(js, false), junk, junk, junk, junk, junk
	};
	struct lm_js_error error;

	if (!lm_js_call(js, fn, NULL, 7, args))
		assert_true(lm_js_catch(js, &error, NULL));
	args[0] = junk;
	assert_null(lm_js_call(js, fn, NULL, 7, args));
	assert_true(lm_js_catch(js, &error, NULL));
	assert_null(lm_js_call(js, fn, NULL, 0, NULL));
	assert_true(lm_js_catch(js, &error, NULL));
}

static void natives_trust_nothing(void **state)
{
	struct lm_js *js = rig->rt->js;
	struct lm_js_value *native, *made, *number = lm_js_number(js, LM_POP3);
	struct lm_js_value *junk[6] = { lm_js_undefined(js),           lm_js_number(js, -1),
		                        lm_js_string(js, lm_str("x")), lm_js_object(js),
		                        lm_js_bytes(js, lm_str("x")),  lm_js_null(js) };

	(void)state;
	assert_script(rig, "infinity.loadModule('infinity.pop3'); return 1", "1");
	native = lm_js_get(js, lm_js_get(js, rig->rt->internal, "clients"), "native");
	made = lm_js_call(js, lm_js_get(js, native, "clientNew"), NULL, 1, &number);
	assert_non_null(made);
	for (size_t i = 0; i < 6; i++) {
		try_junk(lm_js_get(js, native, "clientNew"), junk[i], junk[i]);
		try_junk(lm_js_get(js, native, "clientState"), made, junk[i]);
		try_junk(lm_js_get(js, native, "clientClose"), made, junk[i]);
		try_junk(lm_js_get(js, native, "clientConnect"), made, junk[i]);
		try_junk(lm_js_get(js, native, "clientLogin"), made, junk[i]);
		try_junk(lm_js_get(js, native, "clientPlain"), made, junk[i]);
		try_junk(lm_js_get(js, native, "clientFetch"), made, junk[i]);
		try_junk(lm_js_get(js, native, "clientSend"), made, junk[i]);
	}
}

/* ---- Parts ---- */

static void json_keeps_octets(void **state)
{
	static const uint8_t hard[] =
	        "a\"b\\c\n\r\t\x01\x7F\xC3\xA4\xFF\xED\xA0\x80\xF0\x9F\x98\x80\xC0\x80\xF0\x9F"
	        "\x98\xE2\x82";
	struct lm_js *js = rig->rt->js;
	struct lm_buf json, back;
	struct lm_js_value *value;
	uint8_t all[256];

	(void)state;
	for (unsigned i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	for (int i = 0; i < 2; i++) {
		const struct lm_bytes octets = i ? lm_bytes(all, sizeof(all))
		                                 : lm_bytes(hard, sizeof(hard));

		lm_buf_init(&json, 1 << 20);
		lm_buf_init(&back, 1 << 20);
		assert_err(lm_json_text(&json, octets), 0);
		value = lm_js_from_json(js, lm_buf_bytes(&json));
		assert_non_null(value);
		assert_true(lm_js_add_octets(js, value, &back));
		assert_bytes(lm_buf_bytes(&back), octets);
		lm_buf_done(&json);
		lm_buf_done(&back);
	}
}

static char *path_of(const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", rig->folder, name);
	return lm_strdup_bytes(lm_str(path));
}

static void expect_file(const char *name, const char *content)
{
	char *path = path_of(name), got[100] = "";
	FILE *file = fopen(path, "rb");

	assert_non_null(file);
	(void)!fread(got, 1, sizeof(got) - 1, file);
	fclose(file);
	assert_string_equal(got, content);
	lm_free(path);
}

static void write_file(const char *name, const char *text, bool ends)
{
	struct lm_client_file *file;

	assert_err(lm_client_file_new(path_of(name), &file, NULL), 0);
	assert_err(lm_client_file_write(file, lm_str(text), NULL), 0);
	if (ends)
		assert_err(lm_client_file_end(file, NULL), 0);
	lm_client_file_free(file);
}

static size_t files_there(void)
{
	char command[200];
	size_t count = 0;
	FILE *pipe;

	snprintf(command, sizeof(command), "ls '%s'", rig->folder);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	for (int c; (c = fgetc(pipe)) != EOF;)
		count += c == '\n';
	pclose(pipe);
	return count;
}

static void files_are_whole_or_as_they_were(void **state)
{
	struct lm_client_file *file = NULL;
	struct lm_error error = { 0 };
	char *path = path_of("kept"), *link = path_of("link");
	struct stat st;

	(void)state;
	write_file("new", "new", true);
	expect_file("new", "new");
	lm_rig_file(rig, "kept", "old");
	assert_int_equal(chmod(path, 0640), 0);
	write_file("kept", "half", false);
	expect_file("kept", "old");
	assert_int_equal(files_there(), 2);
	write_file("kept", "whole", true);
	expect_file("kept", "whole");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	/* A link stays one. */
	assert_int_equal(symlink("kept", link), 0);
	write_file("link", "through", true);
	expect_file("kept", "through");
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(files_there(), 3);
	assert_err(lm_client_file_new(path_of("no/where"), &file, &error), LM_E_NOT_FOUND);
	assert_true(lm_client_file_new(path_of("."), &file, &error) < 0);
	assert_non_null(strstr(error.text, rig->folder));
	assert_null(file);
	lm_free(path);
	lm_free(link);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_interrupt_ends_a_call_that_blocks, begin, end),
		cmocka_unit_test_setup_teardown(an_interrupt_spares_other_connections, begin, end),
		cmocka_unit_test_setup_teardown(the_end_of_the_program_ends_a_call_that_blocks,
		                                begin, end),
		cmocka_unit_test_setup_teardown(dialling_can_be_interrupted, begin, end),
		cmocka_unit_test_setup_teardown(a_collected_client_hangs_up, begin, end),
		cmocka_unit_test_setup_teardown(a_runtime_ends_with_calls_under_way, begin, end),
		cmocka_unit_test_setup_teardown(memory_runs_out, begin, end),
		cmocka_unit_test_setup_teardown(natives_trust_nothing, begin, end),
		cmocka_unit_test_setup_teardown(json_keeps_octets, begin, end),
		cmocka_unit_test_setup_teardown(files_are_whole_or_as_they_were, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
