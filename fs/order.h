/* fs/order.h - names in an order that additions and removals do not disturb.
 *
 * A directory that changes while it is being listed must still show every unchanged name exactly once. Sorting by
 * a hash of the name makes the hash the cookie: going on after it is right whatever came or went.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct order_item {
	uint64_t cookie; /* 1 … 2^62 */
	size_t at;
};

struct order {
	struct order_item *items;
	size_t n, cap;
};

struct order *order_new(size_t expected);
void order_free(struct order *o);
void order_add(struct order *o, const char *name, size_t at);
void order_sort(struct order *o);

/* The first place after `cookie` (0: the first). */
size_t order_after(const struct order *o, uint64_t cookie);
