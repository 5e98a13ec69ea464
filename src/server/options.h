/** @file
 * The one option table (options.def) and a server's options as values, filled by name and text.
 *
 * Threads: an object belongs to one thread at a time; the table never changes.
 */
#ifndef LM_SERVER_OPTIONS_H
#define LM_SERVER_OPTIONS_H

#include "net/listener.h"
#include "net/tls.h"
#include "server/network.h"

/** The longest value, in octets: no path is longer, and the buffers on the stack know it. */
#define LM_OPTION_MAX_VALUE 4000
/** The longest PEM text, in octets: all the authorities a system trusts fit four times. */
#define LM_OPTION_MAX_PEM (1024 * 1024)

enum lm_option_kind {
	LM_OPTION_STRING,
	LM_OPTION_LIST,
	LM_OPTION_NETS,
	LM_OPTION_PAIRS,
	LM_OPTION_WORDS,
	LM_OPTION_ADDRESS,
	LM_OPTION_NUMBER,
	LM_OPTION_DURATION,
	LM_OPTION_SIZE,
	LM_OPTION_FLAG,
	LM_OPTION_CHOICE,
};

enum lm_option_flag {
	LM_OPTION_RELOAD = 1 << 0, /**< may change while running (lm_server_reload) */
	LM_OPTION_SECRET = 1 << 1, /**< never shown, wiped when freed */
	LM_OPTION_CLI = 1 << 2,    /**< the executable's own: command line only, no field */
	LM_OPTION_LINES = 1 << 3,  /**< line breaks may stand in it */
	LM_OPTION_WORD = 1 << 4,   /**< given as two words, NAME VALUE, without dashes */
	LM_OPTION_PEM = 1 << 5,    /**< a file, or the PEM itself (lm_tls_is_pem), which is never
	                              shown and wiped when freed */
};

/** One row of the table. */
struct lm_option {
	const char *name;        /**< without dashes */
	const char *placeholder; /**< of its argument; the words of a choice, with "|" between */
	const char *fallback;    /**< default as text; "" for none */
	const char *help;        /**< sentences, without line ends */
	const char *section;
	const char *unit; /**< of a number */
	enum lm_option_kind kind;
	unsigned flags;      /**< enum lm_option_flag */
	int64_t min, max;    /**< number; duration in ms; size in octets */
	size_t offset;       /**< of its field in struct lm_server_options */
	const char *actions; /**< of a command with actions: those it is for, a space between; NULL:
	                        all */
	char letter;         /**< short form, as 'v' for -v; 0: none */
};

/** Strings of a repeatable option. */
struct lm_option_list {
	char **items;
	size_t count;
};

/** Networks of a repeatable option: lm_network_contains(o.proxy_from.items, o.proxy_from.count, …).
 */
struct lm_option_nets {
	struct lm_network *items;
	size_t count;
};

/** Certificates by name; the strings are owned. */
struct lm_option_pairs {
	struct lm_tls_pair *items;
	size_t count;
};

struct lm_option_address {
	bool on; /**< false: "off" */
	struct lm_address at;
};

enum lm_apop_choice { LM_APOP_AUTO, LM_APOP_YES, LM_APOP_NO };
enum lm_login_choice { LM_LOGIN_FOR_SUBMISSION, LM_LOGIN_ALWAYS, LM_LOGIN_NEVER };

/** A word of the placeholder's list and its number there, from 0. For `bare_newlines` the number is
 * an enum lm_bare_policy, for `tls_min` and `tls_max` an enum lm_tls_version minus LM_TLS_1_0, for
 * `log_level` an enum lm_log_level, for `apop` and `require_login` those above. */
struct lm_option_choice {
	int index;
	char word[12];
};

#define LM_FIELD_STRING   char * /* NULL: not given */
#define LM_FIELD_LIST     struct lm_option_list
#define LM_FIELD_NETS     struct lm_option_nets
#define LM_FIELD_PAIRS    struct lm_option_pairs
#define LM_FIELD_WORDS    char * /* one space between words; "" for "none" */
#define LM_FIELD_ADDRESS  struct lm_option_address
#define LM_FIELD_NUMBER   int64_t
#define LM_FIELD_DURATION lm_time_ms
#define LM_FIELD_SIZE     uint64_t
#define LM_FIELD_FLAG     bool
#define LM_FIELD_CHOICE   struct lm_option_choice

/** A member for every row of options.def: `options.smtp.on`, `options.idle_timeout`, … */
struct lm_server_options {
#define O(KIND, field, ...) LM_FIELD_##KIND field;
#define C(...)
#include "server/options.def"
#undef O
#undef C
};

/** The table. */
const struct lm_option *lm_option_table(size_t *out_count);
/** The row of a name, or NULL. */
const struct lm_option *lm_option_find(const char *name);
/** The name among `options` nearest to a misspelt one; NULL when none is near. Their names have at
 * most 40 octets. */
const char *lm_option_nearest(const struct lm_option *options, size_t count, const char *name);

/** Every option at its default. Free with done, also on error. Errors: LM_E_NOMEM. */
LM_MUST int lm_server_options_init(struct lm_server_options *options);
/** Free what is held; zeroed memory is fine. */
void lm_server_options_done(struct lm_server_options *options);
/** A copy that owns all it holds; *out_copy is overwritten. Errors: LM_E_NOMEM (nothing to free).
 */
LM_MUST int lm_server_options_copy(const struct lm_server_options *options,
                                   struct lm_server_options *out_copy);

/**
 * Set an option. Repeatable ones add; `value` NULL puts it back to its default (so a reload can
 * begin from nothing); a flag with value "" is yes. On error nothing changes. Errors: LM_E_CONFIG
 * (unknown name: the text names the nearest one; value of a wrong form or out of range; an option
 * of the executable), LM_E_NOMEM.
 */
LM_MUST int lm_server_options_set(struct lm_server_options *options, const char *name,
                                  const char *value, struct lm_error *out_error);

/** The value with number `index` (0 but for repeatable ones) as text that set understands: 1 and
 * `out`, cut at `cap`; 0 when there is none. Secrets and PEM are shown as they are:
 * lm_server_options_is_hidden. */
int lm_server_options_text(const struct lm_server_options *options, const struct lm_option *option,
                           size_t index, char *out, size_t cap);

/** Whether a value (as lm_server_options_text gives it) must not be shown to anybody. */
bool lm_server_options_is_hidden(const struct lm_option *option, const char *text);

/** Where data goes when nothing says where: what the environment (HOME, XDG_DATA_HOME) has. Errors:
 * LM_E_CONFIG. */
LM_MUST int lm_default_data_dir(char out[LM_OPTION_MAX_VALUE + 1], struct lm_error *out_error);

/**
 * Fill in what follows from other options and from the machine, where not given: data_dir
 * (lm_default_data_dir), store, hostname, cert and key; and check what only shows when all is known
 * (tls-min above tls-max; lm_server_options_check).
 * Afterwards `store` and `hostname` are never NULL, nor, where there is a store or a data_dir was
 * given, `data_dir`, `cert` and `key`. Changes nothing on disk. Errors: LM_E_CONFIG, LM_E_NOMEM.
 * `*out_own_cert` (may be NULL): the server makes its certificate itself: the files in the data
 * directory when they are not there (lm_tls_make_self_signed); without a data directory (`cert` is
 * NULL) in memory.
 */
LM_MUST int lm_server_options_complete(struct lm_server_options *options, bool *out_own_cert,
                                       struct lm_error *out_error);

/** Check names that reach the wire and values that make no sense together: hostname, domain, auth,
 * no listener at all. `options` is completed. Errors: LM_E_CONFIG. */
LM_MUST int lm_server_options_check(const struct lm_server_options *options,
                                    struct lm_error *out_error);
/** Whether `name` may stand in greetings and headers: letters, digits, hyphens, dots, and what
 * address literals need. */
LM_MUST bool lm_is_hostname(const char *name);

/** Make a directory with those above it, for this user only (0700); one that exists is fine.
 * Errors: LM_E_IO, LM_E_DENIED, LM_E_FULL. */
LM_MUST int lm_make_directory(const char *path, struct lm_error *out_error);

/** Whether the server does without a store ("none"). */
bool lm_server_options_storeless(const struct lm_server_options *options);

/** The name of an option that differs and may not change while running; NULL when there is none. */
const char *lm_server_options_fixed_change(const struct lm_server_options *running,
                                           const struct lm_server_options *wanted);

#endif
