/* fs/tree_place.h - directories and files that come out of git trees.
 */
#pragma once

#include "fs/place.h"
#include "store/fragment.h"

struct project;
struct tree_entry;

/* Templates of root directories; each takes its own reference of the app. */
struct node tree_place_fragment(struct fs *fs, struct node *dir, const struct fragment *f,
				enum tree_view view);
struct node tree_place_commit(struct fs *fs, struct node *dir, const struct oid *commit,
			      const struct oid *tree, int64_t time);
/* The blob as a file or link, without any place of its own: the same node wherever it appears. */
struct node tree_place_blob(struct fs *fs, struct app *app, const struct tree_entry *e);

/* A symbolic link in `dir` to the fragment. */
struct node place_pointer(struct fs *fs, struct node *dir, const struct fragment *f);

/* Where a pointer leads: "../../fragments/…"; needs FRAGMENT_NAME_MAX + 3 × depth + 16 bytes. */
int place_pointer_target(struct fs *fs, struct node *n, char *ret, size_t size);
