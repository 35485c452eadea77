/* fs/tree_place.h - directories and files that come out of git trees.
 */
#pragma once

#include "fs/place.h"
#include "store/fragment.h"

struct live;
struct project;
struct tree_entry;

/* Templates of root directories; each takes its own reference of the app. */
struct node tree_place_fragment(struct fs *fs, struct node *dir, const struct fragment *f,
				enum tree_view view);
struct node tree_place_commit(struct fs *fs, struct node *dir, const struct oid *commit,
			      const struct oid *tree, int64_t time);
/* Call with the live lock held. */
struct node tree_place_live(struct fs *fs, struct node *dir);

struct ident tree_place_live_ident(struct fs *fs, struct app *app);

/* The blob as a file or link, without any place of its own: the same node wherever it appears. */
struct node tree_place_blob(struct fs *fs, struct app *app, const struct tree_entry *e);

/* The lock that must be held, shared, from before a lookup in or a listing of `dir` (or, with `name` NULL, a stat of
 * it) until the kernel has the answer; NULL when none is needed. `*ret` is untouched on a fault. */
int tree_place_guard(struct fs *fs, struct node *dir, const char *name, struct live **ret);

/* A symbolic link in `dir` to the fragment. */
struct node place_pointer(struct fs *fs, struct node *dir, const struct fragment *f);

/* Where a pointer leads: "../../fragments/…"; needs FRAGMENT_NAME_MAX + 3 × depth + 16 bytes. */
int place_pointer_target(struct fs *fs, struct node *n, char *ret, size_t size);
