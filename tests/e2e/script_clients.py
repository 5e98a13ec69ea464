"""The clients of the other files against scripted servers (scripts/), which do the same: what they
keep, whom they let in and what they answer is decided by JavaScript."""
import test_corpus
import test_crowds
import test_curl
import test_fetchers
import test_lines
import test_maildrop
import test_mpop_msmtp
import test_node
import test_python
import test_starttls
import test_swaks
import test_tools

from lib.script import adopt

# Left out: what the store handler does by itself and these handlers do not (repairs of submitted
# mail, the lock of a maildrop, names without regard to case, SIGHUP).
TESTS = {
    test_corpus: ("smoke", "nasty_lmtp", "big_and_deep", "binary_by_bdat", "sizes_are_exact"),
    test_crowds: ("two_hundred_users",),
    test_curl: ("corpus_both_ways", "list_uidl_top", "pop3_mechanisms", "smtp_mechanisms",
                "sasl_initial_response", "external", "oauth_refused_cleanly",
                "certificate_is_checked", "smtp_errors", "null_sender_and_many",
                "no_tls_where_none_is"),
    test_fetchers: ("fetchmail_ways", "fetchmail_corpus", "getmail_ways", "getmail_corpus"),
    test_lines: ("over_long_commands", "one_octet_at_a_time", "all_in_one_write",
                 "data_without_recipients", "odd_octets", "ten_bad_commands"),
    test_maildrop: ("odd_numbers", "top_counts", "dele_then_loss", "empty_maildrop"),
    test_mpop_msmtp: ("corpus_to_mpop", "pipelining_deletes", "mpop_mechanisms",
                      "msmtp_mechanisms", "lmtp_by_msmtp", "serverinfo"),
    test_node: ("pool_of_five", "corpus_raw", "mechanisms_and_refusals", "lmtp", "utf8_and_big",
                "node_pop3", "scram_with_channel_binding"),
    test_python: ("corpus_smtplib_to_poplib", "poplib_walk", "poplib_apop",
                  "poplib_wrong_password", "poplib_tls", "smtplib_login", "smtplib_tls",
                  "smtplib_commands", "lmtp_per_recipient", "ten_megabytes"),
    test_starttls: ("injection_smtp", "injection_pop3", "state_is_forgotten",
                    "order_and_arguments", "require_tls_everywhere"),
    test_swaks: ("corpus", "ways_in", "auth", "cram_md5_is_off", "one_of_two_recipients",
                 "proxy_and_xclient"),
    test_tools: ("s_client_everywhere", "auth_plain_by_hand", "sessions_resume", "alpn_and_sni",
                 "gsasl_mechanisms", "smtp_source_load", "smtp_source_unix_lmtp"),
}

for module, names in TESTS.items():
    for name in names:
        adopt(module.__name__, getattr(module, name), __name__)

# Octet for octet in each form a message can have in a handler.
for form in ("string", "bytes", "stream"):
    for name in ("corpus_raw", "nasty_raw", "big_and_deep"):
        adopt("test_corpus", getattr(test_corpus, name), __name__, form=form)
    adopt("test_python", test_python.ten_megabytes, __name__, form=form)
