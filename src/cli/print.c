/* Octets of strangers on a terminal and in JSON. */
#include "cli/cli.h"

#include "wire/text.h"

/* Length of the character at the front of `text`; 0: it is not UTF-8. */
static size_t character(struct lm_bytes text)
{
	size_t len = text.data[0] < 0x80   ? 1
	             : text.data[0] < 0xE0 ? 2
	             : text.data[0] < 0xF0 ? 3
	                                   : 4;

	return len <= text.len && lm_is_utf8(lm_bytes(text.data, len)) ? len : 0;
}

/* C1 controls, line separators and what turns the direction of text. */
static bool misleads(const uint8_t *p, size_t len)
{
	if (len == 2)
		return p[0] == 0xC2 && p[1] < 0xA0;
	return len == 3 && p[0] == 0xE2 &&
	       ((p[1] == 0x80 && p[2] >= 0xA8 && p[2] <= 0xAE) ||
	        (p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9));
}

static bool is_shown(const uint8_t *p, size_t len)
{
	return len > 1 ? !misleads(p, len) : len == 1 && *p >= 0x20 && *p != 0x7F;
}

void lm_cli_put(FILE *out, struct lm_bytes text)
{
	while (text.len > 0) {
		size_t len = character(text);

		if (is_shown(text.data, len)) {
			fwrite(text.data, 1, len, out);
		} else {
			fprintf(out, "\\x%02x", text.data[0]);
			len = 1;
		}
		text = lm_bytes_from(text, len);
	}
}

static void put_json_octet(FILE *out, uint8_t c)
{
	if (c == '"' || c == '\\')
		fprintf(out, "\\%c", c);
	else if (c >= 0x80)
		fprintf(out, "\\udc%02x", c);
	else if (c < 0x20 || c == 0x7F)
		fprintf(out, "\\u%04x", c);
	else
		fputc(c, out);
}

void lm_cli_put_json(FILE *out, struct lm_bytes text)
{
	fputc('"', out);
	while (text.len > 0) {
		size_t len = character(text);

		if (len > 1) {
			fwrite(text.data, 1, len, out);
		} else {
			put_json_octet(out, text.data[0]);
			len = 1;
		}
		text = lm_bytes_from(text, len);
	}
	fputc('"', out);
}
