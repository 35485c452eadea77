/* fs/place.h - the kinds of directories and files of a mount, behind one small table.
 *
 * A place answers two questions about one of its directories: what is below this name, and what is there. The
 * request handlers (fs/ops.c, fs/dir.c) know nothing of projects, fragments or refs; the
 * places know nothing of FUSE.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "fs/node.h"

struct dirbuf;
struct fs;

enum place_kind {
	PLACE_ROOT,
	PLACE_PROJECT,
	PLACE_FRAGMENTS, /* fragments/ */
	PLACE_DATES,     /* by-date/ */
	PLACE_DAY,       /* by-date/<day>/; seq holds the day's number */
	PLACE_REFS,      /* refs/ and below; extra is the path below refs/ */
	PLACE_AT,        /* at/ and below; extra is the path below at/ */
	PLACE_REVIEW,    /* review/ */
	PLACE_TREE,    /* a directory of a fragment, of a review, of a commit without number */
	PLACE_BLOB,    /* a file or link of one */
	PLACE_POINTER, /* a symbolic link to the fragment `seq` */
	PLACE_TEXT,    /* a file whose bytes are in extra */
	PLACE_CONTROL, /* .frag/ of a project */
	PLACE_DIFFS,   /* .frag/diff/ */
	PLACE_HISTORY, /* .frag/file/ and below; extra is the path below it */
	PLACE_HEALTH,  /* .frag/ of the mount */
	PLACE_WORKS,   /* work/ of a project */
	PLACE_WORK,    /* anything of a work tree; see fs/work_place.h */
	PLACE_KINDS,
};

enum tree_view { VIEW_FRAGMENT, VIEW_REVIEW, VIEW_COMMIT };

enum place_outcome {
	PLACE_NO_ENTRY = 1, /* there is nothing of that name */
};

/* For ever, as far as the kernel is concerned. */
#define PLACE_ALWAYS 1e9

struct found {
	struct node *node; /* referenced; with PLACE_NO_ENTRY untouched */
	struct stat stat;  /* st_ino 0: place_stat() is to be asked */
	double entry_ttl; /* how long the kernel may remember the name, or that there is none */
};

struct place_ops {
	/* 0, PLACE_NO_ENTRY, or a fault. `ret->entry_ttl` is 0 beforehand. */
	int (*lookup)(struct fs *fs, struct node *dir, const char *name, struct found *ret);

	/* Adds what comes after the cookie `from` (0: the beginning) until dirbuf_add() says it is full; the cookies it
	 * gives are its own. NULL: an empty listing. 0 or a fault. */
	int (*list)(struct fs *fs, struct node *dir, uint64_t from, struct dirbuf *out);
};

extern const struct place_ops place_root, place_project, place_fragments, place_dates,
	place_day, place_refs, place_at, place_review, place_tree, place_control, place_diffs,
	place_history, place_health, place_works, place_work;

/* NULL for what is no directory. */
const struct place_ops *place_ops_of(const struct node *n);

/* Takes over want's extra and the app reference either way. */
struct node *place_node(struct fs *fs, struct node *want);

/* A directory template below `dir`, of `kind`, same app; takes its own reference of the app. */
struct node place_subdir(struct fs *fs, struct node *dir, const char *name,
			 enum place_kind kind);

/* A file template whose bytes are `data`, taken over (malloc'ed). `parent` gives app and inode number. */
struct node place_text(struct fs *fs, struct node *dir, const char *name, char *data,
		       size_t len);

/* What stat says of it. Fails in work trees only: a positive errno, or a fault. */
int place_stat(struct fs *fs, struct node *n, struct stat *st);

/* Gives back what a dead node owned; the node table's `release`. */
void place_release(struct node *n);
