/* Bringing a project's refs up to what its source has, without undoing anybody's work.
 *
 * The base is written after the ref, so a crash between the two leaves a ref that already is where the source
 * has it: equal on both sides, which the next call takes as settled.
 */
#include "store/import_git_merge.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "store/git.h"
#include "store/project_private.h"
#include "store/ref.h"

static bool starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

enum import_git_move import_git_decide(const char *name, const struct oid *base,
				       const struct oid *theirs, const struct oid *ours)
{
	if (oid_is_zero(theirs) || oid_eq(theirs, ours))
		return IMPORT_GIT_STAY;
	if (oid_is_zero(ours))
		return oid_is_zero(base) ? IMPORT_GIT_FOLLOW : IMPORT_GIT_STAY;
	if (oid_eq(base, ours))
		return IMPORT_GIT_FOLLOW;
	if (oid_eq(base, theirs))
		return IMPORT_GIT_STAY;
	if (starts(name, "refs/heads/"))
		return IMPORT_GIT_ASK;
	return starts(name, "refs/tags/") ? IMPORT_GIT_STAY : IMPORT_GIT_FOLLOW;
}

static int read_ref(struct project *p, const char *name, struct oid *ret)
{
	int r = ref_value(p, name, ret);

	if (r > 0)
		*ret = (struct oid){{0}};
	return r < 0 ? r : 0;
}

/* A ref that somebody moves at this moment is theirs: the next import sees it. So is one that has no
 * place: "a" here and "a/b" there cannot both be. */
static int move_ref(struct project *p, const char *name, const struct oid *from,
		    const struct oid *to)
{
	int r = ref_advance(p, name, from, to, "import");

	if (r > 0 || r == -EEXIST || r == -EISDIR || r == -ENOTDIR) {
		log_warn("import: ref '%s' is in use by somebody else, ignoring the source's",
			 name);
		return 0;
	}
	return r;
}

/* Both moved a branch. */
static int settle_both(struct project *p, git_repository *repo,
		       const struct import_git_ref *ref, const struct oid *ours,
		       struct import_git_merged *ret)
{
	CLEANUP(free_p) char *remote = alloc_fmt("refs/remotes/origin/%s", ref->name + 11);
	git_oid a = oid_to_git(ours), b = oid_to_git(&ref->oid);
	struct oid there;
	int r = git_graph_descendant_of(repo, &b, &a);

	if (r == 1) {
		ret->n_moved++;
		return move_ref(p, ref->name, ours, &ref->oid);
	}
	if (git_graph_descendant_of(repo, &a, &b) == 1)
		return 0;
	ret->n_diverged++;
	log_warn("import: branch '%s' was changed here and at the source, ignoring: theirs is "
		 "'origin/%s'",
		 ref->name + 11, ref->name + 11);
	r = read_ref(p, remote, &there);
	if (r || oid_eq(&there, &ref->oid))
		return r;
	return move_ref(p, remote, &there, &ref->oid);
}

static int merge_ref(struct project *p, git_repository *repo, const struct import_git_ref *ref,
		     struct import_git_merged *ret)
{
	CLEANUP(free_p) char *base_name = alloc_fmt("refs/imported/%s", ref->name + 5);
	struct oid base, ours;
	int r = read_ref(p, base_name, &base);

	if (!r)
		r = read_ref(p, ref->name, &ours);
	if (r)
		return r;
	switch (import_git_decide(ref->name, &base, &ref->oid, &ours)) {
	case IMPORT_GIT_FOLLOW:
		ret->n_added += oid_is_zero(&ours);
		ret->n_moved += !oid_is_zero(&ours);
		r = move_ref(p, ref->name, &ours, &ref->oid);
		break;
	case IMPORT_GIT_ASK:
		r = settle_both(p, repo, ref, &ours, ret);
		break;
	case IMPORT_GIT_STAY:
		if (starts(ref->name, "refs/tags/") && !oid_is_zero(&ours) &&
		    !oid_eq(&ours, &ref->oid) && !oid_eq(&base, &ref->oid)) {
			ret->n_clashed++;
			log_warn("import: tag '%s' differs from the source's, ignoring theirs",
				 ref->name + 10);
		}
		break;
	}
	if (r || oid_eq(&base, &ref->oid))
		return r;
	return move_ref(p, base_name, &base, &ref->oid);
}

static int merge_symbolic(git_repository *repo, const struct import_git_ref *ref)
{
	CLEANUP(git_reference_freep) git_reference *made = NULL;
	int r = git_reference_symbolic_create(&made, repo, ref->name, ref->target, 0, "import");

	if (r && r != GIT_EEXISTS)
		return fail_git(r, "make ref '%s'", ref->name);
	return 0;
}

int import_git_merge(struct project *p, const struct import_git_refs *theirs,
		     struct import_git_merged *ret)
{
	CLEANUP(project_lent_done) struct project_lent lent = {.project = p};
	int r = project_repo(p, &lent.repo);

	for (size_t i = 0; !r && i < theirs->n; i++) {
		if (theirs->refs[i].target)
			r = merge_symbolic(lent.repo, &theirs->refs[i]);
		else if (!theirs->refs[i].broken)
			r = merge_ref(p, lent.repo, &theirs->refs[i], ret);
	}
	return r;
}
