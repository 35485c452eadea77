/* tools/work_client.h - a verb's way to a work tree, whoever has it open.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/json.h"
#include "store/work.h"
#include "tools/cli.h"

/* Which work tree a verb means, and the answer it got. Starts as zeros; ends with work_call_deinit(). */
struct work_call {
	struct cli *cli;
	struct store *store;
	struct project *project;
	char work[WORK_NAME_MAX + 1];
	size_t used; /* positional arguments that named it: 0 or 1 */
	struct buf request, reply;
	struct json_out out; /* of the request */
	struct json *answer;
};

/* The first positional argument as `project`, `project:work` or `:work`; what it leaves out is where one stands, and then `live`. Opens the home
 * and the project. 0 or an exit status. */
int work_call_init(struct work_call *c, struct cli *cli, const struct cli_args *args);
void work_call_deinit(struct work_call *c);

/* Begins the request; more fields may be written to `out` until work_call_run(). */
void work_call_begin(struct work_call *c, const char *what);
/* Adds "author". */
void work_call_author(struct work_call *c);

/* Sends it, or does it here when no daemon runs. `answer` is had after. 0 (whatever the outcome) or an exit status, with words said. */
int work_call_run(struct work_call *c);

/* The outcome: CLI_DONE when it is "done", else a refusal with words for `verb`. "nothing" is the caller's when `nothing` is not NULL, which is
 * set then. */
int work_call_outcome(const struct work_call *c, const char *verb, bool *nothing);

/* Fields of the answer; 0, "" or false when absent. */
int64_t work_call_int(const struct work_call *c, const char *key);
const char *work_call_str(const struct work_call *c, const char *key);
bool work_call_bool(const struct work_call *c, const char *key);
/* Prints the answer as it is, for --json. */
void work_call_print(const struct work_call *c);
