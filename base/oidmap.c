/* Linear probing over a power-of-two table kept under 2/3 full. The all-zero id is a
 * legal key: occupancy is its own flag.
 */
#include "base/oidmap.h"

#include <stdlib.h>

#include "base/alloc.h"

struct oidmap_slot {
	uint64_t value;
	struct oid oid;
	uint32_t used;
};

void oidmap_init(struct oidmap *m)
{
	*m = (struct oidmap){0};
}

void oidmap_deinit(struct oidmap *m)
{
	free(m->slots);
	*m = (struct oidmap){0};
}

static struct oidmap_slot *slot_of(const struct oidmap *m, const struct oid *oid)
{
	size_t i = oid_hash(oid) & (m->cap - 1);

	while (m->slots[i].used && !oid_eq(&m->slots[i].oid, oid))
		i = (i + 1) & (m->cap - 1);
	return &m->slots[i];
}

static void grow(struct oidmap *m)
{
	struct oidmap old = *m;

	m->cap = old.cap ? old.cap * 2 : 1024;
	m->slots = alloc_array(m->cap, sizeof(*m->slots));
	for (size_t i = 0; i < old.cap; i++) {
		if (old.slots[i].used)
			*slot_of(m, &old.slots[i].oid) = old.slots[i];
	}
	free(old.slots);
}

bool oidmap_add(struct oidmap *m, const struct oid *oid, uint64_t value)
{
	struct oidmap_slot *s;

	if (m->n >= m->cap / 3 * 2)
		grow(m);
	s = slot_of(m, oid);
	if (s->used)
		return false;
	*s = (struct oidmap_slot){.value = value, .oid = *oid, .used = 1};
	m->n++;
	return true;
}

uint64_t *oidmap_find(const struct oidmap *m, const struct oid *oid)
{
	struct oidmap_slot *s;

	if (!m->cap)
		return NULL;
	s = slot_of(m, oid);
	return s->used ? &s->value : NULL;
}

bool oidmap_next(const struct oidmap *m, size_t *at, struct oid *oid, uint64_t *value)
{
	for (; *at < m->cap; (*at)++) {
		if (!m->slots[*at].used)
			continue;
		*oid = m->slots[*at].oid;
		*value = m->slots[*at].value;
		(*at)++;
		return true;
	}
	return false;
}
