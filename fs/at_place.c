/* fs/at_place.c - at/<revision>: whatever git calls a version, as a link to it.
 *
 * Nothing is listed and no name is remembered by the kernel, since what a name means may change at any time. A revision
 * with slashes works as it stands where its beginning is that of a ref (`at/feature/x~2`), and always with the slash
 * written %2F. A commit that no ref reaches has no fragment and is shown as a directory of its own.
 */
#include "fs/at_place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "fs/app.h"
#include "fs/fs_private.h"
#include "fs/place.h"
#include "fs/tree_place.h"
#include "store/commit.h"
#include "store/fragment.h"
#include "store/ref.h"
#include "store/revision.h"

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *d = c ? strchr(digits, c) : NULL;

	return d ? (int)((d - digits) % 16) : -1;
}

char *at_place_decode(const char *name)
{
	char *ret = alloc_str(name), *to = ret;

	for (const char *c = name; *c; c++) {
		int hi = *c == '%' ? hex_digit(c[1]) : -1;
		int lo = hi >= 0 ? hex_digit(c[2]) : -1;

		*to++ = *c;
		if (lo < 0 || !(hi | lo))
			continue;
		to[-1] = (char)(hi << 4 | lo);
		c += 2;
	}
	*to = '\0';
	return ret;
}

static int any_ref(const char *name, const struct oid *commit, void *arg)
{
	return 1;
}

/* Whether some ref's name starts with this and a slash. */
static int begins_a_ref(struct project *p, const char *rev)
{
	static const char *const spaces[] = {"refs/heads/", "refs/tags/", "refs/remotes/",
					     "refs/", ""};
	int r = 0;

	for (size_t i = 0; !r && i < sizeof(spaces) / sizeof(spaces[0]); i++) {
		CLEANUP(free_p) char *prefix = alloc_fmt("%s%s/", spaces[i], rev);

		r = ref_each(p, prefix, any_ref, NULL);
	}
	return r;
}

/* A template for what the commit is shown as. */
static int show(struct fs *fs, struct node *dir, struct project *p, const struct oid *id,
		struct node *ret)
{
	struct commit *c = NULL;
	struct fragment f;
	int r = fragment_by_commit(p, id, &f);

	if (r < 0)
		return r;
	if (!r) {
		*ret = place_pointer(fs, dir, &f);
		return 0;
	}
	r = commit_read(p, id, &c);
	if (r)
		return r < 0 ? r : PLACE_NO_ENTRY;
	*ret = tree_place_commit(fs, dir, id, &c->tree, c->committer.time);
	commit_free(c);
	return 0;
}

static int lookup(struct fs *fs, struct node *dir, const char *name, struct found *ret)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	CLEANUP(free_p) char *part = at_place_decode(name);
	const char *path = dir->extra;
	CLEANUP(free_p) char *rev = alloc_fmt("%s%s%s", path, *path ? "/" : "", part);
	struct node want;
	struct oid id;
	int r = app_use(fs, dir->app, &p);

	if (!r)
		r = revision_resolve(p, rev, &id);
	if (r < 0)
		return r;
	if (!r) {
		r = show(fs, dir, p, &id, &want);
	} else {
		r = begins_a_ref(p, rev);
		if (r <= 0)
			return r < 0 ? r : PLACE_NO_ENTRY;
		want = place_subdir(fs, dir, name, PLACE_AT);
		want.extra = alloc_str(rev);
		r = 0;
	}
	if (!r)
		ret->node = place_node(fs, &want);
	return r;
}

const struct place_ops place_at = {
	.lookup = lookup,
};
