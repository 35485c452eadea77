/* fs/work_place.h - directories and files of a work tree, and the directory of sessions.
 *
 * A node of a work tree holds the tree and one inode of it for as long as the kernel, or a request, knows the node. Its
 * attributes are never kept here: the work tree is asked each time.
 */
#pragma once

#include "fs/place.h"
#include "store/work.h"

struct app;

static inline struct work *work_place_work(const struct node *n)
{
	return n->extra;
}

/* The inode's number in its work tree. */
static inline uint64_t work_place_number(const struct node *n)
{
	return n->size;
}

/* Who the inode `number` of the work tree `work` (its id) is in the mount. The low 32 bits of its st_ino are those of
 * `number`. */
struct ident work_place_ident(struct fs *fs, uint64_t work, uint64_t number);

/* The node of an inode, referenced, and what stat says of it. Takes over the hold that came with `attr`. */
struct node *work_place_node(struct fs *fs, struct app *app, struct work *w,
			     const struct work_attr *attr, struct stat *st);

/* What stat says, from attributes one has. */
void work_place_fill(const struct node *n, const struct work_attr *attr, struct stat *st);

/* The same, asking the work tree. 0, a positive errno, or a fault. */
int work_place_stat(const struct node *n, struct stat *st);

/* The root of the work tree `name`, for a lookup. 0, PLACE_NO_ENTRY, or a fault. */
int work_place_root(struct fs *fs, struct app *app, const char *name, struct found *ret);

/* "..", as the mount numbers it. */
uint64_t work_place_parent_ino(struct fs *fs, const struct node *dir);

/* The end of a node: gives back its hold and its tree. */
void work_place_release(struct node *n);
