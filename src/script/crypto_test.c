/* infinity.crypto: test vectors, passwords, wrong arguments. */
#include "script/rig_each.h"

/* RFC 1321 A.5, FIPS 180 "abc". */
static void hashes(void **state)
{
	(void)state;
	assert_script(rig, "return infinity.crypto.hash('md5', 'abc')",
	              "900150983cd24fb0d6963f7d28e17f72");
	assert_script(rig, "return infinity.crypto.hash('md5', '')",
	              "d41d8cd98f00b204e9800998ecf8427e");
	assert_script(rig, "return infinity.crypto.hash('sha1', 'abc')",
	              "a9993e364706816aba3e25717850c26c9cd0d89d");
	assert_script(rig, "return infinity.crypto.hash('SHA-256', 'abc')",
	              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_script(rig, "return infinity.crypto.hash('sha384', 'abc')",
	              "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
	              "8086072ba1e7cc2358baeca134c825a7");
	assert_script(rig, "return infinity.crypto.hash('sha512', 'abc')",
	              "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
	              "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
	assert_script(rig, "return infinity.crypto.hash('sha3-256', '')",
	              "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a");
}

static void forms_of_data_and_results(void **state)
{
	(void)state;
	assert_script(
	        rig,
	        "const { hash } = infinity.crypto; const bytes = new Uint8Array([97, 98, 99]);"
	        "return [bytes, bytes.buffer, new DataView(bytes.buffer)]"
	        ".every((d) => hash('md5', d) === hash('md5', 'abc'))",
	        "true");
	assert_script(rig, "return infinity.crypto.hash('md5', 'abc', 'base64')",
	              "kAFQmDzST7DWlj99KOF/cg==");
	assert_script(rig, "return infinity.crypto.hash('md5', 'abc', 'base64url')",
	              "kAFQmDzST7DWlj99KOF_cg");
	assert_script(rig,
	              "const b = infinity.crypto.hash('md5', 'abc', 'bytes');"
	              "return b instanceof Uint8Array && b.length === 16 && b[0] === 0x90",
	              "true");
	/* The octet 0xFF, as a string of the house and as bytes; UTF-8 of the rest. */
	assert_script(rig,
	              "const { hash } = infinity.crypto;"
	              "return hash('md5', '\\udcff') === hash('md5', new Uint8Array([255])) &&"
	              "hash('md5', '\\u00e4') === hash('md5', new Uint8Array([0xc3, 0xa4]))",
	              "true");
}

/* RFC 2202, RFC 4231. */
static void keyed_hashes(void **state)
{
	(void)state;
	assert_script(rig,
	              "return infinity.crypto.hmac('md5', 'Jefe', 'what do ya want for nothing?')",
	              "750c783e6ab0b503eaa86e310a5db738");
	assert_script(rig,
	              "return infinity.crypto.hmac('sha256', 'Jefe', "
	              "'what do ya want for nothing?')",
	              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	assert_script(rig,
	              "return infinity.crypto.hmac('sha512', new Uint8Array(131).fill(0xaa), "
	              "'Test Using Larger Than Block-Size Key - Hash Key First')",
	              "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
	              "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598");
	assert_script(rig, "return infinity.crypto.hmac('sha256', '', '')",
	              "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void wrong_arguments(void **state)
{
	(void)state;
	assert_script_throws(rig, "infinity.crypto.hash('md4711', '')",
	                     "RangeError: infinity.crypto.hash algorithm: sha256");
	assert_script_throws(rig, "infinity.crypto.hash('shake128', '')", "RangeError: ");
	assert_script_throws(rig, "infinity.crypto.hash('md5\\0', '')", "RangeError: ");
	assert_script_throws(rig, "infinity.crypto.hash('', '')", "RangeError: ");
	assert_script_throws(rig, "infinity.crypto.hash(5, '')",
	                     "TypeError: infinity.crypto.hash algorithm");
	assert_script_throws(rig, "infinity.crypto.hash('md5', 5)",
	                     "TypeError: infinity.crypto.hash data: a string, a Uint8Array");
	assert_script_throws(rig, "infinity.crypto.hash('md5')", "TypeError: ");
	assert_script_throws(rig, "infinity.crypto.hash('md5', {})", "TypeError: ");
	assert_script_throws(rig, "infinity.crypto.hash('md5', '', 'hexx')",
	                     "RangeError: infinity.crypto.hash encoding: one of hex, base64");
	assert_script_throws(rig, "infinity.crypto.hash('md5', '', null)", "TypeError: ");
	assert_script_throws(rig, "infinity.crypto.hmac('md5', undefined, 'x')",
	                     "TypeError: infinity.crypto.hmac key");
	assert_script_throws(rig, "infinity.crypto.hmac('md5', 'x')",
	                     "TypeError: infinity.crypto.hmac data");
	assert_script_throws(rig, "infinity.crypto.randomBytes(-1)", "RangeError: ");
	assert_script_throws(rig, "infinity.crypto.randomBytes(1.5)", "RangeError: ");
	assert_script_throws(rig, "infinity.crypto.randomBytes(1e9)", "RangeError: ");
	assert_script_throws(rig, "infinity.crypto.randomBytes('1')", "TypeError: ");
	assert_script_throws(rig, "infinity.crypto.randomInt(5, 5)", "RangeError: ");
	assert_script_throws(rig, "infinity.crypto.randomInt(-1)", "RangeError: ");
	assert_script_throws(rig, "infinity.crypto.randomInt(0, 2 ** 49)", "RangeError: ");
	assert_script_throws(rig, "infinity.crypto.randomInt('1')", "TypeError: ");
	assert_script_throws(rig, "infinity.crypto.timingSafeEqual('a')", "TypeError: ");
	assert_script_throws(rig, "infinity.crypto.timingSafeEqual(1, 'a')", "TypeError: ");
	assert_script_throws(rig, "'use strict'; infinity.crypto.hash = 1", "TypeError: ");
}

static void random_values(void **state)
{
	(void)state;
	assert_script(rig,
	              "const { randomBytes: r } = infinity.crypto;"
	              "return [r(0).length, r(70000).length, String(r(16)) !== String(r(16))]",
	              "[0,70000,true]");
	assert_script(rig,
	              "const ids = new Set(); for (let i = 0; i < 1000; i++)"
	              "ids.add(infinity.crypto.randomUUID()); return ids.size === 1000 && "
	              "[...ids].every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-"
	              "[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id))",
	              "true");
	assert_script(rig,
	              "const seen = new Set(); for (let i = 0; i < 1000; i++)"
	              "seen.add(infinity.crypto.randomInt(-2, 3)); return [...seen].sort().join()",
	              "-1,-2,0,1,2");
	assert_script(rig, "return infinity.crypto.randomInt(1)", "0");
	assert_script(rig,
	              "const far = infinity.crypto.randomInt(2 ** 52, 2 ** 52 + 2 ** 48);"
	              "return Number.isSafeInteger(far) && far >= 2 ** 52",
	              "true");
}

static void comparing(void **state)
{
	(void)state;
	assert_script(
	        rig,
	        "const { timingSafeEqual: e } = infinity.crypto; const b = new Uint8Array([97]);"
	        "return [e('a', 'a'), e('a', b), e(b, 'a'), e('', ''), e(b, b), e('a', 'b'), "
	        "e('a', 'ab'), e('', 'a')]",
	        "[true,true,true,true,true,false,false,false]");
}

static void passwords(void **state)
{
	(void)state;
	assert_script(rig,
	              "const { hashPassword, verifyPassword } = infinity.crypto;"
	              "const a = hashPassword('secret'), b = hashPassword('secret');"
	              "return [a.startsWith('$y$'), a !== b, verifyPassword('secret', a), "
	              "verifyPassword('secret ', a), verifyPassword('', a)]",
	              "[true,true,true,false,false]");
	assert_script(
	        rig,
	        "const { hashPassword, verifyPassword } = infinity.crypto;"
	        "return Object.entries({ yescrypt: 1, 'gost-yescrypt': 1, scrypt: 6, bcrypt: 4, "
	        "sha512crypt: 1000, sha256crypt: 1000 }).filter(([method, cost]) => {"
	        "const hash = hashPassword('p\\u00e4ss', { method, cost });"
	        "return !verifyPassword('p\\u00e4ss', hash) || verifyPassword('pass', hash) })",
	        "[]");
	assert_script(rig,
	              "const bytes = new Uint8Array([0xff, 0xfe]);"
	              "const { hashPassword, verifyPassword } = infinity.crypto;"
	              "const hash = hashPassword(bytes, { method: 'sha256crypt', cost: 1000 });"
	              "return verifyPassword('\\udcff\\udcfe', hash)",
	              "true");
}

/* Made with other tools: openssl passwd, htpasswd, mkpasswd. */
static void hashes_of_others(void **state)
{
	static const char *const known[] = {
		"$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/",
		"$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/"
		"jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/",
		"rqVTKtRlPS2tM",
	};
	char script[400];

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		snprintf(script, sizeof(script),
		         "const { verifyPassword: v } = infinity.crypto;"
		         "return [v('password', '%s'), v('Password', '%s')]",
		         known[i], known[i]);
		assert_script(rig, script, "[true,false]");
	}
}

static void broken_hashes_are_false(void **state)
{
	(void)state;
	assert_script(rig,
	              "return ['', 'x', '*0', '*', '$', '$y$', '$y$j9T$', '$6$', '$99$a$b', "
	              "'a\\0b', '\\udcff', 'x'.repeat(100000), '!$y$j9T$x', undefined, null, "
	              "'$6$rounds=999999999999$salt$x', '{SHA}x', 'secret']"
	              ".filter((hash) => infinity.crypto.verifyPassword('secret', hash))",
	              "[]");
	assert_script(rig,
	              "const hash = infinity.crypto.hashPassword('x', { method: 'yescrypt' });"
	              "return ['', 'x\\0', '\\0', 'x'.repeat(513), new Uint8Array(0)]"
	              ".filter((password) => infinity.crypto.verifyPassword(password, hash))",
	              "[]");
	/* An empty field of a password file is no open door. */
	assert_script(rig, "return infinity.crypto.verifyPassword('', '')", "false");
}

static void wrong_passwords(void **state)
{
	(void)state;
	assert_script_throws(rig, "infinity.crypto.hashPassword('')", "RangeError: ");
	assert_script_throws(rig, "infinity.crypto.hashPassword('a\\0b')", "RangeError: ");
	assert_script_throws(rig, "infinity.crypto.hashPassword('a'.repeat(513))", "RangeError: ");
	assert_script_throws(rig, "infinity.crypto.hashPassword(5)", "TypeError: ");
	assert_script_throws(rig, "infinity.crypto.hashPassword()", "TypeError: ");
	assert_script_throws(rig, "infinity.crypto.hashPassword('a', 'bcrypt')", "TypeError: ");
	assert_script_throws(rig, "infinity.crypto.hashPassword('a', { method: 'des' })",
	                     "RangeError: infinity.crypto.hashPassword method: one of yescrypt");
	assert_script_throws(rig, "infinity.crypto.hashPassword('a', { kost: 5 })", "RangeError: ");
	assert_script_throws(rig, "infinity.crypto.hashPassword('a', { cost: 99 })",
	                     "RangeError: infinity.crypto.hashPassword: this method has no cost");
	assert_script_throws(rig, "infinity.crypto.hashPassword('a', { cost: '5' })",
	                     "TypeError: ");
	assert_script_throws(rig,
	                     "infinity.crypto.hashPassword('\\u00e4'.repeat(37), "
	                     "{ method: 'bcrypt' })",
	                     "RangeError: infinity.crypto.hashPassword password: bcrypt");
	assert_script_throws(rig, "infinity.crypto.verifyPassword(5, 'x')", "TypeError: ");
	assert_script_throws(rig, "infinity.crypto.verifyPassword('x', 5)", "TypeError: ");
	assert_script_throws(rig, "await infinity.crypto.verifyPasswordAsync('x', {})",
	                     "TypeError: infinity.crypto.verifyPassword hash");
	assert_script_throws(rig, "await infinity.crypto.hashPasswordAsync('')", "RangeError: ");
}

static void passwords_on_the_pool(void **state)
{
	(void)state;
	assert_script(rig,
	              "const c = infinity.crypto; const hash = await c.hashPasswordAsync('secret');"
	              "const all = await Promise.all(['secret', 'x', '', 'secret'].map("
	              "(p) => c.verifyPasswordAsync(p, hash)));"
	              "return [...all, c.verifyPassword('secret', hash)]",
	              "[true,false,false,true,true]");
	assert_script(rig,
	              "let ticks = 0; const timer = setInterval(() => ticks++, 1);"
	              "const c = infinity.crypto;"
	              "await c.hashPasswordAsync('x', { cost: 7 }); clearInterval(timer);"
	              "return ticks > 0",
	              "true");
}

/* Jobs are under way, or wait, when their runtime ends. */
static void the_runtime_ends_first(void **state)
{
	struct lm_pool *pool;

	(void)state;
	assert_script(rig,
	              "for (let i = 0; i < 50; i++)"
	              "setTimeout(() => infinity.crypto.hashPasswordAsync('x'), 0);"
	              "await new Promise((r) => setTimeout(r, 20)); infinity.terminate();",
	              "undefined");
	pool = rig->script.pool;
	lm_runtime_free(rig->rt);
	lm_pool_free(pool);
	rig->rt = NULL;
	rig->script.pool = NULL;
}

static void the_queue_is_full(void **state)
{
	(void)state;
	lm_pool_free(rig->script.pool);
	assert_err(lm_pool_new(1, 1, &rig->script.pool), 0);
	assert_script(rig,
	              "const all = []; for (let i = 0; i < 20; i++)"
	              "all.push(infinity.crypto.verifyPasswordAsync('x', undefined)"
	              ".catch((e) => e.code));"
	              "const got = await Promise.all(all);"
	              "return [got.includes(false), got.includes('LIMIT'), got.includes(true)]",
	              "[true,true,false]");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hashes, begin, end),
		cmocka_unit_test_setup_teardown(forms_of_data_and_results, begin, end),
		cmocka_unit_test_setup_teardown(keyed_hashes, begin, end),
		cmocka_unit_test_setup_teardown(wrong_arguments, begin, end),
		cmocka_unit_test_setup_teardown(random_values, begin, end),
		cmocka_unit_test_setup_teardown(comparing, begin, end),
		cmocka_unit_test_setup_teardown(passwords, begin, end),
		cmocka_unit_test_setup_teardown(hashes_of_others, begin, end),
		cmocka_unit_test_setup_teardown(broken_hashes_are_false, begin, end),
		cmocka_unit_test_setup_teardown(wrong_passwords, begin, end),
		cmocka_unit_test_setup_teardown(passwords_on_the_pool, begin, end),
		cmocka_unit_test_setup_teardown(the_runtime_ends_first, begin, end),
		cmocka_unit_test_setup_teardown(the_queue_is_full, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
