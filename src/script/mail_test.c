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

/* Set, got again, and read from what was written. */
static void check_property(const char *name, const char *value, const char *want)
{
	char script[1000];

	snprintf(script, sizeof(script),
	         "const m = new infinity.mail(); m.%s = %s;"
	         "const before = JSON.stringify(m.%s), after = JSON.stringify(again(m).%s);"
	         "return before === after ? after : before + ' ' + after",
	         name, value, name, name);
	assert_script(rig, script, want);
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
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(enumerations),
		cmocka_unit_test(new_mails),
		cmocka_unit_test(properties),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
