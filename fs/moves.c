/* fs/moves.c - telling the kernel, and who watches, what a switch changed.
 *
 * Only directories that the kernel knows matter to it: of the others it has no names to forget. A changed file is a new
 * inode under its name, so dropping the name is enough, and whoever has the old one open keeps it whole.
 */
#include "fs/moves.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "fs/fs_private.h"
#include "fs/inval.h"
#include "fs/node.h"
#include "fs/work_place.h"
#include "store/work.h"

struct moves {
	struct fs *fs;
	struct work *work;
	struct inval_item *items;
	size_t n, cap;
};

struct moves *moves_begin(struct fs *fs, struct work *w)
{
	struct moves *m = alloc_zero(sizeof(*m));

	m->fs = fs;
	m->work = w;
	return m;
}

void moves_add(uint64_t dir, const char *name, void *moves)
{
	struct moves *m = moves;
	struct ident ident = work_place_ident(m->fs, work_info(m->work)->id, dir);
	struct node *n = node_find(m->fs->nodes, &ident.key);

	if (!n)
		return;
	alloc_grow(&m->items, &m->cap, m->n + 1, sizeof(*m->items));
	m->items[m->n++] = (struct inval_item){.kind = name ? INVAL_ENTRY : INVAL_INODE,
					       .id = n->id,
					       .name = name ? alloc_str(name) : NULL};
	node_put(m->fs->nodes, n);
}

void moves_end(struct moves *m)
{
	if (!m)
		return;
	inval_queue(m->fs->inval, m->items, m->n);
	free(m->items);
	free(m);
}
