/* Every tree and blob that a fragment reaches, read once and hashed again.
 *
 * Fragments are walked in the order of their numbers, so where a blob is met first is when it was first
 * seen: another way to the answer than store/first_seen.c takes, and they must agree.
 *
 * Blobs too large for memory are hashed by git itself, from one pipe into another.
 */
#include "store/fsck_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/proc.h"
#include "store/first_seen.h"
#include "store/git_child.h"
#include "store/object.h"
#include "store/project_private.h"
#include "store/tree.h"

enum { PROGRESS_EVERY = 256, IN_MEMORY_MAX = 256 << 20 };

struct pending {
	struct oid *trees;
	size_t n, cap;
};

struct tree_walk {
	struct fsck_run *run;
	struct pending pending;
	const struct fsck_fragment *fragment;
	char tree[OID_HEX_LEN + 1]; /* the one at hand, for messages */
	int fault;
};

static void tree_walk_deinit(struct tree_walk *w)
{
	free(w->pending.trees);
}

static bool hash_is(git_odb_object *o, const struct oid *oid)
{
	git_oid hash;

	return !git_odb_hash(&hash, git_odb_object_data(o), git_odb_object_size(o),
			     git_odb_object_type(o)) &&
	       !memcmp(hash.id, oid->id, OID_LEN);
}

/* git cat-file | git hash-object. 0 when the hash is right, 1 when not, or a fault. */
static int hash_by_git(struct project *p, const struct oid *oid)
{
	char hex[OID_HEX_LEN + 1], said[OID_HEX_LEN + 1] = "";
	const char *const cat[] = {"cat-file", "blob", oid_hex(oid, hex), NULL};
	const char *const hash[] = {"hash-object", "-t", "blob", "--stdin", NULL};
	int data[2] = {-1, -1}, answer[2] = {-1, -1}, r;
	pid_t from = -1, to = -1;

	if (pipe2(data, O_CLOEXEC) || pipe2(answer, O_CLOEXEC)) {
		r = fail(-errno, "pipe for git");
		goto out;
	}
	r = git_child_start(project_dir_fd(p), cat, -1, data[1], &from);
	if (!r)
		r = git_child_start(project_dir_fd(p), hash, data[0], answer[1], &to);
	close_p(&data[0]);
	close_p(&data[1]);
	close_p(&answer[1]);
	data[0] = data[1] = answer[1] = -1;
	if (!r && io_read_all(answer[0], said, OID_HEX_LEN) != OID_HEX_LEN)
		r = 1;
	if (from > 0 && proc_wait(from))
		r = r ? r : 1;
	if (to > 0 && proc_wait(to))
		r = r ? r : 1;
	if (!r)
		r = strcmp(said, hex) != 0;
out:
	close_p(&data[0]);
	close_p(&data[1]);
	close_p(&answer[0]);
	close_p(&answer[1]);
	return r;
}

/* The blob's size, or FSCK_UNREADABLE after saying why. */
static uint64_t check_blob(struct tree_walk *w, const struct oid *oid)
{
	CLEANUP(git_odb_object_freep) git_odb_object *o = NULL;
	struct fsck_run *run = w->run;
	char hex[OID_HEX_LEN + 1];
	git_object_t type;
	size_t size;
	int r = object_header(run->p, oid, &type, &size);

	oid_hex(oid, hex);
	if (r || type != GIT_OBJECT_BLOB) {
		fsck_say(run, FSCK_PROBLEM, "fragment %u: blob %s is %s", w->fragment->seq, hex,
			 r == OBJECT_MISSING ? "missing"
			 : r                 ? "damaged"
					     : "no blob");
		return FSCK_UNREADABLE;
	}
	if (size > IN_MEMORY_MAX) {
		r = hash_by_git(run->p, oid);
	} else {
		r = object_read(run->p, oid, &o);
		if (!r)
			r = !hash_is(o, oid);
	}
	if (r == -ENOMEM)
		w->fault = r;
	if (r) {
		fsck_say(run, FSCK_PROBLEM, "fragment %u: blob %s is damaged", w->fragment->seq,
			 hex);
		return FSCK_UNREADABLE;
	}
	run->result->n_blobs++;
	run->result->n_bytes += size;
	return size;
}

static void check_time(struct tree_walk *w, const struct oid *blob)
{
	char hex[OID_HEX_LEN + 1];
	int64_t seen;
	int r = blob_first_seen(w->run->p, blob, &seen);

	if (r < 0)
		w->fault = r;
	else if (r || seen != w->fragment->time)
		fsck_say(w->run, FSCK_PROBLEM,
			 "blob %s was first seen in fragment %u, but the index says otherwise; "
			 "`frag "
			 "reindex` mends it",
			 oid_hex(blob, hex), w->fragment->seq);
}

static int look_at(const struct tree_entry *e, void *arg)
{
	struct tree_walk *w = arg;
	bool is_tree = (e->mode & 0170000) == MODE_TREE;
	bool is_blob = (e->mode & 0170000) == 0100000 || (e->mode & 0170000) == MODE_LINK;

	if (e->verdict)
		fsck_say(w->run, FSCK_NOTE,
			 "fragment %u: tree %s holds '%s', refused because %s",
			 w->fragment->seq, w->tree, e->name, judge_words(e->verdict));
	if (is_tree && oidmap_add(&w->run->trees, &e->oid, 0)) {
		alloc_grow(&w->pending.trees, &w->pending.cap, w->pending.n + 1,
			   sizeof(*w->pending.trees));
		w->pending.trees[w->pending.n++] = e->oid;
	}
	if (is_blob && oidmap_add(&w->run->blobs, &e->oid, FSCK_UNREADABLE)) {
		uint64_t size = check_blob(w, &e->oid);

		*oidmap_find(&w->run->blobs, &e->oid) = size;
		check_time(w, &e->oid);
	}
	return w->fault;
}

static int check_tree(struct tree_walk *w, const struct oid *oid)
{
	CLEANUP(git_odb_object_freep) git_odb_object *o = NULL;
	int r = object_read(w->run->p, oid, &o);

	oid_hex(oid, w->tree);
	if (r == -ENOMEM)
		return r;
	if (r || git_odb_object_type(o) != GIT_OBJECT_TREE) {
		fsck_say(w->run, FSCK_PROBLEM, "fragment %u: tree %s is %s", w->fragment->seq,
			 w->tree,
			 r == OBJECT_MISSING ? "missing"
			 : r                 ? "damaged"
					     : "no tree");
		return 0;
	}
	w->run->result->n_trees++;
	w->run->result->n_bytes += git_odb_object_size(o);
	if (!hash_is(o, oid))
		fsck_say(w->run, FSCK_PROBLEM, "fragment %u: tree %s does not have its hash",
			 w->fragment->seq, w->tree);
	r = tree_parse(git_odb_object_data(o), git_odb_object_size(o), look_at, w);
	if (r == TREE_CORRUPT)
		fsck_say(w->run, FSCK_PROBLEM, "fragment %u: tree %s is not a tree's bytes",
			 w->fragment->seq, w->tree);
	return r < 0 ? r : 0;
}

int fsck_objects(struct fsck_run *run)
{
	CLEANUP(tree_walk_deinit) struct tree_walk w = {.run = run};
	int r = 0;

	for (size_t i = 0; !r && i < run->n_fragments; i++) {
		w.fragment = &run->fragments[i];
		if (run->how->progress && i % PROGRESS_EVERY == 0)
			run->how->progress("checking objects", i, run->n_fragments,
					   run->how->progress_arg);
		if (!oidmap_add(&run->trees, &w.fragment->tree, 0))
			continue;
		r = check_tree(&w, &w.fragment->tree);
		while (!r && w.pending.n) {
			struct oid next = w.pending.trees[--w.pending.n];

			r = check_tree(&w, &next);
		}
	}
	return r;
}
