/* fs/dates.h - the fragments of a project by UTC day.
 *
 * UTC, not each commit's own zone: the same directory for everybody, in the order in which things happened.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct fragment;
struct project;

/* Days are counted from year 0; what git can date outside 0–9999 falls on the first or last day. */
enum { DATES_DAY_MAX = 3652424, DATES_TEXT_MAX = 16, DATES_NAME_MAX = 24 };

struct date {
	uint32_t day, seq;
	uint64_t prefix; /* the first 48 bits of the commit's id */
};

struct dates {
	pthread_mutex_t lock;
	struct date *items; /* by day, then seq */
	size_t n, cap;
	uint32_t last; /* highest number in it */
};

void dates_init(struct dates *d);
void dates_deinit(struct dates *d);

/* Adds the fragments numbered since. 0 or a fault. */
int dates_update(struct dates *d, struct project *p);

/* The first day that is at least `from` and has fragments; DATES_DAY_MAX + 1 when there is none. */
uint32_t dates_next(struct dates *d, uint32_t from);

/* Copies up to `max` fragments of `day` numbered above `after`; returns how many. */
size_t dates_of(struct dates *d, uint32_t day, uint32_t after, struct date *ret, size_t max);

/* The fragment of that day and prefix; 0 when there is none. */
uint32_t dates_find(struct dates *d, uint32_t day, uint64_t prefix);

/* "2026-11-23"; both ways. -1 for what is no such text. */
void dates_day_text(uint32_t day, char ret[DATES_TEXT_MAX]);
int64_t dates_day_parse(const char *text);
void dates_day_of(const struct fragment *f, char ret[DATES_TEXT_MAX]);

/* "063100-0123456789ab" */
void dates_name(const struct fragment *f, char ret[DATES_NAME_MAX]);
