/* tests/repo.h - a home with one project, and git beside it.
 *
 *	cmocka_unit_test_setup_teardown(claim, repo_setup, repo_teardown)
 *
 * gives a struct repo as the state. Scripts run in a work tree whose repository is the project's.
 */
#pragma once

#include "base/oid.h"
#include "tests/scratch.h"

struct project;
struct store;

struct repo {
	struct scratch s;
	struct store *st;
	struct project *p; /* "demo" */
	char git_dir[512];
};

int repo_setup(void **state);
int repo_teardown(void **state);

/* Runs `script` by sh in the work tree, GIT_DIR being the project; it must exit with 0. Returns what it
 * printed, without the last newline: a static buffer, until the next call. */
const char *repo_sh(struct repo *r, const char *script);

/* The same, formatted, and its output as an object id. */
struct oid repo_oid(struct repo *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Stores bytes as an object of that type, sane or not. */
struct oid repo_object(struct repo *r, const char *type, const void *data, size_t len);

/* Closes and opens the home again. */
void repo_reopen(struct repo *r);
