/* provider/agent/job.c - writing, listing, killing and following.
 *
 * A reader opens a file, reads to its end, and looks again when inotify says that the directory or the file
 * changed; another file under the name means that the one it has is complete and the new one goes on. The files
 * belong to whoever runs inside: they are read as foreign bytes, through the codec.
 */
#include "provider/agent/job.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { JOBS_MAX = 256, COMMAND_MAX = 255, HEAD_MAX = 1024 };

static int jobs_dir(int frag_dir)
{
	int fd;

	if (mkdirat(frag_dir, "jobs", 0700) && errno != EEXIST)
		return -errno;
	fd = openat(frag_dir, "jobs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool is_ref(const char *s, size_t len)
{
	return len && len < JOB_REF_MAX && strspn(s, "0123456789-") == len;
}

/* The words, with spaces between, as far as they go. */
static void command_of(struct wire_list argv, struct buf *ret)
{
	struct wire_str w;

	while (wire_list_next(&argv, &w) && ret->len < COMMAND_MAX) {
		size_t room = COMMAND_MAX - ret->len;

		if (ret->len && !buf_add(ret, " ", 1))
			room--;
		(void)buf_add(ret, w.p, w.len < room ? w.len : room);
	}
}

/* A new file under the name, locked, that begins with the JOB. */
static int begin_file(struct job *j)
{
	int fd = openat(j->dir, "new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
			0600);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) ||
	    write(fd, j->head.data, j->head.len) != (ssize_t)j->head.len ||
	    renameat(j->dir, "new", j->dir, j->ref)) {
		close(fd);
		return -EIO;
	}
	if (j->fd >= 0)
		close(j->fd);
	j->fd = fd;
	j->len = j->head.len;
	return 0;
}

int job_open(struct job *j, int frag_dir, pid_t pid, struct wire_list argv)
{
	struct wire_frame f = {.type = WIRE_JOB, .flags = 1};
	struct buf command;
	int r;

	*j = (struct job){.dir = jobs_dir(frag_dir), .fd = -1};
	buf_init(&j->head, HEAD_MAX);
	if (j->dir < 0)
		return j->dir;
	f.size = (uint64_t)time(NULL);
	(void)snprintf(j->ref, sizeof(j->ref), "%llu-%ld", (unsigned long long)f.size,
		       (long)pid);
	buf_init(&command, COMMAND_MAX + 1);
	command_of(argv, &command);
	f.path = wire_str(j->ref);
	f.message = (struct wire_str){.p = command.data, .len = command.len};
	r = wire_encode(&j->head, &f);
	buf_deinit(&command);
	return r ? r : begin_file(j);
}

void job_close(struct job *j)
{
	close_p(&j->fd);
	close_p(&j->dir);
	buf_deinit(&j->head);
}

void job_write(struct job *j, const struct buf *frames)
{
	if (j->len + frames->len > JOB_BYTES && begin_file(j))
		return;
	if (write(j->fd, frames->data, frames->len) == (ssize_t)frames->len)
		j->len += frames->len;
	else if (!ftruncate(j->fd, (off_t)j->len)) /* frames stay whole */
		(void)lseek(j->fd, (off_t)j->len, SEEK_SET);
}

/* Does somebody look after it? */
static bool is_kept(int fd)
{
	if (flock(fd, LOCK_SH | LOCK_NB))
		return true;
	(void)flock(fd, LOCK_UN);
	return false;
}

static int open_job(int dir, const char *ref)
{
	int fd = openat(dir, ref, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Its JOB as it stands now: the first frame, and the last when it has ended. `in` keeps the bytes. */
static bool describe(int fd, struct wire_stream *in, struct wire_frame *ret)
{
	struct wire_frame last;
	char tail[64];
	size_t room, used;
	struct stat st;
	void *p = wire_stream_room(in, &room);
	ssize_t n = p ? pread(fd, p, room, 0) : -1;

	if (n <= 0 || fstat(fd, &st))
		return false;
	wire_stream_filled(in, (size_t)n);
	if (wire_stream_next(in, ret) || ret->type != WIRE_JOB)
		return false;
	ret->flags = is_kept(fd);
	ret->status = 128 + SIGKILL;
	/* An EXITED is 14 bytes, and stands at the end. */
	n = pread(fd, tail, 14, st.st_size - 14);
	if (n == 14 && !wire_decode(tail, 14, &last, &used) && last.type == WIRE_EXITED) {
		ret->status = last.status;
		ret->flags = 0;
	}
	return true;
}

int job_list(int frag_dir, struct buf *out, uint32_t id)
{
	int fd = jobs_dir(frag_dir), n = 0;
	CLEANUP(closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!dir)
		return fd < 0 ? fd : -EIO;
	while (n < JOBS_MAX && (e = readdir(dir))) {
		CLEANUP(close_p) int job = -1;
		struct wire_stream in;
		struct wire_frame f;

		if (!is_ref(e->d_name, strlen(e->d_name)))
			continue;
		job = open_job(fd, e->d_name);
		wire_stream_init(&in);
		if (job >= 0 && describe(job, &in, &f)) {
			f.id = id;
			f.path = wire_str(e->d_name);
			n += !wire_encode(out, &f);
		}
		wire_stream_deinit(&in);
	}
	return n;
}

int job_kill(int frag_dir, struct wire_str ref, int signal)
{
	CLEANUP(close_p) int dir = jobs_dir(frag_dir);
	CLEANUP(close_p) int fd = -1;
	char name[JOB_REF_MAX];
	const char *dash;
	long pid = 0;

	if (!is_ref(ref.p, ref.len) || dir < 0)
		return -ESRCH;
	memcpy(name, ref.p, ref.len);
	name[ref.len] = '\0';
	fd = open_job(dir, name);
	dash = strchr(name, '-');
	for (const char *p = dash ? dash + 1 : ""; *p >= '0' && *p <= '9'; p++)
		pid = pid * 10 + (*p - '0');
	/* While its keeper lives the pid is the job's. */
	if (fd < 0 || pid < 2 || pid > INT32_MAX || !is_kept(fd))
		return -ESRCH;
	return kill((pid_t)-pid, signal) ? -errno : 0;
}

/* Following. */

struct follower {
	int dir, sock, fd, watch;
	char name[JOB_REF_MAX];
	uint32_t id;
	struct wire_stream in;
	bool over;
};

static void tell(struct follower *w, const struct wire_frame *f)
{
	struct buf out;
	size_t at = 0;

	buf_init(&out, WIRE_FRAME_MAX + 4);
	w->over |= wire_encode(&out, f) != 0;
	while (!w->over && at < out.len) {
		struct pollfd fd = {.fd = w->sock, .events = POLLOUT};
		ssize_t n = send(w->sock, out.data + at, out.len - at, MSG_NOSIGNAL);

		if (n > 0)
			at += (size_t)n;
		else if (errno == EAGAIN || errno == EINTR)
			(void)poll(&fd, 1, -1);
		else
			w->over = true;
	}
	buf_deinit(&out);
}

static void fail_with(struct follower *w, uint16_t code, const char *words)
{
	tell(w, &(struct wire_frame){.type = WIRE_ERROR,
				     .id = w->id,
				     .code = code,
				     .message = wire_str(words)});
	w->over = true;
}

static void pass_on(struct follower *w)
{
	struct wire_frame f;
	int r;

	while (!w->over && !(r = wire_stream_next(&w->in, &f))) {
		f.id = w->id;
		if (f.type == WIRE_OUTPUT || f.type == WIRE_EXITED)
			tell(w, &f);
		w->over |= f.type == WIRE_EXITED;
	}
	if (!w->over && r == WIRE_BAD)
		fail_with(w, WIRE_E_IO, "what the job said was changed");
}

/* To the end of the file it has. */
static void read_on(struct follower *w)
{
	while (!w->over) {
		size_t room;
		void *p = wire_stream_room(&w->in, &room);
		ssize_t n = p ? read(w->fd, p, room) : -1;

		if (n <= 0)
			return;
		wire_stream_filled(&w->in, (size_t)n);
		pass_on(w);
	}
}

/* Takes the file that stands under the name now; false when it has that one. */
static bool take_next(struct follower *w)
{
	struct stat here, there;
	int fd;

	if (fstat(w->fd, &here) || fstatat(w->dir, w->name, &there, AT_SYMLINK_NOFOLLOW) ||
	    here.st_ino == there.st_ino)
		return false;
	fd = open_job(w->dir, w->name);
	if (fd < 0)
		return false;
	read_on(w); /* what came before the other one took over */
	close(w->fd);
	w->fd = fd;
	wire_stream_deinit(&w->in);
	wire_stream_init(&w->in);
	return true;
}

static void follow(struct follower *w, bool no_follow)
{
	while (!w->over) {
		struct pollfd fds[] = {{w->watch, POLLIN, 0}, {w->sock, POLLIN, 0}};
		bool kept = is_kept(w->fd);
		char events[4096];

		read_on(w);
		if (w->over || take_next(w))
			continue;
		if (!kept) {
			tell(w, &(struct wire_frame){.type = WIRE_EXITED,
						     .id = w->id,
						     .status = 128 + SIGKILL});
			return;
		}
		if (no_follow) {
			tell(w, &(struct wire_frame){.type = WIRE_OK, .id = w->id});
			return;
		}
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		if (fds[0].revents)
			(void)!read(w->watch, events, sizeof(events));
		/* Nothing may come from a client that watches; its end does. */
		w->over |= fds[1].revents != 0;
	}
}

void job_attach(int frag_dir, int sock, const struct wire_frame *request)
{
	struct follower w = {.dir = jobs_dir(frag_dir), .sock = sock, .fd = -1};
	char here[64];

	w.id = request->id;
	wire_stream_init(&w.in);
	if (w.dir >= 0 && is_ref(request->path.p, request->path.len)) {
		memcpy(w.name, request->path.p, request->path.len);
		w.fd = open_job(w.dir, w.name);
	}
	w.watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	(void)snprintf(here, sizeof(here), "/proc/self/fd/%d", w.dir);
	(void)inotify_add_watch(w.watch, here,
				IN_MODIFY | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR);
	if (w.fd < 0)
		fail_with(&w, WIRE_E_MISSING, "there is no such command in the background");
	else
		follow(&w, request->flags & WIRE_ATTACH_NO_FOLLOW);
	wire_stream_deinit(&w.in);
	close_p(&w.fd);
	close_p(&w.dir);
	close_p(&w.watch);
}
