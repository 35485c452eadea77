/* fs/init_reply.h - what this version of libfuse cannot say when a mount begins.
 */
#pragma once

#include <stdint.h>

struct fuse_session;

struct init_reply {
	uint64_t unique;  /* of the INIT request, until it was answered */
	uint32_t offered; /* flags of the kernel */
};

/* Right after fuse_session_mount(). The session's userdata must be a struct fs. 0 or a fault. */
int init_reply_hook(struct fuse_session *se);
