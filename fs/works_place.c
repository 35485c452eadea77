/* fs/works_place.c - work/ of a project: one directory per session.
 *
 * `mkdir` and `rmdir` in it make and drop sessions (fs/naming.c). The names are few and read anew for each listing.
 */
#include <string.h>
#include <sys/stat.h>

#include "fs/app.h"
#include "fs/dirbuf.h"
#include "fs/fs_private.h"
#include "fs/names.h"
#include "fs/place.h"
#include "fs/trees.h"
#include "fs/work_place.h"
#include "store/project.h"

static int lookup(struct fs *fs, struct node *dir, const char *name, struct found *ret)
{
	ret->entry_ttl = PLACE_ALWAYS;
	if (!strcmp(name, TREES_LIVE))
		return PLACE_NO_ENTRY;
	return work_place_root(fs, dir->app, name, ret);
}

static int add_name(const struct work_info *info, void *arg)
{
	if (strcmp(info->name, TREES_LIVE) != 0)
		names_add(arg, info->name, S_IFDIR, 0);
	return 0;
}

static int list(struct fs *fs, struct node *dir, uint64_t from, struct dirbuf *out)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct names *ns = names_new();
	struct work_info info;
	int r = app_use(fs, dir->app, &p);

	if (!r)
		r = work_each(fs->store, project_id(p), add_name, ns);
	names_sort(ns);
	for (size_t i = names_after(ns, from); !r && i < ns->order->n; i++) {
		const struct name *n = names_at(ns, i);

		if (work_find(p, n->text, &info))
			continue;
		if (!dirbuf_add(out, n->text, work_place_ident(fs, info.id, WORK_ROOT_INO).ino,
				n->mode, names_cookie(ns, i)))
			break;
	}
	names_put(ns);
	return r;
}

const struct place_ops place_works = {
	.lookup = lookup,
	.list = list,
};
