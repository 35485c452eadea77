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

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "store/commit.h"
#include "store/fragment.h"
#include "store/project_private.h"
#include "store/search_scan.h"

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

/* A walk from `base`, or from all branches, tags and remotes; youngest first. libgit2's codes. */
static int start_walk(git_repository *repo, const struct oid *base, git_revwalk **ret)
{
	static const char *const globs[] = {"refs/heads/*", "refs/tags/*", "refs/remotes/*"};
	git_oid id;
	int r = git_revwalk_new(ret, repo);

	if (!r)
		r = git_revwalk_sorting(*ret, GIT_SORT_TIME);
	if (r)
		return r;
	if (base) {
		id = oid_to_git(base);
		return git_revwalk_push(*ret, &id);
	}
	for (size_t i = 0; i < sizeof(globs) / sizeof(*globs) && !r; i++)
		r = git_revwalk_push_glob(*ret, globs[i]);
	return r;
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
	r = start_walk(lent.repo, &head.commit, &walk);
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

static bool says(struct project *p, const struct oid *id, struct search_scan *scan)
{
	struct search_hits h = {0};
	struct commit *c;
	bool found;

	if (commit_read(p, id, &c))
		return false;
	search_scan_run(scan, c->message, strlen(c->message), &h);
	found = h.n > 0;
	search_hits_deinit(&h);
	commit_free(c);
	return found;
}

static int find_text(struct project *p, const struct oid *base, struct search_scan *scan,
		     struct oid *ret)
{
	CLEANUP(project_lent_done) struct project_lent lent = {.project = p};
	CLEANUP(git_revwalk_freep) git_revwalk *walk = NULL;
	git_oid id;
	int r = project_repo(p, &lent.repo);

	if (r)
		return r;
	r = start_walk(lent.repo, base, &walk);
	while (!r && !(r = git_revwalk_next(&id, walk))) {
		struct oid oid = oid_from_git(&id);

		if (!says(p, &oid, scan))
			continue;
		*ret = oid;
		return 0;
	}
	return r == GIT_ITEROVER
		       ? (int)REVISION_MISSING
		       : fail_git(r, "walk the history of project '%s'", project_name(p));
}

/* The youngest commit reachable from `base` whose message matches. libgit2 can do that too, but loses
 * memory each time and bounds no pattern. */
static int by_text(struct project *p, const struct oid *base, const char *pattern,
		   struct oid *ret)
{
	const struct search_options o = {.pattern = pattern};
	struct search_pattern *compiled = NULL;
	struct search_scan *scan = NULL;
	char why[SEARCH_WHY_MAX];
	int r;

	if (!*pattern || *pattern == '!')
		return REVISION_BAD;
	r = search_pattern_new(&o, &compiled, why);
	if (!r)
		r = search_scan_new(compiled, &scan);
	if (!r)
		r = find_text(p, base, scan, ret);
	else if (r > 0)
		r = REVISION_BAD;
	search_scan_free(scan);
	search_pattern_free(compiled);
	return r;
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

/* Git's syntax with its searches for a message, `<rev>^{/text}` and `:/text`, taken out of it. */
static int by_syntax(struct project *p, const char *rev, struct oid *ret)
{
	CLEANUP(free_p) char *copy = NULL;
	CLEANUP(free_p) char *next = NULL;
	char hex[OID_HEX_LEN + 1], *text, *end;
	int r;

	if (!strncmp(rev, ":/", 2))
		return by_text(p, NULL, rev + 2, ret);
	if (!strstr(rev, "^{/"))
		return by_git(p, rev, ret);
	copy = alloc_str(rev);
	text = strstr(copy, "^{/");
	*text = '\0';
	text += 3;
	end = strchr(text, '}');
	if (!end)
		return REVISION_BAD;
	*end = '\0';
	r = by_git(p, *copy ? copy : "HEAD", ret);
	if (!r)
		r = by_text(p, ret, text, ret);
	if (r || !end[1])
		return r;
	/* What follows goes on from there; each turn has one search less. */
	next = alloc_fmt("%s%s", oid_hex(ret, hex), end + 1);
	return by_syntax(p, next, ret);
}

int revision_resolve(struct project *p, const char *rev, struct oid *ret)
{
	struct oid found;
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
	r = by_syntax(p, rev, &found);
	if (!r)
		*ret = found;
	return r;
}
