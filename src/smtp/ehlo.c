/* Hello, and what is on offer: EHLO and HELP are written from the tables. */
#include "smtp/smtp.h"

#include "wire/text.h"

enum { HELLO_MAX = 255 };

/* Is the word among `words`, which spaces part? */
static bool is_listed(const char *words, struct lm_bytes word)
{
	struct lm_bytes rest = lm_str(words);

	while (rest.len)
		if (lm_equal_nocase(lm_next_word(&rest), word))
			return true;
	return false;
}

bool lm_smtp_hides(const struct lm_smtp *s, struct lm_bytes word)
{
	return s->params->hide && is_listed(s->params->hide, word);
}

const struct lm_smtp_command *lm_smtp_command_of(const struct lm_smtp *s, struct lm_bytes verb)
{
	const struct lm_smtp_command *c = lm_smtp_command_find(s->params->protocol, verb);
	bool chunk = c && c->check == lm_smtp_check_bdat;

	if (!c || !s->params->hide || !lm_smtp_hides(s, lm_str(c->verb)))
		return chunk && lm_smtp_hides(s, lm_str("CHUNKING")) ? NULL : c;
	return NULL;
}

static bool has_always(const struct lm_smtp *s)
{
	(void)s;
	return true;
}

static bool has_starttls(const struct lm_smtp *s)
{
	return s->params->tls && !s->info.tls.active;
}

static bool has_requiretls(const struct lm_smtp *s)
{
	return s->info.tls.active;
}

static bool has_xclient(const struct lm_smtp *s)
{
	return s->xclient;
}

static bool has_xforward(const struct lm_smtp *s)
{
	return s->xforward;
}

static bool has_chunking(const struct lm_smtp *s)
{
	return lm_smtp_command_of(s, lm_str("BDAT")) != NULL;
}

/* Offered where it would not be refused at once. */
static bool has_auth(const struct lm_smtp *s)
{
	struct lm_buf offer;
	bool any;

	if (!s->params->mechanisms || s->info.user.len ||
	    (s->params->require_tls && !s->info.tls.active))
		return false;
	lm_buf_init(&offer, LM_SMTP_TEXT);
	any = lm_smtp_auth_offer(s, &offer) == 0 && lm_buf_len(&offer);
	lm_buf_done(&offer);
	return any;
}

static int add_nothing(const struct lm_smtp *s, struct lm_buf *out)
{
	(void)s, (void)out;
	return 0;
}

static int add_size(const struct lm_smtp *s, struct lm_buf *out)
{
	return lm_buf_printf(out, " %llu", (unsigned long long)s->params->max_message_size);
}

static int add_limits(const struct lm_smtp *s, struct lm_buf *out)
{
	return lm_buf_printf(out, " RCPTMAX=%u", s->params->max_recipients);
}

static int add_mechanisms(const struct lm_smtp *s, struct lm_buf *out)
{
	int err = lm_buf_add_str(out, " ");

	return err ? err : lm_smtp_auth_offer(s, out);
}

static int add_attributes(const struct lm_smtp *s, struct lm_buf *out)
{
	(void)s;
	return lm_buf_add_str(out, " NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT");
}

static int add_forwarded(const struct lm_smtp *s, struct lm_buf *out)
{
	(void)s;
	return lm_buf_add_str(out, " NAME ADDR PORT PROTO HELO IDENT SOURCE");
}

static const struct {
	const char *keyword;
	bool (*has)(const struct lm_smtp *);
	int (*add)(const struct lm_smtp *, struct lm_buf *);
} extensions[] = {
#define X(keyword, condition, parameters, rfc) { keyword, has_##condition, add_##parameters },
#include "smtp/extensions.def"
#undef X
};
enum { EXTENSIONS = sizeof(extensions) / sizeof(*extensions) };

static bool works(const struct lm_smtp *s, size_t i)
{
	return !lm_smtp_hides(s, lm_str(extensions[i].keyword)) && extensions[i].has(s);
}

bool lm_smtp_works(const struct lm_smtp *s, const char *keyword)
{
	for (size_t i = 0; i < EXTENSIONS; i++)
		if (lm_bytes_equal(lm_str(extensions[i].keyword), lm_str(keyword)))
			return works(s, i);
	return false;
}

/* Asked once: a condition may cost something. EXTENSIONS: nothing is on offer. */
static size_t offers(const struct lm_smtp *s, bool out_has[EXTENSIONS])
{
	const char *quiet = s->params->unannounced ? s->params->unannounced : "";
	size_t last = EXTENSIONS;

	for (size_t i = 0; i < EXTENSIONS; i++) {
		out_has[i] = !is_listed(quiet, lm_str(extensions[i].keyword)) && works(s, i);
		if (out_has[i])
			last = i;
	}
	return last;
}

static void say_offer(struct lm_smtp *s, const struct lm_smtp_words *hello)
{
	bool has[EXTENSIONS];
	size_t last = offers(s, has);
	struct lm_buf line;

	lm_smtp_say_line(s, hello, last == EXTENSIONS);
	lm_buf_init(&line, LM_SMTP_TEXT);
	for (size_t i = 0; i <= last && i < EXTENSIONS && !s->fatal; i++) {
		struct lm_smtp_words w = { .code = hello->code };
		int err;

		if (!has[i])
			continue;
		lm_buf_clear(&line);
		err = lm_buf_add_str(&line, extensions[i].keyword);
		if (!err)
			err = extensions[i].add(s, &line);
		if (err)
			lm_smtp_fail(s, err);
		w.text = lm_buf_bytes(&line);
		lm_smtp_say_line(s, &w, i == last);
	}
	lm_buf_done(&line);
}

enum lm_smtp_reply_id lm_smtp_check_hello(struct lm_smtp *s, struct lm_bytes name)
{
	(void)s;
	if (name.len > HELLO_MAX || memchr(name.data, '\t', name.len))
		return LM_SMTP_R_HELLO_SYNTAX;
	return LM_SMTP_GOOD;
}

/* RFC 5321 4.1.4: hello forgets a transaction. */
void lm_smtp_apply_hello(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	struct lm_smtp_words w = v->words;
	bool esmtp = s->command->verb[0] != 'H';

	if (!v->yes || !lm_smtp_keep(&s->info.helo, s->argument)) {
		if (v->yes)
			w = lm_smtp_words_of(LM_SMTP_R_NO_MEMORY);
		lm_smtp_say_words(s, &w);
		return;
	}
	s->info.esmtp = esmtp;
	lm_smtp_txn_end(s, true);
	lm_smtp_set_state(s, LM_SMTP_READY);
	if (!w.text.len)
		w.text = lm_str(s->params->hostname);
	if (esmtp)
		say_offer(s, &w);
	else
		lm_smtp_say_words(s, &w);
}

static bool may_use(const struct lm_smtp *s, const struct lm_smtp_command *c)
{
	if (c->check == lm_smtp_check_xclient && !s->xclient)
		return false;
	if (c->check == lm_smtp_check_xforward && !s->xforward)
		return false;
	return lm_smtp_command_of(s, lm_str(c->verb)) != NULL;
}

static void help_all(struct lm_smtp *s)
{
	unsigned by = s->params->protocol == LM_LMTP ? LM_SMTP_BY_LMTP : LM_SMTP_BY_SMTP;
	struct lm_smtp_words w = lm_smtp_words_of(LM_SMTP_R_HELP);
	size_t count;
	const struct lm_smtp_command *c = lm_smtp_commands(&count);

	for (size_t i = 0; i < count; i++) {
		w.text = lm_str(c[i].doc);
		if ((c[i].protocols & by) && may_use(s, &c[i]))
			lm_smtp_say_line(s, &w, false);
	}
	w.text = lm_str("End of help");
	lm_smtp_say_words(s, &w);
}

void lm_smtp_apply_help(struct lm_smtp *s, const struct lm_smtp_verdict *v)
{
	struct lm_smtp_words w = v->words;
	const struct lm_smtp_command *c = lm_smtp_command_of(s, s->argument);

	if (!v->yes || v->words.text.len) {
		lm_smtp_say_words(s, &w);
	} else if (!s->argument.len) {
		help_all(s);
	} else if (c) {
		w.text = lm_str(c->doc);
		lm_smtp_say_words(s, &w);
	} else {
		lm_smtp_say(s, LM_SMTP_R_HELP_UNKNOWN);
	}
}
