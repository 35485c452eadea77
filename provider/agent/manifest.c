/* provider/agent/manifest.c - a sorted array and the tree it makes.
 *
 * Applying k changes to n entries is one merge, O(n + k), without touching the entries that stay. The tree's id
 * hashes every directory anew: some 35 bytes an entry. That is cheaper than keeping a tree of trees true
 * through crashes.
 */
#include "provider/agent/manifest.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/judge.h"
#include "provider/agent/treehash.h"

enum { GRANULE_NS = 20000000 };

void manifest_deinit(struct manifest *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->entries[i].path);
	free(m->entries);
	*m = (struct manifest){0};
}

size_t manifest_at(const struct manifest *m, const char *path, size_t len)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const char *p = m->entries[mid].path;
		int c = strncmp(p, path, len);

		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct manifest_entry *manifest_find(const struct manifest *m, const char *path)
{
	size_t at = manifest_at(m, path, strlen(path) + 1);

	return at < m->n && !strcmp(m->entries[at].path, path) ? &m->entries[at] : NULL;
}

bool manifest_below(const struct manifest *m, const char *path, size_t len)
{
	char dir[4098];
	size_t at;

	if (len + 2 > sizeof(dir))
		return false;
	memcpy(dir, path, len);
	dir[len] = '/';
	dir[len + 1] = '\0';
	at = manifest_at(m, dir, len + 1);
	return at < m->n && !strncmp(m->entries[at].path, dir, len + 1);
}

void manifest_add(struct manifest *m, const struct manifest_entry *e)
{
	alloc_grow(&m->entries, &m->cap, m->n + 1, sizeof(*m->entries));
	m->entries[m->n++] = *e;
}

static int by_path(const void *a, const void *b)
{
	const struct manifest_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

void manifest_sort(struct manifest *m)
{
	if (m->n)
		qsort(m->entries, m->n, sizeof(*m->entries), by_path);
}

static void add_copy(struct manifest *m, const struct manifest_entry *e)
{
	struct manifest_entry copy = *e;

	copy.path = alloc_str(e->path);
	manifest_add(m, &copy);
}

void manifest_merge(struct manifest *m, const struct manifest *changes)
{
	struct manifest out = {0};
	size_t i = 0, j = 0;

	alloc_grow(&out.entries, &out.cap, m->n + changes->n + 1, sizeof(*out.entries));
	while (i < m->n || j < changes->n) {
		int c = i == m->n         ? 1
			: j == changes->n ? -1
					  : by_path(&m->entries[i], &changes->entries[j]);

		if (c < 0) {
			manifest_add(&out, &m->entries[i++]);
			continue;
		}
		if (!c)
			free(m->entries[i++].path);
		if (changes->entries[j].mode)
			add_copy(&out, &changes->entries[j]);
		j++;
	}
	free(m->entries);
	*m = out;
}

void manifest_copy(const struct manifest *m, struct manifest *ret)
{
	*ret = (struct manifest){0};
	alloc_grow(&ret->entries, &ret->cap, m->n + 1, sizeof(*ret->entries));
	for (size_t i = 0; i < m->n; i++)
		add_copy(ret, &m->entries[i]);
}

/* A file "a" beside a file "a/b" is no tree. Looks at the directories of `path` that `before` is not in. */
static bool is_file_too(const struct manifest *m, const char *path, const char *before)
{
	char dir[4097];
	size_t same = 0;

	while (path[same] && path[same] == before[same])
		same++;
	for (size_t len = same; path[len]; len++) {
		if (path[len] != '/')
			continue;
		if (len >= sizeof(dir))
			return true;
		memcpy(dir, path, len);
		dir[len] = '\0';
		if (manifest_find(m, dir))
			return true;
	}
	return false;
}

bool manifest_tree(const struct manifest *m, struct oid *ret)
{
	struct treehash *t = treehash_new();
	bool fine = true;

	for (size_t i = 0; fine && i < m->n; i++) {
		const struct manifest_entry *e = &m->entries[i];

		fine = !is_file_too(m, e->path, i ? e[-1].path : "") &&
		       !treehash_add(t, e->path, e->mode, &e->oid);
	}
	fine = fine && !treehash_end(t, ret);
	treehash_free(t);
	return fine;
}

void stamp_of(const struct stat *st, struct stamp *ret)
{
	struct timespec now;
	int64_t ns;

	*ret = (struct stamp){
		.size = (uint64_t)st->st_size,
		.ino = st->st_ino,
		.mtime_ns = st->st_mtim.tv_sec * 1000000000LL + st->st_mtim.tv_nsec,
		.ctime_ns = st->st_ctim.tv_sec * 1000000000LL + st->st_ctim.tv_nsec,
	};
	(void)clock_gettime(CLOCK_REALTIME, &now);
	ns = now.tv_sec * 1000000000LL + now.tv_nsec;
	/* A change time ahead of the clock proves nothing either. */
	ret->racy = ret->ctime_ns + GRANULE_NS > ns;
}

bool stamp_same(const struct stamp *a, const struct stamp *now)
{
	return a->size == now->size && a->ino == now->ino && a->mtime_ns == now->mtime_ns &&
	       a->ctime_ns == now->ctime_ns && !a->racy;
}

uint32_t stamp_mode(const struct stat *st)
{
	if (S_ISREG(st->st_mode))
		return st->st_mode & S_IXUSR ? MODE_EXEC : MODE_FILE;
	if (S_ISLNK(st->st_mode))
		return MODE_LINK;
	return 0;
}
