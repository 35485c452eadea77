/* tools/sandbox.h - a project, its sandbox and their provider, opened for a verb.
 */
#pragma once

#include "provider/provider.h"
#include "store/state.h"
#include "tools/cli.h"

struct sandbox {
	struct cli *cli;
	struct store *store;
	struct project *project;
	struct provider *provider;
	bool has_record;
	struct state_sandbox record;
	struct provider_sandbox box; /* filled by sandbox_look() */
	char why[PROVIDER_WHY_MAX];  /* of the last call */
};

/* Opens store, the project of the first argument (or of the current directory) and the provider; `used` is how
 * many arguments that took. 0 or an exit status; sandbox_close() in any case. */
int sandbox_open(struct sandbox *s, struct cli *cli, const struct cli_args *args, size_t *used);

/* The same, refusing when the project has no sandbox. */
int sandbox_open_existing(struct sandbox *s, struct cli *cli, const struct cli_args *args,
			  size_t *used);
void sandbox_close(struct sandbox *s);

/* The provider of the sandbox that `p` has; the local one when it has none. 0 or an exit status. */
int sandbox_provider_of(const struct cli *cli, struct store *st, struct project *p,
			struct provider **ret);

/* Verbs of the provider on the recorded sandbox, waited for. An outcome, a fault or 0. */
int sandbox_look(struct sandbox *s);
int sandbox_start(struct sandbox *s);
int sandbox_stop(struct sandbox *s);
int sandbox_delete(struct sandbox *s);
int sandbox_pause(struct sandbox *s);
int sandbox_resume(struct sandbox *s);

/* Says what went wrong, with what to do about it. Returns CLI_FAILED. */
int sandbox_refuse(const struct sandbox *s, int result, const char *what);

/* "running" */
const char *sandbox_state_name(enum provider_state state);
