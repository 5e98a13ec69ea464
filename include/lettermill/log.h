/** @file
 * The log hook: events with a stable id and fields; text and JSON are renderings of them.
 */
#ifndef LETTERMILL_LOG_H
#define LETTERMILL_LOG_H

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum lm_log_level { LM_LOG_ERROR, LM_LOG_WARN, LM_LOG_INFO, LM_LOG_DEBUG };

/** One field: text, or a number when `text.data` is NULL. Values are as they came: renderers must
 * escape. */
struct lm_log_field {
	const char *name;
	struct lm_bytes text;
	int64_t number;
};

struct lm_log_event {
	enum lm_log_level level;
	const char *id; /**< stable, for machines: "session.open", "auth.fail", "message.stored" */
	const struct lm_log_field *fields;
	size_t count;
};

struct lm_log {
	/** Called for events up to `level`. Threads: may come from any thread at any time. */
	void (*write)(void *ctx, const struct lm_log_event *event);
	void *ctx;
	enum lm_log_level level;
};

/** No octets at all are empty text, not a number. */
static inline struct lm_log_field lm_log_text(const char *name, struct lm_bytes text)
{
	struct lm_log_field field = { name, text.data ? text : lm_bytes("", 0), 0 };

	return field;
}

#define LM_LOG_TEXT(name, bytes) lm_log_text((name), (bytes))
#define LM_LOG_NUMBER(name, n)   ((struct lm_log_field){ (name), { NULL, 0 }, (int64_t)(n) })

/** Send an event to a hook; NULL and levels above the hook's cost nothing. Threads: any. */
LM_API void lm_log_write(const struct lm_log *log, enum lm_log_level level, const char *id,
                         const struct lm_log_field *fields, size_t count);

/** lm_log(log, LM_LOG_INFO, "id", LM_LOG_NUMBER("n", 1), …) */
#define lm_log(log, level, id, ...)                                                \
	lm_log_write(log, level, id, (const struct lm_log_field[]){ __VA_ARGS__ }, \
	             sizeof((const struct lm_log_field[]){ __VA_ARGS__ }) /        \
	                     sizeof(struct lm_log_field))

/**
 * Render an event as one line without its line end, "text" (`level id name=value …`) or JSON.
 * Control characters and octets that are not UTF-8 are escaped and long values cut, so that one
 * event stays one line. Returns the length; the result ends in NUL and is cut at `cap`. Threads:
 * any.
 */
LM_API size_t lm_log_render_text(const struct lm_log_event *event, char *out, size_t cap);
LM_API size_t lm_log_render_json(const struct lm_log_event *event, char *out, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
