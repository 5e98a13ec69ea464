/* The tables: complete, documented, and what EHLO and HELP say is what the session does. */
#include "lm_test.h"

#include "smtp/peer.h"

static const struct lm_tls_info tls = { .active = true,
	                                .version = "TLSv1.3",
	                                .cipher = "C",
	                                .server_name = "",
	                                .peer_subject = "",
	                                .peer_name = "" };

static void each_command_is_documented(void **state)
{
	size_t count;
	const struct lm_smtp_command *c = lm_smtp_commands(&count);

	(void)state;
	assert_int_equal(count, 17);
	for (size_t i = 0; i < count; i++) {
		assert_true(strlen(c[i].verb) >= 4 && strlen(c[i].rfc) > 0);
		assert_int_equal(strncmp(c[i].doc, c[i].verb, strlen(c[i].verb)), 0);
		assert_non_null(strchr(c[i].doc, ':'));
		assert_true(c[i].protocols && c[i].states && c[i].check && c[i].row.apply);
		assert_true(c[i].row.yes && c[i].row.fallback);
	}
}

static void each_reply_is_well_formed(void **state)
{
	(void)state;
	for (int id = LM_SMTP_GOOD + 1; id < LM_SMTP_REPLIES; id++) {
		struct lm_smtp_words w = lm_smtp_words_of((enum lm_smtp_reply_id)id);

		assert_in_range(w.code, 200, 599);
		assert_true(w.enhanced[0] == 0 || w.enhanced[0] == w.code / 100);
		assert_in_range(w.text.len, 0, 80);
	}
}

static void each_decision_has_a_row(void **state)
{
	static const enum lm_event_type types[] = { LM_EVENT_CONNECT,  LM_EVENT_COMMAND,
		                                    LM_EVENT_DATA,     LM_EVENT_BODY,
		                                    LM_EVENT_MESSAGE,  LM_EVENT_AUTH,
		                                    LM_EVENT_AUTH_DONE };

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		assert_non_null(lm_smtp_row_of(types[i]));
	assert_null(lm_smtp_row_of(LM_EVENT_RETR));
}

/* HELP names every verb of the protocol, HELP VERB answers for each, and each is known. */
static void help_tells_the_truth(enum lm_protocol protocol, unsigned by)
{
	size_t count;
	const struct lm_smtp_command *c = lm_smtp_commands(&count);
	struct peer p;

	peer_init(&p, protocol);
	p.params.decides = 0;
	p.params.max_errors = 0;
	p.who.xclient = true;
	p.who.xforward = true;
	peer_open(&p);
	for (size_t i = 0; i < count; i++) {
		char text[100];
		bool ours = c[i].protocols & by;

		peer_say(&p, "HELP\r\n");
		assert_int_equal(memmem(p.said.data, lm_buf_len(&p.said), c[i].doc,
		                        strlen(c[i].doc)) != NULL,
		                 ours);
		snprintf(text, sizeof(text), "HELP %s\r\n", c[i].verb);
		peer_say(&p, text);
		assert_int_equal(peer_code(&p), ours ? 214 : 504);
		snprintf(text, sizeof(text), "%s\r\n", c[i].verb);
		if (c[i].row.event != LM_EVENT_QUIT) {
			peer_say(&p, text);
			assert_int_equal(peer_code(&p) == 500, !ours);
		}
	}
	peer_done(&p);
}

static void help(void **state)
{
	(void)state;
	help_tells_the_truth(LM_SMTP, LM_SMTP_BY_SMTP);
	help_tells_the_truth(LM_SUBMISSION, LM_SMTP_BY_SMTP);
	help_tells_the_truth(LM_LMTP, LM_SMTP_BY_LMTP);
}

/* What is due where a keyword is announced, and where it is not. */
static const struct {
	const char *keyword, *command;
	int with, without, hidden;
} truths[] = {
	{ "PIPELINING", "NOOP\r\nNOOP\r\n", 250, 250, 250 },
	{ "SIZE", "MAIL FROM:<a@x> SIZE=1\r\n", 250, 0, 555 },
	{ "8BITMIME", "MAIL FROM:<a@x> BODY=8BITMIME\r\n", 250, 0, 501 },
	{ "SMTPUTF8", "MAIL FROM:<\xC3\xA4@x> SMTPUTF8\r\n", 250, 0, 555 },
	{ "CHUNKING", "MAIL FROM:<a@x>\r\n", 250, 0, 250 },
	{ "BINARYMIME", "MAIL FROM:<a@x> BODY=BINARYMIME\r\n", 250, 0, 501 },
	{ "DSN", "MAIL FROM:<a@x> RET=FULL ENVID=x\r\n", 250, 0, 555 },
	{ "ENHANCEDSTATUSCODES", "NOOP\r\n", 250, 0, 250 },
	{ "LIMITS", "NOOP\r\n", 250, 0, 250 },
	{ "STARTTLS", "STARTTLS\r\n", 220, 503, 500 },
	{ "REQUIRETLS", "MAIL FROM:<a@x> REQUIRETLS\r\n", 250, 555, 555 },
	{ "AUTH", "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", 235, 538, 500 },
	{ "XCLIENT", "XCLIENT PORT=1\r\n", 220, 550, 500 },
	{ "XFORWARD", "XFORWARD PORT=1\r\n", 250, 550, 500 },
	{ "HELP", "HELP NOOP\r\n", 214, 0, 500 },
};

static void open_hiding(struct peer *p, bool under_tls, bool xclient, const char *hide,
                        const char *unannounced)
{
	peer_init(p, LM_SMTP);
	p->params.hide = hide;
	p->params.unannounced = unannounced;
	p->params.tls = true;
	p->params.plain_login = false;
	p->params.mechanisms = "PLAIN";
	p->who.xclient = p->who.xforward = xclient;
	assert_err(lm_smtp_server_new(&p->params, &p->who, p->now, &p->session), 0);
	if (under_tls)
		assert_err(lm_session_tls_up(p->session, &tls, p->now), 0);
	peer_pump(p);
	peer_say(p, "EHLO c\r\n");
}

static void open_in_state(struct peer *p, bool under_tls, bool xclient)
{
	open_hiding(p, under_tls, xclient, NULL, NULL);
}

static bool announced(const struct peer *p, const char *keyword)
{
	char line[60];

	snprintf(line, sizeof(line), "250-%s", keyword);
	if (memmem(p->said.data, lm_buf_len(&p->said), line, strlen(line)))
		return true;
	line[3] = ' ';
	return memmem(p->said.data, lm_buf_len(&p->said), line, strlen(line)) != NULL;
}

static void ehlo_tells_the_truth(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(truths) / sizeof(*truths); i++)
		for (unsigned how = 0; how < 4; how++) {
			struct peer p;
			bool on;
			int want;

			open_in_state(&p, how & 1, how & 2);
			on = announced(&p, truths[i].keyword);
			assert_int_equal(on, lm_smtp_works(peer_inside(&p), truths[i].keyword));
			want = on ? truths[i].with : truths[i].without;
			assert_int_not_equal(want, 0);
			peer_say(&p, truths[i].command);
			assert_int_equal(peer_code(&p), want);
			peer_done(&p);
		}
}

/* Hidden: neither announced nor done. Not announced only: done. */
static void hidden_and_unannounced(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(truths) / sizeof(*truths); i++)
		for (unsigned how = 0; how < 4; how++) {
			bool tls_up = strcmp(truths[i].keyword, "STARTTLS") != 0;
			bool hide = how & 1;
			char words[80];
			struct peer p;

			snprintf(words, sizeof(words), how & 2 ? "nonsense %s LIST" : "%s",
			         truths[i].keyword);
			open_hiding(&p, tls_up, true, hide ? words : NULL, hide ? NULL : words);
			assert_false(announced(&p, truths[i].keyword));
			assert_true(announced(&p, i ? "PIPELINING" : "SIZE"));
			peer_say(&p, truths[i].command);
			assert_int_equal(peer_code(&p), hide ? truths[i].hidden : truths[i].with);
			peer_done(&p);
		}
}

static void every_keyword_is_tested(void **state)
{
	size_t count = 0;

	(void)state;
#define X(name, condition, parameters, rfc)               \
	assert_string_equal(truths[count].keyword, name); \
	assert_true(strlen(rfc) > 0);                     \
	count++;
#include "smtp/extensions.def"
#undef X
	assert_int_equal(count, sizeof(truths) / sizeof(*truths));
}

static void auth_is_gone_once_logged_in(void **state)
{
	struct peer p;

	(void)state;
	open_in_state(&p, true, false);
	p.answers[LM_EVENT_AUTH].user = lm_str("alice");
	assert_true(announced(&p, "AUTH PLAIN"));
	peer_say(&p, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\nEHLO c\r\n");
	assert_false(announced(&p, "AUTH"));
	assert_bytes(lm_session_info(p.session)->user, lm_str("alice"));
	assert_bytes(lm_session_info(p.session)->mechanism, lm_str("PLAIN"));
	peer_done(&p);
}

/* Nobody decides: no relay, no login, no mail taken. */
static void defaults(void **state)
{
	struct peer p;

	(void)state;
	peer_init(&p, LM_SMTP);
	p.params.decides = 0;
	p.params.mechanisms = "PLAIN";
	peer_open(&p);
	peer_say(&p, "HELO c\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\nVRFY a\r\nEXPN l\r\n"
	             "MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\n");
	assert_heard(&p, "250 mx\r\n535 5.7.8 Authentication failed\r\n"
	                 "252 2.1.5 Not verified; send some mail and see\r\n"
	                 "502 5.5.1 Lists are not expanded\r\n"
	                 "250 2.1.0 Sender OK\r\n550 5.7.1 Relaying denied\r\n");
	peer_done(&p);
	peer_init(&p, LM_SMTP);
	p.params.decides = LM_EVENT_BIT(LM_EVENT_RCPT);
	peer_open(&p);
	peer_say(&p, "HELO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n");
	peer_say(&p, "x\r\n.\r\n");
	assert_heard(&p, "451 4.3.5 Nobody keeps messages here\r\n");
	assert_true(peer_saw(&p, "ABORT"));
	peer_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_command_is_documented),
		cmocka_unit_test(each_reply_is_well_formed),
		cmocka_unit_test(each_decision_has_a_row),
		cmocka_unit_test(help),
		cmocka_unit_test(ehlo_tells_the_truth),
		cmocka_unit_test(hidden_and_unannounced),
		cmocka_unit_test(every_keyword_is_tested),
		cmocka_unit_test(auth_is_gone_once_logged_in),
		cmocka_unit_test(defaults),
	};

	return cmocka_run_group_tests_name("smtp/table", tests, NULL, NULL);
}
