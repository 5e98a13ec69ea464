/* fetch against a toy server: every form of body, redirects, breaking off, hostile servers. */
#include "script/fetch_rig.h"
#include "script/rig.h"

static struct lm_rig *rig;
static struct fetch_server *server;

static int begin(void **state)
{
	(void)state;
	server = fetch_server_new();
	rig = lm_rig_new();
	return 0;
}

static int end(void **state)
{
	(void)state;
	lm_rig_free(rig);
	fetch_server_free(server);
	return 0;
}

/* `base` is the server in each script; `code` gives what a fetch was refused for. */
static const char *with_server(const char *text)
{
	static char script[8192];

	snprintf(script, sizeof(script),
	         "const base = 'http://127.0.0.1:%d'; const code = (p) => p.then(() => 'done', "
	         "(e) => (e instanceof TypeError) + ' ' + e.cause?.code); %s",
	         fetch_server_port(server), text);
	return script;
}

#define assert_fetch(text, want)        assert_script(rig, with_server(text), want)
#define assert_fetch_throws(text, want) assert_script_throws(rig, with_server(text), want)

static void responses(void **state)
{
	(void)state;
	assert_fetch(
	        "const r = await fetch(base + '/status/200'); return [r.ok, r.status, "
	        "r.statusText, r.url === base + '/status/200', r.redirected, r.type, r.bodyUsed, "
	        "await r.text(), r.bodyUsed, r.headers.get('x-TOLD')]",
	        "[true,200,\"Told so\",true,false,\"basic\",false,\"told\",true,\"yes\"]");
	assert_fetch("const r = await fetch(new URL(base + '/status/404#part')); "
	             "return [r.ok, r.status, r.url.endsWith('/404'), await r.text()]",
	             "[false,404,true,\"told\"]");
	assert_fetch("const r = await fetch(base + '/status/204'); "
	             "return [r.status, r.body, await r.text()]",
	             "[204,null,\"\"]");
	assert_fetch("const r = await fetch(base + '/status/500', { method: 'HEAD' });"
	             "return [r.status, r.body, r.headers.get('content-length')]",
	             "[500,null,\"4\"]");
}

static void forms_of_a_body(void **state)
{
	(void)state;
	assert_fetch(
	        "const bytes = (r) => r.every((b, i) => b === i) && r.length === 256;"
	        "const get = () => fetch(base + '/octets'); const joined = [];"
	        "for await (const b of (await get()).body) joined.push(...b);"
	        "const s = await (await get()).stream();"
	        "const t = await (await get()).text();"
	        "return [bytes(await (await get()).bytes()), "
	        "bytes(new Uint8Array(await (await get()).arrayBuffer())), bytes(joined), "
	        "s.size, s instanceof infinity.stream, t.length, t.charCodeAt(255).toString(16)]",
	        "[true,true,true,256,true,256,\"dcff\"]");
	assert_fetch("const r = await fetch(base + '/octets'); await r.bytes(); const e = [];"
	             "for (const f of [() => r.text(), () => r.json(), () => r.stream(), "
	             "() => r.arrayBuffer(), async () => r.clone(), async () => r.body.cancel(), "
	             "async () => { for await (const b of r.body); }])"
	             "await f().catch((x) => e.push(x instanceof TypeError)); return e.length",
	             "7");
	assert_fetch("const a = await fetch(base + '/octets'), b = a.clone(), c = b.clone();"
	             "return [(await a.bytes()).length, (await b.text()).length, "
	             "(await c.stream()).size, b.url === a.url, b.headers.get('content-length')]",
	             "[256,256,256,true,\"256\"]");
}

static void json(void **state)
{
	(void)state;
	assert_fetch("return await new Response('\\ufeff{\"a\":[1,\"\\u00e4\"]}').json()",
	             "{\"a\":[1,\"\xc3\xa4\"]}");
	assert_fetch_throws("await (await fetch(base + '/status/200')).json()", "SyntaxError: ");
}

static void bodies_that_are_sent(void **state)
{
	(void)state;
	assert_fetch(
	        "const send = async (body, headers) => (await (await fetch(base + '/echo', "
	        "{ method: 'post', body, headers })).text());"
	        "const s = new infinity.stream(); s.writeString('from a stream');"
	        "const all = [await send('text \\u00e4'), await send(new Uint8Array([1, 255])), "
	        "await send(new URLSearchParams({ a: 'b c' })), await send(s), await send(''), "
	        "await send(undefined), await send('x', { 'content-TYPE': 'a/b' })];"
	        "return all.map((t) => [/content-type: (.*)/i.exec(t)?.[1], "
	        "/content-length: (.*)/i.exec(t)?.[1], t.split('\\r\\n\\r\\n')[1], "
	        "t.startsWith('POST /echo HTTP/1.1')])",
	        "[[\"text/plain;charset=UTF-8\",\"7\",\"text \xc3\xa4\",true],"
	        "[undefined,\"2\",\"\\u0001\\udcff\",true],"
	        "[\"application/x-www-form-urlencoded;charset=UTF-8\",\"5\",\"a=b+c\",true],"
	        "[undefined,\"13\",\"from a stream\",true],"
	        "[\"text/plain;charset=UTF-8\",\"0\",\"\",true],"
	        "[undefined,\"0\",\"\",true],[\"a/b\",\"1\",\"x\",true]]");
	assert_fetch("const big = 'x'.repeat(3e6); const r = await fetch(base + '/echo', "
	             "{ method: 'PUT', body: big }); const t = await r.text();"
	             "return [t.split('\\r\\n\\r\\n')[1] === big, /expect/i.test(t)]",
	             "[true,false]");
}

static void requests(void **state)
{
	(void)state;
	assert_fetch(
	        "const q = new Request(base + '/echo', { method: 'patch', body: 'a', "
	        "headers: { 'X-One': '1' }, redirect: 'error' }); const c = q.clone();"
	        "const text = await (await fetch(q)).text();"
	        "const again = await code(fetch(q)); const other = await (await fetch(c, "
	        "{ headers: [['X-Two', '2']] })).text();"
	        "return [q.method, q.url === base + '/echo', q.redirect, q.bodyUsed, c.bodyUsed, "
	        "/^PATCH .*X-One: 1.*\\r\\n\\r\\na$/s.test(text), again, "
	        "/X-Two: 2/.test(other) && !/X-One/.test(other) && other.endsWith('a')]",
	        "[\"PATCH\",true,\"error\",true,true,true,\"true undefined\",true]");
	assert_fetch(
	        "const t = await (await fetch(base + '/echo?q=a b#c', { headers: "
	        "{ 'X-Empty': '', Accept: 'text/x', 'User-Agent': 'me' } })).text();"
	        "return [/^GET \\/echo\\?q=a%20b HTTP/.test(t) || /a\\+b/.test(t), "
	        "/\\r\\nX-Empty: ?\\r\\n/.test(t), "
	        "/\\r\\nAccept: text\\/x\\r\\n/.test(t), /\\r\\nUser-Agent: me\\r\\n/.test(t), "
	        "/Accept-Encoding: .*gzip/.test(t)]",
	        "[true,true,true,true,true]");
}

static void headers_that_come(void **state)
{
	(void)state;
	assert_fetch("const { headers: h, statusText } = await fetch(base + '/headers');"
	             "return [statusText, h.getSetCookie(), h.get('X-TWO'), h.get('x-folded'), "
	             "h.get('x-empty'), h.get('x-octets'), h.has('x-early'), [...h.keys()].join()]",
	             "[\"Fine enough\",[\"a=1, b\",\"c=2\"],\"one, two\",\"a b\",\"\","
	             "\"\xc3\xa4\\udcff\",false,"
	             "\"content-length,set-cookie,set-cookie,x-empty,x-folded,x-octets,x-two\"]");
}

static void headers_by_themselves(void **state)
{
	(void)state;
	assert_script(
	        rig,
	        "const h = new Headers({ B: ' 2 ', a: 1 }); h.append('b', '3'); h.set('C', 'x');"
	        "h.delete('c'); const seen = []; h.forEach((v, k) => seen.push(k + v));"
	        "return [[...h], seen, h.get('none'), h.has('B'), new Headers(h).get('b'), "
	        "new Headers([['x', 'y'], ['X', 'z']]).get('x'), [...h.values()], "
	        "String(new Headers())]",
	        "[[[\"a\",\"1\"],[\"b\",\"2, 3\"]],[\"a1\",\"b2, 3\"],null,true,\"2, 3\","
	        "\"y, z\",[\"1\",\"2, 3\"],\"[object Headers]\"]");
	assert_script_throws(rig, "new Headers({ 'a b': 'x' })",
	                     "TypeError: Headers name: a token");
	assert_script_throws(rig, "new Headers({ '': 'x' })", "TypeError: Headers name");
	assert_script_throws(rig, "new Headers({ a: 'x\\r\\ny: z' })", "TypeError: Headers value");
	assert_script_throws(rig, "new Headers().append('a', 'x\\0')", "TypeError: Headers value");
	assert_script_throws(rig, "new Headers().set('a:', 'x')", "TypeError: Headers name");
	assert_script_throws(rig, "new Headers().get(5)", "TypeError: Headers name");
	assert_script_throws(rig, "new Headers([['a']])", "TypeError: Headers");
	assert_script_throws(rig, "new Headers(5)", "TypeError: Headers");
	assert_script(rig, "return new Headers({ a: '\\r\\n x \\n' }).get('a')", "x");
}

static void responses_by_themselves(void **state)
{
	(void)state;
	assert_script(
	        rig,
	        "const r = new Response('a', { status: 201, statusText: 'Made' });"
	        "const j = Response.json({ a: 1 }, { status: 202 });"
	        "const e = Response.error(), d = Response.redirect('http://x.org/y', 307);"
	        "return [r.status, r.statusText, r.headers.get('content-type'), r.type, r.url, "
	        "j.status, j.headers.get('content-type'), await j.json(), e.type, e.status, e.ok, "
	        "d.status, d.headers.get('location'), new Response().body]",
	        "[201,\"Made\",\"text/plain;charset=UTF-8\",\"default\",\"\",202,"
	        "\"application/json\",{\"a\":1},\"error\",0,false,307,\"http://x.org/y\",null]");
	assert_script_throws(rig, "new Response('', { status: 99 })",
	                     "RangeError: Response status");
	assert_script_throws(rig, "new Response('', { status: '200' })", "TypeError: ");
	assert_script_throws(rig, "new Response('x', { status: 204 })", "TypeError: Response body");
	assert_script_throws(rig, "new Response({})", "TypeError: Response body: a string");
	assert_script_throws(rig, "new Response('', { statusText: 'a\\n' })", "TypeError: ");
	assert_script_throws(rig, "Response.json(() => 1)", "TypeError: Response.json");
	assert_script_throws(rig, "Response.redirect('http://x.org', 200)", "RangeError: ");
	assert_script_throws(rig, "new Response('', 5)", "TypeError: Response init: an object");
}

static void redirects(void **state)
{
	(void)state;
	assert_fetch("return await code(fetch(base + '/loop/20'))", "true LIMIT");
	assert_fetch(
	        "const r = await fetch(base + '/loop/19'); "
	        "return [r.status, r.redirected, r.url === base + '/status/200?0', await r.text()]",
	        "[200,true,true,\"told\"]");
	assert_fetch("return await code(fetch(base + '/loop/50'))", "true LIMIT");
	assert_fetch("return await code(fetch(base + '/loop/1', { redirect: 'error' }))",
	             "true DENIED");
	assert_fetch("const r = await fetch(base + '/loop/1', { redirect: 'manual' });"
	             "return [r.status, r.headers.get('location'), r.redirected]",
	             "[302,\"../loop/0\",false]");
	assert_fetch(
	        "const out = []; for (const [status, method] of [[301, 'POST'], [302, 'POST'], "
	        "[303, 'PUT'], [307, 'POST'], [308, 'PUT'], [301, 'PUT']]) {"
	        "const t = await (await fetch(base + '/to/' + status + '//echo', { method, "
	        "body: 'sent' })).text(); out.push(t.split(' ')[0] + t.split('\\r\\n\\r\\n')[1] + "
	        "/content-type/i.test(t)); } return out.join()",
	        "GETfalse,GETfalse,GETfalse,POSTsenttrue,PUTsenttrue,PUTsenttrue");
}

static void redirects_to_where_nobody_goes(void **state)
{
	(void)state;
	assert_fetch("const out = new Set(); for (const to of ['file:///etc/passwd', "
	             "'gopher://127.0.0.1/', 'ftp://127.0.0.1/', 'javascript:1', 'data:,x', "
	             "'smtp://127.0.0.1:25/', 'http://user:secret@127.0.0.1/', 'http://', "
	             "'dict://x:1/'])"
	             "out.add(await code(fetch(base + '/to/302/' + to))); return [...out].join()",
	             "true undefined");
	assert_fetch_throws("await fetch(base + '/to/302/file:///etc/passwd')",
	                    "TypeError: fetch: only http: and https: URLs, not file:");
}

/* Credentials of one server are no other's, even if it is only another port. */
static void redirects_leave_secrets_behind(void **state)
{
	struct fetch_server *other = fetch_server_new();
	char script[1000];

	(void)state;
	snprintf(
	        script, sizeof(script),
	        "const headers = { Authorization: 'Basic x', Cookie: 'c=1', 'X-Kept': 'yes' };"
	        "const look = async (to) => { const t = await (await fetch(base + '/to/302/' + to, "
	        "{ headers })).text(); return [/authorization/i.test(t), /cookie/i.test(t), "
	        "/x-kept/i.test(t)].join() };"
	        "return [await look('/echo'), await look('http://127.0.0.1:%d/echo')]",
	        fetch_server_port(other));
	assert_fetch(script, "[\"true,true,true\",\"false,false,true\"]");
	fetch_server_free(other);
}

static void wrong_arguments(void **state)
{
	static const char *const cases[][2] = {
		{ "fetch()", "TypeError: fetch url: a string" },
		{ "fetch(5)", "TypeError: fetch url" },
		{ "fetch('')", "TypeError: fetch: not a URL" },
		{ "fetch('/path')", "TypeError: fetch: not a URL" },
		{ "fetch('file:///etc/passwd')", "TypeError: fetch: only http: and https: URLs" },
		{ "fetch('HTTP+x://a/')", "TypeError: fetch: " },
		{ "fetch('http://a b/')", "TypeError: fetch: not a URL" },
		{ "fetch('http://a\\r\\nX: y/')", "TypeError: fetch: not a URL" },
		{ "fetch('http://a/\\0')", "RangeError: " },
		{ "fetch('http://u:secret@127.0.0.1/')",
		  "TypeError: fetch: a URL with a user name" },
		{ "fetch(base, 5)", "TypeError: Request init: an object" },
		{ "fetch(base, { method: 'GET /x' })", "TypeError: Request method: a token" },
		{ "fetch(base, { method: 'GET\\r\\n' })", "TypeError: Request method" },
		{ "fetch(base, { method: '' })", "TypeError: Request method" },
		{ "fetch(base, { method: 5 })", "TypeError: Request method" },
		{ "fetch(base, { method: 'connect' })", "TypeError: Request method: CONNECT" },
		{ "fetch(base, { body: 'x' })", "TypeError: Request body: GET has none" },
		{ "fetch(base, { method: 'POST', body: {} })",
		  "TypeError: Request body: a string" },
		{ "fetch(base, { method: 'POST', body: 5 })", "TypeError: Request body" },
		{ "fetch(base, { headers: { 'a\\n': 'b' } })", "TypeError: Headers name" },
		{ "fetch(base, { headers: { a: 'b\\nc: d' } })", "TypeError: Headers value" },
		{ "fetch(base, { headers: { 'Transfer-Encoding': 'chunked' } })",
		  "TypeError: fetch: the header transfer-encoding" },
		{ "fetch(base, { headers: { Connection: 'upgrade' } })",
		  "TypeError: fetch: the header" },
		{ "fetch(base, { redirect: 'never' })",
		  "TypeError: Request redirect: one of follow" },
		{ "fetch(base, { signal: {} })", "TypeError: Request signal: an AbortSignal" },
		{ "fetch(base, { timeout: '5' })", "TypeError: Request timeout" },
		{ "fetch(base, { timeout: -1 })", "RangeError: Request timeout" },
		{ "fetch(base, { maxBytes: 1.5 })", "RangeError: Request maxBytes" },
		{ "fetch(base, { insecure: 1 })", "TypeError: Request insecure" },
		{ "fetch(base, { caFile: 5 })", "TypeError: Request caFile" },
		{ "fetch(base, { caFile: '' })", "RangeError: " },
	};
	char script[300];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(script, sizeof(script), "const p = %s; await p", cases[i][0]);
		assert_fetch_throws(script, cases[i][1]);
	}
}

/* A content-length of the script's own would let a proxy see another request behind this one. */
static void lengths_are_our_own(void **state)
{
	(void)state;
	assert_fetch("const t = await (await fetch(base + '/echo', { method: 'POST', body: 'four', "
	             "headers: { 'Content-Length': '2' } })).text(); "
	             "return t.match(/content-length: .*/gi).join()",
	             "Content-Length: 4");
}

static void nobody_there(void **state)
{
	(void)state;
	assert_script(rig,
	              "const e = await fetch('http://127.0.0.1:1/secret?token=x').catch((e) => e);"
	              "return [e instanceof TypeError, e.cause instanceof Error, e.cause.code, "
	              "e.message.includes('http://127.0.0.1:1'), /secret|token/.test(e.message)]",
	              "[true,true,\"CONNECT\",true,false]");
	assert_script(rig,
	              "return (await fetch('http://nobody.invalid/').catch((e) => e)).cause.code",
	              "NO_HOST");
}

static void hostile_servers(void **state)
{
	(void)state;
	assert_fetch("return await code(fetch(base + '/garbage'))", "true PROTO");
	assert_fetch("return await code(fetch(base + '/nothing'))", "true CLOSED");
	assert_fetch("return await code(fetch(base + '/many'))", "true LIMIT");
	assert_fetch("return await code((await fetch(base + '/cut')).text())", "true CLOSED");
	assert_fetch("const r = await fetch(base + '/cut'); const got = []; let e;"
	             "try { for await (const b of r.body) got.push(...b) } catch (x) { e = x }"
	             "return [got.length, e.cause.code]",
	             "[3,\"CLOSED\"]");
	assert_fetch("return await code((await fetch(base + '/gzip/bad')).text())", "true PROTO");
	assert_fetch("return await (await fetch(base + '/gzip/good')).text()",
	             "hello hello hello hello");
}

static void limits(void **state)
{
	(void)state;
	assert_fetch("return [await code((await fetch(base + '/endless')).bytes()), "
	             "await code((await fetch(base + '/octets', { maxBytes: 255 })).text()), "
	             "await code((await fetch(base + '/octets', { maxBytes: 256 })).text()), "
	             "await code((await fetch(base + '/gzip/good', { maxBytes: 22 })).text())]",
	             "[\"true LIMIT\",\"true LIMIT\",\"done\",\"true LIMIT\"]");
	assert_fetch("return [await code(fetch(base + '/hang', { timeout: 50 })), "
	             "await code((await fetch(base + '/half', { timeout: 50 })).text())]",
	             "[\"true TIMEOUT\",\"true TIMEOUT\"]");
	fetch_server_await_idle(server);
}

static void breaking_off(void **state)
{
	(void)state;
	assert_fetch("const c = new AbortController(); setTimeout(() => c.abort(), 20);"
	             "const e = await fetch(base + '/hang', { signal: c.signal }).catch((e) => e);"
	             "return [e === c.signal.reason, e.name]",
	             "[true,\"AbortError\"]");
	assert_fetch("const c = new AbortController(); c.abort('early');"
	             "return await fetch(base + '/hang', { signal: c.signal }).catch((e) => e)",
	             "early");
	assert_fetch("const c = new AbortController(); const r = await fetch(base + '/half', "
	             "{ signal: c.signal }); const text = r.text(), other = r.clone ? 1 : 0;"
	             "c.abort('late'); return await text.catch((e) => e)",
	             "late");
	assert_fetch("const c = new AbortController(); const r = await fetch(base + '/half', "
	             "{ signal: c.signal }); const got = []; try { for await (const b of r.body) "
	             "{ got.push(...b); c.abort('now') } } catch (e) { got.push(e) } "
	             "return [got.length, got[4]]",
	             "[5,\"now\"]");
	assert_fetch("return await fetch(base + '/hang', { signal: AbortSignal.timeout(20) })"
	             ".catch((e) => e.name)",
	             "TimeoutError");
	assert_fetch("const c = new AbortController(); const r = await fetch(base + '/octets', "
	             "{ signal: c.signal }); const b = await r.bytes(); c.abort(); return b.length",
	             "256");
	fetch_server_await_idle(server);
}

/* Whoever wants no more of a body need not wait for its end. */
static void leaving_a_body(void **state)
{
	(void)state;
	assert_fetch("const r = await fetch(base + '/endless', { maxBytes: 1e12 }); let n = 0;"
	             "for await (const b of r.body) if ((n += b.length) > 1e5) break;"
	             "const s = await fetch(base + '/half'); await s.body.cancel();"
	             "return n > 1e5",
	             "true");
	fetch_server_await_idle(server);
}

static void many_at_once(void **state)
{
	(void)state;
	assert_fetch("const all = await Promise.all(Array.from({ length: 200 }, (_, i) => "
	             "fetch(base + '/echo?' + i).then((r) => r.text())));"
	             "return all.every((t, i) => t.startsWith(`GET /echo?${i} `))",
	             "true");
	assert_fetch("const c = new AbortController(); const waiting = Array.from({ length: 100 }, "
	             "() => "
	             "code(fetch(base + '/hang', { signal: c.signal })));"
	             "const quick = await (await fetch(base + '/status/200')).text();"
	             "c.abort(); return [quick, new Set(await Promise.all(waiting)).size]",
	             "[\"told\",1]");
}

/* Requests begun and broken off from within what other requests tell. */
static void nested(void **state)
{
	(void)state;
	assert_fetch(
	        "const controllers = []; const stop = () => controllers.forEach((c) => c.abort());"
	        "const go = (depth) => { const c = new AbortController(); controllers.push(c);"
	        "fetch(base + '/hang', { signal: c.signal }).catch(() => {});"
	        "return depth ? fetch(base + '/status/200').then((r) => { stop(); "
	        "return r.text() }).then(() => go(depth - 1)) : 'deep' };"
	        "const got = await Promise.all([go(20), go(20)]); stop(); return got.join()",
	        "deep,deep");
	assert_fetch("for (const c of [1, 2]) await fetch(base + '/status/200')", "undefined");
}

/* What waits gets a few seconds more, then the program ends all the same. */
static void the_program_ends(void **state)
{
	(void)state;
	assert_fetch("setTimeout(() => infinity.terminate(), 20);"
	             "const ended = await code(fetch(base + '/hang'));"
	             "return [ended, await fetch(base + '/status/200').catch((e) => e.cause.code)]",
	             "[\"true CANCELED\",\"CANCELED\"]");
}

static void *stop_when_both_came(void *ctx)
{
	fetch_server_await(server, 2);
	lm_loop_stop(ctx);
	return NULL;
}

static void the_runtime_ends_first(void **state)
{
	const char *script = with_server(
	        "fetch(base + '/hang').catch(() => {});"
	        "fetch(base + '/half').then((r) => r.text()).catch(() => {});");
	const struct lm_js_source source = { "test.js", lm_str(script) };
	pthread_t thread;

	(void)state;
	assert_non_null(lm_js_run(rig->rt->js, &source));
	assert_int_equal(pthread_create(&thread, NULL, stop_when_both_came, rig->loop), 0);
	lm_loop_run(rig->loop);
	assert_int_equal(pthread_join(thread, NULL), 0);
	lm_runtime_free(rig->rt);
	rig->rt = NULL;
	fetch_server_await_idle(server);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
		TEST(responses),
		TEST(forms_of_a_body),
		TEST(json),
		TEST(bodies_that_are_sent),
		TEST(requests),
		TEST(headers_that_come),
		TEST(headers_by_themselves),
		TEST(responses_by_themselves),
		TEST(redirects),
		TEST(redirects_to_where_nobody_goes),
		TEST(redirects_leave_secrets_behind),
		TEST(wrong_arguments),
		TEST(lengths_are_our_own),
		TEST(nobody_there),
		TEST(hostile_servers),
		TEST(limits),
		TEST(breaking_off),
		TEST(leaving_a_body),
		TEST(many_at_once),
		TEST(nested),
		TEST(the_program_ends),
		TEST(the_runtime_ends_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
