/* The tables are whole: every command and every language. */
#include "pop3/drive.h"

#include "lm_test.h"

#include "wire/text.h"

static void every_command_is_described(void **state)
{
	(void)state;
	for (size_t i = 0; i < lm_pop3_command_count; i++) {
		const struct lm_pop3_command *c = &lm_pop3_commands[i];
		unsigned known = LM_POP3_AUTHORIZATION | LM_POP3_TRANSACTION;

		assert_non_null(c->check);
		assert_non_null(c->apply);
		assert_true(c->states && !(c->states & ~known));
		assert_true(c->min <= c->max && c->max <= 2);
		assert_true(strlen(c->doc) > 5 && c->doc[strlen(c->doc) - 1] == '.');
		assert_true(strlen(c->rfc) >= 6 && strchr(c->rfc, ' '));
		for (const char *p = c->verb; *p; p++)
			assert_int_equal(lm_upper((uint8_t)*p), *p);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(c->verb, lm_pop3_commands[k].verb);
	}
}

static const struct lm_pop3_command *row(const char *verb)
{
	for (size_t i = 0; i < lm_pop3_command_count; i++)
		if (strcmp(lm_pop3_commands[i].verb, verb) == 0)
			return &lm_pop3_commands[i];
	fail_msg("no row for %s", verb);
	return NULL;
}

static void flags_are_where_they_belong(void **state)
{
	(void)state;
	assert_true(row("PASS")->flags & LM_POP3_SECRET);
	assert_true(row("AUTH")->flags & LM_POP3_SECRET);
	assert_false(row("USER")->flags & LM_POP3_SECRET);
	assert_true(row("AUTH")->flags & LM_POP3_LAST);
	assert_true(row("STLS")->flags & LM_POP3_LAST);
	assert_true(row("QUIT")->flags & LM_POP3_LAST);
	assert_false(row("NOOP")->flags & LM_POP3_LAST);
}

/* A session that may say anything, in the state asked for. */
static void open_in(struct drive *d, enum lm_pop3_state in)
{
	drive_init(d);
	d->params.tls = true;
	d->params.mechanisms = "PLAIN";
	d->params.max_errors = 1000;
	assert_err(drive_open(d), 0);
	drive_say(d, "");
	if (in == LM_POP3_TRANSACTION)
		drive_login(d);
}

/* One line of -ERR, in the language's words, and the session goes on. */
static void expect_refused(struct drive *d, const char *line)
{
	struct lm_bytes said;

	drive_say(d, line);
	said = lm_buf_bytes(&d->said);
	assert_true(lm_starts_nocase(said, "-ERR "));
	assert_true(said.data && said.len > 10);
	for (size_t i = 0; said.data && i < said.len; i++)
		assert_int_equal(said.data[i] == '\n', i == said.len - 1);
	assert_true(lm_session_wants(d->session) & LM_WANT_INPUT);
}

static void every_command_refuses_wrong_states_and_counts(void **state)
{
	static const enum lm_pop3_state states[] = { LM_POP3_AUTHORIZATION, LM_POP3_TRANSACTION };

	(void)state;
	for (size_t i = 0; i < lm_pop3_command_count * 2; i++) {
		const struct lm_pop3_command *c = &lm_pop3_commands[i / 2];
		char line[64];
		struct drive d;

		open_in(&d, states[i % 2]);
		snprintf(line, sizeof(line), "%s 1 1 1\r\n", c->verb);
		if (!(c->flags & LM_POP3_REST) || !(c->states & states[i % 2]))
			expect_refused(&d, line);
		snprintf(line, sizeof(line), "%s\r\n", c->verb);
		if (c->min > 0 || !(c->states & states[i % 2]))
			expect_refused(&d, line);
		drive_done(&d);
	}
}

static bool is_place(struct lm_bytes name)
{
	static const char *const places[] = { "verb", "state", "min",   "max",    "n",
		                              "size", "uidl",  "count", "octets", "user",
		                              "text", "s",     "peer" };

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (lm_bytes_equal(name, lm_str(places[i])))
			return true;
	return false;
}

static void check_text(const char *key, const char *text)
{
	assert_true(strlen(text) < 200);
	assert_true(lm_is_utf8(lm_str(text)));
	for (const char *p = text; *p; p++) {
		const char *end = strchr(p, '}');

		assert_true((unsigned char)*p >= 0x20);
		if (*p != '{')
			continue;
		if (!end || !is_place(lm_bytes(p + 1, (size_t)(end - p) - 1))) {
			fail_msg("%s: unknown place in \"%s\"", key, text);
			return;
		}
		p = end;
	}
}

static void every_language_has_every_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < lm_pop3_lang_count; i++) {
		const struct lm_pop3_lang *lang = lm_pop3_langs[i];

		assert_true(strlen(lang->tag) >= 2 && strlen(lang->name) > 2);
		for (int say = LM_SAY_NOTHING + 1; say < LM_SAY_COUNT; say++) {
			const struct lm_pop3_say_row *r = lm_pop3_say_row((enum lm_pop3_say)say);
			const char *text;

			if (!r->fixed && !lang->texts[say])
				fail_msg("%s has no text for %s", lang->tag, r->key);
			if (r->fixed && lang->texts[say])
				fail_msg("%s has a text for the fixed %s", lang->tag, r->key);
			text = r->fixed ? r->fixed : lang->texts[say];
			if (text)
				check_text(r->key, text);
		}
	}
}

static void keys_say_what_they_are(void **state)
{
	(void)state;
	for (int say = LM_SAY_NOTHING + 1; say < LM_SAY_COUNT; say++) {
		const struct lm_pop3_say_row *r = lm_pop3_say_row((enum lm_pop3_say)say);
		bool good = r->kind == LM_POP3_OK;

		assert_true(lm_starts_nocase(lm_str(r->key), good ? "success." : "failure."));
		if (good)
			assert_int_equal(r->code, LM_POP3_NONE);
		for (int k = 1; k < say; k++)
			assert_string_not_equal(r->key, lm_pop3_say_row((enum lm_pop3_say)k)->key);
	}
}

static const char *found(const struct lm_pop3_server_params *params, const char *range)
{
	struct lm_pop3_voice voice;

	return lm_pop3_voice_find(params, lm_str(range), &voice) ? lm_pop3_voice_tag(&voice) : "-";
}

static void languages_are_found_by_range(void **state)
{
	struct lm_pop3_server_params params;

	(void)state;
	lm_pop3_server_params_init(&params);
	assert_string_equal(found(&params, "en"), "en");
	assert_string_equal(found(&params, "NL"), "nl");
	assert_string_equal(found(&params, "nl-BE-x-a"), "nl");
	assert_string_equal(found(&params, "n"), "-");
	assert_string_equal(found(&params, "nlx"), "-");
	assert_string_equal(found(&params, "-nl"), "-");
	assert_string_equal(found(&params, ""), "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_is_described),
		cmocka_unit_test(flags_are_where_they_belong),
		cmocka_unit_test(every_command_refuses_wrong_states_and_counts),
		cmocka_unit_test(every_language_has_every_key),
		cmocka_unit_test(keys_say_what_they_are),
		cmocka_unit_test(languages_are_found_by_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
