/* provider/local_end.c - stop and delete.
 *
 * A sandbox is stopped by killing its process 1, upon which the kernel kills and reaps everything in
 * its process namespace before that process is seen to end. The process is held by a descriptor from the moment its
 * start time was compared, so nobody else can be hit. Delete then takes the directory out of sight by one
 * rename and removes it piece by piece between other work; one that was interrupted is
 * found by its name and finished by the next delete.
 */
#include "provider/local_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "provider/local_box.h"
#include "provider/local_wipe.h"

struct end_op {
	struct local_op op;
	char id[PROVIDER_ID_MAX];
	bool delete;
	int lock, process;
	struct wipe wipe;
};

static void end_deinit(struct local_op *op)
{
	struct end_op *e = (struct end_op *)(void *)op;

	close_p(&e->lock);
	close_p(&e->process);
	wipe_deinit(&e->wipe);
}

static void step_wipe(struct local_op *op)
{
	struct end_op *e = (struct end_op *)(void *)op;
	int r = wipe_step(&e->wipe);

	if (r != WIPE_MORE)
		local_op_finish(op, r, NULL);
}

static void vanish(struct end_op *e)
{
	struct local *p = e->op.p;
	char gone[BOX_PATH_MAX];

	(void)snprintf(gone, sizeof(gone), ".gone-%s", e->id);
	if (renameat(p->dir_fd, e->id, p->dir_fd, gone) && errno != ENOENT) {
		local_op_finish(&e->op, fail(-errno, "remove the sandbox '%s'", e->id), NULL);
		return;
	}
	wipe_init(&e->wipe, p->dir_fd, gone);
	e->op.fd = -1;
	e->op.step = step_wipe;
}

/* Nothing of it runs any more. */
static void ended(struct end_op *e)
{
	box_forget_process(e->op.p->dir_fd, e->id, "agent.json");
	if (e->delete)
		vanish(e);
	else
		local_op_finish(&e->op, 0, NULL);
}

static void step_killed(struct local_op *op)
{
	ended((struct end_op *)(void *)op);
}

static void kill_it(struct end_op *e, const struct box_process *process)
{
	e->process = box_open_process(process);
	if (e->process == -ESRCH) {
		ended(e);
		return;
	}
	if (e->process < 0 || syscall(SYS_pidfd_send_signal, e->process, SIGKILL, NULL, 0)) {
		if (e->process >= 0 && errno == ESRCH)
			ended(e);
		else
			local_op_finish(&e->op,
					errno == EPERM ? PROVIDER_DENIED
						       : fail(-errno, "kill process %ld",
							      (long)process->pid),
					NULL);
		return;
	}
	e->op.fd = e->process;
	e->op.events = POLLIN;
	e->op.step = step_killed;
}

static void step_end(struct local_op *op)
{
	struct end_op *e = (struct end_op *)(void *)op;
	struct box_process process;
	int r = box_lock(op->p->dir_fd, e->id, &e->lock);

	if (r == BOX_GONE && e->delete &&box_is_id(e->id)) {
		vanish(e); /* the rest of one that was interrupted, or nothing */
		return;
	}
	if (r == BOX_HELD) {
		op->c->retry_ms = 50;
		local_op_finish(op, PROVIDER_BUSY, NULL);
		return;
	}
	if (r) {
		local_op_finish(op, r != BOX_GONE ? r : e->delete ? 0 : PROVIDER_GONE, NULL);
		return;
	}
	if (box_find_process(op->p->dir_fd, e->id, "agent.json", &process, NULL))
		ended(e);
	else
		kill_it(e, &process);
}

static int end_start(struct provider *p, const char *id, bool delete, struct provider_call *c)
{
	struct end_op *e = local_op_new(local_of(p), c, sizeof(*e), LOCAL_CALL_MS);

	e->op.step = step_end;
	e->op.deinit = end_deinit;
	e->delete = delete;
	e->lock = e->process = -1;
	e->wipe.top = -1;
	(void)snprintf(e->id, sizeof(e->id), "%s", id);
	return 0;
}

int local_stop(struct provider *p, const char *id, struct provider_call *c)
{
	return end_start(p, id, false, c);
}

int local_delete(struct provider *p, const char *id, struct provider_call *c)
{
	return end_start(p, id, true, c);
}
