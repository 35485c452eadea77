/* store/git.h - the border with libgit2.
 *
 * Only files of store/ include it. libgit2's codes stop here: fail_git() turns them into
 * negative errnos and quotes libgit2's own words. No configuration outside a repository
 * is ever consulted, and every file libgit2 writes below a repository is synced.
 */
#pragma once

#include <git2.h>
#if __has_include(<git2/sys/errors.h>)
#include <git2/sys/errors.h> /* where 1.8 and later keep git_error_clear() */
#endif

#include "base/cleanup.h"
#include "base/error.h"
#include "base/oid.h"

/* Starts libgit2 with our options; counted, git_stop() undoes one. 0 or a fault (-ENOSYS
 * for a libgit2 that is too old). store_open() does it, so only code without a store needs to. */
int git_start(void);
void git_stop(void);

/* Logs libgit2's last error of this thread and returns the errno that comes nearest to `code`. */
#define fail_git(code, ...) fail_git_at(__FILE__, __LINE__, (code), __VA_ARGS__)

int fail_git_at(const char *file, int line, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5), cold));

static inline git_oid oid_to_git(const struct oid *oid)
{
	git_oid ret = {0};

	memcpy(ret.id, oid->id, OID_LEN);
	return ret;
}

static inline struct oid oid_from_git(const git_oid *oid)
{
	struct oid ret;

	memcpy(ret.id, oid->id, OID_LEN);
	return ret;
}

DEFINE_CLEANUP(git_blob *, git_blob_free)
DEFINE_CLEANUP(git_commit *, git_commit_free)
DEFINE_CLEANUP(git_config *, git_config_free)
DEFINE_CLEANUP(git_diff *, git_diff_free)
DEFINE_CLEANUP(git_object *, git_object_free)
DEFINE_CLEANUP(git_odb *, git_odb_free)
DEFINE_CLEANUP(git_odb_object *, git_odb_object_free)
DEFINE_CLEANUP(git_odb_stream *, git_odb_stream_free)
DEFINE_CLEANUP(git_packbuilder *, git_packbuilder_free)
DEFINE_CLEANUP(git_patch *, git_patch_free)
DEFINE_CLEANUP(git_reference *, git_reference_free)
DEFINE_CLEANUP(git_reference_iterator *, git_reference_iterator_free)
DEFINE_CLEANUP(git_revwalk *, git_revwalk_free)
DEFINE_CLEANUP(git_tree *, git_tree_free)
