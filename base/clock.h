/* base/clock.h - time as something that is passed in, and times as text.
 *
 * Deadlines and intervals use `now` (monotonic milliseconds); wall time is only ever
 * recorded or shown, never compared to decide an order. Tests pass a clock of their own.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct clock {
	int64_t (*now)(void *arg);  /* monotonic, milliseconds */
	int64_t (*wall)(void *arg); /* seconds since 1970 UTC */
	void *arg;
};

/* The machine's clock; static, needs no freeing. */
const struct clock *clock_system(void);

static inline int64_t clock_now(const struct clock *c)
{
	return c->now(c->arg);
}

static inline int64_t clock_wall(const struct clock *c)
{
	return c->wall(c->arg);
}

/* Monotonic nanoseconds, for measuring. */
int64_t clock_ns(void);

enum { CLOCK_TEXT_MAX = 40 };

/* "2026-11-23T06:31:00+01:00" of `t` seconds at `tz` minutes east of UTC. Times git cannot
 * express (years past 9999 or before 0) come out clamped. Returns `ret`. */
char *clock_iso(int64_t t, int tz, char ret[CLOCK_TEXT_MAX]);

/* Reads an ISO 8601 date or date and time ("2026-11-23", "2026-11-23T06:31[:00[.123]][Z|+01:00]",
 * a space instead of T); without zone it is UTC. 0 or -EINVAL (silent). */
int clock_parse(const char *s, int64_t *t, int *tz);
