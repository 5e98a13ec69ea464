/* Languages a server was given, and handlers that have the words and know the names, over loopback.
 */
#include "base/mem.h"
#include "server/languages.h"
#include "server/serve_rig.h"

#include "lm_test.h"

#include <stdio.h>
#include <unistd.h>

static const struct lm_pop3_text texts[] = { { "success.greeting", "bonjour" },
	                                     { "success.quit", NULL },
	                                     { "failure.no_such_message", NULL } };
static const struct lm_pop3_language french = { "fr", "Francais", texts, 3 };

/* ---- the list ---- */

static void what_is_kept_is_a_copy(void **state)
{
	char tag[] = "de", name[] = "Deutsch", key[] = "success.quit", text[] = "auf Wiedersehen";
	struct lm_pop3_text one = { key, text };
	struct lm_languages all = { 0 };

	(void)state;
	assert_err(lm_languages_add(&all, &(struct lm_pop3_language){ tag, name, &one, 1 }, NULL),
	           0);
	assert_err(lm_languages_add(&all, &french, NULL), 0);
	memset(tag, 'x', 2);
	memset(name, 'x', 7);
	memset(key, 'x', 12);
	memset(text, 'x', 15);
	assert_int_equal(all.count, 2);
	assert_string_equal(all.items[0].tag, "de");
	assert_string_equal(all.items[0].name, "Deutsch");
	assert_string_equal(all.items[0].texts[0].key, "success.quit");
	assert_string_equal(all.items[0].texts[0].text, "auf Wiedersehen");
	assert_null(all.items[1].texts[1].text);
	assert_err(lm_languages_add(&all, &(struct lm_pop3_language){ "de", "D", NULL, 0 }, NULL),
	           0);
	assert_int_equal(all.count, 2);
	assert_string_equal(all.items[0].name, "D");
	lm_languages_done(&all);
}

static void a_wrong_one_changes_nothing(void **state)
{
	const struct lm_pop3_text wrong = { "success.quit", "{nobody}" };
	struct lm_languages all = { 0 };
	struct lm_error why = { 0 };

	(void)state;
	assert_err(lm_languages_add(&all, &french, NULL), 0);
	assert_err(lm_languages_add(&all, &(struct lm_pop3_language){ "fr", "F", &wrong, 1 }, &why),
	           LM_E_CONFIG);
	assert_non_null(strstr(why.text, "success.quit"));
	assert_non_null(strstr(why.text, "{nobody}"));
	assert_int_equal(all.count, 1);
	assert_string_equal(all.items[0].name, "Francais");
	lm_languages_done(&all);
}

static void every_allocation_may_fail(void **state)
{
	struct lm_languages all = { 0 };
	unsigned long n = 0;
	int err;

	(void)state;
	do {
		lm_alloc_fail_at(++n);
		err = lm_languages_add(&all, &french, NULL);
		lm_alloc_fail_at(0);
		assert_true(err == 0 || err == LM_E_NOMEM);
		assert_int_equal(all.count, err == 0);
	} while (err);
	assert_in_range(n, 5, 50);
	lm_languages_done(&all);
}

static void a_tag_is_known_or_the_known_ones_are_named(void **state)
{
	struct lm_languages all = { 0 };
	struct lm_error why = { 0 };

	(void)state;
	assert_err(lm_languages_check(&all, "NL", NULL), 0);
	assert_err(lm_languages_check(&all, "fr", &why), LM_E_CONFIG);
	assert_string_equal(why.text, "language: \"fr\" is not en|nl");
	assert_err(lm_languages_add(&all, &french, NULL), 0);
	assert_err(lm_languages_check(&all, "fr", NULL), 0);
	assert_err(lm_languages_check(&all, "en|nl", &why), LM_E_CONFIG);
	assert_string_equal(why.text, "language: \"en|nl\" is not en|nl|fr");
	lm_languages_done(&all);
}

/* ---- a server ---- */

static enum lm_verdict say(void *ctx, void **slot, const struct lm_event *event,
                           struct lm_reply *out_reply, struct lm_ticket ticket)
{
	static const char bye[] = "au revoir";

	(void)ctx;
	(void)slot;
	(void)ticket;
	if (strcmp(event->say->key, "success.quit") != 0)
		return LM_PROCEED;
	out_reply->text = lm_str(bye);
	return LM_ANSWERED;
}

static enum lm_verdict user(void *ctx, void **slot, const struct lm_event *event,
                            struct lm_reply *out_reply, struct lm_ticket ticket)
{
	(void)ctx;
	(void)slot;
	(void)ticket;
	if (lm_bytes_equal(event->argument, lm_str("slow")))
		return LM_PENDING;
	out_reply->result = lm_bytes_equal(event->argument, lm_str("anna")) ? 0 : LM_E_NOT_FOUND;
	return LM_ANSWERED;
}

static const struct lm_callbacks callbacks = { .size = sizeof(callbacks),
	                                       .on_user = user,
	                                       .on_say = say };

static void sessions_speak_it_and_a_reload_keeps_it(void **state)
{
	struct lm_error why = { 0 };
	struct lm_rig rig;
	int fd;

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "language", "fr", NULL });
	assert_err(lm_server_start(rig.server, &why), LM_E_CONFIG);
	assert_string_equal(why.text, "language: \"fr\" is not en|nl");
	assert_err(lm_server_language(rig.server, NULL, NULL), LM_E_MISUSE);
	assert_err(lm_server_language(rig.server, &french, NULL), 0);
	assert_err(lm_server_callbacks(rig.server, &callbacks), 0);
	lm_rig_start(&rig);
	assert_err(lm_server_language(rig.server, &french, NULL), LM_E_MISUSE);
	for (int reloaded = 0; reloaded < 2; reloaded++) {
		fd = lm_rig_connect(&rig, "pop3");
		lm_rig_expect(fd, "+OK bonjour <");
		lm_rig_chat(fd, "USER anna\r\n", "+OK user 'anna' accepted");
		lm_rig_chat(fd, "PASS secret\r\n", "+OK pass accepted");
		lm_rig_chat(fd, "RETR 9\r\n", "-ERR no such message, only 0");
		lm_rig_chat(fd, "QUIT\r\n", "+OK au revoir\r\n");
		close(fd);
		assert_err(lm_server_reload(rig.server, NULL), 0);
	}
	assert_err(lm_server_set(rig.server, "language", "de", NULL), 0);
	assert_err(lm_server_reload(rig.server, &why), LM_E_CONFIG);
	assert_string_equal(why.text, "language: \"de\" is not en|nl|fr");
	lm_rig_free(&rig);
}

static void names_are_decided_in_their_order(void **state)
{
	struct lm_rig rig;
	int fd;

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "handler-timeout", "100ms", NULL });
	assert_err(lm_server_callbacks(rig.server, &callbacks), 0);
	lm_rig_start(&rig);
	fd = lm_rig_connect(&rig, "pop3");
	lm_rig_expect(fd, "+OK ");
	lm_rig_say(fd, "USER slow\r\nPASS secret\r\nUSER bert\r\nUSER anna\r\nPASS secret\r\n");
	lm_rig_expect(fd, "-ERR [SYS/TEMP] not possible now");
	lm_rig_expect(fd, "-ERR command USER must be executed before PASS");
	lm_rig_expect(fd, "-ERR user rejected");
	lm_rig_expect(fd, "+OK user 'anna' accepted");
	lm_rig_expect(fd, "+OK pass accepted");
	close(fd);
	lm_rig_free(&rig);
}

static void what_is_hidden_and_what_it_is_called(void **state)
{
	struct lm_rig rig;
	char *said;
	int fd;

	(void)state;
	lm_rig_new(&rig, (const char *const[]){ "hide", "STLS,VRFY", "implementation", "Mailbox 7",
	                                        NULL });
	lm_rig_start(&rig);
	for (int shown = 0; shown < 2; shown++) {
		fd = lm_rig_connect(&rig, "pop3");
		lm_rig_expect(fd, "+OK ");
		lm_rig_say(fd, "CAPA\r\n");
		said = lm_rig_read(fd, "\r\n.\r\n");
		assert_int_equal(strstr(said, "STLS") != NULL, shown);
		assert_int_equal(strstr(said, "IMPLEMENTATION Mailbox 7\r\n") != NULL, !shown);
		free(said);
		lm_rig_chat(fd, "STLS\r\n", shown ? "+OK" : "-ERR invalid command.");
		close(fd);
		assert_err(lm_server_set(rig.server, "hide", NULL, NULL), 0);
		assert_err(lm_server_set(rig.server, "implementation", NULL, NULL), 0);
		assert_err(lm_server_reload(rig.server, NULL), 0);
	}
	lm_rig_free(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_kept_is_a_copy),
		cmocka_unit_test(a_wrong_one_changes_nothing),
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(a_tag_is_known_or_the_known_ones_are_named),
		cmocka_unit_test(sessions_speak_it_and_a_reload_keeps_it),
		cmocka_unit_test(names_are_decided_in_their_order),
		cmocka_unit_test(what_is_hidden_and_what_it_is_called),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
