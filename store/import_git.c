/* Importing a git repository, from a look at the source to numbered fragments.
 *
 *	                         ┌─ local, new project:  copy object files
 *	source ─▶ stage (lock) ──┼─ local, again:        pack what is new (damage: copy files)
 *	                         └─ remote:              git fetch, in steps
 *	        ─▶ refs, those that point at nothing left out
 *	        ─▶ new: write refs, rename the stage   │   there: take in packs, merge refs
 *	        ─▶ number
 *
 * Up to the rename nothing can be seen of a new project; a project that is there sees complete packs first
 * and then one ref after the other, each from one true state to another. Whatever kills us, the same
 * call again goes on.
 */
#include "store/import_git.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "store/fragment.h"
#include "store/import_git_copy.h"
#include "store/import_git_fetch.h"
#include "store/import_git_merge.h"
#include "store/import_git_source.h"
#include "store/import_git_url.h"
#include "store/import_stage.h"
#include "store/index.h"
#include "store/index_format.h"
#include "store/project_private.h"
#include "store/refresh.h"
#include "store/store.h"

DEFINE_CLEANUP(struct import_stage *, import_stage_free)

/* Everything of one import, so that its steps are functions of one argument. */
struct job {
	struct store *st;
	const struct import_request *q;
	struct import_git_report *report;
	struct import_git_url url;
	char *address;                   /* what is recorded as the project's origin */
	struct import_git_source source; /* of a local one; git_dir NULL otherwise */
	struct import_stage *stage;
	struct project *project; /* NULL as long as there is none */
	struct import_git_child git;
	struct import_git_refs theirs;
	int lock; /* the project's writer lock */
};

static void job_deinit(struct job *j)
{
	import_git_url_deinit(&j->url);
	import_git_source_deinit(&j->source);
	import_git_refs_deinit(&j->theirs);
	import_stage_free(j->stage);
	project_unref(j->project);
	close_p(&j->lock);
	free(j->address);
}

/* Where git may work while there is no stage yet: a place without config or refs. */
static void aim_git(struct job *j, const char *git_dir)
{
	j->git = (struct import_git_child){.git_dir = git_dir,
					   .env = j->q->env,
					   .may_prompt = j->q->may_prompt,
					   .url = &j->url,
					   .progress = j->q->progress,
					   .arg = j->q->arg};
}

static bool is_directory_like(const char *path)
{
	return !import_git_source_probe(path);
}

static int find_source(struct job *j)
{
	char full[PATH_MAX];
	int r;

	import_git_url_parse(j->q->source, &j->url);
	if (j->url.kind == IMPORT_GIT_URL_BAD && access(j->q->source, F_OK))
		return import_refuse(j->q, "give a git URL, or the path of a repository",
				     "'%s' cannot be imported: %s", j->q->source, j->url.why);
	if (!realpath(j->q->source, full)) {
		j->address = alloc_str(j->url.url);
		return j->url.kind == IMPORT_GIT_URL_REMOTE
			       ? 0
			       : import_refuse(j->q, "check the spelling",
					       "there is nothing at '%s'", j->q->source);
	}
	import_git_url_deinit(&j->url); /* what exists as a path is one */
	j->address = alloc_str(full);
	if (!is_directory_like(full))
		return 0; /* a bundle, or for git to judge */
	r = import_git_source_open(full, &j->git, &j->source);
	if (r == IMPORT_GIT_SOURCE_FOREIGN)
		import_git_source_deinit(&j->source);
	else if (r == IMPORT_GIT_SOURCE_REFUSED)
		return import_refuse(j->q, NULL, "%s", "");
	return r < 0 ? r : 0;
}

/* The origin a project has, malloc'ed; NULL when none. */
static char *read_origin(struct project *p)
{
	CLEANUP(project_lent_done) struct project_lent lent = {.project = p};
	CLEANUP(git_config_freep) git_config *config = NULL;
	git_buf value = GIT_BUF_INIT;
	char *ret = NULL;

	if (project_repo(p, &lent.repo) || git_repository_config(&config, lent.repo))
		return NULL;
	if (!git_config_get_string_buf(&value, config, "remote.origin.url"))
		ret = alloc_str(value.ptr);
	git_buf_dispose(&value);
	return ret;
}

/* A project of that name may be there: is it this source's? */
static int find_project(struct job *j, const char *name)
{
	CLEANUP(free_p) char *origin = NULL;
	int r = project_open(j->st, name, &j->project);

	if (r == PROJECT_MISSING)
		return 0;
	if (r == PROJECT_BROKEN)
		return import_refuse(
			j->q, "remove it, or choose another name with --name",
			"'%s' is in the way: a directory that is no git repository", name);
	if (r)
		return r;
	origin = read_origin(j->project);
	if (!origin || strcmp(origin, j->address) != 0)
		return import_refuse(j->q, "choose another name with --name",
				     "project '%s' is there already, %s%s", name,
				     origin ? "imported from " : "made otherwise",
				     origin ? origin : "");
	return import_lock(j->q, j->project, &j->lock);
}

/* Which refs lead nowhere; those are left out. */
static int find_broken(struct job *j)
{
	CLEANUP(free_p) char *path = alloc_fmt("%s/objects", j->stage->path);
	CLEANUP(git_odb_freep) git_odb *odb = NULL;
	int r = git_odb_open(&odb, path);

	if (r)
		return fail_git(r, "open the staged objects");
	for (size_t i = 0; i < j->theirs.n; i++) {
		struct import_git_ref *ref = &j->theirs.refs[i];
		git_oid oid = oid_to_git(&ref->oid);

		ref->broken = !ref->target && !git_odb_exists(odb, &oid);
		j->report->n_broken += ref->broken;
		if (ref->broken)
			log_warn(
				"import: the source's ref '%s' points at an object it does not "
				"have, ignoring",
				ref->name);
	}
	j->report->n_refs = (uint32_t)j->theirs.n;
	if (!oid_is_zero(&j->theirs.head_oid)) {
		git_oid head = oid_to_git(&j->theirs.head_oid);

		if (!git_odb_exists(odb, &head))
			j->theirs.head_oid = (struct oid){{0}};
	}
	return 0;
}

static int copy_objects(struct job *j)
{
	CLEANUP(close_p) int skip = -1;
	struct import_git_copied copied = {0};
	int r;

	if (j->project)
		skip = openat(project_dir_fd(j->project), "objects",
			      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = import_stage_borrow(j->stage, j->project, NULL, 0);
	if (!r)
		r = import_git_copy(&j->source, j->stage, skip, &j->git, &copied);
	j->report->bytes = copied.bytes;
	j->report->n_packs = copied.n_packs;
	j->report->n_loose = copied.n_loose;
	return r ? r : find_broken(j);
}

/* What is new in a source that was imported before. */
static int pack_objects(struct job *j)
{
	CLEANUP(import_git_refs_deinit) struct import_git_refs ours = {0};
	int dir = project_dir_fd(j->project), r;

	r = import_stage_borrow(j->stage, j->project,
				(const char *const *)j->source.object_dirs,
				j->source.n_object_dirs);
	if (!r)
		r = find_broken(j);
	if (!r)
		r = import_git_refs_read(dir, dir, &ours);
	if (!r)
		r = import_git_pack(&j->git, j->stage, &j->theirs, &ours);
	if (r != IMPORT_GIT_CHILD_FAILED)
		return r ? r : import_stage_borrow(j->stage, j->project, NULL, 0);
	log_warn("import: the source has damage, ignoring: its object files are copied as they "
		 "are");
	j->report->n_broken = 0;
	return copy_objects(j);
}

/* A stage that nothing has arrived in is of no use to a later call. */
static int refuse_fetch(struct job *j)
{
	bool empty = import_stage_is_empty(j->stage);

	if (empty)
		(void)import_stage_drop(j->stage);
	return import_refuse(j->q,
			     empty ? "check the address and your access to it"
				   : "what arrived is kept: the same call again goes on",
			     "git could not fetch from '%s'", j->address);
}

static int transfer(struct job *j)
{
	int r;

	if (!j->source.git_dir) {
		r = import_stage_borrow(j->stage, j->project, NULL, 0);
		if (!r)
			r = import_git_fetch(&j->git, j->stage, j->address, &j->theirs);
		if (r == IMPORT_GIT_CHILD_FAILED)
			return refuse_fetch(j);
		return r ? r : find_broken(j);
	}
	r = import_git_source_refs(&j->source, &j->theirs);
	if (r)
		return r;
	j->report->shallow = j->source.shallow;
	return j->project ? pack_objects(j) : copy_objects(j);
}

/* Where the source's history was cut off: git must be told, or it takes the rest for lost. */
static int copy_shallow(struct job *j, int to)
{
	CLEANUP(close_p) int from = -1;
	CLEANUP(buf_deinit) struct buf b;
	int r;

	buf_init(&b, 64 << 20);
	from = j->source.git_dir
		       ? open(j->source.common_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
		       : openat(j->stage->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0)
		return fail(-errno, "open the source");
	if (faccessat(from, "shallow", F_OK, AT_SYMLINK_NOFOLLOW))
		return 0;
	r = io_slurp(from, "shallow", &b);
	if (r)
		return r < 0 ? r : 0;
	j->report->shallow = true;
	return io_replace(to, "shallow", b.data, b.len, 0644);
}

static int record_origin(struct job *j)
{
	CLEANUP(free_p) char *path = alloc_fmt("%s/config", j->stage->path);
	CLEANUP(git_config_freep) git_config *config = NULL;
	int r = git_config_open_ondisk(&config, path);

	if (!r)
		r = git_config_set_string(config, "remote.origin.url", j->address);
	if (!r)
		r = git_config_set_string(config, "remote.origin.fetch",
					  "+refs/heads/*:refs/remotes/origin/*");
	return r ? fail_git(r, "record where project '%s' comes from", j->stage->name) : 0;
}

static int publish(struct job *j)
{
	int r = record_origin(j);

	if (!r)
		r = copy_shallow(j, j->stage->fd);
	if (!r)
		r = import_git_refs_write(&j->theirs, j->stage->fd, true);
	if (!r)
		r = import_stage_publish(j->stage);
	if (r == IMPORT_STAGE_TAKEN)
		return import_refuse(j->q, "run the import again, or choose another name",
				     "a project '%s' was made meanwhile", j->stage->name);
	if (r)
		return r;
	j->report->created = true;
	r = project_open(j->st, j->stage->name, &j->project);
	return r > 0 ? fail(-EIO, "project '%s' vanished while it was made", j->stage->name)
		     : r;
}

static int update(struct job *j)
{
	struct import_git_merged merged = {0};
	int r = import_stage_absorb(j->stage, j->project);

	if (!r && j->theirs.n)
		r = copy_shallow(j, project_dir_fd(j->project));
	if (!r)
		r = import_git_merge(j->project, &j->theirs, &merged);
	j->report->n_moved = merged.n_moved;
	j->report->n_added = merged.n_added;
	j->report->n_diverged = merged.n_diverged;
	j->report->n_clashed = merged.n_clashed;
	return r ? r : import_stage_drop(j->stage);
}

struct census {
	git_odb *odb;
	uint64_t n_missing;
};

static int count_if_missing(const void *key, size_t key_len, const void *val, size_t val_len,
			    void *arg)
{
	struct census *c = arg;
	git_oid oid;

	if (key_len != INDEX_OID_KEY_LEN)
		return 0;
	memcpy(oid.id, (const unsigned char *)key + INDEX_PROJECT_KEY_LEN, OID_LEN);
	c->n_missing += !git_odb_exists_ext(c->odb, &oid, GIT_ODB_LOOKUP_NO_REFRESH);
	return 0;
}

/* Contents that trees name and nobody has. */
static int count_missing(struct job *j)
{
	CLEANUP(git_odb_freep) git_odb *odb = NULL;
	struct census c = {0};
	unsigned char prefix[INDEX_PROJECT_KEY_LEN];
	int r = project_odb(j->project, &odb);

	if (r)
		return r < 0 ? r : 0;
	if (j->q->progress)
		j->q->progress("looking for what is missing", 0, 0, j->q->arg);
	c.odb = odb;
	index_project_key(project_id(j->project), prefix);
	r = index_each(store_index(j->st), INDEX_BLOB, prefix, sizeof(prefix), NULL, 0,
		       count_if_missing, &c);
	j->report->n_missing = c.n_missing;
	return r;
}

static int number(struct job *j)
{
	struct refresh_result res = {0};
	int r = refresh_project(j->project, j->q->progress, j->q->arg, &res);

	if (r > 0)
		return fail(-ENOENT, "project '%s' vanished while it was imported",
			    j->report->name);
	j->report->n_new = res.n_new;
	j->report->n_refused = res.n_refused;
	j->report->n_damaged = res.n_damaged;
	if (!r && res.n_new)
		r = count_missing(j);
	return r ? r : fragment_count(j->project, &j->report->fragments);
}

static int run(struct job *j)
{
	int r = import_name(j->q, j->report->name);

	if (!r)
		r = find_source(j);
	if (!r)
		r = find_project(j, j->report->name);
	if (r)
		return r;
	r = import_stage_open(j->st, j->report->name, j->address, &j->stage);
	if (r)
		return r == IMPORT_STAGE_HELD ? import_refuse(j->q, NULL, "%s", "") : r;
	j->report->resumed = j->stage->resumed;
	aim_git(j, j->stage->path);
	r = transfer(j);
	if (!r)
		r = j->project ? update(j) : publish(j);
	return r ? r : number(j);
}

int import_git(struct store *st, const struct import_request *q, struct import_git_report *ret)
{
	CLEANUP(job_deinit)
	struct job j = {.st = st, .q = q, .report = ret, .lock = -1};
	int r;

	*ret = (struct import_git_report){0};
	import_git_refs_init(&j.theirs);
	aim_git(&j, "/nonexistent");
	r = git_start();
	if (r)
		return r;
	r = run(&j);
	git_stop();
	return r;
}
