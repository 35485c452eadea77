/* The memory provider's sorted maps of paths, and its contents by object id.
 *
 * Arrays with insertion in place: tests hold thousands of files, not millions. What counts of a sandbox is
 * said once, here, in the words of wire.h.
 */
#include "provider/memory_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/judge.h"
#include "base/sha1.h"
#include "provider/agent/ignore.h"
#include "provider/agent/treehash.h"

void memory_keep(struct memory *m, const void *data, size_t len, struct oid *ret)
{
	struct memory_content *have;

	sha1_blob(data, len, ret);
	have = memory_content(m, ret);
	if (have) {
		have->resident = true;
		return;
	}
	alloc_grow(&m->contents, &m->contents_cap, m->n_contents + 1, sizeof(*m->contents));
	m->contents[m->n_contents] = (struct memory_content){
		.data = alloc_copy(data, len),
		.len = len,
		.resident = true,
	};
	oidmap_add(&m->by_oid, ret, m->n_contents++);
}

struct memory_content *memory_content(struct memory *m, const struct oid *oid)
{
	const uint64_t *at = oidmap_find(&m->by_oid, oid);

	return at ? &m->contents[*at] : NULL;
}

/* The first file whose path is not below `path`. */
static size_t place(const struct memory_map *map, const char *path)
{
	size_t lo = 0, hi = map->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(map->files[mid].path, path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct memory_file *memory_map_find(const struct memory_map *map, const char *path)
{
	size_t at = place(map, path);

	if (at == map->n || strcmp(map->files[at].path, path) != 0)
		return NULL;
	return &map->files[at];
}

void memory_map_put(struct memory_map *map, const char *path, uint32_t mode,
		    const struct oid *oid)
{
	size_t at = place(map, path);

	if (at == map->n || strcmp(map->files[at].path, path) != 0) {
		alloc_grow(&map->files, &map->cap, map->n + 1, sizeof(*map->files));
		memmove(&map->files[at + 1], &map->files[at],
			(map->n - at) * sizeof(*map->files));
		map->files[at].path = alloc_str(path);
		map->n++;
	}
	map->files[at].mode = mode;
	map->files[at].oid = *oid;
}

bool memory_map_remove(struct memory_map *map, const char *path)
{
	size_t at = place(map, path);

	if (at == map->n || strcmp(map->files[at].path, path) != 0)
		return false;
	free(map->files[at].path);
	map->n--;
	memmove(&map->files[at], &map->files[at + 1], (map->n - at) * sizeof(*map->files));
	return true;
}

void memory_map_deinit(struct memory_map *map)
{
	for (size_t i = 0; i < map->n; i++)
		free(map->files[i].path);
	free(map->files);
	*map = (struct memory_map){0};
}

void memory_map_copy(const struct memory_map *from, struct memory_map *to)
{
	memory_map_deinit(to);
	to->n = to->cap = from->n;
	to->files = alloc_array(from->n + 1, sizeof(*to->files));
	for (size_t i = 0; i < from->n; i++) {
		to->files[i] = from->files[i];
		to->files[i].path = alloc_str(from->files[i].path);
	}
}

bool memory_map_blocked(const struct memory_map *map, const char *path)
{
	size_t len = strlen(path);
	bool blocked = false;

	for (size_t i = 0; i < map->n && !blocked; i++) {
		const char *other = map->files[i].path;
		size_t n = strlen(other);

		blocked = n > len ? memcmp(other, path, len) == 0 && other[len] == '/'
				  : n < len && memcmp(other, path, n) == 0 && path[n] == '/';
	}
	return blocked;
}

void memory_counted(const struct memory_box *box, struct memory_map *ret)
{
	for (size_t i = 0; i < box->files.n; i++) {
		const struct memory_file *f = &box->files.files[i];

		if (memory_map_find(&box->applied, f->path) ||
		    ignore_path(f->path, strlen(f->path)) == IGNORE_NO)
			memory_map_put(ret, f->path, f->mode, &f->oid);
	}
}

void memory_map_tree(const struct memory_map *map, struct oid *ret)
{
	struct treehash *t = treehash_new();

	*ret = (struct oid){0};
	for (size_t i = 0; i < map->n; i++)
		(void)treehash_add(t, map->files[i].path, map->files[i].mode,
				   &map->files[i].oid);
	(void)treehash_end(t, ret);
	treehash_free(t);
}
