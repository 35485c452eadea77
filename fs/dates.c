/* fs/dates.c - the fragments of a project by UTC day.
 *
 * Sixteen bytes a fragment, gathered when by-date is first read and topped up after: two hundred
 * thousand are 3 MiB and a fraction of a second, once.
 */
#include "fs/dates.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "store/fragment.h"

#define DAY_ZERO (-719528) /* of 0000-01-01, counted from 1970 */

void dates_init(struct dates *d)
{
	*d = (struct dates){0};
	pthread_mutex_init(&d->lock, NULL);
}

void dates_deinit(struct dates *d)
{
	free(d->items);
	pthread_mutex_destroy(&d->lock);
}

static uint32_t day_of(int64_t time)
{
	int64_t day = time / 86400 - (time % 86400 < 0) - DAY_ZERO;

	return day < 0 ? 0 : day > DATES_DAY_MAX ? DATES_DAY_MAX : (uint32_t)day;
}

static uint64_t prefix_of(const struct fragment *f)
{
	uint64_t ret = 0;

	for (int i = 0; i < 6; i++)
		ret = ret << 8 | f->commit.id[i];
	return ret;
}

static int add(const struct fragment *f, void *arg)
{
	struct dates *d = arg;

	alloc_grow(&d->items, &d->cap, d->n + 1, sizeof(*d->items));
	d->items[d->n++] = (struct date){day_of(f->time), f->seq, prefix_of(f)};
	d->last = f->seq;
	return 0;
}

static int by_day(const void *a, const void *b)
{
	const struct date *x = a, *y = b;

	if (x->day != y->day)
		return x->day < y->day ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

int dates_update(struct dates *d, struct project *p)
{
	size_t had;
	int r;

	LOCKED(&d->lock);
	had = d->n;
	r = fragment_each(p, d->last + 1, add, d);
	if (d->n > had)
		qsort(d->items, d->n, sizeof(*d->items), by_day);
	return r;
}

static size_t first_at(const struct dates *d, uint32_t day, uint32_t seq)
{
	struct date key = {day, seq, 0};
	size_t lo = 0, hi = d->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (by_day(&d->items[mid], &key) >= 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

uint32_t dates_next(struct dates *d, uint32_t from)
{
	size_t at;

	LOCKED(&d->lock);
	at = first_at(d, from, 0);
	return at < d->n ? d->items[at].day : DATES_DAY_MAX + 1;
}

size_t dates_of(struct dates *d, uint32_t day, uint32_t after, struct date *ret, size_t max)
{
	size_t n = 0;

	LOCKED(&d->lock);
	for (size_t at = first_at(d, day, after + 1); at < d->n && n < max; at++) {
		if (d->items[at].day != day)
			break;
		ret[n++] = d->items[at];
	}
	return n;
}

uint32_t dates_find(struct dates *d, uint32_t day, uint64_t prefix)
{
	LOCKED(&d->lock);
	for (size_t at = first_at(d, day, 0); at < d->n && d->items[at].day == day; at++)
		if (d->items[at].prefix == prefix)
			return d->items[at].seq;
	return 0;
}

void dates_day_text(uint32_t day, char ret[DATES_TEXT_MAX])
{
	char text[CLOCK_TEXT_MAX];

	clock_iso(((int64_t)day + DAY_ZERO) * 86400, 0, text);
	snprintf(ret, DATES_TEXT_MAX, "%.10s", text);
}

void dates_day_of(const struct fragment *f, char ret[DATES_TEXT_MAX])
{
	dates_day_text(day_of(f->time), ret);
}

int64_t dates_day_parse(const char *text)
{
	char again[DATES_TEXT_MAX];
	int64_t time;
	int tz;

	if (strlen(text) != 10 || clock_parse(text, &time, &tz))
		return -1;
	dates_day_text(day_of(time), again);
	return strcmp(text, again) == 0 ? (int64_t)day_of(time) : -1;
}

void dates_name(const struct fragment *f, char ret[DATES_NAME_MAX])
{
	char t[CLOCK_TEXT_MAX];

	clock_iso(f->time, 0, t);
	snprintf(ret, DATES_NAME_MAX, "%.2s%.2s%.2s-%012" PRIx64, t + 11, t + 14, t + 17,
		 prefix_of(f));
}
