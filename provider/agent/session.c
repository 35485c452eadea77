/* provider/agent/session.c - what each frame does.
 *
 *	HELLO -> WELCOME, then any of
 *	APPLY, FILE..., REMOVE..., COMMIT -> APPLIED or ERROR   VERIFY -> VERIFIED
 *	MANIFEST -> ENTRY..., END    FETCH -> BYTES..., END     PUT, MORE... -> OK     EPOCH -> OK
 *	JOBS -> JOB..., END    KILL -> OK
 *	WATCH -> OK, and CHANGED from then on
 *	EXEC, ATTACH, FORWARD: the session goes to a process of its own and ends here
 *
 * One thread serves all sessions, so a sweep is never interrupted by another one. Replies wait in a bounded buffer;
 * nothing is read from a client that does not take its replies.
 */
#include "provider/agent/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "provider/agent/descriptors.h"
#include "provider/agent/job.h"
#include "provider/agent/notice.h"
#include "provider/agent/site.h"
#include "provider/agent/survey.h"
#include "provider/agent/sweep.h"
#include "provider/agent/tunnel.h"

enum { OUT_LIMIT = 256 << 20, OUT_HIGH = 1 << 20, FETCH_CHUNK = 256 << 10 };

struct session *session_new(struct agent *agent, int fd)
{
	struct session *s = alloc_zero(sizeof(*s));

	s->fd = fd;
	s->agent = agent;
	s->fetch_fd = -1;
	s->apply.dir = s->apply.fd = -1;
	wire_stream_init(&s->in);
	buf_init(&s->out, OUT_LIMIT);
	buf_init(&s->apply.target, WIRE_PATH_MAX);
	return s;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	apply_deinit(&s->apply);
	upload_abort(&s->upload);
	close_p(&s->fetch_fd);
	wire_stream_deinit(&s->in);
	buf_deinit(&s->out);
	close_p(&s->fd);
	free(s);
}

static void reply(struct session *s, const struct wire_frame *f)
{
	if (wire_encode(&s->out, f))
		s->closing = true;
}

static void reply_refusal(struct session *s, uint32_t id, int code, const struct refusal *why)
{
	reply(s, &(struct wire_frame){.type = WIRE_ERROR,
				      .id = id,
				      .code = (uint16_t)code,
				      .tree = s->agent->place->tree,
				      .message = wire_str(why->words)});
	if (code == WIRE_E_PROTOCOL)
		s->closing = true;
}

static void protocol_error(struct session *s, uint32_t id, const char *words)
{
	struct refusal why;

	reply_refusal(s, id, refuse(&why, WIRE_E_PROTOCOL, "%s", words), &why);
}

/* Answers OK, or why not. */
static void reply_ok(struct session *s, uint32_t id, int r, const struct refusal *why)
{
	if (r)
		reply_refusal(s, id, r, why);
	else
		reply(s, &(struct wire_frame){.type = WIRE_OK, .id = id});
}

static void on_hello(struct session *s, const struct wire_frame *f)
{
	struct wire_frame w = {
		.type = WIRE_WELCOME,
		.id = f->id,
		.version = WIRE_VERSION,
		.tree = s->agent->place->tree,
		.pid = (uint32_t)getpid(),
		.root = wire_str(s->agent->place->root_path),
	};

	if (f->version != WIRE_VERSION) {
		protocol_error(s, f->id, "this agent speaks version 1 only");
		return;
	}
	memcpy(w.epoch, s->agent->place->epoch, sizeof(w.epoch));
	s->greeted = true;
	reply(s, &w);
}

static void on_apply(struct session *s, const struct wire_frame *f)
{
	struct site *p = s->agent->place;
	struct refusal why;
	int r;

	if (s->applying) {
		protocol_error(s, f->id, "an apply is under way already");
		return;
	}
	s->apply_id = f->id;
	s->skipping = false;
	r = apply_begin(&s->apply, p->stage, p->next_stage++, f, &why);
	if (r) {
		apply_deinit(&s->apply);
		s->skipping = true;
		reply_refusal(s, f->id, r, &why);
		return;
	}
	s->applying = true;
}

static int64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void on_commit(struct session *s, const struct wire_frame *f)
{
	struct site *p = s->agent->place;
	struct refusal why;
	int64_t start = now_us();
	int r = sweep_commit(p, &s->apply, &why);

	s->applying = false;
	if (r)
		reply_refusal(s, f->id, r, &why);
	else
		reply(s, &(struct wire_frame){.type = WIRE_APPLIED,
					      .id = f->id,
					      .tree = p->tree,
					      .n_files = (uint32_t)p->current.n,
					      .apply_us = (uint32_t)(now_us() - start)});
	apply_deinit(&s->apply);
}

/* FILE, MORE, REMOVE and COMMIT of an apply. */
static void on_change(struct session *s, const struct wire_frame *f)
{
	struct refusal why;
	int r;

	if (s->skipping && f->id == s->apply_id) {
		s->skipping = f->type != WIRE_COMMIT;
		return;
	}
	if (!s->applying || f->id != s->apply_id) {
		protocol_error(s, f->id, "a change outside an apply");
		return;
	}
	if (f->type == WIRE_COMMIT) {
		on_commit(s, f);
		return;
	}
	if (f->type == WIRE_FILE)
		r = apply_file(&s->apply, &s->agent->place->cache, f, &why);
	else if (f->type == WIRE_MORE)
		r = apply_more(&s->apply, f, &why);
	else
		r = apply_remove(&s->apply, f, &why);
	if (!r)
		return;
	s->applying = false;
	s->skipping = true;
	apply_deinit(&s->apply);
	reply_refusal(s, f->id, r, &why);
}

static void on_verify(struct session *s, const struct wire_frame *f)
{
	bool full = f->flags & WIRE_VERIFY_FULL;
	struct oid tree = s->agent->place->tree;
	struct refusal why;
	struct survey v;
	int r = survey_take(s->agent->place, full, &v, &why);

	/* Entry by entry the same as the current manifest is the same tree. */
	if (!r && (full || v.n_drift) && !manifest_tree(&v.now, &tree))
		r = refuse(&why, WIRE_E_IO, "what is there makes no tree");
	if (r)
		reply_refusal(s, f->id, r, &why);
	else
		reply(s, &(struct wire_frame){.type = WIRE_VERIFIED,
					      .id = f->id,
					      .tree = tree,
					      .n_files = (uint32_t)v.now.n,
					      .n_drift = v.n_drift});
	survey_deinit(&v);
}

static void list_current(struct session *s, uint32_t id, uint32_t n_skipped)
{
	const struct manifest *m = &s->agent->place->current;

	for (size_t i = 0; i < m->n && !s->closing; i++)
		reply(s, &(struct wire_frame){.type = WIRE_ENTRY,
					      .id = id,
					      .mode = m->entries[i].mode,
					      .oid = m->entries[i].oid,
					      .size = m->entries[i].stamp.size,
					      .path = wire_str(m->entries[i].path)});
	reply(s, &(struct wire_frame){.type = WIRE_END,
				      .id = id,
				      .n = (uint32_t)m->n,
				      .tree = s->agent->place->tree,
				      .n_skipped = n_skipped});
}

static void on_manifest(struct session *s, const struct wire_frame *f)
{
	struct refusal why;
	struct survey v;
	int r = survey_take(s->agent->place, false, &v, &why);

	if (!r)
		r = site_adopt(s->agent->place, &v.now, &why);
	if (r)
		reply_refusal(s, f->id, r, &why);
	else
		list_current(s, f->id, v.n_skipped);
	survey_deinit(&v);
}

static void end_fetch(struct session *s)
{
	close_p(&s->fetch_fd);
	s->fetch_fd = -1;
	reply(s, &(struct wire_frame){.type = WIRE_END,
				      .id = s->fetch_id,
				      .n = s->n_fetched,
				      .tree = s->agent->place->tree});
}

static void fetch_more(struct session *s)
{
	static char chunk[FETCH_CHUNK];
	ssize_t n = read(s->fetch_fd, chunk, sizeof(chunk));
	struct refusal why;

	if (n < 0 && errno == EINTR)
		return;
	if (n < 0) {
		reply_refusal(s, s->fetch_id, refuse_io(&why, errno, "read the file"), &why);
		close_p(&s->fetch_fd);
		s->fetch_fd = -1;
		return;
	}
	if (!n) {
		end_fetch(s);
		return;
	}
	s->n_fetched++;
	reply(s, &(struct wire_frame){.type = WIRE_BYTES,
				      .id = s->fetch_id,
				      .data = wire_data(chunk, (size_t)n)});
}

static void on_fetch(struct session *s, const struct wire_frame *f)
{
	struct refusal why;
	struct buf target;
	int r;

	buf_init(&target, WIRE_PATH_MAX + 1);
	s->fetch_id = f->id;
	s->n_fetched = 0;
	r = site_refresh(s->agent->place, &why);
	if (!r)
		r = upload_open(s->agent->place, f->path, &s->fetch_fd, &target, &why);
	if (r) {
		reply_refusal(s, f->id, r, &why);
	} else if (s->fetch_fd < 0) {
		s->n_fetched = 1;
		reply(s, &(struct wire_frame){.type = WIRE_BYTES,
					      .id = f->id,
					      .data = wire_data(target.data, target.len)});
		end_fetch(s);
	}
	buf_deinit(&target);
}

/* Sends what waits, waiting for the client if need be: the process is ours alone. */
static void flush_in_child(struct session *s)
{
	while (s->out_at < s->out.len) {
		struct pollfd fd = {.fd = s->fd, .events = POLLOUT};
		ssize_t n = send(s->fd, s->out.data + s->out_at, s->out.len - s->out_at,
				 MSG_NOSIGNAL);

		if (n > 0)
			s->out_at += (size_t)n;
		else if (errno != EAGAIN && errno != EINTR)
			return;
		else
			(void)poll(&fd, 1, -1);
	}
}

static void run_exec(struct session *s, const struct wire_frame *f)
{
	const struct spawn_request q = {
		.sock = s->fd,
		.in = &s->in,
		.exec = *f,
		.root = s->agent->place->root_path,
		.frag_dir = s->agent->place->frag,
		.limits = s->agent->limits,
	};

	flush_in_child(s);
	spawn_run(&q);
}

static void run_forward(struct session *s, const struct wire_frame *f)
{
	struct wire_data rest = wire_stream_rest(&s->in);
	int conn = tunnel_connect(f->port);
	struct refusal why;

	if (conn < 0)
		reply_refusal(s, f->id,
			      refuse_io(&why, conn, "connect to port %u inside", f->port),
			      &why);
	else
		reply(s, &(struct wire_frame){.type = WIRE_OK, .id = f->id});
	flush_in_child(s);
	if (conn >= 0)
		tunnel_run(TAKE_FD(s->fd), conn, &rest);
}

static void run_attach(struct session *s, const struct wire_frame *f)
{
	flush_in_child(s);
	job_attach(s->agent->place->frag, s->fd, f);
}

static void on_jobs(struct session *s, const struct wire_frame *f)
{
	int n = job_list(s->agent->place->frag, &s->out, f->id);
	struct refusal why;

	if (n < 0)
		reply_refusal(s, f->id, refuse_io(&why, -n, "list the background"), &why);
	else
		reply(s, &(struct wire_frame){.type = WIRE_END,
					      .id = f->id,
					      .n = (uint32_t)n,
					      .tree = s->agent->place->tree});
}

static void on_kill(struct session *s, const struct wire_frame *f)
{
	int r = job_kill(s->agent->place->frag, f->path, f->signal);
	struct refusal why;

	if (r)
		r = refuse(&why, WIRE_E_MISSING, "no such command runs in the background");
	reply_ok(s, f->id, r, &why);
}

/* Forks; the child has this session's descriptor and no other one, and never returns. */
static void give_away(struct session *s, const struct wire_frame *f)
{
	pid_t *place = NULL;
	struct refusal why;
	int frag_dir;
	pid_t pid;

	for (unsigned i = 0; i < s->agent->max_children && !place; i++)
		if (!s->agent->children[i])
			place = &s->agent->children[i];
	pid = place ? fork() : -1;
	if (pid < 0) {
		reply_refusal(s, f->id,
			      refuse(&why, WIRE_E_BUSY, "too many processes in the sandbox"),
			      &why);
		s->closing = true;
		return;
	}
	if (pid) {
		*place = pid;
		/* The child has the replies that wait, too. */
		s->out_at = s->out.len;
		s->closing = true;
		return;
	}
	/* The directory first: the session's descriptor takes its place. */
	frag_dir = fcntl(s->agent->place->frag, F_DUPFD_CLOEXEC, 100);
	s->fd = descriptors_keep_two(s->fd, frag_dir, 3);
	s->agent->place->frag = 4;
	if (f->type == WIRE_EXEC)
		run_exec(s, f);
	else if (f->type == WIRE_ATTACH)
		run_attach(s, f);
	else
		run_forward(s, f);
	/* Staging and uploads in our copy of the memory are the parent's: nothing may be tidied up. */
	_exit(0);
}

static void on_put(struct session *s, const struct wire_frame *f)
{
	struct refusal why;
	int r;

	if (s->upload.active) {
		protocol_error(s, f->id, "a PUT is under way already");
		return;
	}
	r = upload_begin(&s->upload, f, &why);
	if (r)
		reply_refusal(s, f->id, r, &why);
}

static void on_more(struct session *s, const struct wire_frame *f)
{
	struct refusal why;
	int r;

	if (s->upload.id != f->id || s->applying) {
		on_change(s, f);
		return;
	}
	if (!s->upload.active)
		return; /* the rest of a refused one */
	r = upload_more(&s->upload, &f->data, &why);
	if (r || !s->upload.active)
		reply_ok(s, f->id, r, &why);
}

static void on_epoch(struct session *s, const struct wire_frame *f)
{
	struct refusal why;
	int r = site_plant(s->agent->place, f->epoch, &why);

	reply_ok(s, f->id, r, &why);
}

static void on_watch(struct session *s, const struct wire_frame *f)
{
	struct agent *a = s->agent;
	struct refusal why;
	int r = 0;

	if (!a->notice)
		a->notice = notice_new(a->place->root_path);
	if (!a->notice)
		r = refuse(&why, WIRE_E_IO, "nothing can be watched here");
	reply_ok(s, f->id, r, &why);
	if (r)
		return;
	/* What differs already is news to whoever asks now. */
	s->watch_id = f->id;
	a->told = (struct oid){0};
	notice_doubt(a->notice, now_us() / 1000);
}

void session_tell_changed(struct session *s, uint32_t n_drift)
{
	if (s->watch_id && !s->closing)
		reply(s, &(struct wire_frame){
				 .type = WIRE_CHANGED, .id = s->watch_id, .n_drift = n_drift});
}

static void handle(struct session *s, const struct wire_frame *f)
{
	if (!s->greeted && f->type != WIRE_HELLO) {
		protocol_error(s, f->id, "the first frame must be HELLO");
		return;
	}
	switch (f->type) {
	case WIRE_HELLO:
		on_hello(s, f);
		return;
	case WIRE_APPLY:
		on_apply(s, f);
		return;
	case WIRE_FILE:
	case WIRE_REMOVE:
	case WIRE_COMMIT:
		on_change(s, f);
		return;
	case WIRE_MORE:
		on_more(s, f);
		return;
	case WIRE_VERIFY:
		on_verify(s, f);
		return;
	case WIRE_MANIFEST:
		on_manifest(s, f);
		return;
	case WIRE_FETCH:
		on_fetch(s, f);
		return;
	case WIRE_EPOCH:
		on_epoch(s, f);
		return;
	case WIRE_PUT:
		on_put(s, f);
		return;
	case WIRE_WATCH:
		on_watch(s, f);
		return;
	case WIRE_JOBS:
		on_jobs(s, f);
		return;
	case WIRE_KILL:
		on_kill(s, f);
		return;
	case WIRE_EXEC:
	case WIRE_ATTACH:
	case WIRE_FORWARD:
		give_away(s, f);
		return;
	case WIRE_STDIN:
	case WIRE_SIGNAL:
	case WIRE_RESIZE:
	case WIRE_JOB:
	case WIRE_WELCOME:
	case WIRE_APPLIED:
	case WIRE_VERIFIED:
	case WIRE_ENTRY:
	case WIRE_END:
	case WIRE_BYTES:
	case WIRE_STARTED:
	case WIRE_OUTPUT:
	case WIRE_EXITED:
	case WIRE_OK:
	case WIRE_CHANGED:
	case WIRE_ERROR:
		break;
	}
	protocol_error(s, f->id, "a frame that makes no sense here");
}

static size_t waiting(const struct session *s)
{
	return s->out.len - s->out_at;
}

short session_wants(const struct session *s)
{
	bool busy = s->closing || s->fetch_fd >= 0 || waiting(s) > OUT_HIGH;

	return (short)((busy ? 0 : POLLIN) | (waiting(s) ? POLLOUT : 0));
}

static bool hear(struct session *s)
{
	size_t room;
	void *p = wire_stream_room(&s->in, &room);
	ssize_t n = p ? recv(s->fd, p, room, 0) : 0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n > 0)
		wire_stream_filled(&s->in, (size_t)n);
	return n > 0;
}

static void work(struct session *s)
{
	struct wire_frame f;

	while (!s->closing && waiting(s) <= OUT_HIGH) {
		int r;

		if (s->fetch_fd >= 0) {
			fetch_more(s);
			continue;
		}
		r = wire_stream_next(&s->in, &f);
		if (r == WIRE_BAD)
			protocol_error(s, 0, "bytes that are no frame");
		if (r)
			return;
		handle(s, &f);
	}
}

/* What has gone out makes room, or a long answer to a slow client would fill the buffer with it. */
static void drop_sent(struct session *s)
{
	if (s->out_at < waiting(s))
		return; /* moved when that costs less than was sent */
	s->out.len -= s->out_at;
	memmove(s->out.data, s->out.data + s->out_at, s->out.len);
	s->out_at = 0;
}

static bool tell(struct session *s)
{
	while (waiting(s)) {
		ssize_t n = send(s->fd, s->out.data + s->out_at, waiting(s), MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			drop_sent(s);
			return true;
		}
		if (n < 0)
			return false;
		s->out_at += (size_t)n;
	}
	buf_clear(&s->out);
	s->out_at = 0;
	return true;
}

bool session_serve(struct session *s, short events)
{
	bool open = true;

	if (events & (POLLIN | POLLHUP | POLLERR) && !s->closing && s->fetch_fd < 0)
		open = hear(s);
	do {
		work(s);
		if (!tell(s))
			return false;
		/* A reply that went out at once makes room for the next piece of work. */
	} while (s->fetch_fd >= 0 && !waiting(s) && !s->closing);
	return open && !(s->closing && !waiting(s));
}
