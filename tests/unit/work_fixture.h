/* tests/unit/work_fixture.h - a project with a small tree, and a work tree on it.
 *
 *	file        "file\n"
 *	exec        "#!/bin/sh\n", executable
 *	link        -> file
 *	dir/a       "a\n"
 *	dir/b       "b\n"
 *	dir/sub/c   "c\n"
 */
#pragma once

#include "store/work.h"
#include "tests/repo.h"

struct work_fixture {
	struct repo *repo;
	struct work_info info;
	struct work *w;
	struct oid tree;
};

int work_fixture_setup(void **state);
int work_fixture_teardown(void **state);

/* As a killed process leaves it: nothing is flushed, nothing removed. */
void work_fixture_kill(struct work_fixture *f);
/* Closes it if need be and opens it again. */
void work_fixture_reopen(struct work_fixture *f);

/* Each fails the test when the call does. */
uint64_t fx_lookup(struct work_fixture *f, const char *path); /* takes no hold */
struct work_attr fx_stat(struct work_fixture *f, const char *path);
uint64_t fx_create(struct work_fixture *f, const char *path, const char *text);
uint64_t fx_mkdir(struct work_fixture *f, const char *path);
void fx_write(struct work_fixture *f, const char *path, uint64_t off, const char *text);
/* The content, NUL-terminated, in a static buffer; "<missing>" when there is no such path. */
const char *fx_read(struct work_fixture *f, const char *path);
int fx_unlink(struct work_fixture *f, const char *path);
int fx_rmdir(struct work_fixture *f, const char *path);
int fx_rename(struct work_fixture *f, const char *from, const char *to, unsigned flags);
/* Names of a directory, sorted, with a space behind each; a static buffer. */
const char *fx_list(struct work_fixture *f, const char *path);
/* Writes a tree with git; the script runs in an empty directory. */
struct oid fx_tree(struct work_fixture *f, const char *script);
