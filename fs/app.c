/* fs/app.c - a project as the mount sees it.
 *
 * `ls` of ten thousand projects makes ten thousand of these at most, and opens none. An app is a few
 * hundred bytes; what a repository costs in descriptors and caches is the store's to bound.
 */
#include "fs/app.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "fs/follow.h"
#include "fs/fs_private.h"
#include "fs/place.h"
#include "store/store.h"

enum {
	BUCKETS = 1024,
	FIRST_REFRESH_WAIT_MS = 500, /* a new project of usual size is numbered by then */
};

struct apps {
	pthread_mutex_t lock;
	struct app *buckets[BUCKETS];
	size_t n;
	uint64_t serial;
};

struct apps *apps_new(void)
{
	struct apps *a = alloc_zero(sizeof(*a));

	pthread_mutex_init(&a->lock, NULL);
	return a;
}

void apps_free(struct apps *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (a->buckets[i]) {
			struct app *app = a->buckets[i];

			a->buckets[i] = app->next;
			app_unref(app);
		}
	}
	pthread_mutex_destroy(&a->lock);
	free(a);
}

static struct app **chain_of(struct apps *a, const char *name)
{
	size_t h = 5381;

	for (const char *c = name; *c; c++)
		h = h * 33 + (unsigned char)*c;
	return &a->buckets[h % BUCKETS];
}

static struct app *find_locked(struct apps *a, const char *name)
{
	struct app *app = *chain_of(a, name);

	while (app && strcmp(app->name, name) != 0)
		app = app->next;
	return app;
}

static struct app *app_new(const char *name, uint64_t serial)
{
	struct app *app = alloc_zero(sizeof(*app));
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	app->refs = 1;
	app->serial = serial;
	app->changed_ns = now.tv_sec * 1000000000 + now.tv_nsec;
	snprintf(app->name, sizeof(app->name), "%s", name);
	pthread_mutex_init(&app->lock, NULL);
	pthread_cond_init(&app->fresh_cond, NULL);
	dates_init(&app->dates);
	refdirs_init(&app->refdirs);
	return app;
}

struct app *apps_get(struct apps *a, const char *name)
{
	struct app *app, **chain;

	LOCKED(&a->lock);
	app = find_locked(a, name);
	if (app)
		return app_ref(app);
	app = app_new(name, ++a->serial);
	chain = chain_of(a, name);
	app->next = *chain;
	*chain = app;
	a->n++;
	return app_ref(app);
}

struct app *apps_peek(struct apps *a, const char *name)
{
	struct app *app;

	LOCKED(&a->lock);
	app = find_locked(a, name);
	return app ? app_ref(app) : NULL;
}

bool apps_drop(struct apps *a, const char *name)
{
	struct app **at, *app;

	pthread_mutex_lock(&a->lock);
	at = chain_of(a, name);
	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	app = *at;
	if (app) {
		*at = app->next;
		app->gone = true;
		a->n--;
	}
	pthread_mutex_unlock(&a->lock);
	app_unref(app);
	return app != NULL;
}

static bool stat_repository(struct fs *fs, const char *name, struct stat *st)
{
	char dir[PROJECT_NAME_MAX + 8];

	snprintf(dir, sizeof(dir), "%s.git", name);
	return !fstatat(store_projects_fd(fs->store), dir, st, AT_SYMLINK_NOFOLLOW) &&
	       S_ISDIR(st->st_mode);
}

bool apps_is_there(struct fs *fs, const char *name)
{
	struct stat st;

	return stat_repository(fs, name, &st);
}

bool apps_is_whole(struct fs *fs, const char *name)
{
	static const char *const parts[] = {"HEAD", "refs", "objects"};
	bool ret = true;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		CLEANUP(free_p) char *path = alloc_fmt("%s.git/%s", name, parts[i]);

		ret = ret && !faccessat(store_projects_fd(fs->store), path, F_OK, 0);
	}
	return ret;
}

bool apps_is_replaced(struct fs *fs, struct app *app)
{
	struct stat there, ours;

	if (!stat_repository(fs, app->name, &there))
		return true;
	LOCKED(&app->lock);
	return app->project && (fstat(project_dir_fd(app->project), &ours) ||
				ours.st_ino != there.st_ino || ours.st_dev != there.st_dev);
}

struct app **apps_all(struct apps *a, size_t *n)
{
	struct app **ret;

	LOCKED(&a->lock);
	ret = alloc_array(a->n + 1, sizeof(struct app *));
	*n = 0;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct app *app = a->buckets[i]; app; app = app->next)
			ret[(*n)++] = app_ref(app);
	return ret;
}

struct app *app_ref(struct app *app)
{
	app->refs++;
	return app;
}

void app_unref(struct app *app)
{
	if (!app || --app->refs)
		return;
	project_unref(app->project);
	dates_deinit(&app->dates);
	refdirs_deinit(&app->refdirs);
	pthread_cond_destroy(&app->fresh_cond);
	pthread_mutex_destroy(&app->lock);
	free(app);
}

static int open_locked(struct fs *fs, struct app *app)
{
	int r = project_open(fs->store, app->name, &app->project);

	if (r < 0)
		return r;
	switch ((enum project_outcome)r) {
	case PROJECT_MISSING:
	case PROJECT_GONE:
	case PROJECT_BAD_NAME:
		return PLACE_NO_ENTRY;
	case PROJECT_BROKEN:
		return fail(-EIO, "project '%s': it is no git repository", app->name);
	case PROJECT_EXISTS:
	case PROJECT_LOCKED:
		return fail(-EIO, "project '%s': open it", app->name);
	}
	return 0;
}

int app_open(struct fs *fs, struct app *app, struct project **ret)
{
	int r = 0;

	LOCKED(&app->lock);
	if (!app->project)
		r = app->gone ? PLACE_NO_ENTRY : open_locked(fs, app);
	if (r)
		return r;
	*ret = project_ref(app->project);
	return 0;
}

/* A project may have commits that no process has numbered yet. Small ones are done before the caller
 * goes on; for a huge one what is numbered already is shown, and the rest as it comes. */
static void wait_until_fresh(struct app *app)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += FIRST_REFRESH_WAIT_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	LOCKED(&app->lock);
	while (!app->fresh && !app->gone)
		if (pthread_cond_timedwait(&app->fresh_cond, &app->lock, &until))
			break;
	app->fresh = true;
}

int app_use(struct fs *fs, struct app *app, struct project **ret)
{
	int r = app_open(fs, app, ret);

	if (r)
		return r;
	if (!app->asked && !atomic_exchange(&app->asked, true))
		follow_ask(fs->follow, app->name);
	if (!app_is_fresh(app))
		wait_until_fresh(app);
	return 0;
}

bool app_is_fresh(struct app *app)
{
	LOCKED(&app->lock);
	return app->fresh;
}

void app_set_fresh(struct app *app)
{
	LOCKED(&app->lock);
	app->fresh = true;
	pthread_cond_broadcast(&app->fresh_cond);
}

struct ident_scope app_scope(const struct app *app)
{
	return (struct ident_scope){app->serial, app->project ? project_id(app->project) : 0};
}

struct ident app_ident(struct fs *fs, const struct app *app)
{
	const struct ident root = {.ino = NODE_ROOT_ID};
	struct ident_scope scope = {app->serial, 0};
	struct ident ret = ident_numbered(&fs->secret, &scope, SORT_PROJECT_DIR, 0);

	ret.ino = ident_child(&fs->secret, &root, app->name, strlen(app->name)).ino;
	return ret;
}
