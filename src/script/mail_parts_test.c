/* infinity.mail through scripts: what clients see of odd messages, attachments in files and back,
 * messages put together, sources for others. */
#include "script/rig.h"

#include "script/mail.h"

#include <dirent.h>

static struct lm_rig *rig;

static const char begin_of_all[] =
        "infinity.loadModule('infinity.mail');"
        "globalThis.load = (text, parse = false) => {"
        "	const mail = new infinity.mail(parse);"
        "	mail.loadFromString(text);"
        "	return mail;"
        "};"
        "globalThis.again = (mail, parse = false) => {"
        "	const other = new infinity.mail(parse);"
        "	other.loadFromBytes(mail.toBytes());"
        "	return other;"
        "};"
        "globalThis.part = (header, body) => '--b\\n' + header + (header && '\\n') +"
        "	'\\n' + body + '\\n';"
        "globalThis.multi = (type, ...parts) => 'Content-Type: multipart/' + type +"
        "	'; boundary=b\\n\\n' + parts.join('') + '--b--\\n';"
        "globalThis.shape = (items) => items.map((i) => i.contentType +"
        "	(i.items.length ? '(' + shape(i.items) + ')' : '=' + i.text)).join();"
        "globalThis.seen = (m) => shape(m.contents) + ' + ' + m.attachments.map((a) =>"
        "	a.name + ':' + a.contentType + ':' + a.size).join();"
        "globalThis.attachment = part('Content-Type: a/b; name=x.bin', 'data');";

static int begin(void **state)
{
	(void)state;
	rig = lm_rig_new();
	assert_int_equal(setenv("TMPDIR", rig->folder, 1), 0);
	assert_script(rig, begin_of_all, "undefined");
	return 0;
}

static int end(void **state)
{
	(void)state;
	lm_rig_free(rig);
	return 0;
}

/* ---- What clients see ---- */

static void shapes(void **state)
{
	(void)state;
	assert_script(rig, "return seen(load('no header'))", "text/plain=no header + ");
	assert_script(rig, "return seen(load(''))", "text/plain= + ");
	assert_script(rig, "return seen(load('Content-Type: text/html\\n\\n<p>'))",
	              "text/html=<p> + ");
	assert_script(rig, "return seen(load('Content-Type: image/png; name=\"p.png\"\\n\\nx'))",
	              " + p.png:image/png:1");
	assert_script(rig,
	              "const m = load(multi('mixed', part('', 'one'), attachment));"
	              "return [seen(m), m.contentType, m.multipartType, m.boundary]",
	              "[\"text/plain=one + x.bin:a/b:4\",\"multipart/mixed\",2,\"b\"]");
	assert_script(rig,
	              "return seen(load(multi('alternative', part('', 'one'),"
	              "	part('Content-Type: text/html; name=x.html', '<p>'),"
	              "	part('Content-Type: text/calendar; method=REQUEST', 'BEGIN'))))",
	              "text/plain=one,text/html=<p>,text/calendar=BEGIN + ");
	assert_script(rig,
	              "return seen(load(multi('mixed', part('Content-Type: message/rfc822',"
	              "	'Subject: inner\\n\\nx'), part('Content-Disposition: attachment', 'y'),"
	              "	part('Content-Type: text/plain; name=z.txt', 'z'))))",
	              " + :message/rfc822:17,:text/plain:1,z.txt:text/plain:1");
	assert_script(rig,
	              "return seen(load(multi('mixed', part("
	              "'Content-Type: multipart/alternative; boundary=c', '--c\\n\\none\\n--c\\n"
	              "Content-Type: text/html\\n\\n<p>\\n--c--'), attachment)))",
	              "multipart/alternative(text/plain=one,text/html=<p>) + x.bin:a/b:4");
}

static void odd_messages(void **state)
{
	(void)state;
	assert_script(rig, "return seen(load('Content-Type: multipart/mixed\\n\\nno parts'))",
	              "multipart/mixed=no parts + ");
	assert_script(rig,
	              "return load('Content-Type: multipart/mixed\\n\\nno parts').getTextContent()",
	              "no parts");
	assert_script(rig,
	              "return seen(load('Content-Type: multipart/mixed; boundary=b\\n\\n--b\\n'"
	              " + 'Content-Transfer-Encoding: base64\\n\\nSGVsbG8'))",
	              "text/plain=Hello + ");
	assert_script(
	        rig,
	        "const m = new infinity.mail(); m.loadFromBytes(new Uint8Array([...'Subject: '"
	        "].map((c) => c.charCodeAt(0)).concat([0xe4, 10, 10, 0xe4])));"
	        "return m.subject + m.contents[0].text",
	        "\xC3\xA4\xC3\xA4");
	assert_script(rig,
	              "const m = load('Subject: one\\nSubject: two\\nTo: a@b\\nTo: c@d\\n\\n');"
	              "return [m.subject, m.recipients]",
	              "[\"one\",[\"a@b\",\"c@d\"]]");
	assert_script(
	        rig,
	        "let m = 'x'; for (let i = 0; i < 50; i++) m = 'Content-Type: multipart/mixed; '"
	        "	+ 'boundary=b' + i + '\\n\\n--b' + i + '\\n' + m + '\\n--b' + i + '--';"
	        "const mail = load(m); let depth = 0;"
	        "for (let c = mail.contents; c.length; c = c[0].items) depth++;"
	        "mail.attach({name: 'a', content: 'b'});"
	        "return [depth, mail.getTextContent(), seen(again(mail)).length > 500]",
	        "[50,\"x\",true]");
	assert_script(rig,
	              "const m = load(multi('mixed', ...Array(3000).fill(part('', 'x'))));"
	              "return [m.contents.length, m.getTextContent().length]",
	              "[3000,8998]");
	assert_script(rig,
	              "try { load(multi('mixed', ...Array(100000).fill('--b\\n\\n'))) } catch (e)"
	              "{ return [e.code, e.message] }",
	              "[\"LIMIT\",\"the message has more than 100000 parts\"]");
	assert_script(rig, "try { load('X: y\\n'.repeat(1000001)) } catch (e) { return e.code }",
	              "LIMIT");
}

static void texts(void **state)
{
	(void)state;
	assert_script(rig,
	              "const m = load(multi('alternative', part('', 'plain'),"
	              "	part('Content-Type: text/html', '<p>html</p>')));"
	              "return [m.getTextContent(), m.getHtmlContent(), m.getBestContent()]",
	              "[\"plain\",\"<p>html</p>\",\"<p>html</p>\"]");
	assert_script(rig,
	              "const m = load('plain'); return [m.getTextContent(), m.getHtmlContent(true),"
	              "	m.getBestContent(true)]",
	              "[\"plain\",\"\",\"plain\"]");
	assert_script(
	        rig,
	        "return load('Content-Type: text/html\\n\\n<head><title>t</title></head>"
	        "<style>p{}</style><p>a &lt;b&gt; &#228; &bogus; &nbsp;<br>c<!-- d --></p><p>e')"
	        ".getTextContent()",
	        "a <b> \xC3\xA4 &bogus; \xC2\xA0\r\nc\r\ne");
	assert_script(rig,
	              "return load(multi('mixed', part('', 'one'), attachment, part('', 'two')))"
	              ".getTextContent()",
	              "one\r\ntwo");
	assert_script(rig,
	              "return load('Content-Type: text/plain; format=flowed\\n\\na \\nb')"
	              ".getTextContent()",
	              "a \nb");
	assert_script(
	        rig,
	        "return ['<'.repeat(2e5), '<style'.repeat(1e5), '<!--'.repeat(1e5), '&'.repeat("
	        "2e5), ' \\n'.repeat(2e5), '<br>'.repeat(1e5)].map((h) => typeof load("
	        "'Content-Type: text/html\\n\\n' + h).getTextContent()).join()",
	        "string,string,string,string,string,string");
}

static void pictures(void **state)
{
	(void)state;
	assert_script(
	        rig,
	        "const m = load(multi('related', part('Content-Type: text/html',"
	        "	'<img src=\"cid:a%40b\"><img src=\\'CID:none\\'>'),"
	        "	part('Content-Type: image/png\\nContent-ID: <a@b>', 'x')));"
	        "return [m.getHtmlContent(true), m.getHtmlContent(false) ==="
	        "	m.contents[0].text, m.getBestContent(true) === m.getHtmlContent(true)]",
	        "[\"<img src=\\\"data:image/png;base64,eA==\\\"><img src='CID:none'>\",true,true]");
}

/* ---- Attachments ---- */

static unsigned folders(void)
{
	DIR *dir = opendir(rig->folder);
	unsigned count = 0;
	struct dirent *e;

	assert_non_null(dir);
	while ((e = readdir(dir)))
		count += strncmp(e->d_name, "lettermill-mail-", 16) == 0;
	closedir(dir);
	return count;
}

static void stored_attachments(void **state)
{
	(void)state;
	assert_script(
	        rig,
	        "globalThis.m = load(multi('mixed', part('', 'one'),"
	        "	part('Content-Type: a/b; name=\"../../x.txt\"', 'one'),"
	        "	part('Content-Type: a/b; name=\"/etc/x.txt\"', 'two'),"
	        "	part('Content-Type: a/b; name=\"..\"', 'three'),"
	        "	part('Content-Type: a/b; name=\"C:\\\\\\\\nul\"', 'four'),"
	        "	part('Content-Type: message/rfc822', 'A: b')), true);"
	        "const folder = m.attachments[0].storedFilePath.replace(/[^/]*$/, '');"
	        "return m.attachments.map((a) => [a.name, a.storedFilePath.replace(folder, ''),"
	        "	infinity.file.readString(a.storedFilePath)].join(':')).join()",
	        "x.txt:x.txt:one,x.txt:1-x.txt:two,:attachment-3:three,_nul:_nul:four,"
	        ":attachment-5.eml:A: b");
	assert_int_equal(folders(), 1);
	assert_script(rig, "m.clear()", "undefined");
	assert_int_equal(folders(), 0);
	assert_script(rig,
	              "const m = load(multi('mixed', attachment), true); m.attachments; m.free();"
	              "load(multi('mixed', attachment), true).attachments.length",
	              "undefined");
	lm_js_collect(rig->rt->js);
	assert_true(folders() <= 1); /* of the one that nobody freed; at the latest with the VM */
	assert_script(rig, "return load(multi('mixed', attachment)).attachments[0].storedFilePath",
	              "");
}

static void contents_of_attachments(void **state)
{
	(void)state;
	assert_script(rig,
	              "const m = load(multi('mixed', attachment)); const [a] = m.attachments;"
	              "a.saveToFile('a.bin'); const text = new TextDecoder();"
	              "const got = [text.decode(a.toBytes()), a.toStream().toString(),"
	              "	infinity.file.readString('a.bin')]; m.free();"
	              "return [...got, text.decode(a.toBytes()), Object.keys(a).length]",
	              "[\"data\",\"data\",\"data\",\"data\",7]");
	assert_script_throws(rig, "load(multi('mixed', attachment)).attachments[0].saveToFile('')",
	                     "RangeError: infinity.mail.attachments.saveToFile: fileName");
	assert_script_throws(
	        rig,
	        "const [a] = load(multi('mixed', attachment)).attachments;"
	        "a.toBytes.call({})",
	        "RangeError: infinity.mail.attachments.toBytes: storedFilePath or content");
}

static void attaching(void **state)
{
	(void)state;
	lm_rig_file(rig, "note.txt", "from a file");
	assert_script(
	        rig,
	        "const m = new infinity.mail(); m.contents = [{text: 'hi'}];"
	        "m.attach('note.txt'); m.attach({file: 'note.txt', name: '\xC3\xA4.csv'});"
	        "m.attach({name: 's', content: 'string'});"
	        "m.attach({name: 'b.pdf', content: Uint8Array.of(0, 255)});"
	        "const s = infinity.stream.from('stream'); m.attach({name: 'st', content: s}); "
	        "s.free();"
	        "m.attach({name: 'm.eml', content: 'A: b\\r\\n\\r\\nx\\r\\n'});"
	        "const a = again(m); return [seen(a), a.attachments.map((x) =>"
	        "	new TextDecoder().decode(x.toBytes()).length), m.attachments[0].size]",
	        "[\"text/plain=hi + note.txt:text/plain:11,\xC3\xA4.csv:text/csv:11,"
	        "s:application/octet-stream:6,b.pdf:application/pdf:2,"
	        "st:application/octet-stream:6,m.eml:message/rfc822:11\",[11,11,6,2,6,11],11]");
	assert_script(rig,
	              "const m = new infinity.mail(); m.contents = [{contentType: 'text/html',"
	              "	text: '<img src=cid:i@d>'}]; m.attach({name: 'i.png', content: 'x',"
	              "	contentId: '<i@d>', inline: true}); m.attach({name: 'o', content: 'y'});"
	              "const a = again(m); return [a.contentType, seen(a), a.getHtmlContent(true)]",
	              "[\"multipart/mixed\",\"multipart/related(text/html=<img src=cid:i@d>) + "
	              "i.png:image/png:1,o:application/octet-stream:1\","
	              "\"<img src=data:image/png;base64,eA==>\"]");
	assert_script(rig,
	              "const m = new infinity.mail(); m.attach('note.txt');"
	              "infinity.file.remove('note.txt');"
	              "try { m.toString() } catch (e) { return e.code }",
	              "NOT_FOUND");
}

/* ---- Letters that change ---- */

static void more_attachments(void **state)
{
	(void)state;
	assert_script(rig,
	              "const text = multi('mixed', part('X: y', 'one'), attachment);"
	              "const m = load(text); m.attach({name: 'n', content: 'new'});"
	              "const out = m.toString(); return [out.startsWith(text.slice(0, -7)),"
	              "	out.endsWith('\\n--b--\\n'), seen(again(m)), m.contentType]",
	              "[true,true,\"text/plain=one + x.bin:a/b:4,n:application/octet-stream:3\","
	              "\"multipart/mixed\"]");
	assert_script(rig,
	              "const m = load('Subject: x\\nContent-Type: text/html; "
	              "charset=latin1\\n\\n\xC3\xA4');"
	              "m.attach({name: 'n', content: 'new'}); const a = again(m);"
	              "return [a.subject, seen(a), m.contentType, m.toString() === m.toString()]",
	              "[\"x\",\"text/html=\xC3\x83\xC2\xA4 + n:application/octet-stream:3\","
	              "\"multipart/mixed\",false]");
	assert_script(rig,
	              "const signed = multi('signed', part('', 'one'), part("
	              "'Content-Type: application/pgp-signature; name=s', 'sig'));"
	              "const m = load(signed); m.attach({name: 'n', content: 'new'});"
	              "return m.toString().includes(signed.slice(signed.indexOf('--b')))",
	              "true");
}

static void other_parts(void **state)
{
	(void)state;
	assert_script(rig,
	              "const m = load(multi('mixed', part('X: y', 'one'), attachment));"
	              "m.attachments.pop(); return seen(again(m))",
	              "text/plain=one + ");
	assert_script(rig,
	              "const m = load(multi('mixed', part('', 'one'), attachment));"
	              "m.contents[0].text = '\xC3\xA4\\n'; m.attachments[0].name = 'y';"
	              "return seen(again(m))",
	              "text/plain=\xC3\xA4\r\n + y:a/b:4");
	assert_script(
	        rig,
	        "const m = load(multi('mixed', part('Content-Type: text/calendar; method=REQUEST',"
	        " 'one'))); m.contents[0].text = 'two'; return m.toString().includes("
	        "'text/calendar; charset=\"utf-8\"; method=\"REQUEST\"')",
	        "true");
	assert_script(
	        rig,
	        "const m = load(multi('alternative', part('', 'one'),"
	        "	part('Content-Type: text/html', '<p>')), true);"
	        "m.attachments = [{name: 'n', content: 'x'}]; const a = again(m);"
	        "return [a.contentType, seen(a)]",
	        "[\"multipart/mixed\",\"multipart/alternative(text/plain=one,text/html=<p>) + "
	        "n:application/octet-stream:1\"]");
	assert_script(rig,
	              "const m = load('Subject: s\\n\\nold'); m.contents = [{text: 'new'}];"
	              "const a = again(m); return [a.subject, seen(a)]",
	              "[\"s\",\"text/plain=new\\n + \"]");
	assert_script(rig,
	              "const m = load(multi('mixed', part('', 'one'), attachment));"
	              "const n = new infinity.mail(); n.attachments = m.attachments;"
	              "n.contents = m.contents; m.free(); return seen(again(n))",
	              "text/plain=one + x.bin:a/b:4");
	assert_script(rig,
	              "const m = load('Content-Type: text/plain; charset=utf-8\\n\\n\xC3\xA4\\n');"
	              "m.charset = 'iso-8859-1'; m.contentTransferEncoding = 1; const a = again(m);"
	              "return [a.charset, a.contentTransferEncoding, seen(a), a.size < m.size + 1]",
	              "[\"iso-8859-1\",1,\"text/plain=\xC3\xA4\\n + \",true]");
	assert_script(
	        rig,
	        "const m = load('Content-Type: text/plain; charset=utf-8\\n\\nx\\n');"
	        "const before = m.toString(); m.contentType = 'text/plain'; m.charset = 'utf-8';"
	        "m.contents; m.attachments; return m.toString() === before",
	        "true");
}

static void encodings_of_contents(void **state)
{
	(void)state;
	assert_script(rig,
	              "const out = []; const T = infinity.mail.transferEncoding;"
	              "for (const t of [undefined, ...Object.values(T)]) {"
	              "	const m = new infinity.mail(); m.contents = [{text: 'a \xC3\xA4\\n.\\nFrom "
	              "x\\n' +"
	              "	'y'.repeat(2000), contentTransferEncoding: t}];"
	              "	const a = again(m); out.push(a.contentTransferEncoding);"
	              "	if (a.contents[0].text.trim() !== m.contents[0].text.replace(/\\n/g,"
	              "		'\\r\\n') || m.toString().split('\\r\\n').some((l) => l.length > "
	              "998"
	              "		|| /^(?:\\.|From )/.test(l))) out.push(a.contents[0].text);"
	              "}"
	              "return out",
	              "[3,3,3,3,3,4]");
}

/* ---- For others ---- */

static void sources(void **state)
{
	struct lm_js *js = rig->rt->js;
	struct lm_js_value *handle, *object;
	struct lm_source *source;
	struct lm_bytes chunk;
	bool last;

	(void)state;
	assert_script(rig, "const m = load('A: b\\n\\nc'); m.subject = 's'; globalThis.mail = m",
	              "undefined");
	object = lm_js_get(js, rig->rt->global, "mail");
	handle = lm_js_call(js, lm_js_get(js, rig->rt->internal, "handle"), NULL, 1, &object);
	assert_non_null(handle);
	assert_true(lm_mail_is(js, handle));
	assert_false(lm_mail_is(js, object));
	assert_true(lm_mail_source(js, handle, &source));
	assert_script(rig, "mail.free()", "undefined");
	assert_err(source->ops->read(source, 1000, &chunk, &last), 0);
	assert_bytes(chunk, lm_str("A: b\nSubject: s\n\nc"));
	assert_true(last);
	source->ops->close(source);
	assert_false(lm_mail_source(js, handle, &source));
	assert_true(lm_js_catch(js, &rig->error, NULL));
	assert_string_equal(rig->error.message,
	                    "TypeError: infinity.mail.renderMail: the mail was freed");
	assert_false(lm_mail_source(js, object, &source));
	assert_true(lm_js_catch(js, &rig->error, NULL));
}

/* What nobody freed goes with the collector. */
static void many_mails(void **state)
{
	(void)state;
	assert_script(rig,
	              "const text = 'Subject: x\\n\\n' + 'y'.repeat(1 << 20); let n = 0;"
	              "for (let i = 0; i < 300; i++) { const m = load(text); m.subject = 'z' + i;"
	              "	n += m.toString().length; } return n > 300 << 20",
	              "true");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes),
		cmocka_unit_test(odd_messages),
		cmocka_unit_test(texts),
		cmocka_unit_test(pictures),
		cmocka_unit_test(stored_attachments),
		cmocka_unit_test(contents_of_attachments),
		cmocka_unit_test(attaching),
		cmocka_unit_test(more_attachments),
		cmocka_unit_test(other_parts),
		cmocka_unit_test(encodings_of_contents),
		cmocka_unit_test(sources),
		cmocka_unit_test(many_mails),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
