/** @file
 * The embedded scripts: `lm_js_NAME` is js/NAME.js (tools/embed). Threads: any, they are constant.
 */
#ifndef LM_SCRIPT_JS_SOURCES_H
#define LM_SCRIPT_JS_SOURCES_H

#include "script/engine/engine.h"

extern const struct lm_js_source lm_js_abort;
extern const struct lm_js_source lm_js_bridge;
extern const struct lm_js_source lm_js_clone;
extern const struct lm_js_source lm_js_console;
extern const struct lm_js_source lm_js_core;
extern const struct lm_js_source lm_js_internal;
extern const struct lm_js_source lm_js_node;
extern const struct lm_js_source lm_js_require;
extern const struct lm_js_source lm_js_text;
extern const struct lm_js_source lm_js_timers;
extern const struct lm_js_source lm_js_url;
extern const struct lm_js_source lm_js_url_parse;

extern const struct lm_js_source lm_js_crypto, lm_js_fetch, lm_js_fetch_body, lm_js_store;

extern const struct lm_js_source lm_js_encoding, lm_js_files, lm_js_memory, lm_js_stream,
        lm_js_values;

extern const struct lm_js_source lm_js_session;
extern const struct lm_js_source lm_js_session_reply;

/** What require finds without a file, up to a NULL name: library/node/events.js as
 * "lettermill:node/events.js", and bindings/js likewise (tools/embed_library). */
extern const struct lm_js_source lm_js_library[];

extern const struct lm_js_source lm_js_mail, lm_js_mail_body, lm_js_mail_fields;

#endif
