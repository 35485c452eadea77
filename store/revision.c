/* From what people type to a commit.
 *
 * Tried in this order: a fragment's number or directory name, a date, git's own syntax. What is
 * a number or a date is never looked up as a branch, so that `42` means the same whatever branches there
 * are; the branch is still to be had as refs/heads/42. A number of four digits and more that no
 * fragment has may be the start of a hash.
 *
 * Git's syntax is libgit2's: it runs no program and reads no option, so a leading '-' is just a name that
 * does not exist; it is refused all the same, since what is typed here ends in command lines too.
 */
#include "store/revision.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "store/fragment.h"
#include "store/project_private.h"

enum {
	REVISION_LEN_MAX = 1024,
	HASH_START_MIN = 4,
	SECONDS_A_DAY = 86400,
	DATE_LEN = sizeof("2026-11-23") - 1,
};

static bool well_formed(const char *rev)
{
	size_t len = strnlen(rev, REVISION_LEN_MAX + 1);

	if (!len || len > REVISION_LEN_MAX || rev[0] == '-')
		return false;
	for (const char *s = rev; *s; s++) {
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	}
	return true;
}

static bool is_digits(const char *s)
{
	return *s && !s[strspn(s, "0123456789")];
}

/* 0, REVISION_MISSING, or a fault. */
static int by_number(struct project *p, const char *digits, struct oid *ret)
{
	uint32_t seq = fragment_seq_of_name(digits);
	struct fragment f;
	int r = seq ? fragment_get(p, seq, &f) : FRAGMENT_MISSING;

	if (!r)
		*ret = f.commit;
	return r == FRAGMENT_MISSING ? (int)REVISION_MISSING : r;
}

/* The directory name of a fragment, as `ls fragments/` prints it. */
static int by_name(struct project *p, const char *name, struct oid *ret)
{
	uint32_t seq = strchr(name, '-') ? fragment_seq_of_name(name) : 0;
	char real[FRAGMENT_NAME_MAX];
	struct fragment f;
	int r = seq ? fragment_get(p, seq, &f) : FRAGMENT_MISSING;

	if (r)
		return r == FRAGMENT_MISSING ? (int)REVISION_MISSING : r;
	(void)fragment_name(&f, real);
	if (strcmp(real, name) != 0)
		return REVISION_MISSING;
	*ret = f.commit;
	return 0;
}

static int by_time(struct project *p, int64_t t, struct oid *ret)
{
	CLEANUP(project_lent_done) struct project_lent lent = {.project = p};
	CLEANUP(git_revwalk_freep) git_revwalk *walk = NULL;
	struct project_head head;
	git_oid id;
	int r = project_head(p, &head);

	/* An unborn HEAD has no versions. */
	if (!r && oid_is_zero(&head.commit))
		return REVISION_MISSING;
	if (!r)
		r = project_repo(p, &lent.repo);
	if (r)
		return r;
	id = oid_to_git(&head.commit);
	r = git_revwalk_new(&walk, lent.repo);
	if (!r)
		r = git_revwalk_sorting(walk, GIT_SORT_TIME);
	if (!r)
		r = git_revwalk_push(walk, &id);
	/* Newest first, so the first that is old enough is the last one not newer. */
	while (!r && !(r = git_revwalk_next(&id, walk))) {
		CLEANUP(git_commit_freep) git_commit *commit = NULL;

		if (git_commit_lookup(&commit, lent.repo, &id) || git_commit_time(commit) > t)
			continue;
		*ret = oid_from_git(&id);
		return 0;
	}
	if (r == GIT_ITEROVER)
		return REVISION_MISSING;
	return fail_git(r, "walk the history of project '%s'", project_name(p));
}

static int outcome_of(int code, const char *rev)
{
	const git_error *e = git_error_last();

	switch (code) {
	case GIT_ENOTFOUND:
	case GIT_EUNBORNBRANCH:
	case GIT_EPEEL:
		return REVISION_MISSING;
	case GIT_EAMBIGUOUS:
		return REVISION_AMBIGUOUS;
	case GIT_EINVALIDSPEC:
	case GIT_EINVALID:
		return REVISION_BAD;
	default:
		break;
	}
	/* libgit2 has no code of their own for some mistakes in the syntax. */
	if (e && (e->klass == GIT_ERROR_INVALID || e->klass == GIT_ERROR_REFERENCE ||
		  e->klass == GIT_ERROR_REGEX || e->klass == GIT_ERROR_NONE))
		return REVISION_BAD;
	return fail_git(code, "resolve the revision '%s'", rev);
}

static int by_git(struct project *p, const char *rev, struct oid *ret)
{
	CLEANUP(project_lent_done) struct project_lent lent = {.project = p};
	CLEANUP(git_object_freep) git_object *obj = NULL;
	CLEANUP(git_object_freep) git_object *commit = NULL;
	int r = project_repo(p, &lent.repo);

	if (r)
		return r;
	git_error_clear();
	r = git_revparse_single(&obj, lent.repo, rev);
	if (r)
		return outcome_of(r, rev);
	r = git_object_peel(&commit, obj, GIT_OBJECT_COMMIT);
	/* A tree or a blob is no version. */
	if (r)
		return REVISION_BAD;
	*ret = oid_from_git(git_object_id(commit));
	return 0;
}

int revision_resolve(struct project *p, const char *rev, struct oid *ret)
{
	int64_t t;
	int tz, r;

	if (!well_formed(rev))
		return REVISION_BAD;
	if (!strncmp(rev, "seq:", 4))
		return is_digits(rev + 4) ? by_number(p, rev + 4, ret) : REVISION_BAD;
	r = is_digits(rev) ? by_number(p, rev, ret) : by_name(p, rev, ret);
	if (r != REVISION_MISSING || (is_digits(rev) && strlen(rev) < HASH_START_MIN))
		return r;
	if (!clock_parse(rev, &t, &tz)) {
		/* A day means all of it. */
		if (strlen(rev) == DATE_LEN)
			t += SECONDS_A_DAY - 1;
		return by_time(p, t, ret);
	}
	return by_git(p, rev, ret);
}
