/* store/project_private.h - what the files of store/ share about a project.
 *
 * The repository behind a handle is opened on first use and closed again when many other
 * projects were used since, so a handle costs no descriptor of its own until it works.
 *
 * Locks, outermost first: store.table, project.lock, store.open_lock.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/fingerprint.h"
#include "store/git.h"
#include "store/project.h"

enum { PROJECT_IDLE_REPOS = 4 };

struct project {
	struct store *st;
	char *name;
	uint64_t id;
	dev_t dev; /* of the repository's directory: another one under the name is another project */
	ino_t ino;
	atomic_uint refs;
	atomic_bool gone;     /* the directory was seen to be missing, renamed or replaced */
	struct project *next; /* chain of store.table */

	pthread_mutex_t lock; /* guards what follows */
	int dir_fd;
	git_odb *odb;            /* owned by `counter` */
	git_repository *counter; /* holds nothing but `odb`; libgit2 counts through it */
	git_repository *idle[PROJECT_IDLE_REPOS];
	unsigned n_idle;
	struct fingerprint seen; /* refs at the last refresh of this process */
	uint32_t last;           /* highest number at that time */

	atomic_bool used; /* second chance of the clock that closes idle repositories */
	struct project *open_prev, *open_next; /* store.open_lock */
	bool is_open;
};

/* The project's object database: shared by all threads, refreshes itself when an object is missing.
 * Counted: give it back with git_odb_free(). 0, PROJECT_GONE, or a fault. */
int project_odb(struct project *p, git_odb **ret);

/* Forgets `odb`, if it is still the current one: the next project_odb() looks at the disk anew. For
 * reads that failed because packs were replaced beneath us. */
void project_odb_stale(struct project *p, const git_odb *odb);

/* Lends a repository object to the calling thread alone (refs, revwalk, diff, revparse need one).
 * 0, PROJECT_GONE, or a fault. Give it back with project_repo_done(). */
int project_repo(struct project *p, git_repository **ret);
void project_repo_done(struct project *p, git_repository *repo);

/* A descriptor of the repository's directory that is the caller's own, -1 when it is gone. project_dir_fd()
 * keeps one as long as the handle lives, which is right for who writes and wrong for who looks
 * at ten thousand projects. */
int project_dir_open(struct project *p);

/* The absolute path of the repository, or of `sub` inside it; malloc'ed. */
char *project_path(const struct project *p, const char *sub);

/* Asks the disk whether the directory is still the one that was opened; notes it when not. */
bool project_is_gone(struct project *p);

/* Closes what the handle holds open, as if it had never worked. */
void project_close_files(struct project *p);

/* The directory of project `name`: "<name>.git". */
enum { PROJECT_DIR_NAME_MAX = PROJECT_NAME_MAX + 8 };
char *project_dir_name(const char *name, char ret[PROJECT_DIR_NAME_MAX]);

/* Reads the planted id of the repository `dir` under projects/; 0 when there is none. */
int project_id_read(struct store *st, const char *dir, uint64_t *ret);
/* The project's id, planted now if there is none or if another project has it. */
int project_id_settle(struct store *st, const char *name, int dir_fd, uint64_t *ret);
/* A fresh random id, never 0. */
uint64_t project_id_new(void);

/* Takes the lock `file` inside the repository; outcomes as project_lock(). */
int project_lock_file(struct project *p, const char *file, const char *what, bool wait,
		      int *ret);

/* Makes an empty bare repository `dir` below projects/, durably. With a dot in front it is no project yet. */
int project_make_dir(struct store *st, const char *dir);
/* Makes the directory `from` below projects/ the project `name`, durably. 0, PROJECT_EXISTS, or a fault. */
int project_put(struct store *st, const char *from, const char *name);

/* Removes what a killed create or delete left in projects/. Silent when somebody is at it. */
void project_sweep(struct store *st);

/* A lent repository that gives itself back:
 *	CLEANUP(project_lent_done) struct project_lent lent = {.project = p};
 *	r = project_repo(p, &lent.repo); */
struct project_lent {
	struct project *project;
	git_repository *repo;
};

static inline void project_lent_done(const struct project_lent *l)
{
	if (l->repo)
		project_repo_done(l->project, l->repo);
}

DEFINE_CLEANUP(struct project *, project_unref)
