/* The system clock, and ISO 8601 in both directions.
 *
 * strptime and mktime depend on locale and zone files, so dates are computed here from
 * the proleptic Gregorian calendar (days_from_civil in Howard Hinnant's notation).
 */
#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

static int64_t system_now(void *arg)
{
	return clock_ns() / 1000000;
}

static int64_t system_wall(void *arg)
{
	return (int64_t)time(NULL);
}

const struct clock *clock_system(void)
{
	static const struct clock system = {system_now, system_wall, NULL};

	return &system;
}

int64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

char *clock_iso(int64_t t, int tz, char ret[CLOCK_TEXT_MAX])
{
	const int64_t first = -62167219200, last = 253402300799; /* years 0 and 9999 */
	int64_t local;
	time_t when;
	struct tm tm;

	if (tz < -1439 || tz > 1439)
		tz = 0;
	local = (t < first ? first : t > last ? last : t) + (int64_t)tz * 60;
	when = (time_t)(local < first ? first : local > last ? last : local);
	gmtime_r(&when, &tm);
	(void)snprintf(ret, CLOCK_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900,
		       tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	if (!tz)
		(void)snprintf(ret + 19, CLOCK_TEXT_MAX - 19, "Z");
	else
		(void)snprintf(ret + 19, CLOCK_TEXT_MAX - 19, "%c%02d:%02d", tz < 0 ? '-' : '+',
			       (tz < 0 ? -tz : tz) / 60, (tz < 0 ? -tz : tz) % 60);
	return ret;
}

/* Reads exactly `digits` digits; moves `*s`; -1 when they are not there. */
static int digits(const char **s, int n)
{
	int v = 0;

	for (; n > 0; n--, (*s)++) {
		if (**s < '0' || **s > '9')
			return -1;
		v = v * 10 + (**s - '0');
	}
	return v;
}

static int64_t days_from_civil(int64_t y, int m, int d)
{
	int64_t era, yoe, doy, doe;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + doe - 719468;
}

static bool parse_zone(const char **s, int *tz)
{
	int sign = **s == '-' ? -1 : 1, h, m = 0;

	*tz = 0;
	if (**s == 'Z' || **s == 'z') {
		(*s)++;
		return true;
	}
	if (**s != '+' && **s != '-')
		return **s == '\0';
	(*s)++;
	h = digits(s, 2);
	if (**s == ':')
		(*s)++;
	if (**s)
		m = digits(s, 2);
	if (h < 0 || h > 14 || m < 0 || m > 59)
		return false;
	*tz = sign * (h * 60 + m);
	return true;
}

static bool parse_time(const char **s, int *h, int *m, int *sec)
{
	*h = digits(s, 2);
	if (*(*s)++ != ':')
		return false;
	*m = digits(s, 2);
	if (**s == ':') {
		(*s)++;
		*sec = digits(s, 2);
		if (**s == '.' || **s == ',') {
			do
				(*s)++;
			while (**s >= '0' && **s <= '9');
		}
	}
	return *h >= 0 && *h <= 23 && *m >= 0 && *m <= 59 && *sec >= 0 && *sec <= 60;
}

static bool is_leap(int y)
{
	return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

int clock_parse(const char *s, int64_t *t, int *tz)
{
	static const char len[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int y, mon, d, h = 0, m = 0, sec = 0, zone = 0;

	y = digits(&s, 4);
	if (y < 0 || *s++ != '-')
		return -EINVAL;
	mon = digits(&s, 2);
	if (mon < 1 || mon > 12 || *s++ != '-')
		return -EINVAL;
	d = digits(&s, 2);
	if (d < 1 || d > len[mon - 1] || (mon == 2 && d == 29 && !is_leap(y)))
		return -EINVAL;
	if (*s == 'T' || *s == 't' || *s == ' ') {
		s++;
		if (!parse_time(&s, &h, &m, &sec) || !parse_zone(&s, &zone))
			return -EINVAL;
	}
	if (*s)
		return -EINVAL;
	*t = days_from_civil(y, mon, d) * 86400 + h * 3600 + m * 60 + sec - zone * 60;
	*tz = zone;
	return 0;
}
