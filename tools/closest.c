/* Edit distance with neighbours swapped counted once (optimal string alignment), which is what fingers do.
 *
 * A name is offered when it is at most a third of its length away or starts with what was typed. Names are
 * short and lists at most some thousands, so O(n·m) per name is nothing; longer names are not considered.
 */
#include "tools/closest.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][CLOSEST_NAME_MAX + 1];
	size_t n = strlen(a), m = strlen(b);

	for (size_t j = 0; j <= m; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *now = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned d = up[j - 1] + (a[i - 1] != b[j - 1]);

			d = least(d, least(up[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d = least(d, up2[j - 2] + 1);
			now[j] = d;
		}
	}
	return rows[n % 3][m];
}

void closest_init(struct closest *c, const char *typed)
{
	memset(c, 0, sizeof(*c));
	c->typed = typed;
}

void closest_offer(struct closest *c, const char *name)
{
	size_t len = strlen(name), typed = strlen(c->typed), at;
	unsigned d;
	bool starts;

	if (!typed || len >= CLOSEST_NAME_MAX || typed >= CLOSEST_NAME_MAX)
		return;
	starts = !strncmp(name, c->typed, typed);
	d = distance(c->typed, name);
	if (!starts && d > 1 + len / 3)
		return;
	for (at = c->n; at > 0 && c->best[at - 1].distance > d; at--) {
		if (at < CLOSEST_MAX)
			c->best[at] = c->best[at - 1];
	}
	if (at >= CLOSEST_MAX)
		return;
	(void)snprintf(c->best[at].name, sizeof(c->best[at].name), "%s", name);
	c->best[at].distance = d;
	c->n += c->n < CLOSEST_MAX;
}

void closest_words(const struct closest *c, struct buf *b)
{
	for (size_t i = 0; i < c->n; i++)
		(void)buf_fmt(b, "%s'%s'",
			      !i              ? ""
			      : i + 1 == c->n ? " or "
					      : ", ",
			      c->best[i].name);
}
