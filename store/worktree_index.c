/* One walk over the tree beside the work tree, into one buffer, in the order that git wants: the order of a tree's
 * entries, directories entered where they stand, is the order of paths in an index.
 *
 * The file is born under a name of ours, linked to `index.lock`, which fails when git has it, and renamed to `index`. So a lock
 * that a kill leaves is the same inode as one of the two, which none of git's ever is, and whoever comes next
 * may remove it.
 */
#include "store/worktree_index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/io.h"
#include "base/sha1.h"
#include "store/tree.h"
#include "store/work.h"

enum { DEPTH_MAX = 128, PATH_LIMIT = 4096, STAGE_SHIFT = 12, NAME_FLAG_MAX = 0xfff };

#define INDEX_LIMIT ((size_t)1 << 31)

static const char lock_name[] = "index.lock", own_name[] = "fragfs.index";

/* A directory of the cache-tree, in the order they are met. */
struct cached {
	char *name;
	struct oid oid;
	uint32_t n_entries, n_below;
};

struct walk {
	struct work *work;
	struct project *project;
	const struct worktree_index_spec *spec;
	size_t conflict; /* the next one */
	struct buf out;
	uint32_t n;
	char path[PATH_LIMIT];
	struct cached *cached;
	size_t n_cached, cached_cap;
	bool partial; /* entries were left out, so trees cannot be vouched for */
};

DEFINE_CLEANUP(const struct tree_list *, tree_list_unref)

static void walk_deinit(struct walk *k)
{
	for (size_t i = 0; i < k->n_cached; i++)
		free(k->cached[i].name);
	free(k->cached);
	buf_deinit(&k->out);
}

static void put32(unsigned char *p, uint64_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (24 - 8 * i));
}

/* `a` NULL: nothing is known of the file. */
static int put_entry(struct walk *k, const char *path, uint32_t mode, const struct oid *oid,
		     unsigned stage, const struct work_attr *a)
{
	unsigned char head[62] = {0};
	static const char zeros[8];
	size_t len = strlen(path);
	size_t flags = (len < NAME_FLAG_MAX ? len : NAME_FLAG_MAX) | stage << STAGE_SHIFT;
	int r;

	if (a) {
		put32(head, (uint64_t)a->ctime.tv_sec);
		put32(head + 4, (uint64_t)a->ctime.tv_nsec);
		put32(head + 8, (uint64_t)a->mtime.tv_sec);
		put32(head + 12, (uint64_t)a->mtime.tv_nsec);
		put32(head + 20, a->ino);
		put32(head + 28, a->uid);
		put32(head + 32, a->gid);
		put32(head + 36, a->size);
	}
	put32(head + 24, mode);
	memcpy(head + 40, oid->id, OID_LEN);
	head[60] = (unsigned char)(flags >> 8);
	head[61] = (unsigned char)flags;
	k->n++;
	r = buf_add(&k->out, head, sizeof(head));
	if (!r)
		r = buf_add(&k->out, path, len);
	/* One to eight NULs, so that the next entry is aligned. */
	return r ? r : buf_add(&k->out, zeros, 8 - (sizeof(head) + len) % 8);
}

/* Conflicts that come before `path`; whether it is one itself. NULL: all that are left. */
static int put_conflicts(struct walk *k, const char *path, bool *is_one)
{
	*is_one = false;
	while (k->conflict < k->spec->n_conflicts) {
		const struct worktree_index_conflict *c = &k->spec->conflicts[k->conflict];
		int order = path ? strcmp(c->path, path) : -1;

		if (order > 0)
			return 0;
		for (unsigned i = 0; i < 3; i++) {
			int r = c->mode[i] ? put_entry(k, c->path, c->mode[i], &c->oid[i],
						       i + 1, NULL)
					   : 0;
			if (r)
				return r;
		}
		k->conflict++;
		*is_one = *is_one || !order;
	}
	return 0;
}

/* ---- what the work tree has in a directory, by name ---- */

struct known {
	char *name;
	struct work_attr attr;
};

struct known_list {
	uint64_t dir; /* 0: the work tree has no such directory */
	struct known *v;
	size_t n, cap;
};

static void known_deinit(const struct known_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].name);
	free(l->v);
}

static int know(const char *name, uint64_t cookie, const struct work_attr *attr, void *arg)
{
	struct known_list *l = arg;

	alloc_grow(&l->v, &l->cap, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = (struct known){alloc_str(name), *attr};
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct known *)a)->name, ((const struct known *)b)->name);
}

static int know_dir(struct work *w, struct known_list *l)
{
	int r = l->dir ? work_readdir(w, l->dir, 0, true, know, l) : 0;

	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_name);
	/* A directory that is none any more has nothing that is as the tree has it. */
	return r < 0 ? r : 0;
}

static const struct work_attr *known_find(const struct known_list *l, const char *name)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = strcmp(name, l->v[mid].name);

		if (!c)
			return &l->v[mid].attr;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

static mode_t type_of(uint32_t mode)
{
	return mode == MODE_LINK                        ? S_IFLNK
	       : mode == MODE_FILE || mode == MODE_EXEC ? S_IFREG
							: S_IFDIR;
}

/* Only what is certainly still the entry's content may keep git from looking. */
static bool is_as_in_tree(const struct work_attr *a, const struct tree_entry *e)
{
	if (!a || (a->mode & S_IFMT) != type_of(e->mode) || !oid_eq(&a->oid, &e->oid))
		return false;
	return !S_ISREG(a->mode) || !(a->mode & S_IXUSR) == (e->mode == MODE_FILE);
}

static int walk_dir(struct walk *k, const struct oid *tree, uint64_t ino, size_t len,
		    int depth);

/* A directory below: known to the work tree, and held, as long as it is walked. */
static int walk_below(struct walk *k, const struct tree_entry *e,
		      const struct known_list *known, size_t len, int depth)
{
	const struct work_attr *a = known_find(known, e->name);
	struct work_attr held = {0};
	int r = 0;

	k->path[len++] = '/';
	k->path[len] = '\0';
	if (a && S_ISDIR(a->mode))
		r = work_lookup(k->work, known->dir, e->name, &held);
	if (r < 0)
		return r;
	r = walk_dir(k, &e->oid, held.ino, len, depth + 1);
	if (held.ino)
		work_release(k->work, held.ino, 1);
	return r;
}

static int walk_entry(struct walk *k, const struct tree_entry *e,
		      const struct known_list *known, size_t len, int depth)
{
	const struct work_attr *a;
	bool is_conflict;
	int r;

	if (e->verdict != JUDGE_FINE || len + e->name_len + 2 > PATH_LIMIT) {
		k->partial = true;
		return 0;
	}
	memcpy(k->path + len, e->name, e->name_len + 1U);
	if (e->mode == MODE_TREE)
		return walk_below(k, e, known, len + e->name_len, depth);
	r = put_conflicts(k, k->path, &is_conflict);
	if (r || is_conflict)
		return r;
	a = known_find(known, e->name);
	return put_entry(k, k->path, e->mode, &e->oid, 0, is_as_in_tree(a, e) ? a : NULL);
}

static int walk_dir(struct walk *k, const struct oid *tree, uint64_t ino, size_t len, int depth)
{
	CLEANUP(tree_list_unrefp) const struct tree_list *list = NULL;
	CLEANUP(known_deinit) struct known_list known = {.dir = ino};
	size_t mine = k->n_cached, name = len;
	uint32_t before = k->n, n_below = 0;
	int r = depth > DEPTH_MAX ? fail(-ELOOP, "index a tree that is too deep") : 0;

	if (!r)
		r = tree_list(k->project, tree, &list);
	if (r > 0)
		return fail(-EIO, "index '%s', whose tree is missing or damaged", k->path);
	if (!r)
		r = know_dir(k->work, &known);
	if (r)
		return r;
	alloc_grow(&k->cached, &k->cached_cap, mine + 1, sizeof(*k->cached));
	while (name > 1 && k->path[name - 2] != '/')
		name--;
	name -= name == 1;
	k->cached[k->n_cached++] = (struct cached){
		.name = alloc_copy(k->path + name, len ? len - name - 1 : 0), .oid = *tree};
	for (size_t i = 0; i < list->n && !r; i++) {
		n_below += list->entries[i].mode == MODE_TREE;
		r = walk_entry(k, &list->entries[i], &known, len, depth);
	}
	k->cached[mine].n_entries = k->n - before;
	k->cached[mine].n_below = n_below;
	return r;
}

static int put_cache_tree(struct walk *k)
{
	CLEANUP(buf_deinit) struct buf b;
	unsigned char head[8] = "TREE";
	int r = 0;

	buf_init(&b, INDEX_LIMIT);
	for (size_t i = 0; i < k->n_cached && !r; i++) {
		const struct cached *c = &k->cached[i];

		r = buf_add(&b, c->name, strlen(c->name) + 1);
		if (!r)
			r = buf_fmt(&b, "%u %u\n", c->n_entries, c->n_below);
		if (!r)
			r = buf_add(&b, c->oid.id, OID_LEN);
	}
	put32(head + 4, b.len);
	if (!r)
		r = buf_add(&k->out, head, sizeof(head));
	return r ? r : buf_add(&k->out, b.data, b.len);
}

static int make(struct walk *k)
{
	unsigned char head[12] = "DIRC\0\0\0\2";
	struct sha1 sum;
	struct oid oid;
	bool is_one;
	int r = buf_add(&k->out, head, sizeof(head));

	if (!r)
		r = walk_dir(k, k->spec->tree, WORK_ROOT_INO, 0, 0);
	if (!r)
		r = put_conflicts(k, NULL, &is_one);
	if (r)
		return r;
	put32((unsigned char *)k->out.data + 8, k->n);
	if (!k->partial && !k->spec->n_conflicts)
		r = put_cache_tree(k);
	if (r)
		return r;
	sha1_init(&sum);
	sha1_add(&sum, k->out.data, k->out.len);
	sha1_end(&sum, &oid);
	return buf_add(&k->out, oid.id, OID_LEN);
}

static bool is_same_file(int dir, const char *a, const char *b)
{
	struct stat x, y;

	return !fstatat(dir, a, &x, AT_SYMLINK_NOFOLLOW) &&
	       !fstatat(dir, b, &y, AT_SYMLINK_NOFOLLOW) && x.st_ino == y.st_ino &&
	       x.st_dev == y.st_dev;
}

void worktree_index_unlock(int admin_fd)
{
	if (is_same_file(admin_fd, lock_name, own_name) ||
	    is_same_file(admin_fd, lock_name, "index"))
		(void)unlinkat(admin_fd, lock_name, 0);
	(void)unlinkat(admin_fd, own_name, 0);
}

static int publish(int admin_fd, const struct buf *b)
{
	CLEANUP(close_p) int fd = -1;
	int r;

	worktree_index_unlock(admin_fd);
	fd = openat(admin_fd, own_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return fail(-errno, "create an index");
	r = io_write_all(fd, b->data, b->len);
	if (r)
		fail(r, "write an index");
	else if (linkat(admin_fd, own_name, admin_fd, lock_name, 0))
		r = errno == EEXIST ? (int)WORKTREE_INDEX_BUSY : fail(-errno, "lock the index");
	else if (renameat(admin_fd, own_name, admin_fd, "index"))
		r = fail(-errno, "replace the index");
	worktree_index_unlock(admin_fd);
	return r;
}

int worktree_index_write(struct work *w, int admin_fd, const struct worktree_index_spec *spec)
{
	CLEANUP(walk_deinit)
	struct walk k = {.work = w, .project = work_project(w), .spec = spec};
	int r;

	buf_init(&k.out, INDEX_LIMIT);
	r = make(&k);
	if (r == -E2BIG || r == -ENOMEM)
		return fail(r, "make the index of work tree '%s'", work_info(w)->name);
	return r ? r : publish(admin_fd, &k.out);
}

/* ---- reading, for what is unmerged ---- */

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int worktree_index_count_unmerged(const void *data, size_t len)
{
	const unsigned char *p = data, *end = p + len;
	uint32_t version, n;
	int unmerged = 0;

	if (len < 12 || memcmp(p, "DIRC", 4) != 0)
		return -EINVAL;
	version = get32(p + 4);
	n = get32(p + 8);
	if (version < 2 || version > 4)
		return -EINVAL;
	p += 12;
	while (n--) {
		unsigned flags;
		const unsigned char *name, *nul;

		if (end - p < 63)
			return -EINVAL;
		flags = (unsigned)p[60] << 8 | p[61];
		name = p + 62 + (version > 2 && flags & 0x4000 ? 2 : 0);
		/* Version 4 says first how much of the path before is dropped. */
		while (version == 4 && name < end && *name++ & 0x80)
			;
		nul = name < end ? memchr(name, '\0', (size_t)(end - name)) : NULL;
		if (!nul)
			return -EINVAL;
		unmerged += (flags >> STAGE_SHIFT & 3) != 0;
		/* Version 4 packs its names and does not align. */
		if (version == 4)
			p = nul + 1;
		else
			p += ((size_t)(nul - p) + 8) & ~(size_t)7;
		if (p > end)
			return -EINVAL;
	}
	return unmerged;
}

int worktree_index_unmerged(int admin_fd)
{
	CLEANUP(buf_deinit) struct buf b;
	int r;

	buf_init(&b, INDEX_LIMIT);
	r = io_slurp(admin_fd, "index", &b);
	if (r)
		return r == IO_MISSING ? 0 : r;
	r = worktree_index_count_unmerged(b.data, b.len);
	return r == -EINVAL ? fail(r, "read the index of a work tree, which is no index") : r;
}
