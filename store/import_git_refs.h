/* store/import_git_refs.h - the refs of a repository as a sorted table.
 *
 * Read from files (packed-refs, refs/, HEAD), so that no git works in a foreign repository and 100,000
 * refs cost one read; written as one packed-refs file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/oid.h"

struct import_git_ref {
	char *name;     /* full: refs/heads/main */
	struct oid oid; /* zero for a symbolic one */
	char *target;   /* of a symbolic ref, or NULL */
	bool broken;    /* its object is not there */
};

struct import_git_refs {
	struct import_git_ref *refs; /* by name, unique */
	size_t n, cap;
	char *head;          /* the branch HEAD names, or NULL: detached or missing */
	struct oid head_oid; /* detached HEAD, or zero */
};

void import_git_refs_init(struct import_git_refs *r);
void import_git_refs_deinit(struct import_git_refs *r);

/* A name that git accepts below refs/. */
bool import_git_refs_name_ok(const char *name);

/* Adds one; names that are bad, or not to be imported, are passed over with a warning. */
void import_git_refs_add(struct import_git_refs *r, const char *name, const struct oid *oid,
			 const char *target);
/* Sorts; of several of one name the last added counts. Must be called before find and write. */
void import_git_refs_sort(struct import_git_refs *r);
const struct import_git_ref *import_git_refs_find(const struct import_git_refs *r,
						  const char *name);

/* Parses the text of a packed-refs file. */
void import_git_refs_parse_packed(struct import_git_refs *r, const char *text, size_t len);

/* Reads packed-refs and refs/ below `common_fd`, HEAD below `git_fd`, and sorts. 0 or a fault. */
int import_git_refs_read(int git_fd, int common_fd, struct import_git_refs *ret);

/* Makes them the refs of the repository `fd`, which has none that matter: one packed-refs, symbolic refs as
 * files, HEAD. With `remember` each is also written under refs/imported/. Durable. */
int import_git_refs_write(const struct import_git_refs *r, int fd, bool remember);
