/* One line on a terminal that says how far a long work is. */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { INTERVAL_MS = 100, COLUMNS = 80, MAX_LINE = 240, BAR_MAX = 30, BAR_MIN = 5 };

void lm_progress_init(struct lm_progress *progress, bool wanted, lm_time_ms now)
{
	*progress = (struct lm_progress){ .on = wanted && isatty(STDERR_FILENO), .began = now };
}

void lm_progress_total(struct lm_progress *progress, uint64_t total, uint64_t octets,
                       lm_time_ms now)
{
	progress->total = total;
	progress->total_octets = octets;
	progress->began = now;
}

const char *lm_progress_size(double octets, char *out)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	size_t unit = 0;

	while (octets >= 999.5 && unit + 1 < sizeof(units) / sizeof(*units)) {
		octets /= 1000;
		unit++;
	}
	snprintf(out, 16, unit == 0 || octets >= 99.95 ? "%.0f %s" : "%.1f %s", octets,
	         units[unit]);
	return out;
}

static void put_time(char *out, size_t cap, double seconds)
{
	unsigned long s = seconds < 359999 ? (unsigned long)(seconds + 0.5) : 359999;

	if (s >= 3600)
		snprintf(out, cap, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(out, cap, "%lu:%02lu", s / 60, s % 60);
}

static double share(const struct lm_progress *p, uint64_t done, uint64_t octets)
{
	double part = 0;

	if (p->total_octets > 0)
		part = (double)octets / (double)p->total_octets;
	else if (p->total > 0)
		part = (double)done / (double)p->total;
	return part > 1 ? 1 : part;
}

static void put_bar(char *out, unsigned width, double part)
{
	unsigned full = (unsigned)(part * width);

	for (unsigned i = 0; i < width; i++)
		out[i] = i < full ? '=' : i == full ? '>' : ' ';
	out[width] = '\0';
}

size_t lm_progress_line(const struct lm_progress *p, uint64_t done, uint64_t octets, lm_time_ms now,
                        unsigned columns, char *out, size_t cap)
{
	double seconds = (double)(now - p->began) / 1000, part = share(p, done, octets);
	char text[MAX_LINE], rate[16], left[24] = "?", bar[BAR_MAX + 1];
	int len;
	size_t room;

	if (seconds < 0.001)
		seconds = 0.001;
	if (part > 0 && seconds > 0.5)
		put_time(left, sizeof(left), seconds / part - seconds);
	len = snprintf(text, sizeof(text), "%3u%% %" PRIu64 "/%" PRIu64 " %.0f/s %s/s %s left",
	               (unsigned)(part * 100), done, p->total, (double)done / seconds,
	               lm_progress_size((double)octets / seconds, rate), left);
	if (len < 0 || columns < 2)
		return 0;
	room = columns - 1;
	if (room < (size_t)len + BAR_MIN + 3)
		return (size_t)snprintf(out, room + 1 < cap ? room + 1 : cap, "%s", text) > room
		               ? room
		               : (size_t)len;
	room -= (size_t)len + 3;
	put_bar(bar, room < BAR_MAX ? (unsigned)room : BAR_MAX, part);
	return (size_t)snprintf(out, cap, "[%s] %s", bar, text);
}

static unsigned columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return COLUMNS;
}

void lm_progress_update(struct lm_progress *progress, uint64_t done, uint64_t octets,
                        lm_time_ms now)
{
	char line[MAX_LINE];
	size_t len;

	if (!progress->on || progress->total == 0 ||
	    (progress->shown && now - progress->drawn < INTERVAL_MS))
		return;
	len = lm_progress_line(progress, done, octets, now, columns(), line, sizeof(line));
	fprintf(stderr, "\r%.*s", (int)len, line);
	if (len < progress->shown)
		fprintf(stderr, "%*s\r", (int)(progress->shown - len), "");
	fflush(stderr);
	progress->shown = len;
	progress->drawn = now;
}

void lm_progress_clear(struct lm_progress *progress)
{
	if (progress->shown)
		fprintf(stderr, "\r%*s\r", (int)progress->shown, "");
	progress->shown = 0;
}
