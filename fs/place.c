/* fs/place.c - what all places have in common: templates, stat, and the end of a node.
 *
 * Directories report nlink 1, which find and fts read as "unknown"; the size field of a directory's node holds its
 * parent's inode number, for "..".
 */
#include "fs/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/error.h"
#include "fs/app.h"
#include "fs/fs_private.h"
#include "fs/tree_place.h"
#include "fs/work_place.h"

const struct place_ops *place_ops_of(const struct node *n)
{
	const struct place_ops *const table[PLACE_KINDS] = {
		[PLACE_ROOT] = &place_root,
		[PLACE_PROJECT] = &place_project,
		[PLACE_FRAGMENTS] = &place_fragments,
		[PLACE_DATES] = &place_dates,
		[PLACE_DAY] = &place_day,
		[PLACE_REFS] = &place_refs,
		[PLACE_AT] = &place_at,
		[PLACE_REVIEW] = &place_review,
		[PLACE_TREE] = &place_tree,
		[PLACE_CONTROL] = &place_control,
		[PLACE_DIFFS] = &place_diffs,
		[PLACE_HISTORY] = &place_history,
		[PLACE_HEALTH] = &place_health,
		[PLACE_WORKS] = &place_works,
		[PLACE_WORK] = S_ISDIR(n->mode) ? &place_work : NULL,
	};
	return table[n->kind];
}

void place_release(struct node *n)
{
	if (n->kind == PLACE_WORK)
		work_place_release(n);
	app_unref(n->app);
	free(n->extra);
	n->app = NULL;
	n->extra = NULL;
}

struct node *place_node(struct fs *fs, struct node *want)
{
	bool made;
	struct node *n = node_intern(fs->nodes, want, &made);

	if (!made)
		place_release(want);
	return n;
}

struct node place_subdir(struct fs *fs, struct node *dir, const char *name,
			 enum place_kind kind)
{
	struct node n = {.kind = kind,
			 .depth = dir->depth + 1,
			 .mode = S_IFDIR | 0755,
			 .mtime = fs->started,
			 .size = dir->ident.ino};

	n.ident = ident_child(&fs->secret, &dir->ident, name, strlen(name));
	if (dir->app) {
		n.app = app_ref(dir->app);
		n.mtime = dir->app->changed_ns / 1000000000;
	}
	return n;
}

struct node place_text(struct fs *fs, struct node *dir, const char *name, char *data,
		       size_t len)
{
	struct node n = {
		.kind = PLACE_TEXT, .mode = S_IFREG | 0444, .size = len, .extra = data};
	struct timespec now;
	struct ident ident;

	/* The bytes are part of who it is: equal text is the same node, another text another one. */
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	ident = ident_child(&fs->secret, &dir->ident, name, strlen(name));
	n.ident.ino = ident.ino;
	ident_siphash(fs->secret.k, data, len, n.ident.key.w);
	ident = ident_child(&fs->secret, &ident, (const char *)&n.ident.key,
			    sizeof(n.ident.key));
	n.ident.key = ident.key;
	n.mtime = now.tv_sec;
	n.mtime_ns = (uint32_t)now.tv_nsec;
	n.app = dir->app ? app_ref(dir->app) : NULL;
	return n;
}

/* What the kernel cannot map to a group. It refuses every open for writing of such a file, to root too: opens are never sent to
 * us, so a program could otherwise change, through a shared mapping, the pages that all versions share. */
#define NO_GROUP ((gid_t)-1)

/* These directories follow refs and the clock says since when. */
static bool follows_refs(const struct node *n)
{
	return n->kind == PLACE_FRAGMENTS || n->kind == PLACE_DATES || n->kind == PLACE_DAY ||
	       n->kind == PLACE_REFS;
}

int place_stat(struct fs *fs, struct node *n, struct stat *st)
{
	int64_t changed = follows_refs(n)         ? n->app->changed_ns
			  : n->kind == PLACE_ROOT ? fs->changed_ns
						  : 0;

	if (n->kind == PLACE_WORK)
		return work_place_stat(n, st);
	*st = (struct stat){.st_ino = n->ident.ino,
			    .st_mode = n->mode,
			    .st_nlink = 1,
			    .st_uid = fs->uid,
			    .st_gid = S_ISREG(n->mode) ? NO_GROUP : fs->gid,
			    .st_blksize = 4096};
	st->st_mtim.tv_sec = changed ? changed / 1000000000 : n->mtime;
	st->st_mtim.tv_nsec = changed ? changed % 1000000000 : n->mtime_ns;
	st->st_atim = st->st_ctim = st->st_mtim;
	if (S_ISDIR(n->mode))
		return 0;
	st->st_size = (off_t)n->size;
	st->st_blocks = (blkcnt_t)((n->size + 511) / 512);
	return 0;
}

int place_pointer_target(struct fs *fs, struct node *n, char *ret, size_t size)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	char name[FRAGMENT_NAME_MAX];
	struct fragment f;
	size_t len = 0;
	int r = app_use(fs, n->app, &p);

	if (!r)
		r = fragment_get(p, n->seq, &f);
	if (r)
		return r < 0 ? r : -EIO;
	fragment_name(&f, name);
	for (unsigned i = 0; i < n->depth && len + 3 < size; i++, len += 3)
		memcpy(ret + len, "../", 4);
	snprintf(ret + len, size - len, "fragments/%s", name);
	return 0;
}

struct node place_pointer(struct fs *fs, struct node *dir, const struct fragment *f)
{
	struct ident_scope scope = app_scope(dir->app);
	char name[FRAGMENT_NAME_MAX];
	struct node n = {.kind = PLACE_POINTER,
			 .depth = dir->depth,
			 .mode = S_IFLNK | 0777,
			 .seq = f->seq,
			 .mtime = f->time,
			 .app = app_ref(dir->app)};

	n.ident = ident_numbered(&fs->secret, &scope, SORT_POINTER,
				 (uint64_t)f->seq << 16 | dir->depth);
	n.size = dir->depth * 3u + 10 + (uint64_t)fragment_name(f, name);
	return n;
}
