/* provider/local_channel.c - the agent's socket as a channel.
 *
 * The path of a socket may be longer than an address holds, so it is reached through the descriptor of its
 * directory. Connecting to a local socket never waits: it is there, refused, or its queue is full.
 */
#include "provider/local_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "provider/local_box.h"

int local_connect(int dir_fd, const char *id)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	CLEANUP(close_p) int run = -1;
	CLEANUP(close_p) int fd = -1;
	char path[BOX_PATH_MAX];

	if (!box_is_id(id))
		return -ENOENT;
	run = openat(dir_fd, box_path(id, "run", path), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (run < 0)
		return -errno;
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/agent.sock",
		       run);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return errno == ENOENT ? -ECONNREFUSED : -errno;
	return TAKE_FD(fd);
}

int local_connect_failed(struct provider_call *c, int err)
{
	switch (err) {
	case -ENOENT:
		return PROVIDER_GONE;
	case -ECONNREFUSED:
		return PROVIDER_ASLEEP;
	case -EAGAIN:
		c->retry_ms = 20;
		return PROVIDER_BUSY;
	case -EACCES:
		return PROVIDER_DENIED;
	default:
		(void)snprintf(c->why, sizeof(c->why), "connect to the agent: %s",
			       strerrordesc_np(-err));
		return PROVIDER_OFFLINE;
	}
}

static struct local_channel *channel_of(struct channel *ch)
{
	return (struct local_channel *)(void *)ch;
}

static ssize_t channel_send(struct channel *base, const void *data, size_t len)
{
	struct local_channel *ch = channel_of(base);
	ssize_t n;

	do
		n = send(ch->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno == EWOULDBLOCK || errno == EAGAIN)
		ch->wants_out = true;
	return ch->wants_out ? -EAGAIN : -errno;
}

static ssize_t channel_recv(struct channel *base, void *data, size_t len)
{
	ssize_t n;

	do
		n = recv(channel_of(base)->fd, data, len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == ECONNRESET)
		return 0;
	return n < 0 ? -errno : n;
}

static int channel_fd(const struct channel *base)
{
	return ((const struct local_channel *)(const void *)base)->fd;
}

static void channel_close(struct channel *base)
{
	struct local_channel *ch = channel_of(base);
	struct local_channel **at = ch->p ? &ch->p->channels : NULL;

	while (at && *at && *at != ch)
		at = &(*at)->next;
	if (at && *at)
		*at = ch->next;
	close(ch->fd);
	free(ch);
}

static const struct channel_ops local_channel_ops = {
	.send = channel_send,
	.recv = channel_recv,
	.fd = channel_fd,
	.close = channel_close,
};

struct open_op {
	struct local_op op;
	char id[PROVIDER_ID_MAX];
	struct channel **ret;
};

static void step_open(struct local_op *op)
{
	struct open_op *o = (struct open_op *)(void *)op;
	int fd = local_connect(op->p->dir_fd, o->id);
	struct local_channel *ch;

	if (fd < 0) {
		local_op_finish(op, local_connect_failed(op->c, fd), NULL);
		return;
	}
	ch = alloc_zero(sizeof(*ch));
	ch->base.ops = &local_channel_ops;
	ch->p = op->p;
	ch->fd = fd;
	ch->slot = SIZE_MAX;
	ch->next = op->p->channels;
	op->p->channels = ch;
	*o->ret = &ch->base;
	local_op_finish(op, 0, NULL);
}

int local_agent_open(struct provider *p, const char *id, struct channel **ret,
		     struct provider_call *c)
{
	struct open_op *o = local_op_new(local_of(p), c, sizeof(*o), LOCAL_CALL_MS);

	o->op.step = step_open;
	o->ret = ret;
	(void)snprintf(o->id, sizeof(o->id), "%s", id);
	return 0;
}
