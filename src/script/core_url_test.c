/* URL and URLSearchParams; events and what aborts. */
#include "script/rig_each.h"

/* `want` NULL: it is no URL. */
static void check_href(const char *url, const char *base, const char *want)
{
	char script[500];

	snprintf(script, sizeof(script), "return URL.canParse('%s'%s%s%s)", url, base ? ", '" : "",
	         base ? base : "", base ? "'" : "");
	assert_script(rig, script, want ? "true" : "false");
	snprintf(script, sizeof(script), "return new URL('%s'%s%s%s).href", url, base ? ", '" : "",
	         base ? base : "", base ? "'" : "");
	if (want)
		assert_script(rig, script, want);
	else
		assert_script_throws(rig, script, "TypeError: URL: ");
}

static void parsing(void **state)
{
	static const char *const table[][2] = {
		{ "HTTP://User:pa ss@EXAMPLE.com:80/a/../b/./c%2e%2E/d?q=1 2#fr ag`<>",
		  "http://User:pa%20ss@example.com/b/c%2e%2E/d?q=1%202#fr%20ag%60%3C%3E" },
		{ "  http://t\\trim\\n.com  ", "http://trim.com/" },
		{ "http:\\\\\\\\x\\\\y", "http://x/y" },
		{ "http:///x", "http://x/" },
		{ "http://h?x", "http://h/?x" },
		{ "http://h/%zz", "http://h/%zz" },
		{ "http://user@/x", NULL },
		{ "http://h:/", "http://h/" },
		{ "http://h:065535/", "http://h:65535/" },
		{ "http://h:65536/", NULL },
		{ "http://h:8a/", NULL },
		{ "http://a b/", NULL },
		{ "http://a%00b/", NULL },
		{ "http://%41.com", "http://a.com/" },
		{ "http://a..b/", "http://a..b/" },
		{ "wss://h:443", "wss://h/" },
		{ "mailto:a@b.c?subject=x", "mailto:a@b.c?subject=x" },
		{ "data:text/plain,hi there", "data:text/plain,hi there" },
		{ "urn:isbn:1", "urn:isbn:1" },
		{ "pop3://u;AUTH=*@host:110/", "pop3://u%3BAUTH%3D*@host:110/" },
		{ "foo://bar/../x", "foo://bar/x" },
		{ "foo:/a/../..//b", "foo:/.//b" },
		{ "file:///C|/x/../y", "file:///C:/y" },
		{ "file://localhost/etc", "file:///etc" },
		{ "//x", NULL },
		{ "x", NULL },
		{ "", NULL },
		{ ":x", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		check_href(table[i][0], NULL, table[i][1]);
}

static void hosts(void **state)
{
	static const char *const table[][2] = {
		{ "http://[::1]:8080/", "http://[::1]:8080/" },
		{ "http://[1:0:0:2::3]/", "http://[1:0:0:2::3]/" },
		{ "http://[1:0:0:2:0:0:0:3]/", "http://[1:0:0:2::3]/" },
		{ "http://[::ffff:1.2.3.4]/", "http://[::ffff:102:304]/" },
		{ "http://[1::2::3]/", NULL },
		{ "http://[1:2:3:4:5:6:7:8:9]/", NULL },
		{ "http://[::1", NULL },
		{ "http://[g::]/", NULL },
		{ "http://0x7f.1/", "http://127.0.0.1/" },
		{ "http://017700000001/", "http://127.0.0.1/" },
		{ "http://1.2.3.", "http://1.2.0.3/" },
		{ "http://256.1/", NULL },
		{ "http://1.256/", "http://1.0.1.0/" },
		{ "http://1.2.3.256/", NULL },
		{ "http://1.2.3.4.5", NULL },
		{ "http://09/", NULL },
		{ "http://m\\u00fcnchen.de/\\u00e4?\\u00fc#\\u00f6",
		  "http://xn--mnchen-3ya.de/%C3%A4?%C3%BC#%C3%B6" },
		{ "http://B\\u00dcCHER.example/", "http://xn--bcher-kva.example/" },
		{ "http://fa\\u00df.de/", "http://xn--fa-hia.de/" },
		{ "http://\\u65e5\\u672c\\u8a9e\\u3002jp/", "http://xn--wgv71a119e.jp/" },
		{ "http://\\ud83d\\ude00.la/", "http://xn--e28h.la/" },
		{ "http://XN--mnchen-3ya.de/", "http://xn--mnchen-3ya.de/" },
		{ "http://xn--a/", NULL },
		{ "http://xn--/", NULL },
		{ "http://x\\u200dy/", NULL },
		{ "http://a\\u00adb/", "http://ab/" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		check_href(table[i][0], NULL, table[i][1]);
}

/* RFC 3986 5.4, where the URL Standard agrees; and what it says of files. */
static void relative(void **state)
{
	static const char base[] = "http://a/b/c/d;p?q";
	static const char *const table[][2] = {
		{ "g:h", "g:h" },
		{ "g", "http://a/b/c/g" },
		{ "./g/", "http://a/b/c/g/" },
		{ "/g", "http://a/g" },
		{ "//g", "http://g/" },
		{ "?y", "http://a/b/c/d;p?y" },
		{ "g?y#s", "http://a/b/c/g?y#s" },
		{ "#s", "http://a/b/c/d;p?q#s" },
		{ ";x", "http://a/b/c/;x" },
		{ "", "http://a/b/c/d;p?q" },
		{ "..", "http://a/b/" },
		{ "../../../g", "http://a/g" },
		{ "g..", "http://a/b/c/g.." },
		{ "./../g", "http://a/b/g" },
		{ "%2e%2e/k", "http://a/b/k" },
		{ "http:g", "http://a/b/c/g" },
		{ "https:g", "https://g/" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		check_href(table[i][0], base, table[i][1]);
	check_href("g", "mailto:a@b", NULL);
	check_href("#s", "mailto:a@b", "mailto:a@b#s");
	check_href("../g", "file:///C:/a", "file:///C:/g");
	check_href("/g", "file:///C:/a", "file:///C:/g");
	check_href("g", "nonsense", NULL);
	check_href("../q", "foo://h/p/r", "foo://h/q");
}

static void members(void **state)
{
	(void)state;
	assert_script(rig,
	              "const u = new URL('https://u:p@h.x:8443/p/q?a=1#f'); return [u.origin, "
	              "u.protocol, u.username, u.password, u.host, u.hostname, u.port, u.pathname, "
	              "u.search, u.hash, String(u) === u.href, JSON.stringify([u]) === "
	              "JSON.stringify([u.href])].join(' ')",
	              "https://h.x:8443 https: u p h.x:8443 h.x 8443 /p/q ?a=1 #f true true");
	assert_script(rig,
	              "return [new URL('mailto:a@b').origin, new URL('file:///x').origin, "
	              "new URL('blob:https://a.b/x').origin, URL.parse('x'), "
	              "URL.parse('x', 'http://y').href]",
	              "[\"null\",\"null\",\"https://a.b\",null,\"http://y/x\"]");
	assert_script_throws(rig, "new URL()", "TypeError: URL");
	assert_script_throws(rig, "URL('http://x')", "TypeError: ");
}

static void setters(void **state)
{
	static const char *const table[][4] = {
		{ "https://u:p@h:8443/p?q#f", "href", "http://new/x", "http://new/x" },
		{ "https://u:p@h:8443/p?q#f", "protocol", "http", "http://u:p@h:8443/p?q#f" },
		{ "https://h/", "protocol", "foo", "https://h/" },
		{ "https://h/", "protocol", "file", "file://h/" },
		{ "https://u@h/", "protocol", "file", "https://u@h/" },
		{ "https://h:80/", "protocol", "http:x", "http://h/" },
		{ "https://h/", "username", "\\u00fc:@", "https://%C3%BC%3A%40@h/" },
		{ "https://h/", "password", "p/", "https://:p%2F@h/" },
		{ "file:///a", "username", "u", "file:///a" },
		{ "https://h:1/p", "host", "x.y:81", "https://x.y:81/p" },
		{ "https://h:1/p", "host", "x.y", "https://x.y:1/p" },
		{ "https://h:1/p", "host", "", "https://h:1/p" },
		{ "https://h/p", "hostname", "z:9", "https://h/p" },
		{ "https://h/p", "hostname", "[::2]", "https://[::2]/p" },
		{ "https://h/p", "hostname", "a b", "https://h/p" },
		{ "file:///a", "host", "x:81", "file:///a" },
		{ "mailto:x@y", "host", "h", "mailto:x@y" },
		{ "https://h:1/", "port", "443", "https://h/" },
		{ "https://h:1/", "port", "8x", "https://h:8/" },
		{ "https://h:1/", "port", "99999", "https://h:1/" },
		{ "https://h:1/", "port", "", "https://h/" },
		{ "https://h/p", "pathname", "a b?c#d", "https://h/a%20b%3Fc%23d" },
		{ "https://h/p", "pathname", "", "https://h/" },
		{ "mailto:x@y", "pathname", "z", "mailto:x@y" },
		{ "https://h/?q", "search", "a=b c", "https://h/?a=b%20c" },
		{ "https://h/?q", "search", "", "https://h/" },
		{ "https://h/?q", "search", "?", "https://h/?" },
		{ "https://h/#f", "hash", "#x y", "https://h/#x%20y" },
		{ "https://h/#f", "hash", "", "https://h/" },
	};
	char script[300];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		snprintf(script, sizeof(script),
		         "const u = new URL('%s'); u.%s = '%s'; return u.href", table[i][0],
		         table[i][1], table[i][2]);
		assert_script(rig, script, table[i][3]);
	}
	assert_script_throws(rig, "new URL('http://h').href = 'x'", "TypeError: URL: \"x\"");
}

static void params(void **state)
{
	static const char *const table[][2] = {
		{ "return String(new URLSearchParams('?a=1&b=%zz+v&&=q&n'))",
		  "a=1&b=%25zz+v&=q&n=" },
		{ "return String(new URLSearchParams({a: 1, b: [2, 3]}))", "a=1&b=2%2C3" },
		{ "return String(new URLSearchParams([['x', '1'], ['x', '2']]))", "x=1&x=2" },
		{ "return String(new URLSearchParams(new Map([['m', '1']])))", "m=1" },
		{ "return String(new URLSearchParams({k: 'x y&=+\\u00e9~!\\'()*-._'}))",
		  "k=x+y%26%3D%2B%C3%A9%7E%21%27%28%29*-._" },
		{ "const p = new URLSearchParams('a=1&b=2&a=3'); return [p.get('a'), "
		  "p.getAll('a'), "
		  "p.get('c'), p.has('a', '3'), p.has('a', '2'), p.size, [...p.keys()], [...p]]",
		  "[\"1\",[\"1\",\"3\"],null,true,false,3,[\"a\",\"b\",\"a\"],"
		  "[[\"a\",\"1\"],[\"b\",\"2\"],[\"a\",\"3\"]]]" },
		{ "const p = new URLSearchParams('a=1&b=2&a=3'); p.set('a', 9); p.append('b', 1); "
		  "p.set('z', ''); p.delete('b', '2'); p.sort(); return String(p)",
		  "a=9&b=1&z=" },
		{ "const u = new URL('http://h/?a=1#z'), p = u.searchParams; p.append('b', 'x y'); "
		  "const one = u.href; u.search = '?k=v'; const two = String(p); p.delete('k'); "
		  "return [one, two, u.href, p === u.searchParams]",
		  "[\"http://h/?a=1&b=x+y#z\",\"k=v\",\"http://h/#z\",true]" },
		{ "const all = []; new URLSearchParams('a=1').forEach((v, k) => all.push(k, v)); "
		  "return all",
		  "[\"a\",\"1\"]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		assert_script(rig, table[i][0], table[i][1]);
	assert_script_throws(rig, "new URLSearchParams([['x']])", "TypeError: URLSearchParams");
	assert_script_throws(rig, "new URLSearchParams('').append('x')",
	                     "TypeError: URLSearchParams.append: 2 arguments");
	assert_script_throws(rig, "new URLSearchParams('').forEach(1)", "TypeError: ");
}

/* ---- Events and aborting ---- */

static void events(void **state)
{
	(void)state;
	assert_script(
	        rig,
	        "const t = new EventTarget(), seen = []; "
	        "const f = (e) => { seen.push(e.type, e.target === t, e.detail); "
	        "e.preventDefault() }; "
	        "t.addEventListener('x', f); t.addEventListener('x', f); "
	        "t.addEventListener('x', {handleEvent: () => seen.push('object')}, "
	        "{once: true}); "
	        "const r = [t.dispatchEvent(new CustomEvent('x', {detail: 1, cancelable: true})),"
	        " t.dispatchEvent(new Event('x')), t.dispatchEvent(new Event('y'))]; "
	        "t.removeEventListener('x', f); t.dispatchEvent(new Event('x')); "
	        "return [seen, r]",
	        "[[\"x\",true,1,\"object\",\"x\",true,undefined],[false,true,true]]");
	assert_script(
	        rig,
	        "const t = new EventTarget(), seen = [], c = new AbortController(); "
	        "t.addEventListener('x', () => seen.push(1), {signal: c.signal}); "
	        "t.addEventListener('x', (e) => { seen.push(2); e.stopImmediatePropagation() });"
	        "t.addEventListener('x', () => seen.push(3)); "
	        "t.dispatchEvent(new Event('x')); c.abort(); t.dispatchEvent(new Event('x')); "
	        "return seen",
	        "[1,2,2]");
	assert_script_throws(rig, "new EventTarget().dispatchEvent({})",
	                     "TypeError: dispatchEvent");
	assert_script_throws(rig, "new Event()", "TypeError: Event");
	assert_script_throws(rig, "new EventTarget().addEventListener('x', 5)",
	                     "TypeError: addEventListener");
	assert_script_throws(rig,
	                     "const t = new EventTarget(), e = new Event('x'); let thrown; "
	                     "t.addEventListener('x', () => { try { t.dispatchEvent(e) } "
	                     "catch (x) { thrown = x } }); t.dispatchEvent(e); throw thrown",
	                     "InvalidStateError: ");
}

/* One listener's error does not keep the event from the others, and is not lost. */
static void errors_of_listeners(void **state)
{
	(void)state;
	assert_script(
	        rig,
	        "const t = new EventTarget(); let n = 0; "
	        "t.addEventListener('x', () => { throw new Error('mine') }); "
	        "t.addEventListener('x', () => n++); t.dispatchEvent(new Event('x')); return n",
	        "1");
	assert_non_null(strstr(lm_rig_err(rig), "Error: mine"));
}

static void aborting(void **state)
{
	(void)state;
	assert_script(
	        rig,
	        "const c = new AbortController(), s = c.signal, seen = []; "
	        "s.addEventListener('abort', (e) => seen.push(e.type)); "
	        "s.onabort = () => seen.push('on'); "
	        "const any = AbortSignal.any([AbortSignal.any([s]), AbortSignal.timeout(1e6)]); "
	        "any.onabort = () => seen.push('any'); s.throwIfAborted(); "
	        "c.abort(); c.abort('again'); "
	        "return [seen, s.aborted, any.reason === s.reason, s.reason.name, "
	        "s.reason.code]",
	        "[[\"abort\",\"on\",\"any\"],true,true,\"AbortError\",20]");
	assert_script(rig,
	              "const c = new AbortController(); c.abort(null); "
	              "return [c.signal.aborted, c.signal.reason]",
	              "[true,null]");
	assert_script(rig,
	              "return [AbortSignal.abort(7).reason, AbortSignal.any([]).aborted, "
	              "AbortSignal.any([AbortSignal.abort(8)]).reason]",
	              "[7,false,8]");
	assert_script_throws(rig, "AbortSignal.abort(new RangeError('mine')).throwIfAborted()",
	                     "RangeError: mine");
	assert_script(rig,
	              "const s = AbortSignal.timeout(5); "
	              "await new Promise((done) => { s.onabort = done }); return s.reason.name",
	              "TimeoutError");
	assert_script_throws(rig, "new AbortSignal()", "TypeError: AbortSignal");
	assert_script_throws(rig, "AbortSignal.timeout(-1)", "RangeError: AbortSignal.timeout");
	assert_script_throws(rig, "AbortSignal.timeout('1')", "TypeError: AbortSignal.timeout");
	assert_script_throws(rig, "AbortSignal.any([1])", "TypeError: AbortSignal.any");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
		T(parsing),  T(hosts),  T(relative), T(members),
		T(setters),  T(params), T(events),   T(errors_of_listeners),
		T(aborting),
	};

	return cmocka_run_group_tests_name("script/core_url", tests, NULL, NULL);
}
