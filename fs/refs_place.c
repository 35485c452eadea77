/* fs/refs_place.c - refs/{heads,tags,remotes}/…: a link for each ref, directories as its name has slashes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "fs/app.h"
#include "fs/dirbuf.h"
#include "fs/fs_private.h"
#include "fs/names.h"
#include "fs/place.h"
#include "fs/refdirs.h"
#include "fs/tree_place.h"
#include "store/fragment.h"
#include "store/ref.h"

static const char *const tops[] = {"heads", "tags", "remotes"};

enum { N_TOPS = sizeof(tops) / sizeof(tops[0]) };

static struct node subdir(struct fs *fs, struct node *dir, const char *name)
{
	struct node want = place_subdir(fs, dir, name, PLACE_REFS);
	const char *path = dir->extra;

	want.extra = alloc_fmt("%s%s%s", path, *path ? "/" : "", name);
	return want;
}

static int find_top(struct fs *fs, struct node *dir, const char *name, struct found *ret)
{
	struct node want;

	for (size_t i = 0; i < N_TOPS; i++) {
		if (strcmp(tops[i], name) != 0)
			continue;
		want = subdir(fs, dir, name);
		ret->node = place_node(fs, &want);
		ret->entry_ttl = PLACE_ALWAYS;
		return 0;
	}
	return PLACE_NO_ENTRY;
}

static int find_ref(struct fs *fs, struct node *dir, const char *name, struct found *ret)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct fragment f;
	struct node want;
	uint32_t seq = 0;
	int r = app_use(fs, dir->app, &p);

	if (r)
		return r;
	refdirs_give(dir, name);
	r = refdirs_resolve(p, dir->extra, name, &seq);
	if (!r && seq && seq != REFDIRS_SUBDIR)
		r = fragment_get(p, seq, &f);
	if (r || !seq)
		return r < 0 ? r : PLACE_NO_ENTRY;
	want = seq == REFDIRS_SUBDIR ? subdir(fs, dir, name) : place_pointer(fs, dir, &f);
	ret->node = place_node(fs, &want);
	ret->entry_ttl = PLACE_ALWAYS;
	refdirs_given(dir, name, seq);
	return 0;
}

static int lookup(struct fs *fs, struct node *dir, const char *name, struct found *ret)
{
	const char *path = dir->extra;

	return *path ? find_ref(fs, dir, name, ret) : find_top(fs, dir, name, ret);
}

struct gathering {
	struct project *p;
	struct names *names;
	size_t skip; /* length of the prefix */
};

/* Refs come in byte order, so those below one directory stand together. */
static int gather(const char *name, const struct oid *commit, void *arg)
{
	struct gathering *g = arg;
	const char *rest = name + g->skip, *slash = strchr(rest, '/');
	size_t len = slash ? (size_t)(slash - rest) : strlen(rest);
	const struct name *last = g->names->n ? &g->names->items[g->names->n - 1] : NULL;
	CLEANUP(free_p) char *text = alloc_copy(rest, len);
	struct fragment f;

	if (last && !strcmp(last->text, text))
		return 0;
	if (slash)
		names_add(g->names, text, S_IFDIR, 0);
	else if (!fragment_by_commit(g->p, commit, &f))
		names_add(g->names, text, S_IFLNK, f.seq);
	return 0;
}

static int gather_all(struct project *p, struct node *dir, struct names **ret)
{
	CLEANUP(free_p) char *prefix = alloc_fmt("refs/%s/", (const char *)dir->extra);
	struct gathering g = {.p = p, .names = names_new(), .skip = strlen(prefix)};
	int r = ref_each(p, prefix, gather, &g);

	names_sort(g.names);
	if (!r)
		refdirs_keep(dir, g.names);
	*ret = g.names;
	return r;
}

static uint64_t ino_of(struct fs *fs, struct node *dir, const struct name *n)
{
	struct ident_scope scope = app_scope(dir->app);

	if (n->mode == S_IFDIR)
		return ident_child(&fs->secret, &dir->ident, n->text, strlen(n->text)).ino;
	return ident_numbered(&fs->secret, &scope, SORT_POINTER,
			      (uint64_t)n->tag << 16 | dir->depth)
		.ino;
}

static int list_refs(struct fs *fs, struct node *dir, uint64_t from, struct dirbuf *out)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct names *ns = from ? refdirs_names(dir) : NULL;
	int r = app_use(fs, dir->app, &p);

	if (!r && !ns)
		r = gather_all(p, dir, &ns);
	for (size_t i = ns ? names_after(ns, from) : 0; !r && i < ns->order->n; i++) {
		const struct name *n = names_at(ns, i);

		if (!dirbuf_add(out, n->text, ino_of(fs, dir, n), n->mode, names_cookie(ns, i)))
			break;
	}
	names_put(ns);
	return r > 0 ? -EIO : r;
}

static int list(struct fs *fs, struct node *dir, uint64_t from, struct dirbuf *out)
{
	const char *path = dir->extra;

	if (*path)
		return list_refs(fs, dir, from, out);
	for (uint64_t i = from; i < N_TOPS; i++) {
		struct ident id =
			ident_child(&fs->secret, &dir->ident, tops[i], strlen(tops[i]));

		if (!dirbuf_add(out, tops[i], id.ino, S_IFDIR, i + 1))
			break;
	}
	return 0;
}

const struct place_ops place_refs = {
	.lookup = lookup,
	.list = list,
};
