/* provider/daytona_exec.c - commands: started, listened to, fed, signalled, found again.
 *
 *	start --news--> look --news--> look … --status, all of it heard--> done, clean
 *	                 ^ held back up to HOLD_MS by the sandbox until there is something to say
 *
 * Each request may be delivered twice and each answer may get lost (daytona_job.h): a look asks from the bytes that were
 * heard, so what is lost is simply asked for again. Sessions, the vendor's own way to run in the background, drop
 * NUL bytes, add newlines and cannot be listened to from an offset; their stream needs a WebSocket; so
 * a job is used for everything. Looking counts as activity, which keeps a sandbox with a long command awake; a background
 * command that nobody attends does not.
 *
 * Input goes in numbered pieces, one request at a time, beside the looks; large ones as files, since shells read a
 * heredoc byte by byte. A call that ends before its command does has
 * it killed, unless it runs in the background.
 */
#include "provider/daytona_private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "provider/daytona_body.h"
#include "provider/daytona_job.h"

enum {
	HOLD_MS = 15000,       /* how long a look waits for news */
	INLINE_MAX = 8 << 10,  /* input that goes along in a command; more is uploaded */
	PIECE_MAX = 1 << 20,   /* of input */
	PIECES_AHEAD = 4,      /* pieces the command has not taken yet */
	ROOM = 2 << 20,        /* of input that was fed and is not sent */
	PRINTED_MAX = 2 << 20, /* what process/execute may say */
	ARGUMENT_MAX = 131071, /* the kernel's for one word */
};

struct feed;

struct exec {
	struct daytona_op op;
	struct provider_exec *x;
	char job[DAYTONA_JOB_ID_LEN + 1];
	uint64_t at[2];       /* bytes heard */
	struct buf in;        /* fed, not sent; the first `in_at` of it are */
	size_t in_at, given;  /* of `in`; of x->in */
	uint64_t sent, taken; /* pieces */
	struct feed *feed;    /* under way */
	bool attached, streams, in_ended, in_over, full, held, silent, started;
};

/* A piece of input on its way, in an op of its own. */
struct feed {
	struct daytona_op op;
	struct exec *parent; /* NULL: nobody cares any more */
	bool end;
	char job[DAYTONA_JOB_ID_LEN + 1];
	uint64_t n;
	size_t len; /* of an uploaded piece */
};

static struct exec *exec_of(struct daytona_op *op)
{
	return (struct exec *)(void *)op;
}

static void look(struct exec *e);

static void feed_more(struct exec *e);

static void clean(struct exec *e)
{
	CLEANUP(buf_deinit) struct buf text = {0};

	buf_init(&text, DAYTONA_TEXT_MAX);
	if (daytona_job_clean(&text, e->job) == 0)
		daytona_order(e->op.p, e->op.id, &text);
}

/* The command must not outlive its call, nor its files. */
static void exec_ending(struct daytona_op *op, int result)
{
	struct exec *e = exec_of(op);

	if (e->feed)
		e->feed->parent = NULL;
	if (result == PROVIDER_GONE || result == PROVIDER_ASLEEP || result == PROVIDER_DENIED)
		return;
	if (!e->attached && !e->x->background && op->touched)
		clean(e);
}

static void exec_deinit(struct daytona_op *op)
{
	buf_deinit(&exec_of(op)->in);
}

/* Input. */

static void fed(struct daytona_op *op, int result)
{
	struct feed *f = (struct feed *)(void *)op;
	struct exec *e = f->parent;
	bool end = f->end;

	if (result) {
		daytona_end_toolbox(op, result); /* again, or feed_ending() */
		return;
	}
	f->parent = NULL;
	if (e) {
		e->feed = NULL;
		e->sent += !end;
	}
	daytona_end(op, 0, NULL);
	if (e)
		feed_more(e);
}

static void taken(struct daytona_op *op, int result)
{
	struct feed *f = (struct feed *)(void *)op;
	CLEANUP(buf_deinit) struct buf text = {0};

	if (result) {
		daytona_end_toolbox(op, result);
		return;
	}
	buf_init(&text, DAYTONA_TEXT_MAX);
	if (daytona_job_take(&text, f->job, f->n, f->len))
		daytona_end(op, -ENOMEM, NULL);
	else
		daytona_execute(op, &text, fed);
}

static void upload(struct daytona_op *op)
{
	struct feed *f = (struct feed *)(void *)op;
	char type[64 + sizeof(f->job)];

	(void)snprintf(type, sizeof(type), "multipart/form-data; boundary=%s", f->job);
	daytona_fresh(op);
	op->http.expect = "application/json";
	op->http.body = op->body.data;
	op->http.body_len = op->body.len;
	daytona_toolbox(op, "POST", "/files/bulk-upload", type, taken);
}

/* The piece becomes the body of an upload. */
static int put_piece(struct feed *f, const char *piece, size_t len)
{
	CLEANUP(buf_deinit) struct buf path = {0};
	char name[32];
	int r;

	buf_init(&path, 256);
	(void)snprintf(name, sizeof(name), "u.%llu", (unsigned long long)f->n);
	r = daytona_job_path(&path, f->job, name);
	r = r ? r : daytona_part_head(&f->op.body, f->job, path.data);
	r = r ? r : buf_add(&f->op.body, piece, len);
	return r ? r : daytona_part_tail(&f->op.body, f->job);
}

/* A piece that could not be delivered: the looks will tell what became of the command, it gets no more. */
static void feed_ending(struct daytona_op *op, int result)
{
	struct feed *f = (struct feed *)(void *)op;

	if (!f->parent)
		return;
	f->parent->feed = NULL;
	f->parent->in_over = true;
}

/* The next bytes to send: of x->in first. */
static const char *next_piece(struct exec *e, size_t *len)
{
	size_t left = e->x->in_len - e->given;

	*len = left ? left : e->in.len - e->in_at;
	if (*len > PIECE_MAX)
		*len = PIECE_MAX;
	return left ? (const char *)e->x->in + e->given : e->in.data + e->in_at;
}

static void drop_piece(struct exec *e, size_t len)
{
	if (e->given < e->x->in_len) {
		e->given += len;
		return;
	}
	e->in_at += len;
	if (e->in_at < e->in.len)
		return;
	buf_clear(&e->in);
	e->in_at = 0;
}

static void send_piece(struct feed *f, const char *piece, size_t len)
{
	CLEANUP(buf_deinit) struct buf text = {0};
	int r;

	buf_init(&text, DAYTONA_TEXT_MAX);
	if (len > INLINE_MAX)
		r = put_piece(f, piece, len);
	else if (len)
		r = daytona_job_feed(&text, f->job, f->n, piece, len);
	else
		r = daytona_job_feed_end(&text, f->job, f->n);
	if (r)
		daytona_end(&f->op, r, NULL);
	else if (len > INLINE_MAX)
		daytona_inside(&f->op, upload);
	else
		daytona_execute(&f->op, &text, fed);
}

static void feed_more(struct exec *e)
{
	const char *piece;
	struct feed *f;
	bool end;
	size_t len;

	if (!e->streams || !e->started || e->feed || e->in_over)
		return;
	piece = next_piece(e, &len);
	end = len == 0;
	if (end && (e->x->fed && !e->in_ended))
		return;
	if (!end && e->sent >= e->taken + PIECES_AHEAD)
		return;
	e->in_over = end;
	f = e->feed = daytona_op_new(e->op.p, NULL, e->op.id, sizeof(*f));
	f->parent = e;
	f->end = end;
	f->n = e->sent;
	f->len = len;
	memcpy(f->job, e->job, sizeof(f->job));
	f->op.deadline = e->op.deadline;
	f->op.ending = feed_ending;
	send_piece(f, piece, len);
	drop_piece(e, len);
	if (e->full && e->in.len - e->in_at < ROOM / 2) {
		e->full = false;
		http_wake(e->op.p->http);
		if (e->x->on_room)
			e->x->on_room(e->op.c);
	}
}

/* Output. */

static void finish(struct exec *e, const struct daytona_job_news *news)
{
	if (news->status == DAYTONA_JOB_LOST) {
		daytona_end(&e->op, PROVIDER_REFUSED,
			    "the command went away without a status, as when memory runs out");
		return;
	}
	e->x->running = news->status == DAYTONA_JOB_RUNS;
	if (!e->x->running)
		e->x->status = news->status;
	daytona_end(&e->op, 0, NULL);
}

static bool enough(const struct exec *e, const struct daytona_job_news *news)
{
	if (e->x->background && !e->attached)
		return true;
	if (e->at[0] < news->size[0] || e->at[1] < news->size[1])
		return false;
	return news->status != DAYTONA_JOB_RUNS || (e->attached && e->x->no_follow);
}

static void say(struct exec *e, int fd, const char *data, size_t len)
{
	e->at[fd - 1] += len;
	/* Who takes it may have ended something by that: the poll returns. */
	http_wake(e->op.p->http);
	if (len && e->x->on_output)
		e->x->on_output(e->op.c, fd, data, len);
}

static void heard(struct exec *e, const struct daytona_job_news *news, const struct buf *data)
{
	e->started = true;
	e->taken = news->fed;
	e->op.tries = 0;
	if (!e->x->background || e->attached) {
		say(e, 1, data->data, news->n_stdout);
		say(e, 2, data->data + news->n_stdout, data->len - news->n_stdout);
	}
	if (e->op.cancelled) {
		daytona_end(&e->op, -ECANCELED, NULL);
		return;
	}
	if (enough(e, news)) {
		finish(e, news);
		return;
	}
	feed_more(e);
	if (!e->held) {
		look(e);
		return;
	}
	e->silent = true;
	e->op.due = e->op.deadline;
}

/* The answer is missing: words of a shell that could not do it, most likely. */
static void refuse(struct exec *e, struct buf *printed, int code)
{
	char why[PROVIDER_WHY_MAX];
	size_t n = strcspn(printed->data, "\r\n");

	if (code < 0 || code >= 128) {
		(void)snprintf(why, sizeof(why), "the sandbox killed the shell (%d)", code);
		daytona_end(&e->op, PROVIDER_REFUSED, why);
		return;
	}
	daytona_words(printed->data, n, why);
	daytona_end(&e->op, PROVIDER_REFUSED, why[0] ? why : "the shell said nothing");
}

static void answered(struct daytona_op *op, int result)
{
	struct exec *e = exec_of(op);
	CLEANUP(buf_deinit) struct buf printed = {0};
	CLEANUP(buf_deinit) struct buf data = {0};
	struct daytona_job_news news;
	int code = 0;

	if (result) {
		daytona_end_toolbox(op, result);
		return;
	}
	buf_init(&printed, PRINTED_MAX);
	buf_init(&data, 2 * DAYTONA_JOB_SLICE + 16);
	result = daytona_executed(op, &code, &printed);
	if (result) {
		daytona_end(op, result, "the toolbox is not understood");
		return;
	}
	result = daytona_job_read(printed.data, printed.len, e->job, &news, &data);
	if (result == DAYTONA_JOB_GONE)
		daytona_end(op, PROVIDER_REFUSED, "no such command is known");
	else if (result)
		refuse(e, &printed, code);
	else if (news.at[0] != e->at[0] || news.at[1] != e->at[1])
		daytona_end(op, -EPROTO, "an answer to another question");
	else
		heard(e, &news, &data);
}

static void look(struct exec *e)
{
	bool waits = e->sent > e->taken; /* for the command to take its input */
	CLEANUP(buf_deinit) struct buf text = {0};
	int64_t hold = e->x->no_follow && e->attached ? 0 : HOLD_MS;

	e->silent = false;
	e->op.due = INT64_MAX;
	buf_init(&text, DAYTONA_TEXT_MAX);
	e->op.hold_ms = hold;
	if (daytona_job_look(&text, e->job, e->at, waits ? e->taken : UINT32_MAX, hold)) {
		daytona_end(&e->op, -ENOMEM, NULL);
		return;
	}
	daytona_execute(&e->op, &text, answered);
}

/* The verbs. */

static struct exec *exec_new(struct provider *p, const char *id, struct provider_exec *x,
			     struct provider_call *c)
{
	struct exec *e = daytona_op_new(daytona_of(p), c, id, sizeof(*e));

	if (!c->deadline_ms || c->deadline_ms < 0)
		e->op.deadline = INT64_MAX;
	e->op.ending = exec_ending;
	e->op.deinit = exec_deinit;
	e->x = x;
	buf_init(&e->in, ROOM);
	x->status = 0;
	x->running = false;
	return e;
}

static bool user_good(const char *user)
{
	return user[0] && user[0] != '-' &&
	       !user[strspn(
		       user,
		       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")];
}

static int judge(const struct provider_exec *x, struct provider_call *c)
{
	const char *why = NULL;

	if (!x->argv && !x->shell)
		why = "there is no command";
	for (const char *const *a = x->argv; !why && a && *a; a++) {
		if (strlen(*a) > ARGUMENT_MAX)
			why = "an argument is over 128 KiB";
	}
	if (!why && x->shell && !x->argv && strlen(x->shell) > ARGUMENT_MAX)
		why = "the text is over 128 KiB";
	for (const char *const *v = x->env; !why && v && *v; v++) {
		if (!daytona_job_env_good(*v))
			why = "a name in the environment must be letters, digits and _";
	}
	if (!why && x->background && x->in_len > INLINE_MAX)
		why = "a background command's input is over 8 KiB";
	if (!why && x->user && !user_good(x->user))
		why = "that is no name of a user";
	if (!why)
		return 0;
	(void)snprintf(c->why, sizeof(c->why), "%s", why);
	return PROVIDER_REFUSED;
}

static int put_start(struct exec *e, struct buf *text)
{
	const struct provider_exec *x = e->x;
	bool whole = !x->fed && x->in_len <= INLINE_MAX;
	struct daytona_job_command cmd = {
		.argv = x->argv,
		.shell = x->shell,
		.env = x->env,
		.cwd = x->cwd,
		.project = e->op.p->project ? e->op.p->project : DAYTONA_PROJECT,
		.user = x->user,
		.in = x->in,
		.in_len = x->in_len,
		.tty = x->tty,
		.rows = x->rows ? x->rows : 24,
		.cols = x->cols ? x->cols : 80,
		.kept = x->background,
	};

	if (x->background && !x->in_len)
		cmd.input = DAYTONA_JOB_NOTHING;
	else if (x->tty || !whole)
		cmd.input = DAYTONA_JOB_STREAM;
	else
		cmd.input = x->in_len ? DAYTONA_JOB_FILE : DAYTONA_JOB_NOTHING;
	e->streams = cmd.input == DAYTONA_JOB_STREAM;
	/* Held back until it ends, when nothing has to be done while it runs. */
	e->op.hold_ms = e->streams || x->background ? 0 : HOLD_MS;
	return daytona_job_start(text, e->job, &cmd, e->op.hold_ms);
}

int daytona_exec(struct provider *p, const char *id, struct provider_exec *x,
		 struct provider_call *c)
{
	CLEANUP(buf_deinit) struct buf text = {0};
	struct exec *e;
	int r = daytona_id_good(id) ? judge(x, c) : PROVIDER_GONE;

	if (r)
		return r;
	buf_init(&text, DAYTONA_TEXT_MAX);
	e = exec_new(p, id, x, c);
	daytona_job_nonce(e->job);
	r = put_start(e, &text);
	if (r) {
		c->impl = NULL;
		daytona_op_free(&e->op);
		return PROVIDER_REFUSED;
	}
	(void)snprintf(x->ref, sizeof(x->ref), "%s", e->job);
	daytona_execute(&e->op, &text, answered);
	return 0;
}

static bool ref_good(const char *ref)
{
	return strlen(ref) == DAYTONA_JOB_ID_LEN &&
	       strspn(ref, "0123456789abcdef") == DAYTONA_JOB_ID_LEN;
}

int daytona_attach(struct provider *p, const char *id, const char *ref, struct provider_exec *x,
		   struct provider_call *c)
{
	struct exec *e;

	if (!daytona_id_good(id))
		return PROVIDER_GONE;
	if (!ref_good(ref))
		return PROVIDER_REFUSED;
	e = exec_new(p, id, x, c);
	e->attached = true;
	memcpy(e->job, ref, sizeof(e->job));
	(void)snprintf(x->ref, sizeof(x->ref), "%s", ref);
	look(e);
	return 0;
}

ssize_t daytona_exec_feed(struct provider *p, struct provider_call *c, const void *data,
			  size_t len)
{
	struct exec *e = c->impl ? exec_of(c->impl) : NULL;
	size_t room;

	if (!e || !e->x->fed || e->in_ended || e->in_over)
		return -EPIPE;
	if (e->in_at) { /* what was sent makes room */
		memmove(e->in.data, e->in.data + e->in_at, e->in.len - e->in_at);
		e->in.len -= e->in_at;
		e->in_at = 0;
	}
	room = ROOM - e->in.len;
	if (!room) {
		e->full = true;
		return -EAGAIN;
	}
	if (len > room)
		len = room;
	if (buf_add(&e->in, data, len))
		return -ENOMEM;
	feed_more(e);
	return (ssize_t)len;
}

int daytona_exec_feed_end(struct provider *p, struct provider_call *c)
{
	struct exec *e = c->impl ? exec_of(c->impl) : NULL;

	if (!e || !e->x->fed)
		return -EPIPE;
	e->in_ended = true;
	feed_more(e);
	return 0;
}

int daytona_exec_signal(struct provider *p, struct provider_call *c, int signal)
{
	struct exec *e = c->impl ? exec_of(c->impl) : NULL;
	CLEANUP(buf_deinit) struct buf text = {0};

	if (!e || !sigabbrev_np(signal))
		return PROVIDER_REFUSED;
	buf_init(&text, DAYTONA_TEXT_MAX);
	if (daytona_job_kill(&text, e->job, signal))
		return -ENOMEM;
	daytona_order(e->op.p, e->op.id, &text);
	return 0;
}

int daytona_exec_resize(struct provider *p, struct provider_call *c, uint16_t rows,
			uint16_t cols)
{
	struct exec *e = c->impl ? exec_of(c->impl) : NULL;
	CLEANUP(buf_deinit) struct buf text = {0};

	if (!e || !e->x->tty)
		return PROVIDER_REFUSED;
	buf_init(&text, DAYTONA_TEXT_MAX);
	if (daytona_job_resize(&text, e->job, rows, cols))
		return -ENOMEM;
	daytona_order(e->op.p, e->op.id, &text);
	return 0;
}

int daytona_exec_hold(struct provider *p, struct provider_call *c, bool hold)
{
	struct exec *e = c->impl ? exec_of(c->impl) : NULL;

	if (!e)
		return 0;
	e->held = hold;
	if (!hold && e->silent)
		look(e);
	return 0;
}
