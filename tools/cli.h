/* tools/cli.h - what every verb of `frag` gets, and how it answers.
 *
 * A verb is one file, tools/cmd_<verb>.c, that defines one `const struct verb verb_<name>`; tools/frag.c lists them.
 * Exit statuses: 0 done, 1 a clear refusal or failure, 2 usage. Results go to stdout, everything else to stderr.
 * With --json a verb prints one JSON document and nothing else on stdout.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct project;
struct store;

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli {
	const char *home;  /* absolute: --home, $FRAG_HOME, or the XDG default */
	const char *self;  /* absolute path of this program */
	const char *agent; /* absolute path of frag-agent, beside us or in libexec */
	bool json;         /* --json was given */
	bool quiet;        /* -q: no progress */
	unsigned
		umask; /* the user's; ours keeps everything private. For files that become his. */
};

/* An option of a verb; parsed before its run(). Long options only as `--name VALUE`, `--name=VALUE`;
 * short ones as `-n VALUE`. `--json`, `--home`, `--help`, `-q` are everybody's. */
struct cli_option {
	char letter; /* 0: none */
	const char *name;
	const char *
		value; /* what the value is called in the help; NULL: a flag; "X,...": repeats are joined by commas */
	const char *help;
};

struct cli_args {
	const char *const *
		values; /* one per option, in the verb's order; "" for a flag that was given, NULL when absent */
	const char *const *pos; /* positional arguments */
	size_t n_pos;
	const char *const *rest; /* what followed `--`, NULL when there was none */
	size_t n_rest;
};

struct verb {
	const char *name;                 /* "log"; with subcommands "project create" */
	const char *synopsis;             /* "<project> [<revision>]" */
	const char *summary;              /* one line, no full stop */
	const char *help;                 /* paragraphs for --help and the manual */
	const struct cli_option *options; /* ends with a NULL name; NULL: none */
	size_t min_pos, max_pos;          /* positional arguments; SIZE_MAX: any number */
	/* An exit status; a negative fault, which was said where it was born, counts as CLI_FAILED. */
	int (*run)(struct cli *cli, const struct cli_args *args);
	bool hidden; /* not in the list that `frag --help` prints */
};

/* Says `frag: <message>` and, on a line of its own, what to do next (`hint`, may be NULL). Returns CLI_FAILED. */
int cli_refuse(const char *hint, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Opens the home, refusing with a message when there is none or it is newer. 0 or an exit status. */
int cli_open_store(struct cli *cli, struct store **ret);

/* Opens a project (refreshed), with messages and suggestions. 0 or an exit status. */
int cli_open_project(struct cli *cli, struct store *st, const char *name, struct project **ret);

/* The project meant when none is named: $PWD's place in the mount. NULL when it is not there. Free it. */
char *cli_project_here(struct cli *cli);

/* The first positional argument as a project. When it names none, or there is none, or it is ".", the project
 * of the current directory is meant. `used` is how many arguments that took (0 or 1). 0 or an exit status. */
int cli_project_arg(struct cli *cli, struct store *st, const struct cli_args *args,
		    struct project **ret, size_t *used);

/* The commit that `rev` names in the project, with messages. 0 or an exit status. */
struct oid;
int cli_revision(struct project *p, const char *rev, struct oid *ret);

/* Tells the daemon of this home, if one runs, that refs, HEAD or the list of projects have changed, so that its mount shows
 * it when the verb returns. `project` NULL: any. */
void cli_changed(struct cli *cli, const char *project);

/* Says that the arguments are wrong and how to ask for help. Returns CLI_USAGE. */
int cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A number option: false (and a message) unless it is a decimal within [min, max]. */
bool cli_number(const char *option, const char *text, int64_t min, int64_t max, int64_t *ret);

/* A progress bar on a terminal, a line every few seconds elsewhere, nothing with -q. */
struct progress;
struct progress *progress_new(const struct cli *cli, const char *what);
/* `total` 0: not known. Cheap enough to call per item. */
void progress_at(struct progress *p, const char *phase, uint64_t done, uint64_t total);
void progress_free(struct progress *p);

/* Asks the daemon of this home over its socket: `request` is one JSON document (a line); the answer is appended to
 * `reply`. CLI_NO_DAEMON when none runs. 0, the outcome, or a fault. */
struct buf;
enum { CLI_NO_DAEMON = 1 };
int cli_ask_daemon(struct cli *cli, const char *request, struct buf *reply, int64_t timeout_ms);
