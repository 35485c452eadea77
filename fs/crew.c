/* fs/crew.c - the threads that answer the kernel.
 *
 * Each reads one request at a time from the one descriptor and answers it; the kernel hands each to whoever reads first.
 * Their number is fixed: libfuse's own loop makes and ends threads as load comes and goes, which costs
 * more than an idle thread does. A worker is cancelled only while it waits for a request.
 */
#include "fs/crew.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <fuse_lowlevel.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"

struct crew {
	struct fuse_session *se;
	void (*on_end)(void *arg);
	void *arg;
	unsigned n;
	pthread_t threads[];
};

static void free_mem(void *arg)
{
	struct fuse_buf *buf = arg;

	free(buf->mem);
}

static int receive(struct fuse_session *se, struct fuse_buf *buf)
{
	int was, r;

	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &was);
	r = fuse_session_receive_buf(se, buf);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &was);
	return r;
}

static void *work(void *arg)
{
	struct crew *c = arg;
	struct fuse_buf buf = {.mem = NULL};
	int was;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &was);
	pthread_cleanup_push(free_mem, &buf);
	while (!fuse_session_exited(c->se)) {
		int r = receive(c->se, &buf);

		if (r == -EINTR || r == -EAGAIN)
			continue;
		if (r <= 0)
			break;
		fuse_session_process_buf(c->se, &buf);
	}
	pthread_cleanup_pop(1);
	c->on_end(c->arg);
	return NULL;
}

struct crew *crew_start(struct fuse_session *se, unsigned n, void (*on_end)(void *arg),
			void *arg)
{
	struct crew *c = alloc_zero(sizeof(*c) + n * sizeof(c->threads[0]));
	int r = 0;

	c->se = se;
	c->on_end = on_end;
	c->arg = arg;
	for (; c->n < n; c->n++) {
		r = pthread_create(&c->threads[c->n], NULL, work, c);
		if (r)
			break;
	}
	if (!r)
		return c;
	if (c->n) {
		log_warn("fs: only %u of %u worker threads: %s, ignoring", c->n, n,
			 strerror(r));
		return c;
	}
	fail(-r, "fs: start a worker thread");
	free(c);
	return NULL;
}

void crew_stop(struct crew *c)
{
	if (!c)
		return;
	fuse_session_exit(c->se);
	for (unsigned i = 0; i < c->n; i++)
		pthread_cancel(c->threads[i]);
	for (unsigned i = 0; i < c->n; i++)
		pthread_join(c->threads[i], NULL);
	free(c);
}
