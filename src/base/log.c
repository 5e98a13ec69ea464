/* The log hook and its two renderings. */
#include <lettermill/log.h>

#include "base/mem.h"

#include <stdio.h>

enum { VALUE_MAX = 256 };

struct line {
	char *out;
	size_t len, cap;
};

static void put(struct line *l, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++, l->len++)
		if (l->len + 1 < l->cap)
			l->out[l->len] = text[i];
}

static void put_str(struct line *l, const char *text)
{
	put(l, text, strlen(text));
}

static void put_number(struct line *l, int64_t n)
{
	char digits[24];

	put(l, digits, (size_t)snprintf(digits, sizeof(digits), "%lld", (long long)n));
}

/* Length of a whole, shortest-form UTF-8 sequence at p, or 0. */
static size_t utf8_at(const uint8_t *p, size_t left)
{
	size_t n = p[0] < 0x80                    ? 1
	           : p[0] >= 0xC2 && p[0] <= 0xDF ? 2
	           : p[0] >= 0xE0 && p[0] <= 0xEF ? 3
	           : p[0] >= 0xF0 && p[0] <= 0xF4 ? 4
	                                          : 0;

	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
	    (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F) ||
	    (n == 2 && p[0] == 0xC2 && p[1] < 0xA0))
		return 0;
	return n;
}

/* Line separators and what turns the direction of text: one event could look like another. */
static bool misleads(const uint8_t *p, size_t n)
{
	if (n != 3 || p[0] != 0xE2)
		return false;
	return (p[1] == 0x80 && p[2] >= 0xA8 && p[2] <= 0xAE) ||
	       (p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9);
}

static void put_escaped(struct line *l, struct lm_bytes v)
{
	size_t len = v.len > VALUE_MAX ? VALUE_MAX : v.len, n;

	for (size_t i = 0; i < len; i += n ? n : 1) {
		char hex[8];

		n = utf8_at(v.data + i, len - i);
		if (n > 1 && misleads(v.data + i, n))
			n = 0;
		if (n > 1 || (n == 1 && v.data[i] >= 0x20 && v.data[i] < 0x7F && v.data[i] != '"' &&
		              v.data[i] != '\\')) {
			put(l, (const char *)v.data + i, n);
			continue;
		}
		snprintf(hex, sizeof(hex), "\\u%04x", v.data[i]);
		put_str(l, hex);
	}
	if (len < v.len)
		put_str(l, "...");
}

static bool is_plain(struct lm_bytes v)
{
	if (v.len == 0 || v.len > VALUE_MAX)
		return false;
	for (size_t i = 0; i < v.len; i++)
		if (v.data[i] <= 0x20 || v.data[i] >= 0x7F || v.data[i] == '"' ||
		    v.data[i] == '\\' || v.data[i] == '=')
			return false;
	return true;
}

static size_t finish(struct line *l)
{
	if (l->len >= l->cap)
		l->len = l->cap ? l->cap - 1 : 0;
	if (l->cap)
		l->out[l->len] = '\0';
	return l->len;
}

static const char *const level_names[] = { "error", "warn", "info", "debug" };

size_t lm_log_render_text(const struct lm_log_event *event, char *out, size_t cap)
{
	struct line l = { out, 0, cap };

	put_str(&l, level_names[event->level]);
	put_str(&l, " ");
	put_str(&l, event->id);
	for (size_t i = 0; i < event->count; i++) {
		const struct lm_log_field *f = &event->fields[i];

		put_str(&l, " ");
		put_str(&l, f->name);
		put_str(&l, "=");
		if (!f->text.data) {
			put_number(&l, f->number);
		} else if (is_plain(f->text)) {
			put(&l, (const char *)f->text.data, f->text.len);
		} else {
			put_str(&l, "\"");
			put_escaped(&l, f->text);
			put_str(&l, "\"");
		}
	}
	return finish(&l);
}

size_t lm_log_render_json(const struct lm_log_event *event, char *out, size_t cap)
{
	struct line l = { out, 0, cap > 2 ? cap - 1 : cap };

	put_str(&l, "{\"level\":\"");
	put_str(&l, level_names[event->level]);
	put_str(&l, "\",\"event\":\"");
	put_str(&l, event->id);
	put_str(&l, "\"");
	for (size_t i = 0; i < event->count; i++) {
		const struct lm_log_field *f = &event->fields[i];

		put_str(&l, ",\"");
		put_str(&l, f->name);
		put_str(&l, "\":");
		if (!f->text.data) {
			put_number(&l, f->number);
			continue;
		}
		put_str(&l, "\"");
		put_escaped(&l, f->text);
		put_str(&l, "\"");
	}
	put_str(&l, "}");
	return finish(&l);
}

void lm_log_write(const struct lm_log *log, enum lm_log_level level, const char *id,
                  const struct lm_log_field *fields, size_t count)
{
	struct lm_log_event event = { level, id, fields, count };

	if (log && log->write && level <= log->level)
		log->write(log->ctx, &event);
}
