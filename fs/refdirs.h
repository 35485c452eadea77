/* fs/refdirs.h - which names under refs/ the kernel may remember.
 *
 * A ref's link is cached for ever and must be forgotten when the ref moves. Each directory under refs/ that
 * was looked into keeps the names it gave out and what they meant; the follower compares.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct app;
struct fs;
struct names;
struct node;
struct project;

struct refdirs {
	pthread_mutex_t lock;
	struct refdir *first;
};

enum { REFDIRS_SUBDIR = UINT32_MAX }; /* the name meant a directory */

void refdirs_init(struct refdirs *rd);
void refdirs_deinit(struct refdirs *rd);

/* `name` of the directory `dir` is about to be looked up: call before reading the ref, so that no move is missed. */
void refdirs_give(struct node *dir, const char *name);
/* … and it meant the fragment `seq`, or REFDIRS_SUBDIR. */
void refdirs_given(struct node *dir, const char *name, uint32_t seq);

/* The last gathering of the directory's names, counted, or NULL; and keeping one. */
struct names *refdirs_names(struct node *dir);
void refdirs_keep(struct node *dir, struct names *ns);

/* What `name` below the directory `path` (below refs/) means now: a fragment's number, REFDIRS_SUBDIR, or 0 for
 * nothing. 0 or a fault. */
int refdirs_resolve(struct project *p, const char *path, const char *name, uint32_t *ret);

/* Refs moved: queues what the kernel must forget. From the follower. */
void refdirs_follow(struct fs *fs, struct app *app, struct project *p);
