/* A patch between two trees, by libgit2.
 *
 * Its texts are what people compare with `git diff`, so it is left to the library: three lines
 * of context, renames found by content. Memory is bounded by looking at sizes first: a file
 * past TEXT_MAX is named as binary, and where such a file comes or goes only renames of equal content
 * are looked for. The caller's buffer is the ceiling of the rest.
 */
#include <errno.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "store/diff.h"
#include "store/object.h"
#include "store/project_private.h"
#include "store/tree_private.h"

enum { TEXT_MAX = 8 << 20 };

/* NULL for the empty tree, which need not be stored. */
static int look_up(git_repository *repo, struct project *p, const struct oid *oid,
		   git_tree **ret)
{
	CLEANUP(tree_bytes_done) struct tree_bytes bytes = {0};
	char hex[OID_HEX_LEN + 1];
	git_oid id = oid_to_git(oid);
	int r = tree_bytes(p, oid, &bytes);

	if (r || !bytes.object)
		return r;
	r = git_tree_lookup(ret, repo, &id);
	return r ? fail_git(r, "read tree '%s'", oid_hex(oid, hex)) : 0;
}

static bool is_large(struct project *p, const git_diff_file *f)
{
	struct oid oid = oid_from_git(&f->id);
	git_object_t type;
	size_t size;

	return f->mode != GIT_FILEMODE_COMMIT && !oid_is_zero(&oid) &&
	       !object_header(p, &oid, &type, &size) && size > TEXT_MAX;
}

static bool any_large(struct project *p, const git_diff *diff)
{
	for (size_t i = 0; i < git_diff_num_deltas(diff); i++) {
		const git_diff_delta *d = git_diff_get_delta(diff, i);

		if ((d->status == GIT_DELTA_ADDED && is_large(p, &d->new_file)) ||
		    (d->status == GIT_DELTA_DELETED && is_large(p, &d->old_file)))
			return true;
	}
	return false;
}

static int add_line(const git_diff_delta *delta, const git_diff_hunk *hunk,
		    const git_diff_line *line, void *arg)
{
	struct buf *b = arg;
	int r = 0;

	if (line->origin == GIT_DIFF_LINE_CONTEXT || line->origin == GIT_DIFF_LINE_ADDITION ||
	    line->origin == GIT_DIFF_LINE_DELETION)
		r = buf_add(b, &line->origin, 1);
	return r ? r : buf_add(b, line->content, line->content_len);
}

static int print(struct project *p, git_repository *repo, git_tree *from, git_tree *to,
		 struct buf *b)
{
	CLEANUP(git_diff_freep) git_diff *diff = NULL;
	git_diff_options opts;
	git_diff_find_options find;
	int r = git_diff_options_init(&opts, GIT_DIFF_OPTIONS_VERSION);

	if (!r)
		r = git_diff_find_options_init(&find, GIT_DIFF_FIND_OPTIONS_VERSION);
	if (r)
		return fail_git(r, "prepare a diff");
	opts.max_size = TEXT_MAX;
	opts.flags = GIT_DIFF_INCLUDE_TYPECHANGE;
	r = git_diff_tree_to_tree(&diff, repo, from, to, &opts);
	if (r)
		return fail_git(r, "compare two trees");
	find.flags = GIT_DIFF_FIND_RENAMES;
	if (any_large(p, diff))
		find.flags |= GIT_DIFF_FIND_EXACT_MATCH_ONLY;
	r = git_diff_find_similar(diff, &find);
	if (r)
		return fail_git(r, "find renames");
	r = git_diff_print(diff, GIT_DIFF_FORMAT_PATCH, add_line, b);
	if (r == -E2BIG || r == -ENOMEM)
		return r;
	return r ? fail_git(r, "print a patch") : 0;
}

int diff_patch(struct project *p, const struct oid *old_tree, const struct oid *new_tree,
	       struct buf *b)
{
	CLEANUP(project_lent_done) struct project_lent lent = {.project = p};
	CLEANUP(git_tree_freep) git_tree *from = NULL;
	CLEANUP(git_tree_freep) git_tree *to = NULL;
	int r = project_repo(p, &lent.repo);

	if (!r)
		r = look_up(lent.repo, p, old_tree, &from);
	if (!r)
		r = look_up(lent.repo, p, new_tree, &to);
	/* Both empty: libgit2 wants one of them. */
	return r || (!from && !to) ? r : print(p, lent.repo, from, to, b);
}
