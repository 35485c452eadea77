/* Compare-and-swap on refs, by git's own locks.
 *
 * libgit2 compares before it takes a ref's lock when the ref is new, and its deletion never
 * syncs. So every change here is a transaction: the lock first, then the comparison, then the
 * new value; nobody else, git or us, changes the ref meanwhile. libgit2 syncs the file and its
 * directory; what it leaves out, a directory made for the ref and the loss of a name, is synced after.
 *
 * A lock that somebody holds is waited for, briefly: pack-refs holds each for a moment. What a killed
 * frag left is cleared at once (store/ref_guard.h); a lock of git's that has not moved for
 * LOCK_STALE_S belongs to a process that was killed, and is removed and said.
 */
#include "store/ref.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <git2/sys/refs.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "store/object.h"
#include "store/project_private.h"
#include "store/ref_guard.h"

enum {
	REF_NAME_MAX = 1024,
	LOCK_TRIES = 200,
	LOCK_WAIT_MS = 10,
	LOCK_STALE_S = 600,
};

DEFINE_CLEANUP(git_transaction *, git_transaction_free)

static bool name_ok(const char *name)
{
	int ok = 0;

	return name && strlen(name) < REF_NAME_MAX && strncmp(name, "refs/", 5) == 0 &&
	       git_reference_name_is_valid(&ok, name) == 0 && ok;
}

/* Where `name` points, unpeeled; zero when there is no such ref. `symbolic` may be NULL. */
static int value_of(git_repository *repo, const char *name, struct oid *ret, bool *symbolic)
{
	CLEANUP(git_reference_freep) git_reference *ref = NULL;
	git_oid id;
	int r = git_reference_lookup(&ref, repo, name);

	*ret = (struct oid){{0}};
	if (r == GIT_ENOTFOUND)
		return 0;
	if (r)
		return fail_git(r, "read ref '%s'", name);
	if (symbolic)
		*symbolic = git_reference_type(ref) == GIT_REFERENCE_SYMBOLIC;
	r = git_reference_name_to_id(&id, repo, name);
	if (r == GIT_ENOTFOUND)
		return 0;
	if (r)
		return fail_git(r, "resolve ref '%s'", name);
	*ret = oid_from_git(&id);
	return 0;
}

int ref_read(struct project *p, const char *name, struct oid *ret)
{
	CLEANUP(project_lent_done) struct project_lent lent = {.project = p};
	struct oid at;
	int r;

	if (strcmp(name, "HEAD") != 0 && !name_ok(name))
		return REF_BAD_NAME;
	r = project_repo(p, &lent.repo);
	if (r)
		return r;
	r = value_of(lent.repo, name, &at, NULL);
	if (r)
		return r;
	if (oid_is_zero(&at))
		return REF_MISSING;
	r = object_peel(p, &at, ret);
	return r == OBJECT_MISSING ? fail(-EIO, "ref '%s' of project '%s' leads to no commit",
					  name, project_name(p))
				   : r;
}

int ref_value(struct project *p, const char *name, struct oid *ret)
{
	CLEANUP(project_lent_done) struct project_lent lent = {.project = p};
	struct oid at;
	int r;

	if (strcmp(name, "HEAD") != 0 && !name_ok(name))
		return REF_BAD_NAME;
	r = project_repo(p, &lent.repo);
	if (!r)
		r = value_of(lent.repo, name, &at, NULL);
	if (r)
		return r;
	if (oid_is_zero(&at))
		return REF_MISSING;
	*ret = at;
	return 0;
}

/* Removes the lock of a ref that nobody can hold any more. */
static void drop_stale_lock(struct project *p, const char *name)
{
	CLEANUP(free_p) char *lock = alloc_fmt("%s.lock", name);
	struct stat st;

	if (fstatat(project_dir_fd(p), lock, &st, AT_SYMLINK_NOFOLLOW) ||
	    !S_ISREG(st.st_mode) || st.st_mtim.tv_sec > time(NULL) - LOCK_STALE_S)
		return;
	if (!unlinkat(project_dir_fd(p), lock, 0))
		log_warn("ref: '%s' of project '%s' was left behind by a killed process, "
			 "ignoring it",
			 lock, project_name(p));
}

static int lock_ref(struct project *p, git_transaction *tx, const char *name,
		    struct ref_guard *guard)
{
	int r = git_transaction_lock_ref(tx, name);

	for (int i = 0; r == GIT_ELOCKED && i < LOCK_TRIES; i++) {
		if (!i)
			drop_stale_lock(p, name);
		/* Git announces the end of a lock to nobody. */
		(void)poll(NULL, 0, LOCK_WAIT_MS);
		r = git_transaction_lock_ref(tx, name);
	}
	guard->failed = r && r != GIT_ELOCKED;
	return r ? fail_git(r, "lock ref '%s' of project '%s'", name, project_name(p)) : 0;
}

/* Syncs the directories above a ref, as far up as they may be new. */
static void sync_parents(struct project *p, const char *name)
{
	CLEANUP(free_p) char *dir = alloc_str(name);
	char *slash;

	while ((slash = strrchr(dir, '/'))) {
		CLEANUP(close_p) int fd = -1;

		*slash = '\0';
		fd = openat(project_dir_fd(p), dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			(void)fsync(fd);
	}
}

/* A ref cannot be a directory: whether `name` would stand in the way of another, or another of it. */
static int check_room(git_repository *repo, const char *name)
{
	CLEANUP(git_reference_iterator_freep) git_reference_iterator *it = NULL;
	CLEANUP(free_p) char *glob = alloc_fmt("%s/*", name);
	CLEANUP(free_p) char *above = alloc_str(name);
	const char *below;
	struct oid at;
	char *slash;
	int r;

	while ((slash = strrchr(above, '/')) && slash > above + 5) {
		*slash = '\0';
		r = value_of(repo, above, &at, NULL);
		if (r)
			return r;
		if (!oid_is_zero(&at))
			return fail(-EEXIST, "create ref '%s': '%s' is in the way", name,
				    above);
	}
	r = git_reference_iterator_glob_new(&it, repo, glob);
	if (r)
		return fail_git(r, "look below ref '%s'", name);
	r = git_reference_next_name(&below, it);
	if (!r)
		return fail(-EEXIST, "create ref '%s': '%s' is in the way", name, below);
	return r == GIT_ITEROVER ? 0 : fail_git(r, "look below ref '%s'", name);
}

/* Under the ref's lock: whether it is where the caller thinks. */
static int compare(git_repository *repo, const char *name, const struct oid *from)
{
	bool symbolic = false;
	struct oid at;
	int r = value_of(repo, name, &at, &symbolic);

	if (r)
		return r;
	if (symbolic)
		return fail(-EINVAL, "change ref '%s', which only names another", name);
	if (oid_eq(&at, from))
		return 0;
	return oid_is_zero(&at) ? REF_MISSING : REF_MOVED;
}

/* One change under the ref's lock; `to` NULL deletes. */
static int change(struct project *p, const char *name, const struct oid *from,
		  const struct oid *to, const char *why)
{
	CLEANUP(project_lent_done) struct project_lent lent = {.project = p};
	/* Declared before the transaction: git's lock goes first. */
	CLEANUP(ref_guard_release) struct ref_guard guard = {.fd = -1};
	CLEANUP(git_transaction_freep) git_transaction *tx = NULL;
	git_oid id;
	int r;

	if (!name_ok(name))
		return REF_BAD_NAME;
	r = project_repo(p, &lent.repo);
	if (!r && to && oid_is_zero(from))
		r = check_room(lent.repo, name);
	if (!r)
		r = ref_guard_take(p, name, &guard);
	if (r)
		return r;
	r = git_transaction_new(&tx, lent.repo);
	if (r)
		return fail_git(r, "begin a change of ref '%s'", name);
	r = lock_ref(p, tx, name, &guard);
	if (!r)
		r = compare(lent.repo, name, from);
	if (r)
		return r;
	if (to) {
		id = oid_to_git(to);
		r = git_transaction_set_target(tx, name, &id, NULL, why);
	} else {
		r = git_transaction_remove(tx, name);
	}
	if (!r)
		r = git_transaction_commit(tx);
	guard.failed = r;
	if (r)
		return fail_git(r, "%s ref '%s' of project '%s'", to ? "advance" : "delete",
				name, project_name(p));
	return 0;
}

int ref_advance(struct project *p, const char *name, const struct oid *from,
		const struct oid *to, const char *why)
{
	int r = change(p, name, from, to, why);

	if (!r && oid_is_zero(from))
		sync_parents(p, name);
	return r;
}

int ref_delete(struct project *p, const char *name, const struct oid *from)
{
	int r;

	if (oid_is_zero(from))
		return REF_MISSING;
	r = change(p, name, from, NULL, NULL);
	if (!r)
		sync_parents(p, name);
	return r;
}

struct found {
	char *name;
	struct oid at;
};

struct found_list {
	struct found *v;
	size_t n, cap;
};

static void found_done(const struct found_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].name);
	free(l->v);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct found *)a)->name, ((const struct found *)b)->name);
}

static void add(struct found_list *l, git_repository *repo, git_reference *ref)
{
	const git_oid *peeled = git_reference_target_peel(ref);
	git_oid id;

	/* Broken refs lead to no commit. */
	if (!peeled)
		peeled = git_reference_target(ref);
	if (!peeled) {
		if (git_reference_name_to_id(&id, repo, git_reference_name(ref)))
			return;
		peeled = &id;
	}
	alloc_grow(&l->v, &l->cap, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = (struct found){alloc_str(git_reference_name(ref)), oid_from_git(peeled)};
}

static int gather(git_repository *repo, const char *prefix, struct found_list *l)
{
	CLEANUP(git_reference_iterator_freep) git_reference_iterator *it = NULL;
	CLEANUP(free_p) char *glob = alloc_fmt("%s*", *prefix ? prefix : "refs/");
	static const char pins[] = "refs/fragments/";
	bool with_pins = !strncmp(prefix, pins, sizeof(pins) - 2);
	int r = git_reference_iterator_glob_new(&it, repo, glob);

	while (!r) {
		CLEANUP(git_reference_freep) git_reference *ref = NULL;

		r = git_reference_next(&ref, it);
		if (!r && (with_pins ||
			   strncmp(git_reference_name(ref), pins, sizeof(pins) - 1) != 0))
			add(l, repo, ref);
	}
	return r == GIT_ITEROVER ? 0 : fail_git(r, "list the refs '%s'", glob);
}

int ref_each(struct project *p, const char *prefix, ref_fn fn, void *arg)
{
	CLEANUP(found_done) struct found_list l = {0};
	git_repository *repo = NULL;
	int r;

	if (strpbrk(prefix, "*?[\\"))
		return REF_BAD_NAME;
	r = project_repo(p, &repo);
	if (r)
		return r;
	r = gather(repo, prefix, &l);
	/* Given back before `fn` may ask for one. */
	project_repo_done(p, repo);
	if (!r && l.n)
		qsort(l.v, l.n, sizeof(*l.v), by_name);
	for (size_t i = 0; i < l.n && !r; i++) {
		struct oid commit;

		r = object_peel(p, &l.v[i].at, &commit);
		if (r == OBJECT_MISSING)
			r = 0;
		else if (!r)
			r = fn(l.v[i].name, &commit, arg);
	}
	return r;
}
