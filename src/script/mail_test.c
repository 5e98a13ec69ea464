/* infinity.mail through scripts: every member, what is wrong with each, round trips, files. */
#include "script/rig.h"

#include "script/mail.h"

static struct lm_rig *rig;

/* What all scripts begin with: a mail of everything, and how it looks when it is read again. */
static const char begin_of_all[] =
        "infinity.loadModule('infinity.mail');"
        "globalThis.load = (text, parse = false) => {"
        "	const mail = new infinity.mail(parse);"
        "	mail.loadFromString(text.replace(/\\n/g, '\\r\\n'));"
        "	return mail;"
        "};"
        "globalThis.again = (mail, parse = false) => {"
        "	const other = new infinity.mail(parse);"
        "	other.loadFromBytes(mail.toBytes());"
        "	return other;"
        "};"
        "globalThis.text = (value) => [{contentType: 'text/plain', text: value}];"
        "globalThis.mixed = 'Content-Type: multipart/mixed; boundary=b\\n\\n';";

static int begin(void **state)
{
	(void)state;
	rig = lm_rig_new();
	assert_script(rig, begin_of_all, "undefined");
	return 0;
}

static int end(void **state)
{
	(void)state;
	lm_rig_free(rig);
	return 0;
}

/* ---- The shape ---- */

static void enumerations(void **state)
{
	(void)state;
	assert_script(rig, "return infinity.mail.multipartType",
	              "{\"none\":0,\"alternative\":1,\"other\":2}");
	assert_script(rig, "return infinity.mail.priority",
	              "{\"lowest\":0,\"lower\":1,\"normal\":2,\"higher\":3,\"highest\":4}");
	assert_script(rig, "return infinity.mail.transferEncoding",
	              "{\"bit7\":0,\"bit8\":1,\"binary\":2,\"quotedPrintable\":3,\"base64\":4}");
	assert_script_throws(rig, "'use strict'; infinity.mail.priority.highest = 1", "TypeError");
}

/* Each documented member of a new mail, with its documented type. */
static void new_mails(void **state)
{
	(void)state;
	assert_script(rig,
	              "const m = new infinity.mail();"
	              "return ['attachments', 'bcc', 'boundary', 'cc', 'charset',"
	              "	'contentTransferEncoding', 'contentType', 'contents', 'date',"
	              "	'deliveryNotification', 'envelopeTo', 'extendedHeaders', 'from',"
	              "	'organization', 'priority', 'recipients', 'replyTo', 'returnPath', "
	              "'sender',"
	              "	'subject', 'userAgent', 'inReplyTo', 'messageId', 'multipartType',"
	              "	'receivedFrom', 'references'].map((n) => JSON.stringify(m[n])).join(' ')",
	              "[] [] \"\" [] \"utf-8\" 0 \"text/plain\" [] 0 \"\" \"\" [] \"\" \"\" 2 [] "
	              "\"\" \"\" \"\" "
	              "\"\" \"\" \"\" \"\" 0 [] []");
	assert_script(rig, "return typeof new infinity.mail().size", "number");
	assert_script(rig,
	              "return ['clear', 'free', 'getBestContent', 'getHtmlContent',"
	              "	'getTextContent', 'loadFromFile', 'loadFromStream', 'saveToFile',"
	              "	'saveToStream'].every((n) => typeof infinity.mail.prototype[n] ==="
	              "	'function')",
	              "true");
	assert_script_throws(rig, "infinity.mail()", "TypeError");
	assert_script_throws(rig, "new infinity.mail(1)",
	                     "TypeError: infinity.mail: parseAttachment");
	assert_script_throws(rig, "'use strict'; new infinity.mail().size = 1", "TypeError");
	assert_script_throws(rig, "'use strict'; new infinity.mail().messageId = ''", "TypeError");
}

/* Set, got again, and read from what was written; want NULL: whatever it is. */
static void check_property(const char *name, const char *value, const char *want)
{
	char script[1000];

	snprintf(script, sizeof(script),
	         "const m = new infinity.mail(); m.%s = %s;"
	         "const before = JSON.stringify(m.%s), after = JSON.stringify(again(m).%s);"
	         "return before === after || %d ? after : before + ' ' + after",
	         name, value, name, name, !want);
	if (want)
		assert_script(rig, script, want);
	else if (!*lm_rig_run(rig, script) || *lm_rig_error(rig))
		fail_msg("%s: %s", name, lm_rig_error(rig));
}

static void properties(void **state)
{
	(void)state;
	check_property("subject", "'a \xC3\xA4 =?utf-8?Q?x?='", "\"a \xC3\xA4 =?utf-8?Q?x?=\"");
	check_property("from", "'a@b'", "\"a@b\"");
	check_property("from", "'\"Doe, J\xC3\xB6\" <a@b>'", "\"\\\"Doe, J\xC3\xB6\\\" <a@b>\"");
	check_property("from", "{name: 'Doe, Joe', address: 'a@b'}", "\"\\\"Doe, Joe\\\" <a@b>\"");
	check_property("sender", "'a@b'", "\"a@b\"");
	check_property("replyTo", "'a@b, c@d'", "\"a@b, c@d\"");
	check_property("returnPath", "'a@b'", "\"a@b\"");
	check_property("recipients", "['a@b', 'J\xC3\xB6 <c@d>']", "[\"a@b\",\"J\xC3\xB6 <c@d>\"]");
	check_property("recipients", "[{name: 'x', address: 'c@d'}]", "[\"x <c@d>\"]");
	check_property("cc", "['a@b']", "[\"a@b\"]");
	check_property("bcc", "['a@b']", "[\"a@b\"]");
	check_property("cc", "[]", "[]");
	check_property("bcc", "['group: a@b, c@d;']", NULL);
	check_property("envelopeTo", "'a@b'", "\"a@b\"");
	check_property("organization", "'\xC3\xA4'.repeat(200)", NULL);
	check_property("userAgent", "'me/1.0'", "\"me/1.0\"");
	check_property("deliveryNotification", "'a@b'", "\"a@b\"");
	check_property("priority", "infinity.mail.priority.highest", "4");
	check_property("priority", "0", "0");
	check_property("references", "['<a@b>', '<c@d>']", "[\"<a@b>\",\"<c@d>\"]");
	check_property("date", "1795228394000", "1795228394000");
	check_property("date", "new Date(1795228394000)", "1795228394000");
	check_property("extendedHeaders", "[{name: 'X-A', value: '\xC3\xA4'}]",
	               "[{\"name\":\"X-A\",\"value\":\"\xC3\xA4\"}]");
	check_property("contentType", "'text/html'", "\"text/html\"");
	check_property("contentTransferEncoding", "4", "4");
	check_property("charset", "'iso-8859-15'", "\"iso-8859-15\"");
	check_property("subject", "''", "\"\"");
}

static void boundaries(void **state)
{
	(void)state;
	assert_script(rig,
	              "const m = new infinity.mail(); m.boundary = 'my b'; m.contents = text('a');"
	              "const before = m.boundary; m.contentType = 'multipart/mixed';"
	              "return [before, m.boundary, again(m).boundary, m.multipartType]",
	              "[\"\",\"my b\",\"my b\",2]");
	assert_script(rig,
	              "const m = new infinity.mail(); m.contents = [...text('a'),"
	              "	{contentType: 'text/html', text: 'b'}];"
	              "return [m.contentType, m.multipartType, m.boundary === again(m).boundary,"
	              "	m.toString() === m.toString()]",
	              "[\"multipart/alternative\",1,true,true]");
	assert_script(rig,
	              "const m = new infinity.mail(); m.boundary = 'b'; m.contentType ="
	              "'multipart/mixed'; m.contents = text('x\\n--b--\\ny');"
	              "return again(m).contents[0].text",
	              "x\r\n--b--\r\ny");
}

/* ---- What is wrong ---- */

static void check_wrong(const char *statement, const char *want)
{
	char script[600], full[300];

	snprintf(script, sizeof(script), "const m = new infinity.mail(); %s", statement);
	snprintf(full, sizeof(full), "%.*s: infinity.mail.%s", (int)(strchr(want, ' ') - want),
	         want, strchr(want, ' ') + 1);
	assert_script_throws(rig, script, full);
}

static void wrong_types(void **state)
{
	static const char *const strings[] = { "subject",     "from",       "sender",
		                               "replyTo",     "returnPath", "organization",
		                               "userAgent",   "envelopeTo", "deliveryNotification",
		                               "contentType", "charset",    "boundary" };
	static const char *const lists[] = { "recipients",     "cc",       "bcc",
		                             "references",     "contents", "attachments",
		                             "extendedHeaders" };
	char script[200], want[200];

	(void)state;
	for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++) {
		snprintf(script, sizeof(script), "m.%s = 5", strings[i]);
		snprintf(want, sizeof(want), "TypeError %s: ", strings[i]);
		check_wrong(script, want);
		snprintf(script, sizeof(script), "m.%s = undefined", strings[i]);
		check_wrong(script, want);
		snprintf(script, sizeof(script), "m.%s = 'a\\r\\nBcc: x@y'", strings[i]);
		snprintf(want, sizeof(want), "RangeError %s: ", strings[i]);
		check_wrong(script, want);
		snprintf(script, sizeof(script), "m.%s = 'a\\0b'", strings[i]);
		check_wrong(script, want);
	}
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		snprintf(want, sizeof(want), "TypeError %s: an array", lists[i]);
		snprintf(script, sizeof(script), "m.%s = 'a@b'", lists[i]);
		check_wrong(script, want);
		snprintf(script, sizeof(script), "m.%s = null", lists[i]);
		check_wrong(script, want);
		snprintf(want, sizeof(want), "TypeError %s[1]", lists[i]);
		snprintf(script, sizeof(script), "m.%s = [,5]; ", lists[i]);
		check_wrong(script, "TypeError ");
	}
}

static void wrong_values(void **state)
{
	(void)state;
	check_wrong("m.from = 'two words'", "RangeError from: \"two words\" is not an address");
	check_wrong("m.from = {address: 'a b@c'}", "RangeError from.address: ");
	check_wrong("m.from = {address: ''}", "RangeError from.address: ");
	check_wrong("m.from = {address: 'a@b>, <c@d'}", "RangeError from.address: ");
	check_wrong("m.from = {name: 'a\\nb', address: 'a@b'}", "RangeError from.name: ");
	check_wrong("m.from = []", "TypeError from: a string or {name, address}");
	check_wrong("m.recipients = ['a@b', 5]", "TypeError recipients[1]: ");
	check_wrong("m.recipients = ['a@b', 'x y']", "RangeError recipients[1]: ");
	check_wrong("m.cc = ['']", "RangeError cc[0]: not empty");
	check_wrong("m.references = ['<a b>']", "RangeError references[0]: ");
	check_wrong("m.date = 'today'", "TypeError date: milliseconds");
	check_wrong("m.date = new Date(NaN)", "RangeError date: ");
	check_wrong("m.date = 1e300", "RangeError date: ");
	check_wrong("m.priority = 5", "RangeError priority: one of lowest (0)");
	check_wrong("m.priority = 'high'", "TypeError priority: ");
	check_wrong("m.contentTransferEncoding = 9", "RangeError contentTransferEncoding: ");
	check_wrong("m.contentTransferEncoding = '8bit'", "TypeError contentTransferEncoding: ");
	check_wrong("m.contentType = 'text'", "RangeError contentType: a media type");
	check_wrong("m.boundary = 'a\"b'", "RangeError boundary: ");
	check_wrong("m.boundary = 'x'.repeat(71)", "RangeError boundary: ");
	check_wrong("m.boundary = 'x '", "RangeError boundary: ");
	check_wrong("m.charset = 'utf 8'", "RangeError charset: ");
	check_wrong("m.extendedHeaders = [{name: 'a b', value: ''}]",
	            "RangeError extendedHeaders[0].name: ");
	check_wrong("m.extendedHeaders = [{name: 'X', value: 'a\\rb'}]",
	            "RangeError extendedHeaders[0].value: ");
	check_wrong("m.extendedHeaders = [{name: 'subject', value: 'x'}]",
	            "RangeError extendedHeaders[0].name: subject is infinity.mail.subject");
	check_wrong("m.extendedHeaders = [{name: 'Content-Type', value: 'x'}]",
	            "RangeError extendedHeaders[0].name: ");
	check_wrong("m.extendedHeaders = [{name: 'X'}]", "TypeError extendedHeaders[0].value: ");
}

static void wrong_parts(void **state)
{
	(void)state;
	check_wrong("m.contents = [5]", "TypeError contents[0]: an object");
	check_wrong("m.contents = [{text: 5}]", "TypeError contents[0].text: a string");
	check_wrong("m.contents = [{charset: 'a\\nb'}]", "RangeError contents[0].charset: ");
	check_wrong("m.contents = [{contentType: 'a\\r\\nB: c'}]",
	            "RangeError contents[0].contentType: ");
	check_wrong("m.contents = [{contentTransferEncoding: 7}]",
	            "RangeError contents[0].contentTransferEncoding: ");
	check_wrong("m.contents = [{items: [{items: [1]}]}]",
	            "TypeError contents[0].items[0].items[0]: an object");
	check_wrong("const c = {items: []}; c.items.push(c); m.contents = [c]",
	            "RangeError contents[0].items[0]");
	check_wrong("m.attachments = [{}]", "RangeError attachments[0]: storedFilePath or content");
	check_wrong("m.attachments = [{content: 5}]", "TypeError attachments[0].content: ");
	check_wrong("m.attachments = [{content: '', name: 'a\\nb'}]",
	            "RangeError attachments[0].name: ");
	check_wrong("m.attachments = [{content: '', contentId: 'a b'}]",
	            "RangeError attachments[0].contentId: ");
	check_wrong("m.attachments = [{content: '', contentDisposition: 'a; b'}]",
	            "RangeError attachments[0].contentDisposition: ");
	check_wrong("m.attachments = [{content: '', contentType: 'multipart/mixed'}]",
	            "RangeError attachments[0].contentType: ");
	check_wrong("m.attach()", "TypeError attach: a file's name, or an object");
	check_wrong("m.attach({})", "TypeError attach: a file's name, or content");
	check_wrong("m.attach('')", "RangeError attach: fileName");
	check_wrong("m.attach({content: 'x', inline: 1})", "TypeError attach: inline");
	assert_script_throws(rig, "new infinity.mail().attach('none.txt')", "Error: ");
	assert_script(rig,
	              "try { new infinity.mail().attach('none.txt') } catch (e) { return e.code }",
	              "NOT_FOUND");
	assert_script_throws(rig, "new infinity.mail().attach('/dev/zero')", "Error: ");
	assert_script_throws(rig, "new infinity.mail().attach('.')", "Error: ");
	check_wrong("m.attachments.push(7); m.toString()", "TypeError attachments[0]: an object");
	check_wrong("m.recipients.push('x y'); m.toString()", "RangeError recipients[0]: ");
	check_wrong("m.contents.push({text: 'a', items: [{text: 'b'}]}); m.toString()",
	            "RangeError contents[0]: text, or items");
}

static void wrong_arguments(void **state)
{
	(void)state;
	check_wrong("m.loadFromFile(5)", "TypeError loadFromFile: fileName");
	check_wrong("m.loadFromFile('')", "RangeError loadFromFile: fileName");
	check_wrong("m.loadFromFile('a\\0')", "RangeError loadFromFile: fileName");
	check_wrong("m.saveToFile()", "TypeError saveToFile: fileName");
	check_wrong("m.loadFromStream({})", "TypeError loadFromStream: stream");
	check_wrong("m.saveToStream('x')", "TypeError saveToStream: stream");
	check_wrong("const s = new infinity.stream(); s.free(); m.loadFromStream(s)",
	            "TypeError loadFromStream: stream");
	check_wrong("const s = new infinity.stream(); s.free(); m.saveToStream(s)",
	            "TypeError saveToStream: stream");
	check_wrong("m.loadFromString(5)", "TypeError loadFromString: text");
	check_wrong("m.loadFromBytes('x')", "TypeError loadFromBytes: bytes");
	check_wrong("m.getHtmlContent(1)", "TypeError getHtmlContent: replaceCID");
	check_wrong("m.getBestContent('x')", "TypeError getBestContent: replaceCID");
	check_wrong("m.headers.get('')", "RangeError headers.get: name");
	check_wrong("m.headers.getAll(5)", "TypeError headers.getAll: name");
	check_wrong("infinity.mail.parseAddresses(5)", "TypeError parseAddresses: text");
	assert_script(
	        rig, "try { new infinity.mail().loadFromFile('none') } catch (e) { return e.code }",
	        "NOT_FOUND");
	assert_script(rig,
	              "try { new infinity.mail().loadFromFile('/dev/zero') } catch (e) "
	              "{ return e.code }",
	              "UNSUPPORTED");
	assert_script(
	        rig, "try { new infinity.mail().saveToFile('none/x') } catch (e) { return e.code }",
	        "NOT_FOUND");
}

static void use_after_free(void **state)
{
	(void)state;
	assert_script(rig,
	              "const m = load('Subject: x\\n\\ny'); const out = []; m.free(); m.free();"
	              "const all = Object.getOwnPropertyNames(infinity.mail.prototype)"
	              "	.filter((n) => n !== 'constructor' && n !== 'free');"
	              "for (const name of all) {"
	              "	const d = Object.getOwnPropertyDescriptor(infinity.mail.prototype, name);"
	              "	for (const f of [d.get, d.set, d.value].filter(Boolean))"
	              "		try { f.call(m); out.push(name) } catch (e) {"
	              "			if (!/^TypeError: infinity.mail.\\w+: the mail was "
	              "freed/.test(e))"
	              "				out.push(name + ': ' + e)"
	              "		}"
	              "}"
	              "return [all.length > 40, out]",
	              "[true,[]]");
	assert_script_throws(rig, "infinity.mail.prototype.toString.call({})", "TypeError");
}

static void clearing(void **state)
{
	(void)state;
	assert_script(rig,
	              "const m = load('Subject: x\\nTo: a@b\\n\\ny'); m.from = 'c@d';"
	              "m.attach({name: 'n', content: 'c'}); m.clear();"
	              "return [m.subject, m.from, m.recipients, m.contents, m.attachments]",
	              "[\"\",\"\",[],[],[]]");
	assert_script(rig,
	              "const m = load('Subject: x\\n\\ny'); m.subject = 'z';"
	              "m.loadFromString('Subject: new\\n\\n'); return m.subject",
	              "new");
	assert_script(rig,
	              "const m = load('Subject: x\\n\\ny');"
	              "try { m.loadFromFile('none') } catch {} return m.subject",
	              "x");
}

/* ---- Octets ---- */

static void identity(void **state)
{
	(void)state;
	assert_script(
	        rig,
	        "const bytes = new Uint8Array(256 * 3).map((_, i) => i * 7);"
	        "const bad = []; const mail = new infinity.mail();"
	        "const same = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);"
	        "for (let i = 0; i <= 256; i++) {"
	        "	const one = i === 256 ? bytes : Uint8Array.of(65, 58, i, 13, 10, 13, 10, "
	        "i);"
	        "	mail.loadFromBytes(one);"
	        "	mail.subject; mail.contents; mail.attachments; mail.recipients; mail.cc;"
	        "	mail.extendedHeaders; mail.references; mail.headers.get('A'); mail.date;"
	        "	mail.saveToFile('one.eml'); const stream = new infinity.stream();"
	        "	mail.saveToStream(stream); const other = new infinity.mail();"
	        "	other.loadFromString(mail.toString());"
	        "	if (![mail.toBytes(), stream.toBytes(), mail.toStream().toBytes(),"
	        "		infinity.stream.from(other.toBytes()).toBytes(),"
	        "		new infinity.stream('one.eml').toBytes()].every((b) => same(b, "
	        "one))"
	        "		|| mail.size !== one.length) bad.push(i);"
	        "}"
	        "return bad",
	        "[]");
}

static void large_messages(void **state)
{
	(void)state;
	assert_script(rig,
	              "const bytes = new Uint8Array(5 << 20).map((_, i) => i * 2654435761 >>> 13);"
	              "bytes.set(new TextEncoder().encode('Subject: x\\r\\n\\r\\n'));"
	              "const m = new infinity.mail(); m.loadFromBytes(bytes);"
	              "m.saveToFile('large.eml'); const f = new infinity.mail();"
	              "f.loadFromFile('large.eml'); const got = f.toBytes();"
	              "f.subject = 'other'; f.saveToFile('large.eml');" /* onto itself */
	              "f.loadFromFile('large.eml');"
	              "return [m.size, got.every((b, i) => b === bytes[i]), f.subject, f.size]",
	              "[5242880,true,\"other\",5242884]");
}

static void changed_fields(void **state)
{
	(void)state;
	assert_script(rig,
	              "const m = load('Received: r\\nSubject:  old \\nX-A:\\tkept \\nTo: a@b\\n"
	              "to: c@d\\nX-Priority: 1\\n\\n\xC3\xA4\\n.\\n');"
	              "m.subject = 'new'; m.recipients.push('e@f'); m.from = 'g@h';"
	              "m.organization = ''; return m.toString().replace(/\\r\\n/g, '|')",
	              "Received: r|Subject: new|X-A:\tkept |To: <a@b>,|\t<c@d>,|\t<e@f>|"
	              "X-Priority: 1|From: <g@h>||\xC3\xA4|.|");
	assert_script(rig,
	              "const m = load('Subject: x\\nDate: soon\\n\\ny'); m.subject = m.subject;"
	              "m.date = m.date; m.recipients = []; m.priority = m.priority;"
	              "return m.toString()",
	              "Subject: x\r\nDate: soon\r\n\r\ny");
	assert_script(rig,
	              "const m = new infinity.mail(); m.loadFromString('A: b\\nC: d\\n\\ny\\n');"
	              "m.extendedHeaders[1].value = 'e'; m.extendedHeaders.push("
	              "{name: 'F', value: 'g'}); m.extendedHeaders.shift();"
	              "return m.toString()",
	              "C: e\nF: g\n\ny\n");
	assert_script(rig,
	              "const m = load('In-Reply-To: <a@b>\\nSubject: x\\n\\n');"
	              "m.extendedHeaders = [{name: 'In-Reply-To', value: '<c@d>'}];"
	              "return [m.headers.getAll('in-reply-to'), again(m).inReplyTo]",
	              "[[\"<c@d>\"],\"<c@d>\"]");
}

static void headers(void **state)
{
	(void)state;
	assert_script(rig,
	              "const m = load('X-A: 1\\nx-a: =?utf-8?Q?=C3=A4?=\\nB: 2\\n\\n');"
	              "m.subject = 's'; const h = m.headers;"
	              "return [h.get('X-A'), h.getAll('x-A'), h.get('Subject'), h.get('none'),"
	              "	h.getAll('none'), h.has('B'), h.names()]",
	              "[\"1\",[\"1\",\"\xC3\xA4\"],\"s\",null,[],true,"
	              "[\"X-A\",\"x-a\",\"B\",\"Subject\"]]");
	assert_script(rig,
	              "return infinity.mail.parseAddresses('g: \"Doe, J\" <a@b>, c@d;').map((a) =>"
	              "	[a.name, a.address, String(a)])",
	              "[[\"Doe, J\",\"a@b\",\"\\\"Doe, J\\\" <a@b>\"],[\"\",\"c@d\",\"c@d\"]]");
	assert_script(rig,
	              "return load('Received: from x (x [192.0.2.1]) by y ([10.0.0.1])\\n"
	              "Received: from z ([IPv6:2001:db8::1]) by y; now\\nReceived: by here\\n"
	              "Received: from 198.51.100.7 by x\\nReceived: from [999.1.1.1] by x\\n\\n')"
	              ".receivedFrom",
	              "[\"192.0.2.1\",\"2001:db8::1\",\"198.51.100.7\"]");
	assert_script(
	        rig,
	        "return ['1', '5 (Lowest)', 'High', '9', ''].map((p) => load('X-Priority: ' + p"
	        " + '\\n\\n').priority).concat(load('Importance: low\\n\\n').priority)",
	        "[4,0,4,2,2,0]");
	assert_script(
	        rig,
	        "const m = new infinity.mail(); const before = m.messageId; m.toString();"
	        "return [before, again(m).messageId === m.messageId, /^<.+@.+>$/.test(m.messageId),"
	        "	again(m).date === Math.floor(m.date / 1000) * 1000]",
	        "[\"\",true,true,true]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(enumerations),   cmocka_unit_test(new_mails),
		cmocka_unit_test(properties),     cmocka_unit_test(boundaries),
		cmocka_unit_test(wrong_types),    cmocka_unit_test(wrong_values),
		cmocka_unit_test(wrong_parts),    cmocka_unit_test(wrong_arguments),
		cmocka_unit_test(use_after_free), cmocka_unit_test(clearing),
		cmocka_unit_test(identity),       cmocka_unit_test(large_messages),
		cmocka_unit_test(changed_fields), cmocka_unit_test(headers),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
