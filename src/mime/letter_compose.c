/* Header fields as they are written: folding, encoded words, parameters, mailboxes. */
#include "mime/letter_compose.h"

#include "base/error.h"
#include "mime/letter_private.h"
#include "mime/mailbox.h"

#include <gmime/gmime.h>

enum { LINE = 76, WORD = 75, LONGEST = 900 };

static bool has_line_end(struct lm_bytes b)
{
	return b.len && (memchr(b.data, '\r', b.len) || memchr(b.data, '\n', b.len) ||
	                 memchr(b.data, '\0', b.len));
}

/* ---- Text ---- */

/* It can stand as it is: printable, foldable, and nobody takes a piece of it for an encoded word.
 */
static bool is_plain(struct lm_bytes b)
{
	size_t run = 0;

	if (b.len && (b.data[0] == ' ' || b.data[b.len - 1] == ' '))
		return false;
	for (size_t i = 0; i < b.len; i++) {
		if (b.data[i] < ' ' || b.data[i] >= 0x7F)
			return false;
		if (b.data[i] == '=' && i + 1 < b.len && b.data[i + 1] == '?')
			return false;
		run = b.data[i] == ' ' ? 0 : run + 1;
		if (run > LONGEST)
			return false;
	}
	return true;
}

static int fold_plain(struct lm_bytes b, size_t used, const char *eol, struct lm_buf *out)
{
	size_t column = used;
	int err = 0;

	for (size_t at = 0; at < b.len && err == 0;) {
		size_t end = at;

		while (end < b.len && b.data[end] == ' ')
			end++;
		while (end < b.len && b.data[end] != ' ')
			end++;
		if (at && column + (end - at) > LINE) {
			err = lm_buf_add_str(out, eol);
			column = 0;
		}
		if (err == 0)
			err = lm_buf_add(out, lm_bytes(b.data + at, end - at));
		column += end - at;
		at = end;
	}
	return err;
}

static bool stands_in_q(uint8_t c)
{
	return g_ascii_isalnum((char)c) || (c && strchr("!*+-/", c));
}

static size_t char_len(struct lm_bytes b, size_t at)
{
	size_t len = 1;

	while (at + len < b.len && (b.data[at + len] & 0xC0) == 0x80)
		len++;
	return len;
}

static size_t q_len(struct lm_bytes b, size_t at, size_t len)
{
	size_t n = 0;

	for (size_t i = at; i < at + len; i++)
		n += stands_in_q(b.data[i]) || b.data[i] == ' ' ? 1 : 3;
	return n;
}

static int add_q(struct lm_bytes b, struct lm_buf *out)
{
	int err = 0;

	for (size_t i = 0; i < b.len && err == 0; i++) {
		uint8_t c = b.data[i];

		if (stands_in_q(c))
			err = lm_buf_add(out, lm_bytes(&c, 1));
		else
			err = c == ' ' ? lm_buf_add_str(out, "_") : lm_buf_printf(out, "=%02X", c);
	}
	return err;
}

static int add_b(struct lm_bytes b, struct lm_buf *out)
{
	char *text = g_base64_encode(b.data, b.len);
	int err = lm_buf_add_str(out, text);

	g_free(text);
	return err;
}

/* Encoded words with whole characters; which of both codes is shorter, the text says. */
static int add_words(struct lm_bytes b, size_t used, const char *eol, struct lm_buf *out)
{
	bool base64 = q_len(b, 0, b.len) > b.len * 4 / 3 + 4;
	size_t room = used + 24 < LINE ? LINE - used : WORD, at = 0;
	int err = 0;

	while (at < b.len && err == 0) {
		size_t begin = at, q = 0, len;

		for (; at < b.len; at += len) {
			len = char_len(b, at);
			q += q_len(b, at, len);
			if (at > begin && 12 + (base64 ? (at + len - begin + 2) / 3 * 4 : q) > room)
				break;
		}
		if (begin)
			err = lm_buf_printf(out, "%s ", eol);
		if (err == 0)
			err = lm_buf_add_str(out, base64 ? "=?utf-8?B?" : "=?utf-8?Q?");
		if (err == 0)
			err = (base64 ? add_b : add_q)(lm_bytes(b.data + begin, at - begin), out);
		if (err == 0)
			err = lm_buf_add_str(out, "?=");
		room = WORD;
	}
	return err;
}

int lm_compose_text(struct lm_bytes text, size_t used, const char *eol, struct lm_buf *out)
{
	struct lm_buf utf8;
	int err;

	if (has_line_end(text))
		return LM_E_SYNTAX;
	if (is_plain(text))
		return fold_plain(text, used, eol, out);
	lm_buf_init(&utf8, LM_LETTER_HEADER);
	err = lm_letter_to_utf8(text, "utf-8", &utf8);
	if (err == 0)
		err = add_words(lm_buf_bytes(&utf8), used, eol, out);
	lm_buf_done(&utf8);
	return err;
}

/* ---- Parameters ---- */

static bool is_token_octet(uint8_t c)
{
	return c > ' ' && c < 0x7F && !strchr("()<>@,;:\\\"/[]?=", c);
}

static bool is_token(struct lm_bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (!is_token_octet(b.data[i]))
			return false;
	return b.len > 0;
}

static bool is_printable(struct lm_bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i] < ' ' || b.data[i] >= 0x7F)
			return false;
	return true;
}

static int add_quoted(struct lm_bytes b, struct lm_buf *out)
{
	int err = lm_buf_add_str(out, "\"");

	for (size_t i = 0; i < b.len && err == 0; i++) {
		if (b.data[i] == '"' || b.data[i] == '\\')
			err = lm_buf_add_str(out, "\\");
		if (err == 0)
			err = lm_buf_add(out, lm_bytes(b.data + i, 1));
	}
	return err ? err : lm_buf_add_str(out, "\"");
}

static bool stands_in_percent(uint8_t c)
{
	return is_token_octet(c) && c != '*' && c != '\'' && c != '%';
}

static size_t percent_len(struct lm_bytes b, size_t at, size_t len)
{
	size_t n = 0;

	for (size_t i = at; i < at + len; i++)
		n += stands_in_percent(b.data[i]) ? 1 : 3;
	return n;
}

static int add_percent(struct lm_bytes b, struct lm_buf *out)
{
	int err = 0;

	for (size_t i = 0; i < b.len && err == 0; i++)
		err = stands_in_percent(b.data[i]) ? lm_buf_add(out, lm_bytes(b.data + i, 1))
		                                   : lm_buf_printf(out, "%%%02X", b.data[i]);
	return err;
}

/* RFC 2231: in one piece, or name*0*, name*1* and so on. */
static int add_extended(const char *name, struct lm_bytes b, const char *lead, struct lm_buf *out)
{
	enum { PIECE = 48 };
	bool one = percent_len(b, 0, b.len) <= PIECE;
	size_t at = 0;
	int err = 0;

	for (unsigned i = 0; (at < b.len || i == 0) && err == 0; i++) {
		size_t begin = at, n = 0, len;

		for (; at < b.len; at += len) {
			len = char_len(b, at);
			n += percent_len(b, at, len);
			if (at > begin && n > PIECE)
				break;
		}
		err = one ? lm_buf_printf(out, ";%s%s*=", lead, name)
		          : lm_buf_printf(out, ";%s%s*%u*=", lead, name, i);
		if (err == 0 && i == 0)
			err = lm_buf_add_str(out, "utf-8''");
		if (err == 0)
			err = add_percent(lm_bytes(b.data + begin, at - begin), out);
	}
	return err;
}

int lm_compose_parameter(const char *name, struct lm_bytes value, const char *lead,
                         struct lm_buf *out)
{
	struct lm_buf utf8;
	int err;

	if (!is_token(lm_str(name)) || strlen(name) > 60 || has_line_end(value))
		return LM_E_SYNTAX;
	if (is_printable(value) && value.len <= 72) {
		err = lm_buf_printf(out, ";%s%s=", lead, name);
		return err ? err : add_quoted(value, out);
	}
	lm_buf_init(&utf8, LM_LETTER_HEADER);
	err = lm_letter_to_utf8(value, "utf-8", &utf8);
	if (err == 0)
		err = add_extended(name, lm_buf_bytes(&utf8), lead, out);
	lm_buf_done(&utf8);
	return err;
}

/* ---- Mailboxes ---- */

static bool is_phrase(struct lm_bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (!g_ascii_isalnum((char)b.data[i]) && b.data[i] != ' ' &&
		    !(b.data[i] && strchr("!#$%&'*+-/=?^_`{|}~", b.data[i])))
			return false;
	return b.len == 0 || (b.data[0] != ' ' && b.data[b.len - 1] != ' ');
}

static int add_name(struct lm_bytes name, size_t used, const char *eol, struct lm_buf *out)
{
	if (!is_plain(name))
		return lm_compose_text(name, used, eol, out);
	if (is_phrase(name))
		return fold_plain(name, used, eol, out);
	return name.len > LONGEST ? add_words(name, used, eol, out) : add_quoted(name, out);
}

/* A domain that is not ASCII is written as xn-- where the local part does not need UTF-8 anyway. */
static int add_address(struct lm_bytes address, struct lm_buf *out)
{
	const uint8_t *at = address.len ? memrchr(address.data, '@', address.len) : NULL;
	InternetAddress *mailbox;
	char *text;
	int err;

	if (!at || !lm_mailbox_is_8bit(address) ||
	    lm_mailbox_is_8bit(lm_bytes(address.data, (size_t)(at - address.data))))
		return lm_buf_add(out, address);
	text = lm_strdup_bytes(address);
	if (!text)
		return LM_E_NOMEM;
	lm_letter_gmime();
	mailbox = internet_address_mailbox_new(NULL, text);
	err = lm_buf_add_str(
	        out, internet_address_mailbox_get_idn_addr(INTERNET_ADDRESS_MAILBOX(mailbox)));
	g_object_unref(mailbox);
	lm_free(text);
	return err;
}

static bool can_be_address(struct lm_bytes b)
{
	return b.len <= LONGEST && !has_line_end(b) && lm_mailbox_fits(b) && lm_mailbox_is_utf8(b);
}

int lm_compose_mailbox(struct lm_bytes name, struct lm_bytes address, size_t used, const char *eol,
                       struct lm_buf *out)
{
	int err = 0;

	if (has_line_end(name) || !can_be_address(address))
		return LM_E_SYNTAX;
	if (name.len)
		err = add_name(name, used, eol, out);
	if (err == 0)
		err = lm_buf_add_str(out, name.len ? " <" : "<");
	if (err == 0)
		err = add_address(address, out);
	return err ? err : lm_buf_add_str(out, ">");
}

struct list {
	size_t used, count;
	const char *eol;
	struct lm_buf *out;
	struct lm_error *out_error;
};

static int add_listed(void *ctx, struct lm_bytes name, struct lm_bytes address)
{
	struct list *l = ctx;
	struct lm_bytes shown = address.len ? address : name;
	size_t column;
	int err = 0;

	if (l->count++)
		err = lm_buf_printf(l->out, ",%s\t", l->eol);
	column = l->count > 1 ? 8 : l->used;
	if (err == 0 && address.len == 0 && name.len)
		err = LM_E_SYNTAX;
	if (err == 0)
		err = lm_compose_mailbox(name, address, column, l->eol, l->out);
	if (err != LM_E_SYNTAX)
		return err;
	return lm_fail(l->out_error, err, "\"%.*s\" is not an address",
	               (int)(shown.len < 100 ? shown.len : 100), (const char *)shown.data);
}

int lm_compose_addresses(struct lm_bytes text, size_t used, const char *eol, struct lm_buf *out,
                         struct lm_error *out_error)
{
	struct list l = { .used = used, .eol = eol, .out = out, .out_error = out_error };

	if (has_line_end(text))
		return lm_fail(out_error, LM_E_SYNTAX, "CR, LF and NUL cannot stand in a header");
	return lm_letter_decode_addresses(text, add_listed, &l);
}

static bool needs_quotes(struct lm_bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (strchr("()<>[]:;@\\,.\"", b.data[i]) || b.data[i] < ' ')
			return true;
	return false;
}

int lm_compose_display(struct lm_bytes name, struct lm_bytes address, struct lm_buf *out)
{
	int err;

	if (name.len == 0)
		return lm_buf_add(out, address);
	err = address.len && needs_quotes(name) ? add_quoted(name, out) : lm_buf_add(out, name);
	if (err || address.len == 0)
		return err;
	err = lm_buf_add_str(out, " <");
	if (err == 0)
		err = lm_buf_add(out, address);
	return err ? err : lm_buf_add_str(out, ">");
}
