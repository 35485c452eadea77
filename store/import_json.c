/* Importing JSON documents.
 *
 *	1 read     every document is decoded once and forgotten; what is kept is where it stands
 *	2 plan     parents and order
 *	3 write    each is read again, in order, and fed to git: one pack in the stage
 *	4 publish  new project: the stage is renamed; otherwise its pack is taken in, refs move
 *	5 number   the commits become fragments
 *	6 check    each is read a third time and compared with its fragment
 *
 * Memory holds one document and some 200 bytes for each of the others. Up to 4 nothing can be
 * seen, and 4 shows everything at once, so a killed import is simply begun again.
 */
#include "store/import_json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "store/fragment.h"
#include "store/import_json_check.h"
#include "store/import_json_doc.h"
#include "store/import_json_files.h"
#include "store/import_json_plan.h"
#include "store/import_json_read.h"
#include "store/import_json_refs.h"
#include "store/import_json_write.h"
#include "store/import_stage.h"
#include "store/project_private.h"
#include "store/refresh.h"
#include "store/store.h"

DEFINE_CLEANUP(struct import_json_doc *, import_json_doc_free)
DEFINE_CLEANUP(struct import_json_read *, import_json_read_free)

struct job {
	struct store *st;
	const struct import_request *q;
	import_json_problem_fn problem;
	void *arg;
	struct import_json_report *report;
	struct import_json_files files;
	struct import_json_plan plan;
	struct import_stage *stage;
	struct project *project;
	int lock;
	struct buf text; /* of the document at hand */
	uint64_t bytes;  /* read so far */
	int64_t first_time;
	struct refresh_result numbered;
};

static void job_deinit(struct job *j)
{
	import_json_files_close(&j->files);
	import_json_plan_deinit(&j->plan);
	import_stage_free(j->stage);
	project_unref(j->project);
	close_p(&j->lock);
	buf_deinit(&j->text);
}

static void show(struct job *j, const char *phase, uint64_t done, uint64_t total)
{
	if (j->q->progress)
		j->q->progress(phase, done, total, j->q->arg);
}

static void tell(struct job *j, const struct import_json_entry *e, const char *why,
		 bool mismatch)
{
	struct import_json_problem p = {.file = j->files.names[e->file],
					.line = e->line,
					.id = e->id,
					.why = why,
					.mismatch = mismatch};

	j->report->refused += !mismatch;
	j->report->mismatches += mismatch;
	j->problem(&p, j->arg);
}

/* Decodes one piece of a file and notes what it is. 0 or a fault. */
static int note(struct job *j, uint32_t file, const struct import_json_span *span, bool too_big)
{
	CLEANUP(import_json_doc_freep) struct import_json_doc *d = NULL;
	struct import_json_entry e = {.state = IMPORT_JSON_NEW,
				      .file = file,
				      .line = span->line,
				      .offset = span->offset,
				      .len = span->len};
	char why[IMPORT_JSON_WHY_MAX];
	int r = IMPORT_JSON_DOC_REFUSED;

	(void)snprintf(why, sizeof(why), "it is larger than %d MiB", IMPORT_JSON_DOC_MAX >> 20);
	if (!too_big)
		r = import_json_doc_parse(span->text, span->len, &d, why);
	if (r < 0)
		return fail(r, "read the document at line %u", span->line);
	j->report->documents++;
	if (r) {
		e.state = IMPORT_JSON_REFUSED;
		e.why = alloc_str(why);
	} else {
		e.id = TAKE(d->id);
		e.parent = TAKE(d->parent);
		e.has_time = d->has_time;
		e.time = d->time;
	}
	import_json_plan_add(&j->plan, &e);
	return 0;
}

static int read_file(struct job *j, uint32_t file)
{
	CLEANUP(import_json_read_freep) struct import_json_read *reader = NULL;
	struct import_json_span span;
	struct stat st;
	const char *dot = strrchr(j->files.names[file], '.');
	bool lines = dot && (!strcasecmp(dot, ".jsonl") || !strcasecmp(dot, ".ndjson"));
	int fd = import_json_files_fd(&j->files, file), r;

	if (fd < 0 || fstat(fd, &st)) {
		struct import_json_entry e = {
			.state = IMPORT_JSON_REFUSED,
			.file = file,
			.line = 1,
			.why = alloc_fmt("the file cannot be read: %s", strerror(errno))};

		j->report->documents++;
		import_json_plan_add(&j->plan, &e);
		return 0;
	}
	if (!file)
		j->first_time = st.st_mtime;
	reader = import_json_read_new(fd, lines, IMPORT_JSON_DOC_MAX);
	while ((r = import_json_read_next(reader, &span)) != IMPORT_JSON_READ_END) {
		if (r >= 0)
			r = note(j, file, &span, r == IMPORT_JSON_READ_TOO_BIG);
		if (r)
			return r;
		show(j, "reading documents", j->bytes + span.offset, j->files.bytes);
	}
	j->bytes += (uint64_t)st.st_size;
	return 0;
}

static int read_all(struct job *j)
{
	int r = 0;

	for (size_t i = 0; !r && i < j->files.n; i++)
		r = read_file(j, (uint32_t)i);
	return r;
}

/* Reads a document again and decodes it; it was good before. */
static int read_again(struct job *j, const struct import_json_entry *e,
		      struct import_json_doc **ret)
{
	char why[IMPORT_JSON_WHY_MAX];
	int r = import_json_files_read(&j->files, e->file, e->offset, e->len, &j->text);

	if (r)
		return r;
	r = import_json_doc_parse(j->text.data, j->text.len, ret, why);
	if (r > 0 || (!r && strcmp((*ret)->id, e->id) != 0))
		return fail(-ESTALE, "'%s' was changed while it was imported",
			    j->files.names[e->file]);
	return r;
}

/* A project of the name may be there already: its documents are known by their commits. */
static int find_project(struct job *j)
{
	int r = project_open(j->st, j->report->name, &j->project);

	if (r == PROJECT_MISSING)
		return 0;
	if (r == PROJECT_BROKEN)
		return import_refuse(
			j->q, "remove it, or choose another name with --name",
			"'%s' is in the way: a directory that is no git repository",
			j->report->name);
	if (r)
		return r;
	r = import_lock(j->q, j->project, &j->lock);
	if (!r)
		r = refresh_project(j->project, j->q->progress, j->q->arg, &j->numbered);
	return r ? r : import_json_refs_known(j->project, &j->plan);
}

static int make_plan(struct job *j)
{
	struct project_head head = {0};
	int r = j->project ? project_head(j->project, &head) : 0;

	if (r)
		return r < 0 ? r : -EIO;
	r = read_all(j);
	if (r)
		return r;
	import_json_plan_settle(&j->plan, &head.commit, j->first_time);
	j->report->chain = j->plan.chain;
	for (size_t i = 0; i < j->plan.n; i++) {
		if (j->plan.entries[i].state == IMPORT_JSON_REFUSED)
			tell(j, &j->plan.entries[i], j->plan.entries[i].why, false);
	}
	return 0;
}

static int write_one(struct job *j, struct import_json_writer *w, size_t *numbers, size_t i)
{
	CLEANUP(import_json_doc_freep) struct import_json_doc *d = NULL;
	struct import_json_entry *e = &j->plan.entries[j->plan.order[i]];
	const struct oid *onto = &e->parent_oid;
	size_t parent = 0;
	int r = read_again(j, e, &d);

	if (r)
		return r;
	if (e->parent_at != SIZE_MAX) {
		parent = numbers[e->parent_at];
		onto = &j->plan.entries[e->parent_at].commit;
	}
	numbers[j->plan.order[i]] = i + 1;
	show(j, "writing fragments", i + 1, j->plan.n_order);
	return import_json_writer_add(w, d, e->time, parent, onto);
}

static int write_all(struct job *j)
{
	CLEANUP(free_p) size_t *numbers = alloc_array(j->plan.n + 1, sizeof(*numbers));
	CLEANUP(free_p) struct oid *ids = alloc_array(j->plan.n_order + 1, sizeof(*ids));
	struct import_git_child git = {
		.git_dir = j->stage->path, .env = j->q->env, .progress = NULL};
	struct import_json_writer *w = NULL;
	int r = import_stage_borrow(j->stage, j->project, NULL, 0), end;

	if (!r)
		r = import_json_writer_start(&git, j->stage, &w);
	if (r)
		return r;
	for (size_t i = 0; !r && i < j->plan.n_order; i++)
		r = write_one(j, w, numbers, i);
	/* git's own words, should it have died, come from finish(). */
	end = import_json_writer_finish(w, r == -ESTALE ? NULL : ids, j->plan.n_order);
	if (r || end)
		return end ? end : r;
	for (size_t i = 0; i < j->plan.n_order; i++)
		j->plan.entries[j->plan.order[i]].commit = ids[i + 1];
	return 0;
}

static int publish(struct job *j)
{
	struct import_json_refs_result res = {0};
	int r;

	if (j->project) {
		r = import_stage_absorb(j->stage, j->project);
		if (!r)
			r = import_json_refs_move(j->project, &j->plan, &res);
		if (!r)
			r = import_stage_drop(j->stage);
	} else {
		r = import_json_refs_write(j->stage, &j->plan, &res);
		if (!r)
			r = import_stage_publish(j->stage);
		if (r == IMPORT_STAGE_TAKEN)
			return import_refuse(j->q, "run the import again",
					     "a project '%s' was made meanwhile",
					     j->stage->name);
		j->report->created = !r;
		if (!r)
			r = project_open(j->st, j->stage->name, &j->project);
	}
	j->report->n_branches = res.n_branches;
	j->report->head_stayed = res.head_stayed;
	return r > 0 ? fail(-EIO, "project '%s' vanished while it was made", j->stage->name)
		     : r;
}

static int store_all(struct job *j)
{
	CLEANUP(free_p)
	char *source = alloc_fmt("json %ld %lld", (long)getpid(), (long long)j->first_time);
	int r;

	/* Never of an earlier call: writing anew is quick, and nothing old must get in between. */
	r = import_stage_open(j->st, j->report->name, source, &j->stage);
	if (r == IMPORT_STAGE_HELD)
		return import_refuse(j->q, NULL, "%s", "");
	if (!r && j->stage->resumed)
		r = fail(-EEXIST, "the stage of '%s' is not ours", j->report->name);
	if (!r)
		r = write_all(j);
	if (r) {
		if (j->stage)
			(void)import_stage_drop(j->stage);
		return r;
	}
	return publish(j);
}

/* What a call left that was killed when all was done but tidying up. */
static int drop_left(struct job *j)
{
	int r;

	if (!import_stage_is_left(j->st, j->report->name))
		return 0;
	r = import_stage_open(j->st, j->report->name, "nothing", &j->stage);
	if (r == IMPORT_STAGE_HELD)
		return import_refuse(j->q, NULL, "%s", "");
	return r ? r : import_stage_drop(j->stage);
}

/* Compares one document with its fragment. */
static int check_one(struct job *j, const struct import_json_entry *e)
{
	CLEANUP(import_json_doc_freep) struct import_json_doc *d = NULL;
	const struct oid *commit =
		e->state == IMPORT_JSON_AGAIN ? &j->plan.entries[e->stored].commit : &e->commit;
	char why[IMPORT_JSON_WHY_MAX], text[IMPORT_JSON_WHY_MAX + 64];
	int r = read_again(j, e, &d);

	if (!r)
		r = import_json_check(j->project, commit, d, why);
	if (r < 0)
		return r;
	if (!r) {
		j->report->validated++;
		j->report->known += e->state == IMPORT_JSON_AGAIN;
		return 0;
	}
	if (e->state == IMPORT_JSON_AGAIN) {
		(void)snprintf(text, sizeof(text),
			       "its id was imported before with something else: %s", why);
		tell(j, e, text, false);
	} else {
		tell(j, e, why, true);
	}
	return 0;
}

static int check_all(struct job *j)
{
	uint64_t done = 0;
	int r = 0;

	for (size_t i = 0; !r && i < j->plan.n; i++) {
		const struct import_json_entry *e = &j->plan.entries[i];

		if (e->state != IMPORT_JSON_NEW && e->state != IMPORT_JSON_AGAIN)
			continue;
		r = check_one(j, e);
		show(j, "validating", ++done, j->report->documents - j->report->refused);
	}
	return r;
}

static int run(struct job *j)
{
	int r = import_name(j->q, j->report->name);

	if (!r)
		r = import_json_files_open(j->q, &j->files);
	if (!r)
		r = find_project(j);
	if (!r)
		r = make_plan(j);
	if (r)
		return r;
	r = j->plan.n_order ? store_all(j) : drop_left(j);
	if (r || !j->project)
		return r; /* nothing good in it: nothing is made */
	j->report->imported = j->plan.n_order;
	r = refresh_project(j->project, j->q->progress, j->q->arg, &j->numbered);
	if (!r)
		r = check_all(j);
	if (!r)
		r = fragment_count(j->project, &j->report->fragments);
	return r > 0 ? fail(-ENOENT, "project '%s' vanished", j->report->name) : r;
}

int import_json(struct store *st, const struct import_request *q,
		import_json_problem_fn problem, void *arg, struct import_json_report *ret)
{
	CLEANUP(job_deinit)
	struct job j = {.st = st,
			.q = q,
			.problem = problem,
			.arg = arg,
			.report = ret,
			.lock = -1,
			.files = {.dir = AT_FDCWD, .fd = -1}};

	*ret = (struct import_json_report){0};
	import_json_plan_init(&j.plan);
	buf_init(&j.text, IMPORT_JSON_DOC_MAX);
	return run(&j);
}
