/* provider/exec_channel.c - sending the agent, running it, and its bytes both ways.
 *
 * A stream is one exec that is fed. Everything it prints goes into an inbox, from which recv() takes; an eventfd is readable
 * while the inbox is not empty, so whoever sleeps in provider_poll() wakes. The inbox has a ceiling, since nothing slows the
 * sandbox down: past it the stream is broken, and the mirror finds out anew where things stand.
 *
 * A stream dies with its exec: when the sandbox stops, when the command is killed, when the connection breaks. Closing the channel
 * cancels the exec and leaves the struct to its `done`.
 */
#include "provider/exec_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/io.h"
#include "base/sha1.h"

enum {
	INBOX_MAX = 64 << 20,
	LINE_MAX_LEN = 4200, /* "FRAG0 " and a path */
	AGENT_MAX = 16 << 20,
	STATUS_NO_AGENT = 69,
	STEP_MS = 60000,
	SENDS_MAX = 2, /* of the program, per open */
};

enum step { STEP_START, STEP_PUT, STEP_SETTLE, STEP_OPEN };

struct stream {
	struct channel base;
	struct exec_channels *set; /* NULL: the provider is gone */
	struct stream *next;
	enum step step;
	char id[PROVIDER_ID_MAX];
	struct provider_call *c; /* who opens; NULL once told */
	struct channel **ret;
	unsigned n_sends;
	bool busy;   /* `call` is under way */
	bool closed; /* nobody has the channel any more */
	bool broken; /* nothing follows what is in the inbox */

	struct provider_call call;
	struct provider_exec exec;
	struct provider_file file;
	char *script, *path; /* of what runs; where the program goes */
	char line[LINE_MAX_LEN + 1];
	size_t line_len;
	bool begun; /* the line is over */
	struct buf inbox;
	size_t at;
	int fd; /* eventfd */
};

struct exec_channels {
	struct provider *p;
	char *agent, *home, *root;
	struct buf program; /* read when it is first needed */
	char hash[OID_HEX_LEN + 1];
	struct stream *streams;
};

struct exec_channels *exec_channels_new(struct provider *p,
					const struct exec_channels_config *config)
{
	struct exec_channels *set = alloc_zero(sizeof(*set));

	set->p = p;
	set->agent = alloc_str(config->agent);
	set->home = alloc_str(config->home);
	set->root = alloc_str(config->root ? config->root : "app");
	buf_init(&set->program, AGENT_MAX);
	return set;
}

static struct stream *stream_of(struct channel *ch)
{
	return (struct stream *)(void *)ch;
}

static void stream_free(struct stream *s)
{
	for (struct stream **at = s->set ? &s->set->streams : NULL; at && *at;
	     at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			break;
		}
	buf_deinit(&s->inbox);
	close_p(&s->fd);
	free(s->script);
	free(s->path);
	free(s);
}

void exec_channels_free(struct exec_channels *set)
{
	struct stream *s = set ? set->streams : NULL;

	while (s) {
		struct stream *next = s->next;

		s->set = NULL;
		s->broken = true;
		s->busy = false;
		if (s->closed || s->c)
			stream_free(s);
		s = next;
	}
	if (!set)
		return;
	buf_deinit(&set->program);
	free(set->agent);
	free(set->home);
	free(set->root);
	free(set);
}

static void wake(const struct stream *s)
{
	(void)eventfd_write(s->fd, 1);
}

/* ---- the channel ---- */

static ssize_t stream_send(struct channel *ch, const void *data, size_t len)
{
	struct stream *s = stream_of(ch);

	if (s->broken || !s->busy)
		return -EPIPE;
	return provider_exec_feed(s->set->p, &s->call, data, len);
}

static ssize_t stream_recv(struct channel *ch, void *data, size_t len)
{
	struct stream *s = stream_of(ch);
	size_t n = s->inbox.len - s->at;
	eventfd_t count;

	if (!n) {
		(void)eventfd_read(s->fd, &count);
		return s->broken ? 0 : -EAGAIN;
	}
	n = n < len ? n : len;
	memcpy(data, s->inbox.data + s->at, n);
	s->at += n;
	if (s->at == s->inbox.len) {
		buf_clear(&s->inbox);
		s->at = 0;
	}
	return (ssize_t)n;
}

static int stream_fd(const struct channel *ch)
{
	return ((const struct stream *)(const void *)ch)->fd;
}

static void stream_close(struct channel *ch)
{
	struct stream *s = stream_of(ch);

	s->closed = true;
	if (s->busy)
		(void)provider_cancel(s->set->p, &s->call);
	else
		stream_free(s);
}

static const struct channel_ops stream_ops = {
	.send = stream_send,
	.recv = stream_recv,
	.fd = stream_fd,
	.close = stream_close,
};

/* ---- opening ---- */

/* Tells who opens; after a failure the stream is gone. */
static void answer(struct stream *s, int result, const char *why)
{
	struct provider_call *c = s->c;

	s->c = NULL;
	c->retry_ms = s->call.retry_ms;
	(void)snprintf(c->why, sizeof(c->why), "%s", why);
	c->impl = NULL;
	if (!result) {
		s->step = STEP_OPEN;
		*s->ret = &s->base;
	} else {
		stream_free(s);
	}
	c->done(c, result);
}

static void take_line(struct stream *s)
{
	if (!strcmp(s->line, "FRAG1"))
		answer(s, 0, "");
}

static void on_output(struct provider_call *call, int fd, const void *data, size_t len)
{
	struct stream *s = call->arg;
	const char *p = data;

	if (fd != 1 || s->closed || s->broken)
		return;
	while (len && !s->begun) {
		s->begun = *p == '\n' || s->line_len == LINE_MAX_LEN;
		if (!s->begun)
			s->line[s->line_len++] = *p;
		p++;
		len--;
		if (s->begun)
			take_line(s);
	}
	if (!len || s->step != STEP_OPEN)
		return;
	if (buf_add(&s->inbox, p, len)) {
		s->broken = true;
		(void)provider_cancel(s->set->p, &s->call);
	}
	wake(s);
}

/* A sender was told to wait: whoever sleeps over the channel tries again. */
static void on_room(struct provider_call *call)
{
	wake(call->arg);
}

static int run(struct stream *s, char *script, bool fed)
{
	free(s->script);
	s->script = script;
	s->line_len = 0;
	s->begun = false;
	memset(s->line, 0, sizeof(s->line));
	s->exec = (struct provider_exec){.shell = script,
					 .cwd = "/",
					 .fed = fed,
					 .on_output = on_output,
					 .on_room = on_room};
	s->call.deadline_ms = fed ? -1 : STEP_MS;
	return provider_exec(s->set->p, s->id, &s->exec, &s->call);
}

/* Starts a step's call; its refusal at once ends the opening like one that comes later. */
static void begin(struct stream *s, int r)
{
	s->busy = !r;
	if (r)
		answer(s, r, s->call.why);
}

/* A word of sh; paths and names of ours hold no quotes. */
static char *home_word(const struct exec_channels *set)
{
	return set->home ? alloc_fmt("'%s'", set->home) : alloc_str("\"$HOME\"");
}

static int start(struct stream *s)
{
	const struct exec_channels *set = s->set;
	CLEANUP(free_p) char *home = home_word(set);

	s->step = STEP_START;
	return run(
		s,
		alloc_fmt("h=%s; d=\"$h/.frag\"; a=\"$d/agent-%s\"\n"
			  "if [ -x \"$a\" ]; then echo FRAG1; exec \"$a\" --home \"$h\" "
			  "--root '%s' --relay yes; fi\n"
			  "mkdir -p \"$d\" && chmod 700 \"$d\" && echo \"FRAG0 $d\"; exit %d\n",
			  home, set->hash, set->root, STATUS_NO_AGENT),
		true);
}

static void put(struct stream *s)
{
	const struct exec_channels *set = s->set;
	const char *dir = s->line + strlen("FRAG0 ");

	if (strncmp(s->line, "FRAG0 /", 7) != 0 || strchr(dir, '\'') ||
	    s->n_sends++ == SENDS_MAX) {
		answer(s, PROVIDER_UNSUPPORTED, "the agent cannot be put into the sandbox");
		return;
	}
	free(s->path);
	s->path = alloc_fmt("%s/agent-%s", dir, set->hash);
	free(s->script);
	s->script = alloc_fmt("%s.new", s->path);
	s->file = (struct provider_file){
		.path = s->script,
		.data = set->program.data,
		.len = set->program.len,
		.mode = 0755,
	};
	s->step = STEP_PUT;
	s->call.deadline_ms = STEP_MS;
	begin(s, provider_put(set->p, s->id, &s->file, &s->call));
}

/* An upload may be cut short, or doubled: only a program that is whole gets the name it is run by. */
static void settle(struct stream *s)
{
	s->step = STEP_SETTLE;
	begin(s,
	      run(s,
		  alloc_fmt(
			  "n='%s'; [ \"$(wc -c <\"$n.new\")\" -eq %zu ] || exit 1\n"
			  "if command -v sha1sum >/dev/null; then\n"
			  "echo '%s  '\"$n.new\" | sha1sum -c - >/dev/null 2>&1 || exit 1; fi\n"
			  "chmod 755 \"$n.new\" && mv -f \"$n.new\" \"$n\"\n",
			  s->path, s->set->program.len, s->set->hash),
		  false));
}

static void start_ended(struct stream *s)
{
	char why[64];

	if (s->exec.status == STATUS_NO_AGENT) {
		put(s);
		return;
	}
	(void)snprintf(why, sizeof(why), "a command there ended with %d", s->exec.status);
	answer(s, PROVIDER_UNSUPPORTED, why);
}

static void step_done(struct provider_call *call, int result)
{
	struct stream *s = call->arg;

	s->busy = false;
	if (s->step == STEP_OPEN) {
		s->broken = true;
		wake(s);
		if (s->closed)
			stream_free(s);
		return;
	}
	if (result)
		answer(s, result, call->why);
	else if (s->step == STEP_START)
		start_ended(s);
	else if (s->step == STEP_PUT)
		settle(s);
	else if (s->exec.status)
		answer(s, -EIO, "the agent arrived damaged");
	else
		begin(s, start(s));
}

static int read_program(struct exec_channels *set)
{
	struct sha1 sum;
	struct oid oid;
	int r;

	if (set->program.len)
		return 0;
	r = io_slurp(AT_FDCWD, set->agent, &set->program);
	if (r > 0)
		return fail(-ENOENT, "read the agent '%s'", set->agent);
	if (r)
		return r;
	sha1_init(&sum);
	sha1_add(&sum, set->program.data, set->program.len);
	sha1_end(&sum, &oid);
	oid_hex(&oid, set->hash);
	return 0;
}

int exec_channels_open(struct exec_channels *set, const char *id, struct channel **ret,
		       struct provider_call *c)
{
	struct stream *s;
	int r = read_program(set);

	if (r)
		return r;
	s = alloc_zero(sizeof(*s));
	s->base.ops = &stream_ops;
	s->set = set;
	s->c = c;
	s->ret = ret;
	s->call.done = step_done;
	s->call.arg = s;
	buf_init(&s->inbox, INBOX_MAX);
	(void)snprintf(s->id, sizeof(s->id), "%s", id);
	s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->next = set->streams;
	set->streams = s;
	c->impl = s;
	c->why[0] = '\0';
	/* `done` must not come from in here: a refusal at once is the answer of this function. */
	r = start(s);
	s->busy = !r;
	if (!r)
		return 0;
	(void)snprintf(c->why, sizeof(c->why), "%s", s->call.why);
	c->impl = NULL;
	stream_free(s);
	return r;
}

bool exec_channels_cancel(struct exec_channels *set, struct provider_call *c)
{
	for (struct stream *s = set->streams; s; s = s->next)
		if (s->c == c) {
			(void)provider_cancel(set->p, &s->call);
			return true;
		}
	return false;
}
