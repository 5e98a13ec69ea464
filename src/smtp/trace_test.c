/* Trace headers: every protocol name, and nothing that a peer could smuggle into them. */
#include "lm_test.h"

#include "smtp/trace.h"

static struct lm_session_info session(enum lm_protocol protocol, const char *helo)
{
	struct lm_session_info info = { .protocol = protocol, .esmtp = true };

	snprintf(info.peer_address, sizeof(info.peer_address), "192.0.2.1");
	info.helo = lm_str(helo);
	return info;
}

static void headers_are(const struct lm_session_info *info, const struct lm_envelope *envelope,
                        const char *want)
{
	struct lm_buf out;

	lm_buf_init(&out, 4096);
	assert_err(lm_smtp_trace(&out, info, envelope, "mx.example.org", 0x2a, 1795228394), 0);
	assert_bytes(lm_buf_bytes(&out), lm_str(want));
	lm_buf_done(&out);
}

static void one_recipient(void **state)
{
	struct lm_session_info info = session(LM_SMTP, "client.example");
	struct lm_recipient to = { .address = lm_str("b@example.org") };
	struct lm_envelope e = { .sender = lm_str("a@example.org"),
		                 .recipients = &to,
		                 .recipient_count = 1 };

	(void)state;
	headers_are(&info, &e,
	            "Return-Path: <a@example.org>\r\n"
	            "Received: from client.example ([192.0.2.1])\r\n"
	            "\tby mx.example.org with ESMTP id 2a\r\n"
	            "\tfor <b@example.org>;\r\n"
	            "\tSat, 21 Nov 2026 02:33:14 +0000\r\n");
}

static void two_recipients_stay_secret(void **state)
{
	struct lm_session_info info = session(LM_SUBMISSION, "c");
	struct lm_recipient to[2] = { { .address = lm_str("b@x") }, { .address = lm_str("c@x") } };
	struct lm_envelope e = { .recipients = to, .recipient_count = 2 };

	(void)state;
	info.tls = (struct lm_tls_info){ .active = true,
		                         .version = "TLSv1.3",
		                         .cipher = "TLS_AES_256_GCM_SHA384",
		                         .bits = 256 };
	info.user = lm_str("anna");
	snprintf(info.peer_address, sizeof(info.peer_address), "2001:db8::1");
	headers_are(&info, &e,
	            "Return-Path: <>\r\n"
	            "Received: from c ([IPv6:2001:db8::1])\r\n"
	            "\tby mx.example.org with ESMTPSA id 2a\r\n"
	            "\t(TLSv1.3 TLS_AES_256_GCM_SHA384 256 bits);\r\n"
	            "\tSat, 21 Nov 2026 02:33:14 +0000\r\n");
}

static void nothing_can_be_injected(void **state)
{
	struct lm_session_info info = session(LM_SMTP, "a (b)\r\nX: y;");
	struct lm_recipient to = { .address = lm_str("b\r\n\x01@x") };
	struct lm_envelope e = { .sender = lm_str("a\r\nEvil: 1"),
		                 .recipients = &to,
		                 .recipient_count = 1 };

	(void)state;
	snprintf(info.peer_address, sizeof(info.peer_address), "unix");
	headers_are(&info, &e,
	            "Return-Path: <a??Evil: 1>\r\n"
	            "Received: from a??b???X:?y? (local)\r\n"
	            "\tby mx.example.org with ESMTP id 2a\r\n"
	            "\tfor <b???@x>;\r\n"
	            "\tSat, 21 Nov 2026 02:33:14 +0000\r\n");
}

static void with(enum lm_protocol protocol, bool esmtp, bool tls, bool user, bool utf8,
                 const char *want)
{
	struct lm_session_info info = session(protocol, "c");
	char got[16];

	info.esmtp = esmtp;
	info.tls.active = tls;
	info.user = lm_str(user ? "anna" : "");
	assert_string_equal(lm_smtp_with(&info, utf8, got), want);
}

static void protocol_names(void **state)
{
	(void)state;
	with(LM_SMTP, false, false, false, false, "SMTP");
	with(LM_SMTP, false, true, false, false, "SMTP");
	with(LM_SMTP, true, false, false, false, "ESMTP");
	with(LM_SMTP, true, true, false, false, "ESMTPS");
	with(LM_SUBMISSION, true, false, true, false, "ESMTPA");
	with(LM_SUBMISSION, true, true, true, false, "ESMTPSA");
	with(LM_LMTP, true, false, false, false, "LMTP");
	with(LM_LMTP, true, true, false, false, "LMTPS");
	with(LM_LMTP, true, true, true, false, "LMTPSA");
	with(LM_SMTP, true, false, false, true, "UTF8SMTP");
	with(LM_SUBMISSION, true, true, true, true, "UTF8SMTPSA");
	with(LM_LMTP, true, true, true, true, "UTF8LMTPSA");
}

static void every_allocation_may_fail(void **state)
{
	struct lm_session_info info = session(LM_SMTP, "client.example");
	struct lm_envelope e = { .sender = lm_str("a@example.org") };
	struct lm_buf out;
	int err;

	(void)state;
	for (unsigned long n = 1;; n++) {
		lm_buf_init(&out, 4096);
		lm_alloc_fail_at(n);
		err = lm_smtp_trace(&out, &info, &e, "mx", 1, 0);
		lm_alloc_fail_at(0);
		lm_buf_done(&out);
		if (!err)
			break;
		assert_err(err, LM_E_NOMEM);
	}
	lm_buf_init(&out, 30);
	assert_err(lm_smtp_trace(&out, &info, &e, "mx", 1, 0), LM_E_LIMIT);
	lm_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_recipient),
		cmocka_unit_test(two_recipients_stay_secret),
		cmocka_unit_test(nothing_can_be_injected),
		cmocka_unit_test(protocol_names),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("smtp/trace", tests, NULL, NULL);
}
