/* fs/names.c - the names of a directory that may change while it is being listed. */
#include "fs/names.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"

struct names *names_new(void)
{
	struct names *ns = alloc_zero(sizeof(*ns));

	ns->refs = 1;
	return ns;
}

void names_add(struct names *ns, const char *text, uint32_t mode, uint32_t tag)
{
	alloc_grow(&ns->items, &ns->cap, ns->n + 1, sizeof(*ns->items));
	ns->items[ns->n++] = (struct name){alloc_str(text), mode, tag};
}

void names_sort(struct names *ns)
{
	ns->order = order_new(ns->n);
	for (size_t i = 0; i < ns->n; i++)
		order_add(ns->order, ns->items[i].text, i);
	order_sort(ns->order);
}

void names_put(struct names *ns)
{
	if (!ns || --ns->refs)
		return;
	for (size_t i = 0; i < ns->n; i++)
		free(ns->items[i].text);
	free(ns->items);
	order_free(ns->order);
	free(ns);
}

void names_slot_init(struct names_slot *s)
{
	pthread_mutex_init(&s->lock, NULL);
	s->names = NULL;
}

void names_slot_deinit(struct names_slot *s)
{
	names_put(s->names);
	pthread_mutex_destroy(&s->lock);
}

struct names *names_kept(struct names_slot *s, uint64_t id)
{
	LOCKED(&s->lock);
	if (!s->names || s->id != id)
		return NULL;
	s->names->refs++;
	return s->names;
}

void names_keep(struct names_slot *s, uint64_t id, struct names *ns)
{
	struct names *old;

	pthread_mutex_lock(&s->lock);
	old = s->names;
	s->names = ns;
	s->id = id;
	ns->refs++;
	pthread_mutex_unlock(&s->lock);
	names_put(old);
}
