/* fs/follow.c - the thread that notices what others do to the repositories.
 *
 *	event or ask → wanted (a set of names) → a moment's pause, so that a burst is one refresh → follow_one()
 *
 * Following one project is an chore (fs/chore.h), so that one that takes long holds up no other.
 *
 * It is level-triggered: following once too often costs a few stats, and nothing here depends on what an event said. At
 * the start it sets the watches of all projects, a handful between two looks at the queue, so that a mount
 * of ten thousand answers at once; a project that is looked up before its turn gets its watches first.
 */
#include "fs/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "fs/app.h"
#include "fs/chore.h"
#include "fs/fs_private.h"
#include "fs/inval.h"
#include "fs/node.h"
#include "fs/place.h"
#include "fs/trees.h"
#include "fs/watch.h"
#include "store/fragment.h"
#include "store/refresh.h"
#include "store/store.h"

enum {
	PAUSE_MS = 20,          /* a git command's burst of renames is over by then */
	PAUSE_MAX_MS = 100,     /* of a burst that goes on */
	PAUSE_DELETED_MS = 150, /* after a deletion: it may be the whole repository that goes */
	PAUSE_DELETED_MAX_MS = 300, /* … or a git that packs refs without end */
	WATCHES_PER_TURN = 32,
	SHORT_POLL_MS = 500, /* when inotify has no watches left */
	RETRY_MS = 200,
	TRIES_MAX = 4, /* of a refresh that fails, RETRY_MS apart */
};

#define YOUNG_NS 700000000 /* from the making of a repository until it is opened unasked */

struct wanted {
	struct wanted *next;
	bool replaced; /* another repository, or none, may stand under the name */
	char name[];
};

struct follow {
	struct fs *fs;
	struct watch_set *watches;
	struct chores *chores;
	int wake_fd;
	pthread_t thread;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t done_cond;
	struct wanted *wanted;
	bool all, quit;
	uint64_t asked, done; /* tickets of follow_now() */

	bool stopped; /* the owner's: joined already */
	/* the thread's own */
	bool retry; /* something is wanted that must wait a little */
	int pause_ms;

	char **unwatched; /* the thread's own: projects whose watches are still to be set */
	size_t n_unwatched, cap_unwatched;
};

static void want_locked(struct follow *f, const char *name, bool replaced)
{
	struct wanted *w = f->wanted;
	size_t len = strlen(name);

	while (w && strcmp(w->name, name) != 0)
		w = w->next;
	if (!w) {
		w = alloc_zero(sizeof(*w) + len + 1);
		memcpy(w->name, name, len);
		w->next = f->wanted;
		f->wanted = w;
	}
	w->replaced = w->replaced || replaced;
}

static void want(struct follow *f, const char *name)
{
	LOCKED(&f->lock);
	want_locked(f, name, false);
}

static void wake(struct follow *f)
{
	eventfd_write(f->wake_fd, 1);
}

void follow_ask(struct follow *f, const char *name)
{
	LOCKED(&f->lock);
	if (name)
		want_locked(f, name, false);
	else
		f->all = true;
	wake(f);
}

/* Something of the project (NULL: of any) is still to be followed. */
static bool is_behind_locked(struct follow *f, const char *name)
{
	const struct wanted *w = f->wanted;

	while (w && name && strcmp(w->name, name) != 0)
		w = w->next;
	return w || chores_busy(f->chores, name);
}

void follow_now(struct follow *f, const char *name)
{
	uint64_t ticket;

	follow_ask(f, name);
	pthread_mutex_lock(&f->lock);
	ticket = ++f->asked;
	wake(f);
	while (!f->quit && (f->done < ticket || is_behind_locked(f, name)))
		pthread_cond_wait(&f->done_cond, &f->lock);
	pthread_mutex_unlock(&f->lock);
	inval_wait(f->fs->inval);
}

static void on_refs(const char *project, bool deleted, void *arg)
{
	struct follow *f = arg;

	f->pause_ms = deleted ? PAUSE_DELETED_MS : f->pause_ms;
	LOCKED(&f->lock);
	want_locked(f, project, false);
}

static void on_project(const char *name, void *arg)
{
	struct follow *f = arg;

	LOCKED(&f->lock);
	want_locked(f, name, true);
}

static void on_lost(void *arg)
{
	struct follow *f = arg;

	log_warn(
		"fs: too many changes at once to follow each: looking at everything, ignoring");
	LOCKED(&f->lock);
	f->all = true;
}

static int64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000 + now.tv_nsec;
}

static void forget_inode(struct fs *fs, const struct ident *ident)
{
	struct node *n = node_find(fs->nodes, &ident->key);
	struct inval_item item = {.kind = INVAL_INODE, .id = n ? n->id : 0};

	if (n)
		inval_queue(fs->inval, &item, 1);
	node_put(fs->nodes, n);
}

struct fresh_days {
	struct fs *fs;
	struct ident dates;
	char last[DATES_TEXT_MAX];
};

static int forget_day(const struct fragment *f, void *arg)
{
	struct fresh_days *d = arg;
	struct ident day;
	char text[DATES_TEXT_MAX];

	dates_day_of(f, text);
	if (!strcmp(text, d->last))
		return 0;
	memcpy(d->last, text, sizeof(text));
	day = ident_child(&d->fs->secret, &d->dates, text, strlen(text));
	forget_inode(d->fs, &day);
	return 0;
}

/* Fragments were numbered: their lists are longer than the kernel thinks. */
static void forget_lists(struct fs *fs, struct app *app, struct project *p, uint32_t last)
{
	struct ident project = app_ident(fs, app);
	struct ident fragments = ident_child(&fs->secret, &project, "fragments", 9);
	struct fresh_days days = {.fs = fs};

	days.dates = ident_child(&fs->secret, &project, "by-date", 7);
	forget_inode(fs, &fragments);
	forget_inode(fs, &days.dates);
	fragment_each(p, last + 1, forget_day, &days);
}

/* Refs or HEAD moved: the kernel forgets what that made untrue. */
static void forget_moved(struct fs *fs, struct app *app, struct project *p, uint32_t last)
{
	uint32_t before = app->last;

	app->changed_ns = wall_ns();
	app->last = last;
	/* Before the first refresh is over nothing was shown that could be out of date. */
	if (!app_is_fresh(app))
		return;
	refdirs_follow(fs, app, p);
	if (last != before)
		forget_lists(fs, app, p, before);
}

/* False after a fault: it was said, and what can be seen is followed all the same. */
static bool follow_project(struct fs *fs, struct app *app, struct project *p)
{
	struct refresh_result res = {0};
	int r = refresh_project(p, NULL, NULL, &res);

	if (r)
		fragment_last(p, &res.last);
	if (r || res.refs_changed)
		trees_follow(fs, p);
	if (!res.refs_changed && res.last == app->last)
		return r >= 0;
	forget_moved(fs, app, p, res.last);
	if (fs->on_change)
		fs->on_change(app->name, fs->on_change_arg);
	return r >= 0;
}

static bool quits(struct follow *f)
{
	LOCKED(&f->lock);
	return f->quit;
}

/* A repack may take a pack from under a refresh, and whoever made it may have nothing more to say: no event would
 * come. Not for ever, though: a damaged repository stays so until somebody mends it, which is an event. */
static void follow_stubbornly(struct follow *f, struct app *app, struct project *p)
{
	for (int tries = 1; !follow_project(f->fs, app, p); tries++) {
		if (tries == TRIES_MAX || quits(f))
			return;
		app_set_fresh(app);
		poll(NULL, 0, RETRY_MS);
	}
}

/* The chore: refreshes one project. */
static void follow_app(struct app *app, void *arg)
{
	struct follow *f = arg;
	CLEANUP(project_unrefp) struct project *p = NULL;

	/* Whoever is just deleting it must not find new files in it. */
	if (apps_is_whole(f->fs, app->name) && !app_open(f->fs, app, &p))
		follow_stubbornly(f, app, p);
	app_set_fresh(app);
}

/* After each chore: what was wanted meanwhile can go on, and who waits may look. */
static void on_chore_done(void *arg)
{
	struct follow *f = arg;

	LOCKED(&f->lock);
	pthread_cond_broadcast(&f->done_cond);
	if (f->wanted)
		wake(f);
}

/* The name stands for another repository, or none: what was known of the old one is dropped. */
static void replace_project(struct follow *f, const char *name)
{
	struct fs *fs = f->fs;
	struct inval_item items[] = {{INVAL_ENTRY, NODE_ROOT_ID, alloc_str(name)},
				     {INVAL_INODE, NODE_ROOT_ID, NULL}};

	apps_drop(fs->apps, name);
	fs->changed_ns = wall_ns();
	inval_queue(fs->inval, items, 2);
	watch_project(f->watches, name);
}

/* A repository that nobody looked into yet and that is just being made, by clone or cp, is let alone for a
 * moment: opening it plants an id in its configuration, under the hands of whoever writes that. */
static bool is_young(struct follow *f, const char *name)
{
	CLEANUP(free_p) char *dir = alloc_fmt("%s.git", name);
	struct statx st;

	if (statx(store_projects_fd(f->fs->store), dir, AT_SYMLINK_NOFOLLOW, STATX_BTIME,
		  &st) ||
	    !(st.stx_mask & STATX_BTIME) ||
	    wall_ns() - (st.stx_btime.tv_sec * 1000000000 + st.stx_btime.tv_nsec) >= YOUNG_NS)
		return false;
	want(f, name);
	f->retry = true;
	return true;
}

static void follow_one(struct follow *f, const struct wanted *w)
{
	struct fs *fs = f->fs;
	CLEANUP(app_unrefp) struct app *app = NULL;

	if (!project_name_ok(w->name))
		return;
	if (w->replaced)
		replace_project(f, w->name);
	app = apps_peek(fs->apps, w->name);
	if (!app && (!fs->on_change || !apps_is_there(fs, w->name) || is_young(f, w->name)))
		return;
	if (!app)
		app = apps_get(fs->apps, w->name);
	if (!app->watched)
		watch_project(f->watches, w->name);
	app->watched = true;
	if (chores_run(f->chores, app) != CHORE_BUSY)
		return;
	want(f, w->name);
	/* It may have ended between the two, and nobody else would wake us for what is wanted now. */
	if (!chores_busy(f->chores, w->name))
		wake(f);
}

static struct wanted *take_wanted(struct follow *f, bool *all)
{
	struct wanted *ret;

	LOCKED(&f->lock);
	ret = f->wanted;
	*all = f->all;
	f->wanted = NULL;
	f->all = false;
	return ret;
}

static int add_unwatched(const char *name, void *arg)
{
	struct follow *f = arg;

	alloc_grow(&f->unwatched, &f->cap_unwatched, f->n_unwatched + 1, sizeof(char *));
	f->unwatched[f->n_unwatched++] = alloc_str(name);
	return 0;
}

static void watch_some(struct follow *f)
{
	for (int i = 0; i < WATCHES_PER_TURN && f->n_unwatched; i++) {
		char *name = f->unwatched[--f->n_unwatched];

		watch_project(f->watches, name);
		free(name);
	}
}

/* Everything that was looked up, and the list of projects. */
static void want_all(struct follow *f)
{
	struct inval_item root = {INVAL_INODE, NODE_ROOT_ID, NULL};
	struct app **apps;
	size_t n;

	apps = apps_all(f->fs->apps, &n);
	f->fs->changed_ns = wall_ns();
	inval_queue(f->fs->inval, &root, 1);
	project_each(f->fs->store, add_unwatched, f);
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < n; i++)
		want_locked(f, apps[i]->name, apps_is_replaced(f->fs, apps[i]));
	pthread_mutex_unlock(&f->lock);
	for (size_t i = 0; i < n; i++)
		app_unref(apps[i]);
	free(apps);
}

static void follow_wanted(struct follow *f)
{
	bool all;
	struct wanted *list = take_wanted(f, &all);

	while (list) {
		struct wanted *w = list;

		list = w->next;
		follow_one(f, w);
		free(w);
	}
	if (!all)
		return;
	want_all(f);
	follow_wanted(f);
}

static int64_t longest_pause(const struct follow *f)
{
	return f->pause_ms == PAUSE_MS ? PAUSE_MAX_MS : PAUSE_DELETED_MAX_MS;
}

/* How long to wait for the first event. */
static int patience(const struct follow *f)
{
	if (f->n_unwatched)
		return 0;
	if (f->retry)
		return RETRY_MS;
	return watch_is_short(f->watches) ? SHORT_POLL_MS : -1;
}

/* Sleeps until there is something to do, then lets a burst of events come to its end. */
static void gather(struct follow *f, bool *asked)
{
	struct pollfd fds[] = {{.fd = watch_fd(f->watches), .events = POLLIN},
			       {.fd = f->wake_fd, .events = POLLIN}};
	int timeout = patience(f);
	int64_t begin = 0;
	eventfd_t n;

	*asked = false;
	f->retry = false;
	f->pause_ms = PAUSE_MS;
	for (;;) {
		int r = poll(fds, 2, timeout);

		if (r == 0 && timeout == SHORT_POLL_MS)
			follow_ask(f, NULL);
		if (r <= 0)
			return;
		if (fds[0].revents)
			watch_read(f->watches);
		if (fds[1].revents && !eventfd_read(f->wake_fd, &n)) {
			*asked = true;
			return;
		}
		if (!begin)
			begin = clock_now(clock_system());
		if (clock_now(clock_system()) - begin >= longest_pause(f))
			return;
		timeout = f->pause_ms;
	}
}

static void *serve(void *arg)
{
	struct follow *f = arg;
	uint64_t asked;
	bool woken, quit = false;

	project_each(f->fs->store, add_unwatched, f);
	while (!quit) {
		gather(f, &woken);
		pthread_mutex_lock(&f->lock);
		asked = f->asked;
		quit = f->quit;
		pthread_mutex_unlock(&f->lock);
		if (!quit) {
			watch_read(f->watches);
			follow_wanted(f);
			watch_some(f);
		}
		pthread_mutex_lock(&f->lock);
		f->done = asked;
		pthread_cond_broadcast(&f->done_cond);
		pthread_mutex_unlock(&f->lock);
	}
	return NULL;
}

struct follow *follow_new(struct fs *fs)
{
	struct follow *f = alloc_zero(sizeof(*f));
	struct watch_sink sink = {on_refs, on_project, on_lost, f};
	int r;

	f->fs = fs;
	f->chores = chores_new(follow_app, on_chore_done, f);
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->done_cond, NULL);
	f->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = f->wake_fd < 0 ? -errno
			   : watch_new(store_projects_fd(fs->store), &sink, &f->watches);
	if (!r)
		r = -pthread_create(&f->thread, NULL, serve, f);
	if (!r)
		return f;
	fail(r, "fs: start to follow the repositories");
	watch_free(f->watches);
	chores_free(f->chores);
	free(f);
	return NULL;
}

void follow_stop(struct follow *f)
{
	if (!f || f->stopped)
		return;
	pthread_mutex_lock(&f->lock);
	f->quit = true;
	pthread_cond_broadcast(&f->done_cond);
	pthread_mutex_unlock(&f->lock);
	wake(f);
	pthread_join(f->thread, NULL);
	chores_free(f->chores);
	f->chores = NULL;
	f->stopped = true;
}

void follow_free(struct follow *f)
{
	struct wanted *list;
	bool all;

	if (!f)
		return;
	follow_stop(f);
	for (list = take_wanted(f, &all); list;) {
		struct wanted *w = list;

		list = w->next;
		free(w);
	}
	while (f->n_unwatched)
		free(f->unwatched[--f->n_unwatched]);
	free(f->unwatched);
	watch_free(f->watches);
	close(f->wake_fd);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->done_cond);
	free(f);
}
