/* fs/init_reply.c - what this version of libfuse cannot say when a mount begins.
 *
 * Before each write() the kernel asks whether the file has capabilities that must be dropped ("security.capability"): a request
 * beside each write. It stops when the filesystem promises to drop them, and set-id bits, by itself
 * (FUSE_HANDLE_KILLPRIV_V2, Linux 5.11). libfuse 3.14 does not know that flag and answers without it. So the one reply
 * to INIT gets it on its way out, when the kernel offered it; everything else passes untouched.
 */
#include "fs/init_reply.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <fuse_lowlevel.h>

#include "base/error.h"
#include "fs/fs_private.h"

static ssize_t on_read(int fd, void *data, size_t len, void *userdata)
{
	struct init_reply *i = &((struct fs *)userdata)->init_reply;
	ssize_t n = read(fd, data, len);
	struct {
		struct fuse_in_header head;
		struct fuse_init_in init;
	} in;

	/* Once in a mount's life; the copy keeps alignment out of it. */
	if (n < (ssize_t)(sizeof(in.head) + 16))
		return n;
	memcpy(&in.head, data, sizeof(in.head));
	if (in.head.opcode != FUSE_INIT)
		return n;
	memset(&in.init, 0, sizeof(in.init));
	memcpy(&in, data, (size_t)n < sizeof(in) ? (size_t)n : sizeof(in));
	i->unique = in.head.unique;
	i->offered = in.init.flags;
	return n;
}

/* The reply is a header and a struct fuse_init_out. */
static ssize_t answer_init(struct init_reply *i, int fd, const struct iovec *iov)
{
	struct iovec own[2] = {iov[0], iov[1]};
	struct fuse_init_out out = {0};

	i->unique = 0;
	if (iov[1].iov_len > sizeof(out))
		return writev(fd, iov, 2);
	memcpy(&out, iov[1].iov_base, iov[1].iov_len);
	out.flags |= i->offered & FUSE_HANDLE_KILLPRIV_V2;
	own[1].iov_base = &out;
	return writev(fd, own, 2);
}

static ssize_t on_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	struct init_reply *i = &((struct fs *)userdata)->init_reply;
	const struct fuse_out_header *head = iov[0].iov_base;

	if (i->unique && count == 2 && head->unique == i->unique && !head->error)
		return answer_init(i, fd, iov);
	return writev(fd, iov, count);
}

static ssize_t on_splice_in(int in, off_t *in_off, int out, off_t *out_off, size_t len,
			    unsigned flags, void *userdata)
{
	return splice(in, in_off, out, out_off, len, flags);
}

static ssize_t on_splice_out(int in, off_t *in_off, int out, off_t *out_off, size_t len,
			     unsigned flags, void *userdata)
{
	return splice(in, in_off, out, out_off, len, flags);
}

int init_reply_hook(struct fuse_session *se)
{
	static const struct fuse_custom_io io = {.writev = on_writev,
						 .read = on_read,
						 .splice_receive = on_splice_in,
						 .splice_send = on_splice_out};

	return fuse_session_custom_io(se, &io, fuse_session_fd(se))
		       ? fail(-EINVAL, "mount: hook the session")
		       : 0;
}
