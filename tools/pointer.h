/* tools/pointer.h - branches and tags are one thing with two prefixes: what their verbs share.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct cli;
struct cli_args;

struct pointer_kind {
	const char *noun;   /* "branch" */
	const char *prefix; /* "refs/heads/" */
};

extern const struct pointer_kind pointer_branch, pointer_tag;

/* `[<project>]`: lists them. An exit status, as the others. */
int pointer_list(struct cli *cli, const struct cli_args *args, const struct pointer_kind *kind);

struct pointer_create {
	const char *message; /* NULL: no tag object */
	bool force;          /* move it if it is there */
};

/* `[<project>] <name> [<revision>]` */
int pointer_create(struct cli *cli, const struct cli_args *args,
		   const struct pointer_kind *kind, const struct pointer_create *how);

/* `[<project>] <name>` */
int pointer_delete(struct cli *cli, const struct cli_args *args,
		   const struct pointer_kind *kind);
