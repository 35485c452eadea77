/* How far a long verb is, on standard error.
 *
 * On a terminal one line is redrawn at most ten times a second; elsewhere a line is written every three
 * seconds, so that a log stays readable; with -q nothing. A call that falls between two drawings costs a clock
 * read. The rate is of the current phase, the estimate is only shown once it means something.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "tools/cli.h"

enum {
	DRAW_MS = 100,
	LINE_MS = 3000,
	BAR = 24,
	PHASE_MAX = 48,
};

struct progress {
	char what[64], phase[PHASE_MAX];
	bool quiet, tty, drawn;
	int64_t phase_start, last;
	uint64_t done, total;
};

struct progress *progress_new(const struct cli *cli, const char *what)
{
	struct progress *p = alloc_zero(sizeof(*p));

	(void)snprintf(p->what, sizeof(p->what), "%s", what);
	p->quiet = cli->quiet;
	p->tty = isatty(STDERR_FILENO);
	p->phase_start = p->last = clock_now(clock_system());
	return p;
}

static void put_bar(const struct progress *p, char *ret, size_t size)
{
	uint64_t full = p->done >= p->total ? BAR : p->done * BAR / p->total;
	size_t at = 0;

	ret[at++] = '[';
	for (uint64_t i = 0; i < BAR && at + 2 < size; i++)
		ret[at++] = i < full ? '#' : '.';
	ret[at++] = ']';
	ret[at] = '\0';
}

static void draw(struct progress *p, int64_t now)
{
	int64_t spent = now - p->phase_start;
	uint64_t rate = spent > 500 ? p->done * 1000 / (uint64_t)spent : 0;
	char bar[BAR + 4] = "", counts[64], speed[64] = "";

	if (p->total) {
		if (p->tty)
			put_bar(p, bar, sizeof(bar));
		(void)snprintf(counts, sizeof(counts), "%3" PRIu64 " %% %" PRIu64 "/%" PRIu64,
			       p->done >= p->total ? 100 : p->done * 100 / p->total, p->done,
			       p->total);
	} else {
		(void)snprintf(counts, sizeof(counts), "%" PRIu64, p->done);
	}
	if (rate && p->total > p->done && spent > 2000)
		(void)snprintf(speed, sizeof(speed), " %" PRIu64 "/s, %" PRIu64 " s left", rate,
			       (p->total - p->done) / rate);
	else if (rate)
		(void)snprintf(speed, sizeof(speed), " %" PRIu64 "/s", rate);
	(void)fprintf(stderr, "%s%s: %s %s%s%s%s", p->tty ? "\r" : "", p->what, p->phase, bar,
		      bar[0] ? " " : "", counts, speed);
	(void)fputs(p->tty ? "\033[K" : "\n", stderr);
	(void)fflush(stderr);
	p->drawn = true;
}

void progress_at(struct progress *p, const char *phase, uint64_t done, uint64_t total)
{
	int64_t now;

	if (!p || p->quiet)
		return;
	now = clock_now(clock_system());
	if (strncmp(p->phase, phase, sizeof(p->phase) - 1)) {
		(void)snprintf(p->phase, sizeof(p->phase), "%s", phase);
		p->phase_start = now;
	}
	p->done = done;
	p->total = total;
	if (now - p->last < (p->tty ? DRAW_MS : LINE_MS))
		return;
	p->last = now;
	draw(p, now);
}

void progress_free(struct progress *p)
{
	if (!p)
		return;
	/* The line is a visitor: what the verb has to say comes in its place. */
	if (p->drawn && p->tty) {
		(void)fputs("\r\033[K", stderr);
		(void)fflush(stderr);
	}
	free(p);
}
