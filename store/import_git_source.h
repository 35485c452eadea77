/* store/import_git_source.h - a git repository on this machine, read as files.
 *
 * Nothing of a foreign repository is ever run or obeyed: no git works inside it, its config is parsed (by
 * git, from a copy, without includes) for the few settings that say how to read it, and links
 * inside its object directories are not followed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "store/import_git_refs.h"

struct import_git_child;

enum import_git_source_outcome {
	IMPORT_GIT_SOURCE_NONE = 1, /* there is no repository at the path */
	IMPORT_GIT_SOURCE_REFUSED, /* there is, but it cannot be imported: logged, with what to do */
	IMPORT_GIT_SOURCE_FOREIGN, /* its refs are kept in a way only git reads: fetch from it */
};

enum { IMPORT_GIT_SOURCE_DIRS_MAX = 32 };

struct import_git_source {
	char *git_dir;    /* absolute: HEAD is here */
	char *common_dir; /* absolute: refs and config; the same unless it is a linked work tree */
	char *object_dirs
		[IMPORT_GIT_SOURCE_DIRS_MAX]; /* absolute: its own, then what it borrows from */
	size_t n_object_dirs;
	bool shallow; /* common_dir/shallow lists where its history was cut off */
};

/* Finds the repository at `path`: a bare one, a directory with .git, a .git that is a file. */
int import_git_source_open(const char *path, const struct import_git_child *git,
			   struct import_git_source *ret);
void import_git_source_deinit(struct import_git_source *s);

/* Its refs and HEAD; never those under refs/fragments/ and refs/imported/, nor bisect and
 * per-work-tree ones. */
int import_git_source_refs(const struct import_git_source *s, struct import_git_refs *ret);

/* Only looks: 0 when something that is probably a repository is at `path`, IMPORT_GIT_SOURCE_NONE. */
int import_git_source_probe(const char *path);
