/* fs/control.h - texts in control directories.
 */
#pragma once

struct buf;
struct found;
struct fs;
struct node;

/* Shows what `b` holds as the file `name` of `dir`; `b` is empty after. */
void control_show(struct fs *fs, struct node *dir, const char *name, struct buf *b,
		  struct found *ret);
