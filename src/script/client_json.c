/* Records for script: JSON in which each octet stands for itself. */
#include "script/client.h"

#include "wire/text.h"

static bool is_tail(struct lm_bytes text, size_t at)
{
	return at < text.len && (text.data[at] & 0xC0) == 0x80;
}

/* Octets of the character that begins here; 0: it is none. */
static size_t character(struct lm_bytes text)
{
	const uint8_t first = text.data[0];
	size_t len = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;

	for (size_t i = 1; i < len; i++)
		if (!is_tail(text, i))
			return 0;
	return lm_is_utf8(lm_bytes(text.data, len)) ? len : 0;
}

static int put(struct lm_buf *out, struct lm_bytes c)
{
	switch (c.len ? c.data[0] : 0) {
	case '"':
		return lm_buf_add_str(out, "\\\"");
	case '\\':
		return lm_buf_add_str(out, "\\\\");
	default:
		if (c.data[0] < 0x20 || c.data[0] == 0x7F)
			return lm_buf_printf(out, "\\u%04x", c.data[0]);
		return lm_buf_add(out, c);
	}
}

int lm_json_text(struct lm_buf *out, struct lm_bytes text)
{
	int err = lm_buf_add_str(out, "\"");

	while (!err && text.len) {
		const size_t len = character(text);

		if (len)
			err = put(out, lm_bytes(text.data, len));
		else
			err = lm_buf_printf(out, "\\udc%02x", text.data[0]);
		text = lm_bytes_from(text, len ? len : 1);
	}
	return err ? err : lm_buf_add_str(out, "\"");
}

int lm_json_member(struct lm_buf *out, const char *name, struct lm_bytes text)
{
	int err = lm_buf_printf(out, ",\"%s\":", name);

	return err ? err : lm_json_text(out, text);
}

static const char *pop3_code(enum lm_pop3_code code)
{
	switch (code) {
	case LM_POP3_AUTH:
		return "AUTH";
	case LM_POP3_IN_USE:
		return "IN-USE";
	case LM_POP3_LOGIN_DELAY:
		return "LOGIN-DELAY";
	case LM_POP3_SYS_TEMP:
		return "SYS/TEMP";
	case LM_POP3_SYS_PERM:
		return "SYS/PERM";
	case LM_POP3_UTF8:
		return "UTF8";
	default:
		return NULL;
	}
}

int lm_json_reply(struct lm_buf *out, const char *name, const struct lm_outcome *o)
{
	const char *code = pop3_code(o->pop3_code);
	const uint8_t *e = o->enhanced;
	int err = lm_buf_printf(out, ",\"%s\":{\"ok\":%s,\"code\":", name,
	                        o->result ? "false" : "true");

	if (!err)
		err = o->smtp_code ? lm_buf_printf(out, "%d", o->smtp_code)
		                   : lm_buf_add_str(out, "null");
	if (!err)
		err = e[0] ? lm_buf_printf(out, ",\"enhanced\":\"%d.%d.%d\"", e[0], e[1], e[2])
		           : lm_buf_add_str(out, ",\"enhanced\":null");
	if (!err)
		err = lm_json_member(out, "text", o->text);
	if (!err)
		err = code ? lm_buf_printf(out, ",\"pop3Code\":\"%s\"", code)
		           : lm_buf_add_str(out, ",\"pop3Code\":null");
	return err ? err : lm_buf_add_str(out, "}");
}
