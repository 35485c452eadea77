/* fs/project_place.c - <mnt>/<project>/: a fixed set of names, of which `.frag` is not listed. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/app.h"
#include "fs/dirbuf.h"
#include "fs/fs_private.h"
#include "fs/place.h"
#include "fs/trees.h"
#include "fs/work_place.h"

struct fixed {
	const char *name;
	enum place_kind kind;
};

/* In the order of the listing; what is hidden comes last. */
static const struct fixed fixed[] = {
	{TREES_LIVE, PLACE_WORK}, {"work", PLACE_WORKS},    {"fragments", PLACE_FRAGMENTS},
	{"by-date", PLACE_DATES}, {"refs", PLACE_REFS},     {"at", PLACE_AT},
	{"review", PLACE_REVIEW}, {".frag", PLACE_CONTROL},
};

enum { N_FIXED = sizeof(fixed) / sizeof(fixed[0]), N_LISTED = N_FIXED - 1 };

/* A project always has one, so that there is none is a fault. */
static int live_lookup(struct fs *fs, struct node *dir, struct found *ret)
{
	int r = work_place_root(fs, dir->app, TREES_LIVE, ret);

	return r == PLACE_NO_ENTRY ? -EIO : r;
}

static int lookup(struct fs *fs, struct node *dir, const char *name, struct found *ret)
{
	struct node want;
	size_t i = 0;

	while (i < N_FIXED && strcmp(fixed[i].name, name) != 0)
		i++;
	ret->entry_ttl = PLACE_ALWAYS;
	if (i == N_FIXED)
		return PLACE_NO_ENTRY;
	if (fixed[i].kind == PLACE_WORK)
		return live_lookup(fs, dir, ret);
	want = place_subdir(fs, dir, name, fixed[i].kind);
	if (want.kind == PLACE_REFS || want.kind == PLACE_AT || want.kind == PLACE_HISTORY)
		want.extra = strdup("");
	ret->node = place_node(fs, &want);
	return 0;
}

static int list(struct fs *fs, struct node *dir, uint64_t from, struct dirbuf *out)
{
	for (uint64_t i = from; i < N_LISTED; i++) {
		struct ident id = ident_child(&fs->secret, &dir->ident, fixed[i].name,
					      strlen(fixed[i].name));

		if (!dirbuf_add(out, fixed[i].name, id.ino, S_IFDIR, i + 1))
			break;
	}
	return 0;
}

const struct place_ops place_project = {
	.lookup = lookup,
	.list = list,
};
