/* The log on standard error. */
#include "cli/log.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINE 8192

static size_t stamp(int64_t ms, char *out, size_t cap)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	size_t len;

	gmtime_r(&seconds, &tm);
	len = strftime(out, cap, "%Y-%m-%dT%H:%M:%S", &tm);
	return len + (size_t)snprintf(out + len, cap - len, ".%03dZ", (int)(ms % 1000));
}

size_t lm_cli_log_line(const struct lm_log_event *event, bool json, int64_t ms, char *out,
                       size_t cap)
{
	char time[40], line[MAX_LINE];
	size_t len;

	stamp(ms, time, sizeof(time));
	if (json) {
		lm_log_render_json(event, line, sizeof(line) - 64);
		/* The renderer's object begins with "{": the time becomes its first member. */
		len = (size_t)snprintf(out, cap, "{\"time\":\"%s\",%s\n", time, line + 1);
	} else {
		lm_log_render_text(event, line, sizeof(line) - 64);
		len = (size_t)snprintf(out, cap, "%s %s\n", time, line);
	}
	return len < cap ? len : cap - 1;
}

static void write_line(const struct lm_log_event *event, bool json)
{
	char line[MAX_LINE];
	struct timespec now;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	len = lm_cli_log_line(event, json, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000, line,
	                      sizeof(line));
	/* A log that cannot be written has nobody left to be told. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

static void write_text(void *ctx, const struct lm_log_event *event)
{
	(void)ctx;
	write_line(event, false);
}

static void write_json(void *ctx, const struct lm_log_event *event)
{
	(void)ctx;
	write_line(event, true);
}

void lm_cli_log_init(struct lm_log *out_log, bool json, enum lm_log_level level)
{
	*out_log = (struct lm_log){ json ? write_json : write_text, NULL, level };
}
