/* fs/root_place.c - the top of the mount: one directory per project, and the hidden `.frag`.
 *
 * Nothing is opened here: `ls` of ten thousand projects reads one directory. That a project is no git repository
 * shows when one goes in.
 */
#include "fs/place.h"

#include <string.h>
#include <sys/stat.h>

#include "fs/app.h"
#include "fs/dirbuf.h"
#include "fs/fs_private.h"
#include "fs/names.h"

static struct node project_dir(struct fs *fs, struct app *app)
{
	struct node n = {.kind = PLACE_PROJECT,
			 .mode = S_IFDIR | 0755,
			 .mtime = fs->started,
			 .size = NODE_ROOT_ID,
			 .app = app};

	n.ident = app_ident(fs, app);
	return n;
}

static int root_lookup(struct fs *fs, struct node *dir, const char *name, struct found *ret)
{
	struct node want;

	if (!strcmp(name, ".frag")) {
		want = place_subdir(fs, dir, name, PLACE_HEALTH);
	} else {
		if (!project_name_ok(name) || !apps_is_there(fs, name))
			return PLACE_NO_ENTRY;
		want = project_dir(fs, apps_get(fs->apps, name));
	}
	ret->node = place_node(fs, &want);
	ret->entry_ttl = PLACE_ALWAYS;
	return 0;
}

static int add_name(const char *name, void *arg)
{
	names_add(arg, name, S_IFDIR, 0);
	return 0;
}

static int root_list(struct fs *fs, struct node *dir, uint64_t from, struct dirbuf *out)
{
	const struct ident root = {.ino = NODE_ROOT_ID};
	struct names *ns = from ? names_kept(&fs->root_names, NODE_ROOT_ID) : NULL;
	int r = 0;

	if (!ns) {
		ns = names_new();
		r = project_each(fs->store, add_name, ns);
		names_sort(ns);
		names_keep(&fs->root_names, NODE_ROOT_ID, ns);
	}
	for (size_t i = names_after(ns, from); !r && i < ns->order->n; i++) {
		const struct name *n = names_at(ns, i);
		struct ident id = ident_child(&fs->secret, &root, n->text, strlen(n->text));

		if (!dirbuf_add(out, n->text, id.ino, n->mode, names_cookie(ns, i)))
			break;
	}
	names_put(ns);
	return r;
}

const struct place_ops place_root = {
	.lookup = root_lookup,
	.list = root_list,
};
