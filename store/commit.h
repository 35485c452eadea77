/* store/commit.h - what a commit says.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/oid.h"

struct project;

enum commit_outcome {
	COMMIT_MISSING = 1, /* no such commit */
	COMMIT_BAD,         /* commit_parse() only: bytes that do not start with a tree's id */
};

struct commit_who {
	char *name, *email; /* UTF-8 where git's are; may be empty, never NULL */
	int64_t time;
	int16_t tz;
};

struct commit {
	struct oid id, tree;
	size_t n_parents;
	struct oid *parents;
	struct commit_who author, committer;
	char *message; /* as stored, re-encoded to UTF-8 where the commit names its encoding */
	char *title;   /* first paragraph on one line */
};

/* 0, COMMIT_MISSING, or a fault. Free with commit_free(). */
int commit_read(struct project *p, const struct oid *id, struct commit **ret);
void commit_free(struct commit *c);

/* The parser by itself; `id` stays zero. 0 or COMMIT_BAD. */
int commit_parse(const void *data, size_t len, struct commit **ret);

/* A file to be committed: its bytes are given. */
struct commit_file {
	const char *
		path; /* judged with judge_path(); duplicates and file/directory clashes are refused */
	uint32_t mode; /* MODE_FILE, MODE_EXEC or MODE_LINK */
	const void *data;
	size_t len;
	/* Not NULL: the store has the content already, under this id; `data` is not looked at. MODE_GITLINK is
	 * allowed with it. */
	const struct oid *blob;
};

struct commit_spec {
	const struct commit_file *files;
	size_t n_files;
	const struct oid *parents;
	size_t n_parents;
	struct commit_who author, committer;
	const char *message;
};

/* Writes blobs, trees and the commit as ONE pack, synced with its directory before returning. No ref is
 * moved; the caller does that next. 0 or a fault (-EINVAL for a refused path, said in the log). */
int commit_write(struct project *p, const struct commit_spec *spec, struct oid *ret);

/* The same with an existing tree. */
int commit_write_tree(struct project *p, const struct oid *tree, const struct commit_spec *spec,
		      struct oid *ret);

/* Many commits, made durable together: thousands a second where commit_write() syncs each by itself.
 * A later commit may name an earlier one of the batch as its parent. A batch belongs to one thread. */
struct commit_batch;
int commit_batch_begin(struct project *p, struct commit_batch **ret);
/* Adds a commit; a fault leaves the batch as it was, without this commit. */
int commit_batch_add(struct commit_batch *b, const struct commit_spec *spec, struct oid *ret);
/* Everything added is durable when it returns 0; only then may a ref point at it. Frees the batch in any
 * case. */
int commit_batch_finish(struct commit_batch *b);
/* Gives up and frees; accepts NULL. */
void commit_batch_abort(struct commit_batch *b);

/* Appends a header line, "author Name <email> seconds +zone\n", without the bytes that would break it. 0 or buf's faults. */
struct buf;
int commit_add_who(struct buf *b, const char *key, const struct commit_who *who);
