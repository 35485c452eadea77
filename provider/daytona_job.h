/* provider/daytona_job.h - a command in a sandbox as a directory of files, so that asking twice does no harm.
 *
 * The toolbox runs a text through a shell and answers when it is over: output merged, bytes that are no UTF-8 replaced,
 * and any hop on the way may deliver the request a second time. So a command becomes a job: a directory
 * below /tmp/.frag-exec whose name is a nonce, with stdout, stderr, pid and exit status as files. Every request
 * below may be delivered any number of times:
 *
 *	start   makes the directory (mkdir decides who is first) and the process, then looks
 *	look    waits a while for news, answers with what lies behind the offsets it was asked from
 *	feed    adds the n-th piece of standard input, unless it is there
 *	take    the same for a piece that was uploaded
 *	end     says that there is no more of it
 *	signal  signals the process group, unless it is over
 *	resize  gives its terminal another size
 *	list    names the jobs that are to be kept
 *	clean   kills what still runs and removes what is large; the name stays taken for ten minutes
 *
 * The scripts are POSIX sh that dash, bash, zsh and busybox run alike. They need base64, tail, head and wc; without setsid the
 * job shares its process group. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum {
	DAYTONA_JOB_ID_LEN = 32,
	DAYTONA_JOB_SLICE = 384 << 10, /* of each stream in one answer */
	DAYTONA_JOB_LOST = -1, /* status: its processes went away without a word */
	DAYTONA_JOB_RUNS = -2, /* status: none yet */
};

enum daytona_job_outcome { DAYTONA_JOB_GONE = 1 /* there is no such job */ };

enum daytona_job_input {
	DAYTONA_JOB_NOTHING, /* /dev/null */
	DAYTONA_JOB_FILE,    /* bytes that come along */
	DAYTONA_JOB_STREAM,  /* what feed brings */
};

struct daytona_job_command {
	const char *const *argv; /* NULL-terminated; NULL: `shell` */
	const char *shell;       /* a text for sh */
	const char *const *env;  /* "K=V", NULL-terminated; NULL: none */
	const char *cwd;         /* NULL: `project` when it is there, or where the daemon is */
	const char *project;     /* absolute, or below the home; may be NULL */
	const char *user;        /* NULL: the daemon's; else sudo or runuser is asked */
	enum daytona_job_input input;
	const void *in; /* of DAYTONA_JOB_FILE */
	size_t in_len;
	bool tty; /* by script(1) */
	unsigned rows, cols;
	bool kept; /* listed, and not cleaned before an hour after its end */
};

/* 32 random hex digits and a NUL. */
void daytona_job_nonce(char ret[DAYTONA_JOB_ID_LEN + 1]);

/* A name as the shell and the toolbox take it: [A-Za-z_][A-Za-z0-9_]*, up to `=`. */
bool daytona_job_env_good(const char *pair);

/* Appends `text` as one word of sh. */
int daytona_job_quote(struct buf *b, const char *text);

/* Appends the text that has sh run `script`, which may hold any bytes and whose commands must not read their input. */
int daytona_job_script(struct buf *b, const char *script);

/* The texts for process/execute. 0 or as buf_add(). `wait_ms` is how long an answer may be held back. */
int daytona_job_start(struct buf *b, const char *id, const struct daytona_job_command *cmd,
		      int64_t wait_ms);
int daytona_job_look(struct buf *b, const char *id, const uint64_t at[2], uint64_t fed,
		     int64_t wait_ms);
int daytona_job_feed(struct buf *b, const char *id, uint64_t n, const void *data, size_t len);
/* The n-th piece was uploaded as file "u.<n>" of the job: shells read a long heredoc byte by byte. */
int daytona_job_take(struct buf *b, const char *id, uint64_t n, size_t len);
/* No more input after the n pieces fed. */
int daytona_job_feed_end(struct buf *b, const char *id, uint64_t n);
int daytona_job_kill(struct buf *b, const char *id, int signal);
int daytona_job_resize(struct buf *b, const char *id, unsigned rows, unsigned cols);
int daytona_job_clean(struct buf *b, const char *id);
int daytona_job_list(struct buf *b);

/* Where the file `name` of a job is. */
int daytona_job_path(struct buf *b, const char *id, const char *name);

/* An answer to start or look. */
struct daytona_job_news {
	uint64_t at[2];      /* the offsets it was asked from */
	uint64_t size[2];    /* of the streams so far */
	uint64_t fed;        /* pieces of input that were taken */
	int status;          /* exit status, 128 + n after signal n, or DAYTONA_JOB_* */
	size_t n_stdout;     /* how many bytes of `data` are of the first stream; the rest is of the second */
};

/* Finds the answer about job `id` in what a shell printed; output goes to `data` (emptied first), which must
 * hold two slices. 0, DAYTONA_JOB_GONE, or -EPROTO (silent) when there is none or it is not one. */
int daytona_job_read(const char *text, size_t len, const char *id,
		     struct daytona_job_news *ret, struct buf *data);

struct provider_process;

/* The next job of an answer to list, from `*at` on, which starts as the text; false at the end. Lines that are
 * none are passed over. */
bool daytona_job_listed(const char **at, struct provider_process *ret);

/* The first `n` numbers behind "frag1 <name>"; false when there are not so many. */
bool daytona_job_numbers(const char *text, const char *name, uint64_t *ret, size_t n);

/* Has job `id` ended, by an answer to signal? */
bool daytona_job_over(const char *text, const char *id);

/* Did feed, end, signal or clean of job `id` say so? */
bool daytona_job_confirmed(const char *text, const char *id);
