/* fs/names.h - the names of a directory that may change while it is being listed.
 *
 * Gathered once per listing, counted, and kept for its next pieces; in an order of their own (fs/order.h), so that
 * going on with a newer gathering shows every lasting name once.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/order.h"

struct name {
	char *text;
	uint32_t mode, tag; /* type bits of st_mode; the owner's number */
};

struct names {
	struct order *order;
	struct name *items;
	size_t n, cap;
	_Atomic uint32_t refs;
};

/* Where the last gathering is kept, and of which directory. */
struct names_slot {
	pthread_mutex_t lock;
	struct names *names;
	uint64_t id;
};

struct names *names_new(void);
void names_add(struct names *ns, const char *text, uint32_t mode, uint32_t tag);
void names_sort(struct names *ns);
void names_put(struct names *ns);

void names_slot_init(struct names_slot *s);
void names_slot_deinit(struct names_slot *s);
/* Counted, or NULL when there is none or it is of another directory. */
struct names *names_kept(struct names_slot *s, uint64_t id);
void names_keep(struct names_slot *s, uint64_t id, struct names *ns);

static inline size_t names_after(const struct names *ns, uint64_t cookie)
{
	return order_after(ns->order, cookie);
}

static inline const struct name *names_at(const struct names *ns, size_t i)
{
	return &ns->items[ns->order->items[i].at];
}

static inline uint64_t names_cookie(const struct names *ns, size_t i)
{
	return ns->order->items[i].cookie;
}
