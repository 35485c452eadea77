/* Ranges of fragments, by an open-addressing table over paths.
 *
 * A slot is found by a path alone (what stands there now) or by a path and a content (the file
 * whose ranges grow when the same content comes back). An open range has `to` 0. Paths are kept once, in
 * their file. A range that starts where the last one ended is joined to it.
 */
#include "store/search_spans.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define ANY UINT32_MAX

struct span_slot {
	uint64_t hash;
	uint32_t file; /* of (path, blob), or what stands at the path; ANY when nothing does */
	uint32_t blob; /* ANY: the slot of a path */
	const char *path;
};

void spans_init(struct spans *s)
{
	*s = (struct spans){0};
	oidmap_init(&s->blobs);
}

void spans_deinit(struct spans *s)
{
	for (size_t i = 0; i < s->n_files; i++) {
		free(s->files[i].path);
		free(s->files[i].ranges);
	}
	free(s->files);
	free(s->slots);
	oidmap_deinit(&s->blobs);
	*s = (struct spans){0};
}

uint32_t spans_blob(struct spans *s, const struct oid *oid, bool *fresh)
{
	*fresh = oidmap_add(&s->blobs, oid, s->n_blobs);
	if (*fresh)
		return s->n_blobs++;
	return (uint32_t)*oidmap_find(&s->blobs, oid);
}

static uint64_t hash_of(const char *path, uint32_t blob)
{
	uint64_t h = 0xcbf29ce484222325u ^ blob;

	while (*path)
		h = (h ^ (unsigned char)*path++) * 0x100000001b3u;
	return (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
}

static struct span_slot *probe(const struct spans *s, uint64_t hash, const char *path,
			       uint32_t blob)
{
	size_t i = (hash ^ hash >> 32) & (s->slots_cap - 1);

	while (s->slots[i].path && (s->slots[i].hash != hash || s->slots[i].blob != blob ||
				    strcmp(s->slots[i].path, path) != 0))
		i = (i + 1) & (s->slots_cap - 1);
	return &s->slots[i];
}

static void grow(struct spans *s)
{
	struct span_slot *old = s->slots;
	size_t old_cap = s->slots_cap;

	s->slots_cap = old_cap ? old_cap * 2 : 4096;
	s->slots = alloc_array(s->slots_cap, sizeof(*s->slots));
	for (size_t i = 0; i < old_cap; i++) {
		if (old[i].path)
			*probe(s, old[i].hash, old[i].path, old[i].blob) = old[i];
	}
	free(old);
}

/* The slot of that key, made if it is not there; its path is then still NULL. */
static struct span_slot *slot_of(struct spans *s, const char *path, uint32_t blob)
{
	uint64_t hash = hash_of(path, blob);
	struct span_slot *slot;

	if (s->n_slots >= s->slots_cap / 3 * 2)
		grow(s);
	slot = probe(s, hash, path, blob);
	if (!slot->path)
		*slot = (struct span_slot){.hash = hash, .file = ANY, .blob = blob};
	return slot;
}

static uint32_t file_of(struct spans *s, const char *path, uint32_t blob)
{
	struct span_slot *slot = slot_of(s, path, blob);

	if (slot->path)
		return slot->file;
	alloc_grow(&s->files, &s->files_cap, s->n_files + 1, sizeof(*s->files));
	s->files[s->n_files] = (struct span_file){.path = alloc_str(path), .blob = blob};
	slot->path = s->files[s->n_files].path;
	slot->file = (uint32_t)s->n_files++;
	s->n_slots++;
	return slot->file;
}

void spans_open(struct spans *s, const char *path, uint32_t blob, uint32_t seq)
{
	uint32_t file = file_of(s, path, blob);
	struct span_file *f = &s->files[file];
	struct span_slot *here = slot_of(s, path, ANY);

	if (!here->path) {
		here->path = f->path;
		s->n_slots++;
	}
	here->file = file;
	if (f->n && f->ranges[f->n - 1].to + 1 == seq) {
		f->ranges[f->n - 1].to = 0;
		return;
	}
	alloc_grow(&f->ranges, &f->cap, f->n + 1, sizeof(*f->ranges));
	f->ranges[f->n++] = (struct search_range){seq, 0};
}

void spans_close(struct spans *s, const char *path, uint32_t last)
{
	struct span_slot *here = slot_of(s, path, ANY);
	struct span_file *f;

	if (!here->path || here->file == ANY)
		return;
	f = &s->files[here->file];
	f->ranges[f->n - 1].to = last;
	here->file = ANY;
}

void spans_close_all(struct spans *s, uint32_t last)
{
	for (size_t i = 0; i < s->slots_cap; i++) {
		struct span_slot *here = &s->slots[i];
		struct span_file *f;

		if (!here->path || here->blob != ANY || here->file == ANY)
			continue;
		f = &s->files[here->file];
		f->ranges[f->n - 1].to = last;
		here->file = ANY;
	}
}
