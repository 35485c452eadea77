/* fs/order.c - names in an order that additions and removals do not disturb.
 *
 * Two names of one hash (2^-62 for a pair) would get one cookie; the second is shown unless a piece of the
 * listing ends just between them.
 */
#include "fs/order.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "fs/ident.h"

struct order *order_new(size_t expected)
{
	struct order *o = alloc_zero(sizeof(*o));

	o->cap = expected + 1;
	o->items = alloc_array(o->cap, sizeof(*o->items));
	return o;
}

void order_free(struct order *o)
{
	if (!o)
		return;
	free(o->items);
	free(o);
}

void order_add(struct order *o, const char *name, size_t at)
{
	static const uint64_t key[2] = {1, 2};
	uint64_t h[2];

	ident_siphash(key, name, strlen(name), h);
	alloc_grow(&o->items, &o->cap, o->n + 1, sizeof(*o->items));
	o->items[o->n++] = (struct order_item){(h[0] >> 2) + 1, at};
}

static int by_cookie(const void *a, const void *b)
{
	const struct order_item *x = a, *y = b;

	if (x->cookie != y->cookie)
		return x->cookie < y->cookie ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

void order_sort(struct order *o)
{
	qsort(o->items, o->n, sizeof(*o->items), by_cookie);
}

size_t order_after(const struct order *o, uint64_t cookie)
{
	size_t lo = 0, hi = o->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (o->items[mid].cookie > cookie)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}
