/* provider/provider.h - who runs sandboxes.
 *
 * A provider is a small vtable; this header is the contract from which a further one can be written.
 * `memory` is its in-process twin, `local` runs bubblewrap; wrappers forward to `next` (wrapper.h). The
 * conformance suite in tests/provider/ holds all of them to it.
 *
 * Calls. Every verb is asynchronous: it takes a `struct provider_call` that the caller owns and keeps
 * alive until `done` has been called, exactly once, from inside provider_poll() (never from
 * inside the verb). `done` gets 0, an outcome, or a fault. Each call has a deadline; when it passes, `done` gets
 * -ETIMEDOUT and the provider forgets the call. provider_cancel() makes it -ECANCELED. There is no global
 * state and no thread: one thread may drive thousands of sandboxes of several providers.
 * provider_run() is the loop for callers that want to wait.
 *
 * Memory. Everything a verb is given stays the caller's and alive until `done`; a verb that ends at once keeps
 * nothing. Callbacks come on the polling thread, from inside provider_poll(), and may start and cancel calls. Lists
 * of words end with NULL; a NULL list is an empty one.
 *
 * Ids are the provider's, printable, at most PROVIDER_ID_MAX - 1 bytes. Credentials are never in an id, an
 * error or a log line. What a vendor or a sandbox says is foreign: bounded, and never taken to be well-formed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;
struct clock;
struct pollfd;
struct provider;

enum {
	PROVIDER_ID_MAX = 64,
	PROVIDER_LABEL_MAX = 128,
	PROVIDER_LABELS_MAX = 1024,
	PROVIDER_IMAGE_MAX = 128,
	PROVIDER_TOKEN_MAX = 512,
	PROVIDER_URL_MAX = 1024,
	PROVIDER_HEADER_MAX = 512,
	PROVIDER_WHY_MAX = 256,
};

enum provider_outcome {
	PROVIDER_GONE = 1,    /* no such sandbox any more */
	PROVIDER_ASLEEP,      /* stopped or paused: start or resume it first */
	PROVIDER_BUSY,        /* in the middle of a change of state: try again soon */
	PROVIDER_THROTTLED,   /* too many requests; `retry_ms` of the call says when, or 0 */
	PROVIDER_OFFLINE,     /* the provider cannot be reached */
	PROVIDER_DENIED,      /* credentials or quota */
	PROVIDER_UNSUPPORTED, /* this provider cannot do that; see capabilities */
	PROVIDER_REFUSED,     /* the request itself is wrong; `why` of the call says how */
};

enum provider_cap {
	PROVIDER_CAP_AGENT = 1 << 0, /* agent_open() works: our program runs inside */
	PROVIDER_CAP_EXEC = 1 << 1,
	PROVIDER_CAP_EXEC_STDIN = 1 << 2,
	PROVIDER_CAP_GIT = 1 << 3, /* git is known to be inside */
	PROVIDER_CAP_TAR = 1 << 4,
	PROVIDER_CAP_WATCH = 1 << 5,
	PROVIDER_CAP_SNAPSHOT = 1 << 6,
	PROVIDER_CAP_PAUSE = 1 << 7,
	PROVIDER_CAP_PREVIEW = 1 << 8,    /* url() works */
	PROVIDER_CAP_NETWORK = 1 << 9,    /* outgoing network can be allowed */
	PROVIDER_CAP_EXEC_FEED = 1 << 10, /* input may be fed while a command runs */
	PROVIDER_CAP_EXEC_SIGNAL = 1 << 11,
	PROVIDER_CAP_BACKGROUND =
		1 << 12, /* commands outlive who started them; attach() finds them */
	PROVIDER_CAP_USER = 1 << 13, /* commands may run as somebody else */
	PROVIDER_CAP_METRICS = 1 << 14,
	PROVIDER_CAP_TTY = 1 << 15,
	PROVIDER_CAP_SPLIT = 1 << 16,    /* standard output and error come apart */
	PROVIDER_CAP_LABELS = 1 << 17,   /* labels are kept, and list can ask for them */
	PROVIDER_CAP_LIFETIME = 1 << 18, /* idle_seconds or total_seconds can be given */
	PROVIDER_CAP_IMAGE = 1 << 19,
	PROVIDER_CAP_MODES = 1 << 20,  /* put gives files their mode */
	PROVIDER_CAP_STOP = 1 << 21,   /* stop and start keep the files */
	PROVIDER_CAP_SIGNED = 1 << 22, /* url() can sign */
	PROVIDER_CAP_LOGS = 1 << 23,
	PROVIDER_CAP_EXEC_HOLD = 1 << 24,
	PROVIDER_CAP_STREAMS = 1 << 25, /* on_read and on_write may say -EAGAIN */
};

struct provider_caps {
	unsigned flags;        /* enum provider_cap */
	uint64_t argv_limit;   /* bytes of one exec's arguments, 0: none known */
	uint64_t upload_limit; /* bytes of one put, 0: none known */
};

/* The verbs, for what treats them alike: wrappers, statistics, records. */
enum provider_verb {
	PROVIDER_CREATE,
	PROVIDER_GET,
	PROVIDER_LIST,
	PROVIDER_START,
	PROVIDER_STOP,
	PROVIDER_PAUSE,
	PROVIDER_RESUME,
	PROVIDER_DELETE,
	PROVIDER_KEEP_ALIVE,
	PROVIDER_EXEC,
	PROVIDER_ATTACH,
	PROVIDER_PROCESSES,
	PROVIDER_KILL,
	PROVIDER_PUT,
	PROVIDER_FETCH,
	PROVIDER_URL,
	PROVIDER_METRICS,
	PROVIDER_LOGS,
	PROVIDER_AGENT_OPEN,
	PROVIDER_N_VERBS,
};

enum provider_state { PROVIDER_STARTING, PROVIDER_RUNNING, PROVIDER_STOPPED, PROVIDER_PAUSED };

/* A plain value: copied by assignment, nothing to free. */
struct provider_sandbox {
	char id[PROVIDER_ID_MAX];
	enum provider_state state;
	int64_t created;                /* wall seconds */
	int64_t expires;                /* wall seconds, as far as is known; 0: never */
	int64_t idle_seconds;           /* 0: none */
	char label[PROVIDER_LABEL_MAX]; /* what create was given */
	char image[PROVIDER_IMAGE_MAX]; /* "": the default */
	char labels
		[PROVIDER_LABELS_MAX]; /* "K=V" strings one after another, then an empty one */
};

struct provider_spec {
	const char *label;                 /* e.g. the project's name; shown, not interpreted */
	const char *const *labels;         /* "K=V": kept with it, and list can ask for them */
	const char *image;                 /* image or template; NULL: the provider's default */
	const char *const *env;            /* "K=V" */
	uint32_t cpu_percent;              /* 100 = one core; 0: the provider's default */
	uint64_t memory_bytes, disk_bytes; /* 0: the provider's default */
	uint32_t max_processes;
	bool allow_network;                  /* outgoing network; off by default */
	int64_t idle_seconds, total_seconds; /* lifetimes; 0: none, or the vendor's longest */
	bool delete_on_expiry; /* else it is stopped or paused, where that can be had */
};

struct provider_call {
	/* set by the caller */
	void (*done)(struct provider_call *c, int result);
	void *arg;
	int64_t deadline_ms; /* from now; 0: the provider's default; negative: none */
	/* set by the provider before `done` */
	int64_t retry_ms;
	bool untouched; /* the result is not 0, and nothing has been done: certain */
	char why[PROVIDER_WHY_MAX];
	/* the provider's own */
	void *impl;
};

/* A command inside a sandbox. */
struct provider_exec {
	const char *const *argv; /* NULL-terminated, no shell; NULL: `shell` */
	const char *shell;       /* a text for /bin/sh; looked at without argv only */
	const char *cwd;         /* NULL: the sandbox's project directory */
	const char *user;        /* NULL: the sandbox's own; else PROVIDER_CAP_USER */
	const char *const *env;  /* "K=V", added to the sandbox's, NULL: nothing */
	const void *in;          /* standard input, may be NULL */
	size_t in_len;
	/* Input goes on after `in`, with provider_exec_feed(), until provider_exec_feed_end(). PROVIDER_CAP_EXEC_FEED. */
	bool fed;
	/* `done` gets 0 as soon as it runs, and `ref` its name for attach() and kill(). It has no input, and what
	 * it says is kept for attach(), the latest at least. PROVIDER_CAP_BACKGROUND. */
	bool background;
	/* A terminal: one output, and Ctrl-C is a byte of the input. PROVIDER_CAP_TTY. */
	bool tty;
	uint16_t rows, cols; /* of it; 0: 24, 80 */
	/* attach: `done` comes when what was kept has been said, though it may run on. */
	bool no_follow;
	/* Bytes that exec_feed() can take again after it said -EAGAIN; on the polling thread. May be NULL. */
	void (*on_room)(struct provider_call *c);
	/* Output as it comes, on the polling thread; NULL: thrown away. */
	void (*on_output)(struct provider_call *c, int fd /* 1 or 2 */, const void *data,
			  size_t len);
	int status;   /* set before `done`: exit status, 128 + n after signal n */
	bool running; /* set before `done`: it has not ended (background, no_follow) */
	char ref[PROVIDER_ID_MAX]; /* set before the first output where there is PROVIDER_CAP_BACKGROUND, else "" */
};

/* A background command. */
struct provider_process {
	char ref[PROVIDER_ID_MAX];
	char command[256]; /* cut; foreign: print it with care */
	bool running;
	int status;      /* when it is not running */
	int64_t started; /* wall seconds; 0: not known */
};

/* What a sandbox uses and may use; 0: not known. */
struct provider_metrics {
	int64_t time;         /* wall seconds it was measured at */
	uint32_t cpu_percent; /* of one core */
	uint32_t cpu_limit;   /* 100 = one core */
	uint64_t memory_bytes, memory_limit, disk_bytes, disk_limit;
	uint32_t n_processes;
};

/* A byte stream to the agent (provider/agent/wire.h gives its frames). Non-blocking; driven by
 * provider_poll(). */
struct channel {
	const struct channel_ops *ops;
};

struct channel_ops {
	/* As send(2)/recv(2): bytes moved, 0 at the end (recv), -EAGAIN, or a fault (silent). After send
	 * said -EAGAIN, provider_poll() also returns when it may go on. */
	ssize_t (*send)(struct channel *ch, const void *data, size_t len);
	ssize_t (*recv)(struct channel *ch, void *data, size_t len);
	/* A descriptor that polls readable when recv may make progress, or -1 when it always may. */
	int (*fd)(const struct channel *ch);
	void (*close)(struct channel *ch); /* frees it */
};

/* A whole file to be written; `path` is absolute in the sandbox. */
struct provider_file {
	const char *path;
	mode_t mode;
	/* The bytes: from memory (alive until `done`; a mapped file is fine, of any size), or else from `on_read`. */
	const void *data;
	size_t len;
	/* Up to `cap` bytes: how many, 0 at the end, -EAGAIN (asked again after provider_more()), or a fault
	 * that becomes the call's result. */
	ssize_t (*on_read)(struct provider_call *c, void *data, size_t cap);
	int64_t size; /* what on_read will yield in all; -1: not known */
};

/* Where a file goes that is read. */
struct provider_sink {
	const char *path; /* absolute in the sandbox */
	/* As it comes: 0, -EAGAIN (nothing taken; the same bytes come again after provider_more()), or a fault that becomes
	 * the call's result. NULL: to the end of `into`, whose ceiling makes -E2BIG. */
	int (*on_write)(struct provider_call *c, const void *data, size_t len);
	struct buf *into;
	mode_t mode; /* set before `done`; 0: not known */
};

/* Not 0: no more of them, and that is the result of the call. */
typedef int (*provider_list_fn)(const struct provider_sandbox *s, void *arg);
typedef int (*provider_process_fn)(const struct provider_process *s, void *arg);

/* A page of a list. */
struct provider_page {
	const char *const *labels; /* "K=V": only those that have all of these */
	uint32_t limit;            /* at most so many; 0: the provider's page */
	const char *after;         /* `next` of the page before; NULL: the first */
	provider_list_fn fn;
	void *arg;
	char next[PROVIDER_TOKEN_MAX]; /* set before `done`; "": that was the last */
};

struct provider_preview {
	uint16_t port;
	bool sign;       /* the URL itself shall be what grants access */
	int64_t seconds; /* how long, when it is signed; 0: the provider's default */
	/* set before `done` */
	char url[PROVIDER_URL_MAX];
	char header
		[PROVIDER_HEADER_MAX]; /* "Name: value" that requests must carry: a secret; "": none */
	int64_t expires;               /* wall seconds; 0: with the sandbox */
};

struct provider_ops {
	const char *name;
	void (*free)(struct provider *p);
	/* What a sandbox of this provider can do; no request. */
	void (*caps)(struct provider *p, struct provider_caps *ret);
	/* Done when it runs commands. What cannot be had is PROVIDER_REFUSED, never left out in silence. */
	int (*create)(struct provider *p, const struct provider_spec *spec,
		      struct provider_sandbox *ret, struct provider_call *c);
	int (*get)(struct provider *p, const char *id, struct provider_sandbox *ret,
		   struct provider_call *c);
	/* `fn` is called for each, then `done`. One that is made or deleted meanwhile may be missing or there; any
	 * other is on one page, once. */
	int (*list)(struct provider *p, struct provider_page *page, struct provider_call *c);
	/* Starting what runs and stopping what is stopped is done. Either of start and resume wakes from both sleeps. */
	int (*start)(struct provider *p, const char *id, struct provider_call *c);
	int (*stop)(struct provider *p, const char *id, struct provider_call *c);
	int (*pause)(struct provider *p, const char *id, struct provider_call *c);
	int (*resume)(struct provider *p, const char *id, struct provider_call *c);
	/* Deleting what is gone already is done. */
	int (*delete)(struct provider *p, const char *id, struct provider_call *c);
	/* It shall live so many seconds from now at least. */
	int (*keep_alive)(struct provider *p, const char *id, int64_t seconds,
			  struct provider_call *c);
	/* `x` stays the caller's and alive until `done`. When a call that is no background command is cancelled, or its deadline
	 * passes, the command is killed. */
	int (*exec)(struct provider *p, const char *id, struct provider_exec *x,
		    struct provider_call *c);
	/* Of a command under way, started with `fed`: as send(2): bytes taken, -EAGAIN (on_room says when to go on), or
	 * -EPIPE. */
	ssize_t (*exec_feed)(struct provider *p, struct provider_call *c, const void *data,
			     size_t len);
	int (*exec_feed_end)(struct provider *p, struct provider_call *c);
	/* To the process group of a command under way. */
	int (*exec_signal)(struct provider *p, struct provider_call *c, int signal);
	/* Of its terminal. */
	int (*exec_resize)(struct provider *p, struct provider_call *c, uint16_t rows,
			   uint16_t cols);
	/* No more output, for now: for a reader that is slower. What is on its way (a megabyte at most) still comes. */
	int (*exec_hold)(struct provider *p, struct provider_call *c, bool hold);
	/* As exec, of a background command that runs or has run: its output from now on (from its beginning where the provider
	 * keeps it), then its status. PROVIDER_REFUSED when it is not known. The call's end is not the command's. */
	int (*attach)(struct provider *p, const char *id, const char *ref,
		      struct provider_exec *x, struct provider_call *c);
	/* The background commands, those that ended too while they are remembered. */
	int (*processes)(struct provider *p, const char *id, provider_process_fn fn, void *arg,
			 struct provider_call *c);
	/* To the process group of a background command. PROVIDER_REFUSED when it is not known or has ended. */
	int (*kill)(struct provider *p, const char *id, const char *ref, int signal,
		    struct provider_call *c);
	int (*metrics)(struct provider *p, const char *id, struct provider_metrics *ret,
		       struct provider_call *c);
	/* What its first process had to say, or the vendor about it; `path` counts for nothing. */
	int (*logs)(struct provider *p, const char *id, struct provider_sink *to,
		    struct provider_call *c);
	/* Parents are made. Not atomic: stage under a private name. */
	int (*put)(struct provider *p, const char *id, const struct provider_file *file,
		   struct provider_call *c);
	/* Missing, or no file: PROVIDER_REFUSED, `why` says so. */
	int (*fetch)(struct provider *p, const char *id, struct provider_sink *to,
		     struct provider_call *c);
	int (*url)(struct provider *p, const char *id, struct provider_preview *ret,
		   struct provider_call *c);
	/* Opens the agent's stream; `*ret` is set before `done` gets 0. exec_channel.h makes one from exec. */
	int (*agent_open)(struct provider *p, const char *id, struct channel **ret,
			  struct provider_call *c);
	/* Harmless when `c` is not under way. */
	int (*cancel)(struct provider *p, struct provider_call *c);
	/* on_read or on_write of this call said -EAGAIN and would not now. Harmless otherwise. */
	void (*more)(struct provider *p, struct provider_call *c);
	/* Makes progress and calls `done`s; waits at most `timeout_ms` (0: not at all) for something to happen, also
	 * for input on `fds` (may be NULL). Returns how many `done`s were called, or a fault. */
	int (*poll)(struct provider *p, const int *fds, size_t n_fds, int timeout_ms);
	/* What poll() would wait for, so that several can be waited for at once: fills at most `cap` of `fds`, lowers
	 * `*wait_ms` (-1: for ever) if there is work sooner, and returns how many fds there are. */
	size_t (*waits)(struct provider *p, struct pollfd *fds, size_t cap, int *wait_ms);
};

/* A NULL verb means PROVIDER_UNSUPPORTED; use the functions below, not the table. A verb returns 0 when the call is
 * under way (`done` will come) or an outcome or fault at once (`done` will not come). */
struct provider {
	const struct provider_ops *ops;
};

void provider_free(struct provider *p);
const char *provider_name(const struct provider *p);
struct provider_caps provider_caps(struct provider *p);
/* Has it all of these (enum provider_cap)? */
bool provider_can(struct provider *p, unsigned caps);
int provider_create(struct provider *p, const struct provider_spec *spec,
		    struct provider_sandbox *ret, struct provider_call *c);
int provider_get(struct provider *p, const char *id, struct provider_sandbox *ret,
		 struct provider_call *c);
int provider_list(struct provider *p, struct provider_page *page, struct provider_call *c);
int provider_start(struct provider *p, const char *id, struct provider_call *c);
int provider_stop(struct provider *p, const char *id, struct provider_call *c);
int provider_pause(struct provider *p, const char *id, struct provider_call *c);
int provider_resume(struct provider *p, const char *id, struct provider_call *c);
int provider_delete(struct provider *p, const char *id, struct provider_call *c);
int provider_keep_alive(struct provider *p, const char *id, int64_t seconds,
			struct provider_call *c);
int provider_exec(struct provider *p, const char *id, struct provider_exec *x,
		  struct provider_call *c);
ssize_t provider_exec_feed(struct provider *p, struct provider_call *c, const void *data,
			   size_t len);
int provider_exec_feed_end(struct provider *p, struct provider_call *c);
int provider_exec_signal(struct provider *p, struct provider_call *c, int signal);
int provider_exec_resize(struct provider *p, struct provider_call *c, uint16_t rows,
			 uint16_t cols);
int provider_exec_hold(struct provider *p, struct provider_call *c, bool hold);
int provider_attach(struct provider *p, const char *id, const char *ref,
		    struct provider_exec *x, struct provider_call *c);
int provider_processes(struct provider *p, const char *id, provider_process_fn fn, void *arg,
		       struct provider_call *c);
int provider_kill(struct provider *p, const char *id, const char *ref, int signal,
		  struct provider_call *c);
int provider_metrics(struct provider *p, const char *id, struct provider_metrics *ret,
		     struct provider_call *c);
int provider_logs(struct provider *p, const char *id, struct provider_sink *to,
		  struct provider_call *c);
int provider_put(struct provider *p, const char *id, const struct provider_file *file,
		 struct provider_call *c);
int provider_fetch(struct provider *p, const char *id, struct provider_sink *to,
		   struct provider_call *c);
int provider_url(struct provider *p, const char *id, struct provider_preview *ret,
		 struct provider_call *c);
int provider_agent_open(struct provider *p, const char *id, struct channel **ret,
			struct provider_call *c);
int provider_cancel(struct provider *p, struct provider_call *c);
void provider_more(struct provider *p, struct provider_call *c);
int provider_poll(struct provider *p, const int *fds, size_t n_fds, int timeout_ms);
size_t provider_waits(struct provider *p, struct pollfd *fds, size_t cap, int *wait_ms);

/* provider_poll() of several: waits until one of them, or one of `fds`, has something. */
int provider_poll_all(struct provider *const *ps, size_t n, const int *fds, size_t n_fds,
		      int timeout_ms);

/* Runs `start(arg, call)` and polls until its `done`; returns what `done` got. `why`, when not NULL, gets the
 * call's `why` (PROVIDER_WHY_MAX bytes). For verbs of the command line. */
typedef int (*provider_start_fn)(struct provider *p, void *arg, struct provider_call *c);
int provider_run(struct provider *p, provider_start_fn start, void *arg, int64_t deadline_ms,
		 char *why);

/* A sentence part for an outcome or fault: "the sandbox is gone". */
const char *provider_words(int result);
/* One word for it, for statistics: "gone". */
const char *provider_class(int result);
/* "keep-alive" */
const char *provider_verb_name(enum provider_verb verb);

/* Sets `labels` from "K=V"s. False when they do not fit, or one has no '='. */
bool provider_labels_set(struct provider_sandbox *s, const char *const *labels);
/* The value of a key, or NULL. */
const char *provider_label(const struct provider_sandbox *s, const char *key);
/* Has it all of these? */
bool provider_labels_match(const struct provider_sandbox *s, const char *const *labels);

/* The built-in ones. */
struct provider *provider_memory_new(const struct clock *clock);

struct provider_local_config {
	const char *
		dir; /* absolute path of the directory that holds all sandboxes; made when missing */
	const char *agent; /* absolute path of frag-agent */
	const char
		*self; /* absolute path of frag, run as `frag sandbox-forward …` for previews */
	const struct clock *clock;
};

int provider_local_new(const struct provider_local_config *config, struct provider **ret);

/* E2B (e2b.dev), hosted, self-hosted or compatible. All strings are copied; NULL where not said otherwise means the default. */
struct provider_e2b_config {
	const char *api_key; /* needed; secret */
	const char *domain;  /* "e2b.app" */
	const char *api_url; /* "https://api.<domain>" */
	const char *
		sandbox_url; /* one address for all sandboxes, which it tells apart by headers; NULL: by host name */
	const char *template_id; /* what create() starts when the spec has no image; "base" */
	const char *
		agent; /* path of frag-agent, which is sent into sandboxes; NULL: no agent_open() */
	const char *home; /* the agent's, absolute; NULL: the user's */
	const char *dir;  /* the project's, below that; "app" */
	const char *user; /* who runs commands and owns files; NULL: the sandbox's default */
	const char *ca_file, *proxy, *user_agent; /* as in provider/http.h */
	uint32_t max_connections;                 /* to one host; 0: the default */
	const struct clock *clock;
};

/* 0, PROVIDER_DENIED (there is no key, or it cannot be one), or a fault. */
int provider_e2b_new(const struct provider_e2b_config *config, struct provider **ret);

/* Daytona (daytona.io), hosted or self-hosted. All strings are copied; NULL where not said otherwise means the default. Needs an
 * `api_key`, or a `jwt` together with `organization`; a key belongs to one organization, so with it none is
 * sent. The image of a spec is a snapshot's name, or "image:<ref>" for a container image. */
struct provider_daytona_config {
	const char *api_key;      /* secret */
	const char *jwt;          /* secret */
	const char *organization; /* its id */
	const char *api_url;      /* "https://app.daytona.io/api" */
	const char *toolbox_url;  /* instead of what the API says, for tunnels; the sandbox's id is appended */
	const char *snapshot;     /* when a spec has no image; the server's default */
	const char *target;       /* region; the organization's default */
	const char *ca_file, *proxy, *user_agent; /* as in provider/http.h */
	const char *home;  /* absolute in the sandbox: where the agent and, below it, "app" live; NULL: the user's home */
	const char *agent;         /* absolute path of frag-agent; NULL: no agent_open() */
	const struct clock *clock; /* NULL: the machine's */
};

/* 0, PROVIDER_DENIED (there are no credentials, or they cannot be any), or a fault. */
int provider_daytona_new(const struct provider_daytona_config *config, struct provider **ret);

/* What `frag sandbox-forward` runs: serves the preview of `port` of a sandbox below `dir` on a free port of
 * 127.0.0.1 until the sandbox ends; that port is written to `ready_fd` as a line, which is closed then. 0 or a fault. */
int provider_local_forward(const char *dir, const char *id, uint16_t port, int ready_fd);
