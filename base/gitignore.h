/* base/gitignore.h - which paths git would ignore, without asking a file system.
 *
 * The rules of gitignore(5): core.excludesFile is not read, $GIT_COMMON_DIR/info/exclude and the .gitignore files of the tree are.
 * The matcher pulls .gitignore contents through a callback, so that it works on a work tree, on a tree of git, and in tests.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct gitignore;

/* The text of `<dir>/.gitignore` (`dir` "" for the root), malloc'ed, or NULL when there is none. */
typedef char *(*gitignore_read_fn)(const char *dir, size_t *len, void *arg);

/* `exclude`: the text of info/exclude, may be NULL; copied. Contents are read once per directory and kept until
 * gitignore_free(): an ignore is made for one operation and thrown away. */
struct gitignore *gitignore_new(const char *exclude, size_t exclude_len, gitignore_read_fn read,
				void *arg);
void gitignore_free(struct gitignore *ig); /* accepts NULL */

/* Whether `path` is ignored; `is_dir` says what it is. Paths below an ignored directory are. */
bool gitignore_match(struct gitignore *ig, const char *path, bool is_dir);
