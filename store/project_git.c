/* The repository behind a handle: opened late, shared where libgit2 allows it, closed again.
 *
 * One object database serves all threads of a project; repository objects belong to one thread at a
 * time, so a few idle ones are kept per project and lent out. They share the database, so a
 * pooled repository costs a few kilobytes and no descriptors.
 *
 * At most STORE_OPEN_MAX projects are open at once. They stand in a ring, and a clock's hand goes
 * round: whoever was used since the hand last passed is spared, the first who was not is
 * closed. Whoever still holds a database or repository of it keeps what he has, since they are
 * counted; they are freed when he gives them back.
 */
#include "store/project_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include <git2/sys/repository.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/lock.h"
#include "store/loose.h"
#include "store/ref_guard.h"
#include "store/store_private.h"
#include "store/worktree_git.h"

enum { HEAD_TRIES = 200, HEAD_WAIT_MS = 10 };

static void ring_insert_locked(struct store *st, struct project *p)
{
	if (p->is_open)
		return;
	p->is_open = true;
	st->n_open++;
	if (!st->hand) {
		p->open_prev = p->open_next = p;
		st->hand = p;
		return;
	}
	/* Just behind the hand: the last to be looked at. */
	p->open_next = st->hand;
	p->open_prev = st->hand->open_prev;
	p->open_prev->open_next = p;
	p->open_next->open_prev = p;
}

static void ring_remove_locked(struct store *st, struct project *p)
{
	if (!p->is_open)
		return;
	p->is_open = false;
	st->n_open--;
	if (st->hand == p)
		st->hand = p->open_next == p ? NULL : p->open_next;
	p->open_prev->open_next = p->open_next;
	p->open_next->open_prev = p->open_prev;
	p->open_prev = p->open_next = NULL;
}

/* Takes a project to be closed out of the ring, counted; NULL when there are few enough. */
static struct project *pick_victim(struct store *st, const struct project *spare)
{
	LOCKED(&st->open_lock);
	for (unsigned turns = 2 * st->n_open; turns && st->n_open > STORE_OPEN_MAX; turns--) {
		struct project *p = st->hand;
		unsigned n = atomic_load(&p->refs);

		st->hand = p->open_next;
		if (p == spare || atomic_exchange(&p->used, false))
			continue;
		/* A dying handle leaves the ring by itself. */
		while (n && !atomic_compare_exchange_weak(&p->refs, &n, n + 1))
			;
		if (!n)
			continue;
		ring_remove_locked(st, p);
		return p;
	}
	return NULL;
}

static void noted_open(struct project *p)
{
	struct project *victim;

	pthread_mutex_lock(&p->st->open_lock);
	ring_insert_locked(p->st, p);
	pthread_mutex_unlock(&p->st->open_lock);
	while ((victim = pick_victim(p->st, p))) {
		project_close_files(victim);
		project_unref(victim);
	}
}

void project_close_files(struct project *p)
{
	git_repository *idle[PROJECT_IDLE_REPOS], *counter;
	unsigned n;

	pthread_mutex_lock(&p->st->open_lock);
	ring_remove_locked(p->st, p);
	pthread_mutex_unlock(&p->st->open_lock);
	pthread_mutex_lock(&p->lock);
	p->odb = NULL;
	counter = TAKE(p->counter);
	n = p->n_idle;
	memcpy(idle, p->idle, sizeof(idle));
	p->n_idle = 0;
	pthread_mutex_unlock(&p->lock);
	while (n)
		git_repository_free(idle[--n]);
	git_repository_free(counter);
}

/* Opens p->odb if it is not. */
static int open_odb_locked(struct project *p)
{
	CLEANUP(git_odb_freep) git_odb *odb = NULL;
	CLEANUP(free_p) char *path = NULL;
	int r;

	if (p->odb)
		return 0;
	if (project_is_gone(p))
		return PROJECT_GONE;
	path = project_path(p, "objects");
	r = loose_odb_open(path, &odb);
	if (r)
		return project_is_gone(p)
			       ? (int)PROJECT_GONE
			       : fail_git(r, "open the objects of project '%s'", p->name);
	r = git_repository_wrap_odb(&p->counter, odb);
	if (r)
		return fail_git(r, "share the objects of project '%s'", p->name);
	p->odb = odb;
	return 0;
}

int project_odb(struct project *p, git_odb **ret)
{
	bool opened;
	int r;

	pthread_mutex_lock(&p->lock);
	opened = !p->odb;
	r = open_odb_locked(p);
	if (!r)
		r = git_repository_odb(ret, p->counter);
	pthread_mutex_unlock(&p->lock);
	if (r)
		return r;
	atomic_store_explicit(&p->used, true, memory_order_relaxed);
	if (opened)
		noted_open(p);
	return 0;
}

void project_odb_stale(struct project *p, const git_odb *odb)
{
	bool stale;

	pthread_mutex_lock(&p->lock);
	stale = p->odb == odb;
	pthread_mutex_unlock(&p->lock);
	if (stale)
		project_close_files(p);
}

static int open_repo_locked(struct project *p, git_repository **ret)
{
	CLEANUP(free_p) char *path = NULL;
	git_repository *repo;
	int r = open_odb_locked(p);

	if (r)
		return r;
	if (project_is_gone(p))
		return PROJECT_GONE;
	path = project_path(p, "");
	r = git_repository_open_ext(
		&repo, path, GIT_REPOSITORY_OPEN_BARE | GIT_REPOSITORY_OPEN_NO_SEARCH, NULL);
	if (r)
		return project_is_gone(p) ? (int)PROJECT_GONE
					  : fail_git(r, "open project '%s'", p->name);
	r = git_repository_set_odb(repo, p->odb);
	if (!r)
		r = git_repository_set_ident(repo, "fragfs", "fragfs@localhost");
	if (r) {
		git_repository_free(repo);
		return fail_git(r, "set up project '%s'", p->name);
	}
	*ret = repo;
	return 0;
}

int project_repo(struct project *p, git_repository **ret)
{
	bool opened;
	int r = 0;

	pthread_mutex_lock(&p->lock);
	opened = !p->odb;
	if (project_is_gone(p))
		r = PROJECT_GONE;
	else if (p->n_idle)
		*ret = p->idle[--p->n_idle];
	else
		r = open_repo_locked(p, ret);
	pthread_mutex_unlock(&p->lock);
	if (r)
		return r;
	atomic_store_explicit(&p->used, true, memory_order_relaxed);
	if (opened)
		noted_open(p);
	return 0;
}

void project_repo_done(struct project *p, git_repository *repo)
{
	CLEANUP(git_odb_freep) git_odb *odb = NULL;

	pthread_mutex_lock(&p->lock);
	/* One that was lent before the project was closed holds the old database. */
	if (p->odb && p->n_idle < PROJECT_IDLE_REPOS && !atomic_load(&p->gone) &&
	    !git_repository_odb(&odb, repo) && odb == p->odb)
		p->idle[p->n_idle++] = TAKE(repo);
	pthread_mutex_unlock(&p->lock);
	git_repository_free(repo);
}

int project_lock_file(struct project *p, const char *file, const char *what, bool wait,
		      int *ret)
{
	CLEANUP(close_p) int fd = project_dir_open(p);
	int r;

	if (fd < 0)
		return PROJECT_GONE;
	r = lock_take(fd, file, what, wait, ret);
	return r == LOCK_HELD ? (int)PROJECT_LOCKED : r;
}

static int head_of(struct project *p, git_repository *repo, struct project_head *ret)
{
	CLEANUP(git_reference_freep) git_reference *head = NULL;
	CLEANUP(git_reference_freep) git_reference *target = NULL;
	struct project_head h = {0};
	git_oid commit;
	int r = git_reference_lookup(&head, repo, "HEAD");

	if (r)
		return fail_git(r, "read HEAD of project '%s'", p->name);
	if (git_reference_type(head) == GIT_REFERENCE_SYMBOLIC) {
		const char *name = git_reference_symbolic_target(head);

		if (strlen(name) >= sizeof(h.branch))
			return fail(-ENAMETOOLONG, "read HEAD of project '%s'", p->name);
		memcpy(h.branch, name, strlen(name) + 1);
	}
	r = git_reference_name_to_id(&commit, repo, "HEAD");
	if (r && r != GIT_ENOTFOUND)
		return fail_git(r, "resolve HEAD of project '%s'", p->name);
	if (!r)
		h.commit = oid_from_git(&commit);
	*ret = h;
	return 0;
}

int project_head(struct project *p, struct project_head *ret)
{
	CLEANUP(project_lent_done) struct project_lent lent = {.project = p};
	int r = worktree_git_head(p, WORKTREE_LIVE, ret);

	if (r != WORKTREE_MISSING)
		return r;
	r = project_repo(p, &lent.repo);
	if (r)
		return r;
	r = head_of(p, lent.repo, ret);
	return r && project_is_gone(p) ? (int)PROJECT_GONE : r;
}

/* Not git_repository_set_head(), which refuses the branch that a linked worktree stands on: `live` always does. */
static int name_head(git_repository *repo, const char *branch)
{
	CLEANUP(git_reference_freep) git_reference *head = NULL;

	return git_reference_symbolic_create(&head, repo, "HEAD", branch, 1, "checkout");
}

/* Waits for a lock of git's on HEAD, which is held for a moment only. */
static int move_head(git_repository *repo, const char *branch, const git_oid *id)
{
	int r = GIT_ELOCKED;

	for (int i = 0; r == GIT_ELOCKED && i < HEAD_TRIES; i++) {
		if (i)
			(void)poll(NULL, 0, HEAD_WAIT_MS);
		r = branch ? name_head(repo, branch)
			   : git_repository_set_head_detached(repo, id);
	}
	return r;
}

/* The bare repository's own HEAD, which says to a clone what to check out. */
static int set_bare_head(struct project *p, const char *branch, const struct oid *commit)
{
	CLEANUP(project_lent_done) struct project_lent lent = {.project = p};
	CLEANUP(ref_guard_release) struct ref_guard guard = {.fd = -1};
	git_oid id = {{0}};
	int r = project_repo(p, &lent.repo);

	if (!r)
		r = ref_guard_take(p, "HEAD", &guard);
	if (r)
		return r;
	if (!branch)
		id = oid_to_git(commit);
	r = move_head(lent.repo, branch, &id);
	guard.failed = r && r != GIT_ELOCKED;
	return r ? fail_git(r, "point HEAD of project '%s' at '%s'", p->name,
			    branch ? branch : "a commit")
		 : 0;
}

int project_set_head(struct project *p, const char *branch, const struct oid *commit)
{
	int r = worktree_git_set_head(p, WORKTREE_LIVE, branch, commit, "checkout");

	if (r < 0)
		return r;
	return set_bare_head(p, branch, commit);
}

int project_sync_head(struct project *p)
{
	struct project_head live, bare;
	int r = worktree_git_head(p, WORKTREE_LIVE, &live);

	if (r)
		return r < 0 ? r : 0;
	{
		CLEANUP(project_lent_done) struct project_lent lent = {.project = p};

		r = project_repo(p, &lent.repo);
		if (!r)
			r = head_of(p, lent.repo, &bare);
	}
	if (r)
		return r;
	if (!strcmp(live.branch, bare.branch) &&
	    (*live.branch || oid_eq(&live.commit, &bare.commit)))
		return 0;
	return set_bare_head(p, *live.branch ? live.branch : NULL, &live.commit);
}
