/* tools/shares.h - how new sandboxes are shared out among providers: `$FRAG_HOME/rollout`.
 *
 *	local 90
 *	e2b 10
 */
#pragma once

#include "provider/rollout.h"
#include "tools/cli.h"

enum { SHARES_MAX = 8 };

struct shares {
	struct rollout_share all[SHARES_MAX]; /* names are those of vendors.h */
	size_t n;                             /* 0: none were set, the local one makes all */
};

/* 0 or an exit status, with a message. */
int shares_read(const struct cli *cli, struct shares *ret);
int shares_write(const struct cli *cli, const struct shares *s);

/* "e2b=10" as one share more. 0 or an exit status, with a message. */
int shares_add(struct shares *s, const char *word);

/* Who makes the sandbox of a project. */
const char *shares_choose(const struct shares *s, const char *project);
