/* fs/review.h - the `.git` of a reviewed fragment.
 */
#pragma once

struct found;
struct fs;
struct node;

/* The `.git` file of the review root `dir`, whose git directory is made under run/review/ if it is not there yet.
 * 0, PLACE_NO_ENTRY (the fragment is gone), or a fault. */
int review_gitfile(struct fs *fs, struct node *dir, struct found *ret);
