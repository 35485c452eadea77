/* fs/listing.c - directories of trees, as the places of the mount want them.
 *
 * Nothing is kept here: the store's cache answers a directory that was decoded lately in well under a microsecond,
 * and a second one before it only held the same entries for longer.
 */
#include "fs/listing.h"

#include <errno.h>

#include "base/error.h"
#include "store/project.h"

/* Of a submodule: its id is a commit of another repository. */
static const struct tree_list empty_list;

int listing_get(struct project *p, const struct oid *tree, const struct tree_list **ret)
{
	char hex[OID_HEX_LEN + 1];
	int r;

	if (oid_is_zero(tree)) {
		*ret = &empty_list;
		return 0;
	}
	r = tree_list(p, tree, ret);
	if (r <= 0)
		return r;
	return fail(-EIO, "project '%s': directory %s is %s", project_name(p),
		    oid_hex(tree, hex), r == TREE_MISSING ? "missing" : "damaged");
}

void listing_put(const struct tree_list *l)
{
	if (l != &empty_list)
		tree_list_unref(l);
}

const struct tree_entry *listing_find(const struct tree_list *l, const char *name)
{
	/* The empty list is ours, and the store looks into its own only. */
	return l == &empty_list ? NULL : tree_list_find(l, name);
}
