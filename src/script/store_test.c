/* infinity.store: every kind of store from script, sharing, wrong arguments. */
#include "script/rig_each.h"
#include "script/store.h"

#include <sys/stat.h>

static void make_localfs(void)
{
	static const char *const folders[] = { "box", "box/archive", "box/staged", "box/dup" };
	char path[128];

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", rig->folder, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
}

/* The same story for each store that keeps what it is given. */
static void what_is_added_is_read(void **state)
{
	char script[1600];

	if (strncmp(*state, "localfs:", 8) == 0)
		make_localfs();
	snprintf(
	        script, sizeof(script),
	        "const s = infinity.store.open('%s', { limit: 50 });"
	        "let every = ''; for (let i = 0; i < 256; i++) every += i < 128 ? "
	        "String.fromCharCode(i) : String.fromCharCode(0xdc00 + i);"
	        "const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);"
	        "s.add({ message: every, sourceid: 'anna', guid: '1' });"
	        "s.add({ message: bytes, sourceid: 'anna', guid: '2', timestamp: new Date(5000) });"
	        "const stream = new infinity.stream(); stream.writeString(every);"
	        "s.add({ message: stream, guid: '3' }); s.add({ message: '', guid: '4' });"
	        "const items = s.query();"
	        "const same = items.filter((item) => s.read(item) === every && "
	        "String(s.readBytes(item)) === String(bytes) && s.readStream(item).size === 256);"
	        "return [items.length, same.length, items.every((i) => i.size >= "
	        "s.read(i).length), "
	        "items.every((i) => i.tag === 'unread' && typeof i.name === 'string' && "
	        "typeof i.timestamp === 'number'), s.read(items.find((i) => !i.size)), "
	        "s.read(items.find((i) => i.size).name) === every]",
	        (const char *)*state);
	assert_script(rig, script, "[4,3,true,true,\"\",true]");
}

static void tags_move(void **state)
{
	char script[900];

	(void)state;
	assert_script(
	        rig,
	        "const s = infinity.store.open('memory:');"
	        "for (const m of ['a', 'b', 'c']) s.add({ message: m, guid: m });"
	        "const [a, b] = s.query();"
	        "s.mark(a, infinity.store.tag.archive); s.mark(b.name, 'dup');"
	        "s.mark(b, 'unread'); s.mark(b, 'staged');"
	        "const names = (tags) => s.query({ tags }).map((i) => s.read(i) + i.tag).join();"
	        "return [names(), names('archive'), names(['staged', 'unread']), names('all')]",
	        "[\"cunread\",\"aarchive\",\"cunread,bstaged\",\"cunread,aarchive,bstaged\"]");
	snprintf(script, sizeof(script), "%s",
	         "const s = infinity.store.open('memory:', { limit: 2 });"
	         "return [s.query().length, s.query({ limit: 1 }).length, "
	         "s.query({ tags: 'all', limit: Infinity }).length, s.caps, s.url]");
	assert_script(rig, script, "[1,1,3,{\"remembers\":true,\"durable\":false},\"memory:\"]");
}

static void consuming(void **state)
{
	(void)state;
	assert_script(rig,
	              "const s = infinity.store.open('memory:');"
	              "for (const m of ['a', 'b', 'c', 'd']) s.add({ message: m });"
	              "const [a, b, c, d] = s.query(); let thrown;"
	              "const got = [s.consume(a), s.consume(b, (m, item) => m + (item === b))];"
	              "try { s.consume(c, () => { throw new Error('no') }) } "
	              "catch (e) { thrown = e.message }"
	              "got.push(await s.consumeStream(d, async (m) => m.readString()));"
	              "return [got, thrown, s.query({ tags: 'archive' }).length, "
	              "s.query({ tags: 'staged' }).length, s.query().length]",
	              "[[\"a\",\"btrue\",\"d\"],\"no\",3,1,0]");
	assert_script(rig,
	              "const s = infinity.store.open('memory:'); s.add({ message: 'x' });"
	              "const [x] = s.query(); const why = await s.consumeBytes(x, "
	              "async (m) => { throw m.length }).catch((e) => e);"
	              "return [why, s.query({ tags: 'staged' }).length]",
	              "[1,2]");
}

static void remembering(void **state)
{
	(void)state;
	assert_script(rig,
	              "const s = infinity.store.open('sqlite:mail.db'); let code;"
	              "s.add({ message: 'x', sourceid: 'u', guid: '7' });"
	              "try { s.add({ message: 'y', sourceid: 'u', guid: '7' }) } "
	              "catch (e) { code = e.code }"
	              "return [s.has('u', '7'), s.has('u', '8'), code, s.query().length, s.caps]",
	              "[true,false,\"EXISTS\",1,{\"remembers\":true,\"durable\":true}]");
	assert_script(rig,
	              "const s = infinity.store.open('fake:'); try { s.has('a', 'b') } "
	              "catch (e) { return [e instanceof Error, e.code] }",
	              "[true,\"UNSUPPORTED\"]");
}

static void unknown_items(void **state)
{
	(void)state;
	assert_script(rig,
	              "const s = infinity.store.open('memory:'); const codes = [];"
	              "for (const item of ['none', '', { name: 'none' }, 5, { id: 5 }, "
	              "{ id: 5, uid: 'none' }])"
	              "for (const f of [(i) => s.read(i), (i) => s.mark(i, 'dup'), "
	              "(i) => s.consume(i)])"
	              "try { f(item); codes.push('done') } catch (e) { codes.push(e.code) }"
	              "return [codes.length, [...new Set(codes)].join()]",
	              "[18,\"NOT_FOUND\"]");
}

static void stores_of_the_command_line(void **state)
{
	(void)state;
	assert_script(rig,
	              "const s = infinity.store.open('fake:'); const items = s.query({ limit: 3 });"
	              "return [items[2].name, items[2].size, s.read(items[0]), s.query().length, "
	              "s.add({ message: 'x' })]",
	              "[\"guid_3\",40,\"payload_data\",1,\"added_1\"]");
	assert_script(rig,
	              "const s = infinity.store.open('cloud:', { tablename: 'db.mail', "
	              "simulate: true }); return s.query({ limit: 2 }).map((i) => i.name).join()",
	              "0,1");
	assert_script(rig,
	              "const s = infinity.store.open('memory:', { commitmode: false });"
	              "s.add({ message: 'x' }); return s.query().length",
	              "0");
}

static void wrong_urls(void **state)
{
	(void)state;
	assert_script_throws(rig, "infinity.store.open()", "TypeError: infinity.store open url");
	assert_script_throws(rig, "infinity.store.open('memmory:')",
	                     "Error: no store \"memmory:\": did you mean memory:");
	assert_script_throws(rig, "infinity.store.open('memory:', 5)", "TypeError: ");
	assert_script_throws(rig, "infinity.store.open('memory:', { mailboxx: 'a' })",
	                     "Error: memory: no setting \"mailboxx\"; did you mean mailbox?");
	assert_script_throws(rig, "infinity.store.open('memory:', { orderBy: {} })", "TypeError: ");
	assert_script_throws(rig, "infinity.store.open('memory:', { limit: 0 })", "RangeError: ");
	assert_script_throws(rig, "infinity.store.open('memory:', { mailbox: 5 })", "TypeError: ");
	assert_script_throws(rig, "infinity.store.open('memory:', { mailbox: 'a/b' })", "Error: ");
	assert_script_throws(rig, "infinity.store.open('fake:', { mailbox: 'a' })", "Error: ");
	assert_script_throws(rig, "infinity.store.open('mem\\0ory:')", "RangeError: ");
	assert_script_throws(rig, "infinity.store.open('memory:', { orderBy: 'a\\0' })",
	                     "RangeError: ");
	assert_script_throws(rig, "infinity.store.open('x'.repeat(100000))", "RangeError: ");
	assert_script_throws(rig, "infinity.store.open('sqlite:')", "Error: ");
	assert_script(rig,
	              "try { infinity.store.open('localfs:none') } catch (e) "
	              "{ return [e.code, e.message.includes('/none')] }",
	              "[\"NOT_FOUND\",true]");
	assert_script_throws(rig, "new (infinity.store.open('memory:').constructor)('memory:')",
	                     "TypeError: infinity.store: use infinity.store.open");
}

static void wrong_arguments(void **state)
{
	static const char *const cases[][2] = {
		{ "query(5)", "TypeError: infinity.store query: an object" },
		{ "query({ tag: 'dup' })", "RangeError: infinity.store query: no member \"tag\"" },
		{ "query({ tags: 'dupe' })",
		  "RangeError: infinity.store query tags: one of unread" },
		{ "query({ tags: 5 })", "TypeError: infinity.store query tags" },
		{ "query({ tags: [] })", "RangeError: infinity.store query tags" },
		{ "query({ tags: [5] })", "TypeError: infinity.store query tags" },
		{ "query({ limit: '5' })", "TypeError: infinity.store query limit" },
		{ "query({ limit: -1 })", "RangeError: infinity.store query limit" },
		{ "read()", "TypeError: infinity.store read item: an item, its name or its id" },
		{ "read(null)", "TypeError: " },
		{ "readBytes({})", "TypeError: " },
		{ "readStream({ name: 5 })", "TypeError: " },
		{ "read('x'.repeat(1e6))", "RangeError: " },
		{ "consume('x', 5)", "TypeError: infinity.store consume function: a function" },
		{ "mark('x')", "TypeError: infinity.store mark tag" },
		{ "mark('x', 'toString')", "RangeError: infinity.store mark tag" },
		{ "has('x')", "TypeError: infinity.store has guid" },
		{ "has(1, 'x')", "TypeError: infinity.store has sourceid" },
		{ "add()", "TypeError: infinity.store add: an object" },
		{ "add('text')", "TypeError: infinity.store add: an object" },
		{ "add({})", "TypeError: infinity.store add message: a string, a Uint8Array" },
		{ "add({ message: {} })", "TypeError: infinity.store add message" },
		{ "add({ message: 'x', user: 'y' })", "RangeError: infinity.store add: no member" },
		{ "add({ message: 'x', guid: 5 })", "TypeError: infinity.store add guid" },
		{ "add({ message: 'x', tag: 'x' })", "RangeError: infinity.store add tag" },
		{ "add({ message: 'x', timestamp: 'x' })",
		  "TypeError: infinity.store add timestamp" },
		{ "add({ message: 'x', timestamp: new Date(NaN) })", "RangeError: " },
		{ "add({ message: 'x', guid: 'x'.repeat(70000) })", "Error: " },
		{ "items('')", "RangeError: infinity.store items user" },
		{ "items(5)", "TypeError: infinity.store items user" },
		{ "items('a/b')", "Error: " },
	};
	char script[200];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(script, sizeof(script), "infinity.store.open('memory:').%s", cases[i][0]);
		assert_script_throws(rig, script, cases[i][1]);
	}
	assert_script(rig, "return infinity.store.open('memory:').query({ tags: 'all' }).length",
	              "0");
	assert_script_throws(rig,
	                     "const x = new infinity.stream(); x.free();"
	                     "infinity.store.open('memory:').add({ message: x })",
	                     "TypeError: ");
}

static void closing(void **state)
{
	(void)state;
	assert_script(
	        rig,
	        "const s = infinity.store.open('sqlite:a.db'); s.items('anna'); s.close();"
	        "s.close(); s.free(); const codes = [];"
	        "for (const f of [() => s.query(), () => s.read('x'), () => s.flush(), "
	        "() => s.caps, () => s.items(), () => s.items('anna'), () => s.mark('x', 'dup'),"
	        "() => s.has('', ''), () => s.add({ message: '' })])"
	        "try { f(); codes.push('done') } catch (e) { codes.push(e.code) }"
	        "const again = infinity.store.open('sqlite:a.db'); again.flush();"
	        "return [[...new Set(codes)].join(), again.query().length]",
	        "[\"CLOSED\",0]");
}

static void one_store_for_all(void **state)
{
	(void)state;
	assert_script(
	        rig,
	        "const a = infinity.store.open('sqlite:one.db', { orderBy: 'asc' });"
	        "const b = infinity.store.open('sqlite:./one.db', { orderBy: 'asc', limit: 5 });"
	        "a.add({ message: 'x' }); a.close(); const found = b.query().length; b.close();"
	        "return [found, infinity.store.open('sqlite:one.db').query().length]",
	        "[1,1]");
	/* The accounts' mailbox and the one that is taken where nobody says. */
	assert_script(rig,
	              "const a = infinity.store.open('sqlite:two.db');"
	              "const b = infinity.store.open('sqlite:two.db', { mailbox: 'INBOX' });"
	              "const c = infinity.store.open('sqlite:two.db', { mailbox: 'carl' });"
	              "a.add({ message: 'x' }); c.add({ message: 'y' }); c.add({ message: 'z' });"
	              "return [a.query().length, b.query().length, c.query().length, "
	              "a.items('carl').length, c.items('inbox').length, a.mailbox, b.mailbox]",
	              "[1,1,2,2,1,undefined,\"INBOX\"]");
	assert_script(rig,
	              "let s = infinity.store.open('memory:'); s.add({ message: 'x' }); s.close();"
	              "return infinity.store.open('memory:').query().length",
	              "1");
}

static void maildrops_for_pop3(void **state)
{
	(void)state;
	assert_script(
	        rig,
	        "const s = infinity.store.open('memory:');"
	        "const anna = infinity.store.open('memory:', { mailbox: 'anna' });"
	        "anna.add({ message: 'one' }); anna.add({ message: 'three' });"
	        "s.add({ message: 'other' });"
	        "const items = s.items('anna'); const again = anna.items();"
	        "const shape = items.every((i) => Object.keys(i).join() === "
	        "'id,uid,size,deleted' && Number.isSafeInteger(i.id) && "
	        "/^[\\x21-\\x7e]{1,70}$/.test(i.uid) && i.deleted === false);"
	        "const read = items.map((i) => s.read(i) + s.read(i.id) + anna.read({ id: i.id, "
	        "uid: i.uid, size: i.size, deleted: true }));"
	        "s.mark(items[0], 'archive');"
	        "return [shape, items.map((i) => i.size).join(), read.join(), "
	        "s.items('anna').map((i) => i.id).join() === String(items[1].id), "
	        "again[0].id === items[0].id, anna.query({ tags: 'archive' }).length]",
	        "[true,\"5,7\",\"oneoneone,threethreethree\",true,true,1]");
	/* A worker that was renewed, or an id of somebody else's maildrop. */
	assert_script(rig,
	              "const anna = infinity.store.open('memory:', { mailbox: 'anna' });"
	              "const bert = infinity.store.open('memory:', { mailbox: 'bert' });"
	              "const [item] = anna.items(); let code;"
	              "const other = anna.read({ id: 12345, uid: item.uid });"
	              "try { bert.read(item) } catch (e) { code = e.code }"
	              "let wrong; try { anna.read({ id: item.id, uid: 'x' }) } catch (e) "
	              "{ wrong = e.code } return [other, code, wrong]",
	              "[\"three\",\"NOT_FOUND\",\"NOT_FOUND\"]");
	assert_script(rig,
	              "const items = infinity.store.open('fake:').items();"
	              "return [items.length, items[0].uid, new Set(items.map((i) => i.id)).size]",
	              "[99,\"guid_1\",99]");
	assert_script_throws(rig, "infinity.store.open('fake:').items('anna')", "Error: ");
}

static void added_with_a_tag(void **state)
{
	(void)state;
	assert_script(rig,
	              "const s = infinity.store.open('memory:'); const t = { orderBy: 'desc' };"
	              "s.add({ message: 'a' }); s.add({ message: 'b', tag: 'archive' });"
	              "s.add({ message: 'c' });"
	              "const d = infinity.store.open('sqlite:desc.db', t);"
	              "d.add({ message: 'e' }); d.add({ message: 'f', tag: 'dup' });"
	              "const all = (s) => s.query({ tags: 'all' }).map((i) => s.read(i) + i.tag);"
	              "return [...all(s), ...all(d)].join()",
	              "aunread,cunread,barchive,fdup,eunread");
}

static void checking(void **state)
{
	(void)state;
	assert_script(rig,
	              "const s = infinity.store.open('sqlite:check.db'); s.add({ message: 'x' });"
	              "let code; try { infinity.store.check('sqlite:check.db') } catch (e) "
	              "{ code = e.code } s.close();"
	              "return [code, infinity.store.check('sqlite:check.db')]",
	              "[\"IN_USE\",[]]");
	assert_script_throws(rig, "infinity.store.check('sqlite:none.db')", "Error: ");
	assert_script_throws(rig, "infinity.store.check(5)", "TypeError: infinity.store check url");
	make_localfs();
	lm_rig_file(rig, "box/staged/x.eml", "half");
	assert_script(rig,
	              "const found = infinity.store.check('localfs:box');"
	              "return [found.length, typeof found[0]]",
	              "[1,\"string\"]");
}

/* What nobody closed goes with its objects, or with the program. */
static void forgotten_ones(void **state)
{
	(void)state;
	assert_script(
	        rig,
	        "for (let i = 0; i < 200; i++) {"
	        "const s = infinity.store.open(`sqlite:forgotten${i % 5}.db`);"
	        "if (i < 5) s.add({ message: 'x' }); s.query() }"
	        "infinity.gc(); return infinity.store.open('sqlite:forgotten3.db').query().length",
	        "1");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define STORE(url) { "what_is_added_is_read " url, what_is_added_is_read, begin, end, (void *)url }
		STORE("memory:"),
		STORE("sqlite:mail.db"),
		STORE("maildir:mail"),
		STORE("localfs:box"),
		cmocka_unit_test_setup_teardown(tags_move, begin, end),
		cmocka_unit_test_setup_teardown(consuming, begin, end),
		cmocka_unit_test_setup_teardown(remembering, begin, end),
		cmocka_unit_test_setup_teardown(unknown_items, begin, end),
		cmocka_unit_test_setup_teardown(stores_of_the_command_line, begin, end),
		cmocka_unit_test_setup_teardown(wrong_urls, begin, end),
		cmocka_unit_test_setup_teardown(wrong_arguments, begin, end),
		cmocka_unit_test_setup_teardown(closing, begin, end),
		cmocka_unit_test_setup_teardown(one_store_for_all, begin, end),
		cmocka_unit_test_setup_teardown(maildrops_for_pop3, begin, end),
		cmocka_unit_test_setup_teardown(added_with_a_tag, begin, end),
		cmocka_unit_test_setup_teardown(checking, begin, end),
		cmocka_unit_test_setup_teardown(forgotten_ones, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
