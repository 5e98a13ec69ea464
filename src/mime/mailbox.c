/* Addresses: items by a small scanner, each item by GMime. */
#include "mime/mailbox.h"

#include "base/error.h"

#include <gmime/gmime.h>
#include <pthread.h>

enum { MAX_ITEM = 512 };

/* GMime counts its users; it is never shut down, for others in the process may use it, too. */
static void start_gmime(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, g_mime_init);
}

enum where { TEXT, QUOTE, COMMENT, LITERAL };

struct scan {
	lm_mailbox_fn each;
	void *ctx;
	struct lm_error *out_error;
	GMimeParserOptions *options;
	bool doubt;              /* GMime warned */
	enum where where, outer; /* outer: what a quote or literal stands in */
	unsigned depth;          /* of comments */
	bool escaped, angle, closed, junk;
	bool too_long;
	uint8_t item[MAX_ITEM + 1];
	size_t len;
};

static void put(struct scan *s, uint8_t c)
{
	if (s->len < MAX_ITEM)
		s->item[s->len++] = c;
	else
		s->too_long = true;
}

/* Blanks out of quotes: one says as much as many. */
static void put_blank(struct scan *s)
{
	if (s->len == 0 || s->item[s->len - 1] != ' ')
		put(s, ' ');
}

static int refuse(struct scan *s, const char *why)
{
	char shown[64];
	size_t n = 0, at = 0;

	if (s->len && s->item[0] == ' ')
		at++;
	for (; at < s->len && n < sizeof(shown) - 1; at++, n++)
		shown[n] = s->item[at] < ' ' || s->item[at] == 0x7F ? '?' : (char)s->item[at];
	shown[n] = 0;
	return lm_fail(s->out_error, LM_E_SYNTAX, "\"%s\" %s", shown, why);
}

static void note_warning(gint64 offset, GMimeParserWarning code, const gchar *item, gpointer ctx)
{
	struct scan *s = ctx;

	(void)offset;
	(void)code;
	(void)item;
	s->doubt = true;
}

static int give(struct scan *s, InternetAddress *address)
{
	InternetAddressMailbox *mailbox = INTERNET_ADDRESS_MAILBOX(address);
	struct lm_bytes text = lm_str(internet_address_mailbox_get_addr(mailbox));
	const uint8_t *at = text.len ? memrchr(text.data, '@', text.len) : NULL;

	if (at && lm_mailbox_is_8bit(text) &&
	    !lm_mailbox_is_8bit(lm_bytes(text.data, (size_t)(at - text.data))))
		text = lm_str(internet_address_mailbox_get_idn_addr(mailbox));
	if (text.len == 0 || !lm_mailbox_fits(text))
		return refuse(s, "is not an address");
	return s->each(s->ctx, text);
}

/* Brackets and route go here: GMime leaks where something is wrong between them. */
static const char *address_in_item(struct scan *s)
{
	uint8_t *begin = s->item;

	s->item[s->len] = 0;
	if (!s->closed)
		return (const char *)begin;
	s->item[s->len - 1] = 0;
	begin += 1 + (s->item[1] == ' ');
	if (*begin == '@' && memchr(begin, ':', strlen((char *)begin)))
		begin = (uint8_t *)memchr(begin, ':', strlen((char *)begin)) + 1;
	return (const char *)begin;
}

/* Behind a quote or a bracket's content; the scanner found that both are closed. */
static const char *skip_enclosed(const char *p, char end)
{
	for (p++; *p && *p != end; p++)
		if (*p == '\\' && p[1])
			p++;
	return *p ? p + 1 : p;
}

/* Words with a dot or an at between. What is not even that is no address, and GMime, which would
 * make a name and an address of it, leaks in some of these cases. */
static bool is_dotted(const char *p)
{
	bool word = false;

	while (*p) {
		size_t atom = strcspn(p, " \t\"[]<>():;,\\.@");

		if (*p == ' ' || *p == '\t') {
			p++;
		} else if (*p == '.' || *p == '@') {
			word = false;
			p++;
		} else if (word || (atom == 0 && *p != '"' && *p != '[')) {
			return false;
		} else {
			word = true;
			p = atom ? p + atom : skip_enclosed(p, *p == '"' ? '"' : ']');
		}
	}
	return true;
}

static int parse_item(struct scan *s)
{
	const char *text = address_in_item(s);
	InternetAddressList *list;
	InternetAddress *only = NULL;
	int err;

	if (!lm_mailbox_is_utf8(lm_str(text))) /* GMime would guess what it is */
		return refuse(s, "is not UTF-8");
	s->doubt = false;
	list = is_dotted(text) ? internet_address_list_parse(s->options, text) : NULL;
	if (list && !s->doubt && internet_address_list_length(list) == 1)
		only = internet_address_list_get_address(list, 0);
	err = only && INTERNET_ADDRESS_IS_MAILBOX(only) ? give(s, only)
	                                                : refuse(s, "is not an address");
	if (list)
		g_object_unref(list);
	return err;
}

static bool only_blanks(const struct scan *s)
{
	return s->len == 0 || (s->len == 1 && s->item[0] == ' ');
}

static int end_item(struct scan *s)
{
	int err = 0;

	if (s->angle || s->where != TEXT)
		return refuse(s, "lacks its closing bracket, parenthesis or quote");
	if (s->junk)
		return refuse(s, "is followed by what is not an address");
	if (s->too_long)
		return refuse(s, "is too long for an address");
	if (s->closed && s->len == 2)
		err = s->each(s->ctx, lm_str(""));
	else if (!only_blanks(s))
		err = parse_item(s);
	s->len = 0;
	s->closed = s->too_long = s->junk = false;
	return err;
}

/* What encloses: true when the octet was of that kind. */
static bool enclosed(struct scan *s, uint8_t c)
{
	if (s->where == TEXT)
		return false;
	if (s->where != COMMENT)
		put(s, c);
	if (s->escaped || c == '\\') {
		s->escaped = !s->escaped;
	} else if (s->where == COMMENT && c == '(') {
		s->depth++;
	} else if (s->where == COMMENT && c == ')') {
		if (--s->depth == 0) {
			s->where = TEXT;
			if (!s->closed)
				put_blank(s);
		}
	} else if ((s->where == QUOTE && c == '"') || (s->where == LITERAL && c == ']')) {
		s->where = TEXT;
	}
	return true;
}

/* Names before an address are of no use here, be they as long as they want. */
static void open_angle(struct scan *s)
{
	s->junk = s->angle;
	s->angle = true;
	s->too_long = false;
	s->len = 0;
	put(s, '<');
}

static void begin_enclosed(struct scan *s, enum where where, uint8_t c)
{
	s->where = where;
	s->junk |= s->closed && where != COMMENT;
	if (where != COMMENT)
		put(s, c);
	else
		s->depth = 1;
}

static void text_octet(struct scan *s, uint8_t c)
{
	if (s->closed)
		s->junk |= c != ' ' && c != '\t';
	else if (c == ' ' || c == '\t')
		put_blank(s);
	else
		put(s, c);
	if (c == '>') {
		s->junk |= !s->angle; /* and GMime would leak */
		s->closed |= s->angle;
		s->angle = false;
	}
}

static int octet(struct scan *s, uint8_t c)
{
	if (enclosed(s, c))
		return 0;
	if (c == '"')
		begin_enclosed(s, QUOTE, c);
	else if (c == '(')
		begin_enclosed(s, COMMENT, c);
	else if (c == '[')
		begin_enclosed(s, LITERAL, c);
	else if (c == '<' && !s->closed)
		open_angle(s);
	else if (c == ':' && !s->angle && !s->closed)
		s->len = 0, s->too_long = false;
	else if ((c == ',' || c == ';') && !s->angle)
		return end_item(s);
	else
		text_octet(s, c);
	return 0;
}

int lm_mailbox_each(struct lm_bytes body, lm_mailbox_fn each, void *ctx, struct lm_error *out_error)
{
	struct scan s = { .each = each, .ctx = ctx, .out_error = out_error };
	int err = 0;

	start_gmime();
	s.options = g_mime_parser_options_new();
	g_mime_parser_options_set_address_compliance_mode(s.options, GMIME_RFC_COMPLIANCE_STRICT);
	g_mime_parser_options_set_allow_addresses_without_domain(s.options, TRUE);
	g_mime_parser_options_set_warning_callback(s.options, note_warning, &s);
	for (size_t i = 0; i < body.len && err == 0; i++) {
		uint8_t c = body.data[i];

		if (c == '\0')
			err = refuse(&s, "is followed by NUL");
		else if (c != '\r' && c != '\n')
			err = octet(&s, c);
	}
	if (err == 0)
		err = end_item(&s);
	g_mime_parser_options_free(s.options);
	return err;
}

bool lm_mailbox_fits(struct lm_bytes address)
{
	bool quoted = false, escaped = false;

	for (size_t i = 0; i < address.len; i++) {
		uint8_t c = address.data[i];

		if (c < ' ' || c == 0x7F)
			return false;
		if (!quoted && (c == ' ' || c == '<' || c == '>' || c == '\\'))
			return false;
		if (escaped)
			escaped = false;
		else if (c == '\\')
			escaped = true;
		else if (c == '"')
			quoted = !quoted;
	}
	return !quoted;
}

bool lm_mailbox_is_utf8(struct lm_bytes text)
{
	return g_utf8_validate_len((const char *)text.data, text.len, NULL);
}

bool lm_mailbox_is_8bit(struct lm_bytes text)
{
	uint8_t all = 0;

	for (size_t i = 0; i < text.len; i++)
		all |= text.data[i];
	return all & 0x80;
}

static bool has_control(struct lm_bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < ' ' || text.data[i] == 0x7F)
			return true;
	return false;
}

int lm_mailbox_format(struct lm_bytes name, struct lm_bytes address, struct lm_buf *out)
{
	char *name_text, *address_text, *text = NULL;
	InternetAddress *mailbox;
	int err = LM_E_NOMEM;

	if (has_control(name) || !lm_mailbox_is_utf8(name) || !lm_mailbox_is_utf8(address))
		return LM_E_SYNTAX;
	start_gmime();
	name_text = lm_strdup_bytes(name);
	address_text = lm_strdup_bytes(address);
	if (name_text && address_text) {
		mailbox = internet_address_mailbox_new(name.len ? name_text : NULL, address_text);
		text = internet_address_to_string(mailbox, NULL, TRUE);
		g_object_unref(mailbox);
		err = lm_buf_add_str(out, text);
		g_free(text);
	}
	lm_free(name_text);
	lm_free(address_text);
	return err;
}
