/* provider/local_boot.c - create and start: from a directory to an agent that answers.
 *
 *	lock -> listen -> bubblewrap --pid--> noted -> HELLO --WELCOME--> done
 *	  |                   |                           |
 *	busy              ended: the log says why     ended: the log says why
 *
 * The socket is made here and given to the agent as a descriptor: nothing inside can reach it by a path, and a
 * client may connect before the agent runs. A sandbox whose creation failed leaves nothing behind.
 */
#include "provider/local_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/utf8.h"
#include "provider/local_box.h"
#include "provider/local_bwrap.h"
#include "provider/local_wipe.h"

enum { INFO_MAX = 4096, LOG_TAIL = 160, BACKLOG = 64 };

struct boot {
	struct local_op op;
	struct box box;
	struct provider_sandbox *ret; /* of create; NULL: start */
	int lock, info, sock;
	bool is_new, told;
	struct buf text; /* what bubblewrap says about itself */
	struct wire_stream in;
};

static void boot_deinit(struct local_op *op)
{
	struct boot *b = (struct boot *)(void *)op;

	close_p(&b->info);
	close_p(&b->sock);
	buf_deinit(&b->text);
	wire_stream_deinit(&b->in);
	/* A sandbox nobody was told of must not stay. */
	if (b->is_new && !b->told)
		wipe_box(op->p->dir_fd, b->box.id);
	close_p(&b->lock);
	box_deinit(&b->box);
}

/* The last line of the log, for people. */
static void log_tail(const struct boot *b, char ret[LOG_TAIL])
{
	char path[BOX_PATH_MAX], text[LOG_TAIL];
	CLEANUP(close_p) int fd = -1;
	struct buf safe;
	struct stat st;
	ssize_t n = 0;

	ret[0] = '\0';
	fd = openat(b->op.p->dir_fd, box_path(b->box.id, "run/log", path),
		    O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return;
	n = pread(fd, text, sizeof(text) - 1,
		  st.st_size > LOG_TAIL - 1 ? st.st_size - (LOG_TAIL - 1) : 0);
	while (n > 0 && text[n - 1] == '\n')
		n--;
	if (n <= 0)
		return;
	text[n] = '\0';
	for (char *p = text; *p; p++)
		*p = *p == '\n' ? ' ' : *p;
	buf_init(&safe, 4 * LOG_TAIL);
	(void)utf8_printable(&safe, text, (size_t)n);
	(void)snprintf(ret, LOG_TAIL, "%s", safe.data);
	buf_deinit(&safe);
}

static void boot_failed(struct boot *b)
{
	char tail[LOG_TAIL];
	const char *hint = "";

	log_tail(b, tail);
	if (strstr(tail, "namespace") || strstr(tail, "Operation not permitted") ||
	    strstr(tail, "could not prepare"))
		hint = "; user namespaces must be allowed (sysctl user.max_user_namespaces, "
		       "kernel.unprivileged_userns_clone)";
	local_op_finish(&b->op, PROVIDER_OFFLINE, "%s%s",
			*tail ? tail : "bubblewrap ended without a word", hint);
}

static int listen_in(int run)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	CLEANUP(close_p) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/agent.sock",
		       run);
	(void)unlinkat(run, "agent.sock", 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, BACKLOG))
		return fail(-errno, "listen for the agent");
	return TAKE_FD(fd);
}

static int launch(struct boot *b)
{
	struct local *p = b->op.p;
	char path[BOX_PATH_MAX], home[PATH_MAX];
	CLEANUP(close_p) int run = -1;
	CLEANUP(close_p) int sock = -1;
	CLEANUP(close_p) int log = -1;
	struct bwrap_start s = {.box = &b->box, .home = home, .agent = p->agent};

	if (snprintf(home, sizeof(home), "%s/%s/home", p->dir, b->box.id) >= (int)sizeof(home))
		return fail(-ENAMETOOLONG, "start a sandbox in '%s'", p->dir);
	run = openat(p->dir_fd, box_path(b->box.id, "run", path),
		     O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (run < 0)
		return fail(-errno, "open '%s'", path);
	log = openat(run, "log",
		     O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (log < 0)
		return fail(-errno, "open the log of a sandbox");
	sock = listen_in(run);
	if (sock < 0)
		return sock;
	s.listen_fd = sock;
	s.log_fd = log;
	return bwrap_start(&s, &b->info);
}

static void step_welcome(struct local_op *op)
{
	struct boot *b = (struct boot *)(void *)op;
	struct wire_frame f;
	size_t room;
	void *p = wire_stream_room(&b->in, &room);
	ssize_t n = p ? recv(b->sock, p, room, MSG_DONTWAIT) : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		boot_failed(b);
		return;
	}
	wire_stream_filled(&b->in, (size_t)n);
	if (wire_stream_next(&b->in, &f) == WIRE_SHORT)
		return;
	if (f.type != WIRE_WELCOME) {
		local_op_finish(op, -EPROTO, "the agent did not greet");
		return;
	}
	if (b->ret)
		local_describe(op->p, &b->box, b->ret);
	b->told = true;
	local_op_finish(op, 0, NULL);
}

/* Greets the agent, which may not run yet: the socket is ours. */
static void greet(struct boot *b)
{
	struct wire_frame hello = {.type = WIRE_HELLO, .version = WIRE_VERSION};
	struct buf out;
	int r;

	b->sock = local_connect(b->op.p->dir_fd, b->box.id);
	if (b->sock == -ECONNREFUSED) {
		boot_failed(b); /* it ended at once */
		return;
	}
	if (b->sock < 0) {
		local_op_finish(&b->op, local_connect_failed(b->op.c, b->sock), NULL);
		return;
	}
	buf_init(&out, 256);
	r = wire_encode(&out, &hello);
	if (!r && send(b->sock, out.data, out.len, MSG_NOSIGNAL) != (ssize_t)out.len)
		r = -EPIPE;
	buf_deinit(&out);
	if (r) {
		boot_failed(b);
		return;
	}
	b->op.fd = b->sock;
	b->op.events = POLLIN;
	b->op.step = step_welcome;
}

static void step_info(struct local_op *op)
{
	struct boot *b = (struct boot *)(void *)op;
	char chunk[1024];
	ssize_t n = read(b->info, chunk, sizeof(chunk));
	pid_t pid;
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && buf_add(&b->text, chunk, (size_t)n)) {
		boot_failed(b);
		return;
	}
	pid = bwrap_pid(b->text.data, b->text.len);
	if (!pid && n > 0)
		return;
	if (!pid) {
		boot_failed(b);
		return;
	}
	r = box_note_process(op->p->dir_fd, b->box.id, "agent.json", pid, 0);
	if (r == BOX_DEAD)
		boot_failed(b);
	else if (r)
		local_op_finish(op, r, NULL);
	else
		greet(b);
}

static void step_launch(struct local_op *op)
{
	struct boot *b = (struct boot *)(void *)op;
	int r = box_lock(op->p->dir_fd, b->box.id, &b->lock);

	if (r == BOX_HELD) {
		op->c->retry_ms = 50;
		local_op_finish(op, PROVIDER_BUSY, NULL);
		return;
	}
	if (r) {
		local_op_finish(op, r == BOX_GONE ? PROVIDER_GONE : r, NULL);
		return;
	}
	if (box_runs(op->p->dir_fd, b->box.id)) {
		greet(b);
		return;
	}
	if (!op->p->agent || access(op->p->agent, R_OK)) {
		local_op_finish(op, PROVIDER_OFFLINE,
				"the agent program '%.120s' is not there; install fragfs anew",
				op->p->agent ? op->p->agent : "");
		return;
	}
	r = launch(b);
	if (r == BWRAP_MISSING) {
		local_op_finish(
			op, PROVIDER_OFFLINE,
			"bubblewrap is not installed; install the package 'bubblewrap'");
		return;
	}
	if (r) {
		local_op_finish(op, r, NULL);
		return;
	}
	op->fd = b->info;
	op->events = POLLIN;
	op->step = step_info;
}

static struct boot *boot_new(struct local *p, struct provider_call *c)
{
	struct boot *b = local_op_new(p, c, sizeof(*b), LOCAL_START_MS);

	b->op.deinit = boot_deinit;
	b->op.step = step_launch;
	b->lock = b->info = b->sock = -1;
	buf_init(&b->text, INFO_MAX);
	wire_stream_init(&b->in);
	return b;
}

int local_create(struct provider *base, const struct provider_spec *spec,
		 struct provider_sandbox *ret, struct provider_call *c)
{
	struct local *p = local_of(base);
	struct boot *b;
	struct box box;
	int r;

	if (spec->image || spec->idle_seconds || spec->total_seconds) {
		(void)snprintf(c->why, sizeof(c->why),
			       "local sandboxes have no images and no lifetimes");
		return PROVIDER_REFUSED;
	}
	r = box_make(p->dir_fd, spec, clock_wall(p->clock), &box);
	if (r == BOX_REFUSED) {
		(void)snprintf(c->why, sizeof(c->why),
			       "labels are KEY=VALUE, and %d bytes in all at most",
			       PROVIDER_LABELS_MAX - 2);
		return PROVIDER_REFUSED;
	}
	if (r)
		return r;
	b = boot_new(p, c);
	b->box = box;
	b->ret = ret;
	b->is_new = true;
	return 0;
}

int local_start(struct provider *base, const char *id, struct provider_call *c)
{
	struct local *p = local_of(base);
	struct boot *b;
	struct box box;
	int r = box_read(p->dir_fd, id, &box);

	if (r)
		return r == BOX_GONE || r == BOX_BROKEN ? PROVIDER_GONE : r;
	b = boot_new(p, c);
	b->box = box;
	return 0;
}
