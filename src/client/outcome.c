/* What became of a request, in words for people. */
#include "base/error.h"
#include "wire/text.h"

#include <lettermill/client.h>

#include <stdio.h>

enum { COMMAND_MAX = 64, TEXT_MAX = 140 };

struct line {
	char text[sizeof(((struct lm_error *)0)->text)];
	size_t len;
};

static void put(struct line *line, const char *octets, size_t n)
{
	if (n > sizeof(line->text) - 1 - line->len)
		n = sizeof(line->text) - 1 - line->len;
	memcpy(line->text + line->len, octets, n);
	line->len += n;
}

static void put_str(struct line *line, const char *text)
{
	put(line, text, strlen(text));
}

/* A length in which no character of UTF-8 is cut. */
static size_t whole(struct lm_bytes b, size_t max)
{
	if (b.len <= max)
		return b.len;
	while (max && (b.data[max] & 0xC0) == 0x80)
		max--;
	return max;
}

/* What a server says must not move the cursor, nor hide the end of the line. */
static void put_foreign(struct line *line, struct lm_bytes b, size_t max)
{
	const bool is_text = lm_is_utf8(b);
	const size_t n = is_text ? whole(b, max) : b.len < max ? b.len : max;

	for (size_t i = 0; i < n; i++) {
		uint8_t c = b.data[i];
		char escaped[8] = "";

		if (c == '\n')
			put_str(line, " / ");
		else if ((c >= 0x20 && c < 0x7F) || (c >= 0x80 && is_text))
			put(line, (const char *)&c, 1);
		else
			put(line, escaped,
			    (size_t)snprintf(escaped, sizeof(escaped), "\\x%02X", c));
	}
	if (n < b.len)
		put_str(line, "…");
}

static void put_codes(struct line *line, const struct lm_outcome *o)
{
	char codes[32] = "";

	if (o->smtp_code)
		put(line, codes, (size_t)snprintf(codes, sizeof(codes), "%d ", o->smtp_code));
	if (o->enhanced[0])
		put(line, codes,
		    (size_t)snprintf(codes, sizeof(codes), "%u.%u.%u ", o->enhanced[0],
		                     o->enhanced[1], o->enhanced[2]));
}

static const char *beginning(const struct lm_outcome *o)
{
	switch (o->side) {
	case LM_SIDE_SERVER:
		return o->result == LM_E_AGAIN ? "the server refused for now"
		                               : "the server refused";
	case LM_SIDE_PEER:
		return "the server broke the protocol";
	default:
		return "not sent";
	}
}

/* A line of a SASL exchange, of which nothing may be shown. */
static bool is_masked(const struct lm_outcome *o)
{
	return lm_bytes_equal(o->command, lm_str("****"));
}

static void put_beginning(struct line *line, const struct lm_outcome *o)
{
	const bool is_network = o->side == LM_SIDE_NETWORK;

	if (!is_network)
		put_str(line, beginning(o));
	if (is_masked(o)) {
		put_str(line, is_network                ? "the login failed"
		              : o->side == LM_SIDE_PEER ? " in the login"
		                                        : " the login");
	} else if (o->command.len) {
		put_str(line, is_network ? "\"" : o->side == LM_SIDE_PEER ? " at \"" : " \"");
		put_foreign(line, o->command, COMMAND_MAX);
		put_str(line, is_network ? "\" failed" : "\"");
	}
	put_str(line, is_network && !o->command.len ? "" : ": ");
}

/* Words that were made on this side say all there is to say. */
static bool is_said(const struct lm_outcome *o)
{
	return !o->command.len && o->text.len && o->side != LM_SIDE_SERVER &&
	       o->side != LM_SIDE_PEER;
}

int lm_client_outcome_error(const struct lm_outcome *outcome, struct lm_error *out_error)
{
	struct line line = { .len = 0 };

	if (!outcome->result)
		return 0;
	if (!is_said(outcome))
		put_beginning(&line, outcome);
	put_codes(&line, outcome);
	if (outcome->text.len)
		put_foreign(&line, outcome->text, TEXT_MAX);
	else
		put_str(&line, lm_err_text(outcome->result));
	line.text[line.len] = '\0';
	return lm_fail(out_error, outcome->result, "%s", line.text);
}
