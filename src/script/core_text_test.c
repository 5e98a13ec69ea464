/* TextEncoder, TextDecoder, atob, btoa, structuredClone. */
#include "script/rig_each.h"

static void encoding(void **state)
{
	(void)state;
	assert_script(rig,
	              "return [...new TextEncoder().encode('a\\0\\u00e4\\u20ac\\ud83d\\ude00')]",
	              "[97,0,195,164,226,130,172,240,159,152,128]");
	/* What stands for octets elsewhere is no character here. */
	assert_script(rig, "return [...new TextEncoder().encode('\\udcff|\\ud800')]",
	              "[239,191,189,124,239,191,189]");
	assert_script(rig,
	              "return [new TextEncoder().encode().length, "
	              "new TextEncoder().encode(5)[0], new TextEncoder().encoding]",
	              "[0,53,\"utf-8\"]");
}

static void encoding_into(void **state)
{
	static const char *const want[] = { "[0,0]", "[1,1]", "[1,1]", "[1,1]",
		                            "[1,1]", "[3,5]", "[4,6]", "[4,6]" };
	char script[200];

	(void)state;
	for (int room = 0; room < 8; room++) {
		snprintf(script, sizeof(script),
		         "const to = new Uint8Array(%d), {read, written} = "
		         "new TextEncoder().encodeInto('a\\ud83d\\ude00b', to); "
		         "return [read, written]",
		         room);
		assert_script(rig, script, want[room]);
	}
	assert_script(rig, "return new TextEncoder().encodeInto('\\ud800x', new Uint8Array(9))",
	              "{\"read\":2,\"written\":4}");
	assert_script_throws(rig, "new TextEncoder().encodeInto('a', [])",
	                     "TypeError: TextEncoder.encodeInto: destination: a Uint8Array");
}

#define DECODE(octets) "return new TextDecoder().decode(new Uint8Array([" octets "]))"
#define FFFD           "\xEF\xBF\xBD"

/* As many replacements as the Encoding Standard has: one for each maximal part. */
static void utf8(void **state)
{
	static const char *const table[][2] = {
		{ DECODE(""), "" },
		{ DECODE("0xC3, 0xA4, 0xE2, 0x82, 0xAC"), "\xC3\xA4\xE2\x82\xAC" },
		{ DECODE("0xEF, 0xBB, 0xBF, 97"), "a" },
		{ DECODE("97, 0xFF, 98"), "a" FFFD "b" },
		{ DECODE("0xE2, 0x82, 97"), FFFD "a" },
		{ DECODE("0xE2, 0x82"), FFFD },
		{ DECODE("0xF0, 0x9F, 0x98, 0xC3, 0xA4"), FFFD "\xC3\xA4" },
		{ DECODE("0xC0, 0x80"), FFFD FFFD },
		{ DECODE("0xED, 0xA0, 0x80"), FFFD FFFD FFFD },
		{ DECODE("0xF4, 0x90, 0x80, 0x80"), FFFD FFFD FFFD FFFD },
		{ DECODE("0xE0, 0x80, 0x80"), FFFD FFFD FFFD },
		{ DECODE("0x80, 0xBF"), FFFD FFFD },
		{ "return new TextDecoder('utf8', {ignoreBOM: true})"
		  ".decode(new Uint8Array([0xEF, 0xBB, 0xBF])).charCodeAt(0)",
		  "65279" },
		{ "return new TextDecoder().decode(new Uint16Array([0x6161]).buffer)", "aa" },
		{ "return new TextDecoder().decode(new DataView(new ArrayBuffer(3), 1)).length",
		  "2" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		assert_script(rig, table[i][0], table[i][1]);
}

static void streams(void **state)
{
	(void)state;
	assert_script(rig,
	              "const d = new TextDecoder(); let out = ''; "
	              "for (const b of [0xEF, 0xBB, 0xBF, 0xF0, 0x9F, 0x98, 0x80, 0xE2, 0x82]) "
	              "out += d.decode(new Uint8Array([b]), {stream: true}); "
	              "out += d.decode() + '|' + d.decode(new Uint8Array([0xEF, 0xBB, 0xBF, 97])); "
	              "return out",
	              "\xF0\x9F\x98\x80" FFFD "|a");
	assert_script(rig,
	              "const d = new TextDecoder('shift_jis'); return "
	              "d.decode(new Uint8Array([0x82]), {stream: true}) + "
	              "d.decode(new Uint8Array([0xA0, 0x88]), {stream: true}) + d.decode()",
	              "\xE3\x81\x82" FFFD);
	assert_script(rig,
	              "const d = new TextDecoder('utf-16'); return "
	              "[0x3D, 0xD8, 0x00].map((b) => d.decode(new Uint8Array([b]), {stream: true}))"
	              ".join('') + d.decode(new Uint8Array([0xDE, 0x61, 0]))",
	              "\xF0\x9F\x98\x80"
	              "a");
}

static void fatal(void **state)
{
	static const char *const bad[][2] = {
		{ "utf-8", "0xFF" },        { "utf-8", "0xC3" }, { "utf-16le", "0, 0xD8" },
		{ "utf-16be", "0xDC, 0" },  { "utf-16le", "0" }, { "shift_jis", "0x82" },
		{ "euc-kr", "0xFF, 0xFF" },
	};
	char script[200];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(script, sizeof(script),
		         "new TextDecoder('%s', {fatal: true}).decode(new Uint8Array([%s]))",
		         bad[i][0], bad[i][1]);
		assert_script_throws(rig, script, "TypeError: TextDecoder.decode: input");
	}
	assert_script(rig,
	              "const d = new TextDecoder('utf-8', {fatal: true}); "
	              "try { d.decode(new Uint8Array([0xC3]), {stream: true}); d.decode() } "
	              "catch {} return d.decode(new Uint8Array([97])) + d.fatal",
	              "atrue");
	assert_script_throws(rig, "new TextDecoder().decode('text')",
	                     "TypeError: TextDecoder.decode: input");
	assert_script_throws(rig, "new TextDecoder().decode(5)", "TypeError: TextDecoder.decode");
}

static void charsets(void **state)
{
	static const char *const table[][4] = {
		{ "latin1", "0x80, 0x81, 0xE4", "windows-1252", "\xE2\x82\xAC\xC2\x81\xC3\xA4" },
		{ "\\tASCII ", "0xE4", "windows-1252", "\xC3\xA4" },
		{ "iso-8859-15", "0xA4", "iso-8859-15", "\xE2\x82\xAC" },
		{ "koi8-r", "0xC1", "koi8-r", "\xD0\xB0" },
		{ "cp1251", "0xE0", "windows-1251", "\xD0\xB0" },
		{ "gb2312", "0xC4, 0xE3", "gbk", "\xE4\xBD\xA0" },
		{ "big5", "0xA7, 0x41", "big5", "\xE4\xBD\xA0" },
		{ "euc-jp", "0xA4, 0xA2, 97", "euc-jp",
		  "\xE3\x81\x82"
		  "a" },
		{ "iso-2022-jp", "27, 36, 66, 36, 34, 27, 40, 66, 97", "iso-2022-jp",
		  "\xE3\x81\x82"
		  "a" },
		{ "ks_c_5601-1987", "0xB0, 0xA1", "euc-kr", "\xEA\xB0\x80" },
		{ "utf-16be", "0, 97", "utf-16be", "a" },
		{ "ucs-2", "97, 0", "utf-16le", "a" },
		{ "logical", "0xE0", "iso-8859-8-i", "\xD7\x90" },
	};
	char script[300], want[100];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		snprintf(script, sizeof(script),
		         "const d = new TextDecoder('%s'); "
		         "return d.encoding + ' ' + d.decode(new Uint8Array([%s]))",
		         table[i][0], table[i][1]);
		snprintf(want, sizeof(want), "%s %s", table[i][2], table[i][3]);
		assert_script(rig, script, want);
	}
	assert_script_throws(rig, "new TextDecoder('klingon')",
	                     "RangeError: TextDecoder: label: \"klingon\"");
	assert_script_throws(rig, "new TextDecoder('')", "RangeError: TextDecoder: label");
	assert_script_throws(rig, "new TextDecoder('utf-8\\0')", "RangeError: TextDecoder: label");
}

static void base64(void **state)
{
	static const char *const bad[] = { "a", "YQ=", "Y===", "_-aa", "YQ==YQ==", "Y Q = =  x" };
	char script[100];

	(void)state;
	assert_script(rig, "return btoa('h\\xe9\\xff\\0') + btoa('') + btoa('a')", "aOn/AA==YQ==");
	assert_script(rig,
	              "return atob(' aOn/\\n ') === 'h\\xe9\\xff' && atob('YQ') + atob('YQ==')",
	              "aa");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(script, sizeof(script), "atob('%s')", bad[i]);
		assert_script_throws(rig, script, "InvalidCharacterError: atob");
	}
	assert_script_throws(rig, "btoa('\\u0100')", "InvalidCharacterError: btoa");
	assert_script(rig,
	              "const all = Array.from({length: 256}, (_, i) => String.fromCharCode(i))"
	              ".join(''); return atob(btoa(all)) === all",
	              "true");
}

static void cloning(void **state)
{
	static const char *const table[][2] = {
		{ "const a = {b: [1, , 3], c: {}}; a.self = a; a.c2 = a.c; const b = "
		  "structuredClone(a); return [b !== a, b.self === b, b.c === b.c2, b.c !== a.c, "
		  "1 in b.b, b.b.length]",
		  "[true,true,true,true,false,3]" },
		{ "return structuredClone([undefined, null, -0, 10n, 's', true])",
		  "[undefined,null,0,10n,\"s\",true]" },
		{ "return Object.is(structuredClone(-0), -0)", "true" },
		{ "const m = new Map([[{k: 1}, new Set([1])]]); return structuredClone(m)",
		  "Map(1) {{\"k\":1}=>Set(1) [1]}" },
		{ "const d = structuredClone(new Date(5)); return [d.getTime(), d instanceof Date]",
		  "[5,true]" },
		{ "const r = /x/gi; r.lastIndex = 3; const c = structuredClone(r); "
		  "return [String(c), c.lastIndex]",
		  "[\"/x/gi\",0]" },
		{ "const e = structuredClone(new RangeError('far', {cause: [1]})); return "
		  "[e instanceof RangeError, e.message, e.cause, typeof e.stack]",
		  "[true,\"far\",[1],\"string\"]" },
		{ "class My extends Error { name = 'My' } const e = structuredClone(new My('m')); "
		  "return [e.name, e.message, e.constructor === Error]",
		  "[\"Error\",\"m\",true]" },
		{ "const e = structuredClone(new DOMException('m', 'AbortError')); "
		  "return [e instanceof DOMException, e.name, e.code]",
		  "[true,\"AbortError\",20]" },
		{ "const u = new Uint8Array([1, 2, 3]); const c = structuredClone([u.subarray(1), "
		  "u.buffer]); return [[...c[0]], c[0].buffer === c[1], c[1] !== u.buffer]",
		  "[[2,3],true,true]" },
		{ "const c = structuredClone(new DataView(new ArrayBuffer(8), 2, 3)); "
		  "return [c.byteOffset, c.byteLength, c.buffer.byteLength]",
		  "[2,3,8]" },
		{ "const c = structuredClone(new Float64Array([1.5])); "
		  "return [c instanceof Float64Array, c[0]]",
		  "[true,1.5]" },
		{ "return structuredClone([Object(1), Object('s'), Object(true), Object(1n)])"
		  ".map((o) => typeof o + o)",
		  "[\"object1\",\"objects\",\"objecttrue\",\"object1\"]" },
		{ "class K { #p = 1; a = 2; get b() { return 3 } } "
		  "const c = structuredClone(new K()); return [c.constructor === Object, c]",
		  "[true,{\"a\":2}]" },
		{ "return structuredClone({get a() { return 7 }, [Symbol('s')]: 1, __proto__: {x: "
		  "1}})",
		  "{\"a\":7}" },
		{ "return structuredClone(JSON.parse('{\"__proto__\": 1}'))", "{\"__proto__\":1}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		assert_script(rig, table[i][0], table[i][1]);
}

static void transfers(void **state)
{
	(void)state;
	assert_script(rig,
	              "const u = new Uint8Array([1, 2, 3, 4]).subarray(1, 3), b = u.buffer; "
	              "const c = structuredClone({u, b}, {transfer: [b]}); "
	              "return [[...c.u], c.u.buffer === c.b, b.detached, u.length]",
	              "[[2,3],true,true,0]");
	/* Nothing is given away where not all can be cloned. */
	assert_script(rig,
	              "const b = new ArrayBuffer(2); try { structuredClone([b, () => 1], "
	              "{transfer: [b]}) } catch (e) { return [e.name, b.byteLength] }",
	              "[\"DataCloneError\",2]");
	assert_script_throws(rig, "structuredClone(1, {transfer: [{}]})", "DataCloneError: ");
	assert_script_throws(rig,
	                     "const b = new ArrayBuffer(2); structuredClone(1, {transfer: [b, b]})",
	                     "DataCloneError: ");
	assert_script_throws(rig,
	                     "const b = new ArrayBuffer(2); structuredClone(1, {transfer: [b]}); "
	                     "structuredClone(b)",
	                     "DataCloneError: ");
}

static void not_to_clone(void **state)
{
	static const char *const bad[] = {
		"() => 1",       "Symbol('s')",       "new WeakMap()",
		"new WeakSet()", "Promise.resolve()", "{f() {}}",
		"[class K {}]",  "new WeakRef({})",   "Object(Symbol())"
	};
	char script[100];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(script, sizeof(script), "structuredClone(%s)", bad[i]);
		assert_script_throws(rig, script, "DataCloneError: structuredClone: ");
	}
	assert_script_throws(rig, "structuredClone()", "TypeError: structuredClone");
	assert_script_throws(rig, "structuredClone({get a() { throw new Error('mine') }})",
	                     "Error: mine");
	assert_script_throws(rig,
	                     "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; "
	                     "structuredClone(a)",
	                     "RangeError: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
		T(encoding), T(encoding_into), T(utf8),    T(streams),   T(fatal),
		T(charsets), T(base64),        T(cloning), T(transfers), T(not_to_clone),
	};

	return cmocka_run_group_tests_name("script/core_text", tests, NULL, NULL);
}
