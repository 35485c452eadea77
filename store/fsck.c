/* The order of the check, what is said, and what concerns a home as a whole.
 *
 * Findings of one project are told up to a ceiling and counted beyond it, so that a repository
 * that lost its packs does not print a line per object. Nothing is repaired here: the words name what
 * does it.
 */
#include "store/fsck.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "store/fsck_private.h"
#include "store/git_lock.h"
#include "store/index.h"
#include "store/project_private.h"
#include "store/project_record.h"
#include "store/store.h"

enum { WORDS_MAX = 512 };

static void count(struct fsck_result *result, enum fsck_level level)
{
	if (level == FSCK_PROBLEM)
		result->n_problems++;
	else
		result->n_notes++;
}

void fsck_say(struct fsck_run *run, enum fsck_level level, const char *fmt, ...)
{
	struct fsck_finding f = {.project = project_name(run->p), .level = level};
	char words[WORDS_MAX];
	va_list ap;

	count(run->result, level);
	if (run->n_told > FSCK_FINDINGS_MAX)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	f.words = words;
	if (run->n_told++ == FSCK_FINDINGS_MAX)
		f.words = "there is more of this kind, which is counted but not shown";
	run->how->fn(&f, run->how->arg);
}

static void check_head(struct fsck_run *run)
{
	struct project_head head;
	int r = project_head(run->p, &head);

	if (r < 0)
		fsck_say(run, FSCK_PROBLEM,
			 "HEAD cannot be read; `git symbolic-ref HEAD refs/heads/main` in it "
			 "helps");
}

static void say_lock(const struct git_lock *lock, void *arg)
{
	fsck_say(arg, FSCK_NOTE, "'%s' exists since %lld s: git is at work, or was killed; %s",
		 lock->path, git_lock_age(&lock->stat),
		 git_lock_is_dead(&lock->stat) ? "`frag gc` removes it"
					       : "if no git runs in it, remove that file");
}

static void run_deinit(struct fsck_run *run)
{
	free(run->fragments);
	oidmap_deinit(&run->trees);
	oidmap_deinit(&run->blobs);
}

int fsck_project(struct project *p, const struct fsck *how, struct fsck_result *ret)
{
	CLEANUP(run_deinit) struct fsck_run run = {.p = p, .how = how, .result = ret};
	CLEANUP(close_p) int dir_fd = project_dir_open(p);
	struct refresh_result fresh;
	int r = refresh_project(p, how->progress, how->progress_arg, &fresh);

	oidmap_init(&run.trees);
	oidmap_init(&run.blobs);
	if (r == PROJECT_GONE || dir_fd < 0)
		return PROJECT_GONE;
	if (r)
		fsck_say(&run, FSCK_PROBLEM, "its refs cannot be followed (%s)", strerror(-r));
	check_head(&run);
	git_lock_each(dir_fd, say_lock, &run);
	r = fsck_numbers(&run);
	if (!r && !how->quick)
		r = fsck_objects(&run);
	if (!r && !how->quick)
		r = fsck_listings(&run);
	return r;
}

struct whole {
	struct store *st;
	const struct fsck *how;
	struct fsck_result *result;
};

static void say_of(const struct whole *w, const char *project, enum fsck_level level,
		   const char *words)
{
	struct fsck_finding f = {.project = project, .level = level, .words = words};

	count(w->result, level);
	w->how->fn(&f, w->how->arg);
}

static int check_one(const char *name, void *arg)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct whole *w = arg;
	int r = project_open(w->st, name, &p);

	if (r == PROJECT_MISSING)
		return 0;
	if (r) {
		say_of(w, name, FSCK_PROBLEM,
		       r > 0 ? "it is no git repository: HEAD, objects or refs is missing"
			     : "it cannot be opened");
		return 0;
	}
	r = fsck_project(p, w->how, w->result);
	/* Deleted while we looked. */
	return r == PROJECT_GONE ? 0 : r;
}

static int check_record(const void *key, size_t key_len, const void *val, size_t val_len,
			void *arg)
{
	char dir[PROJECT_DIR_NAME_MAX];
	struct project_record rec;
	struct whole *w = arg;
	struct stat sb;

	if (project_record_decode(val, val_len, &rec)) {
		say_of(w, NULL, FSCK_PROBLEM,
		       "a project's record in the index does not decode; `frag reindex` mends "
		       "it");
		return 0;
	}
	if (fstatat(store_projects_fd(w->st), project_dir_name(rec.name, dir), &sb,
		    AT_SYMLINK_NOFOLLOW))
		say_of(w, rec.name, FSCK_NOTE,
		       "the project is gone, its index records are left; `frag gc` drops them");
	return 0;
}

int fsck_store(struct store *st, const struct fsck *how, struct fsck_result *ret)
{
	struct whole w = {.st = st, .how = how, .result = ret};
	int r = project_each(st, check_one, &w);

	return r ? r
		 : index_each(store_index(st), INDEX_PROJECT, "", 0, NULL, 0, check_record, &w);
}
