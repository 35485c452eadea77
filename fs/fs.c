/* fs/fs.c - one mount of a home: how it begins and ends.
 *
 *	fs_mount    checks the mount point, makes the tables, mounts; nothing is answered yet
 *	fs_serve    starts inval, follower and workers, waits for a signal, fs_stop() or an unmount
 *	fs_free     ends what still runs, unmounts if need be
 *
 * Signals are taken from a descriptor, so that no handler and no global is needed; they are blocked from
 * fs_mount() on, in the calling thread and in those it starts afterwards.
 */
#include "fs/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "fs/ahead.h"
#include "fs/app.h"
#include "fs/crew.h"
#include "fs/door.h"
#include "fs/follow.h"
#include "fs/inval.h"
#include "fs/mountpoint.h"
#include "fs/trees.h"
#include "fs/work_place.h"
#include "store/store.h"

DEFINE_CLEANUP(struct fs *, fs_free)

enum { WORKERS_MIN = 4, WORKERS_MAX = 16, READAHEAD_KIB = 1024 };

static void log_fuse(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char line[512];
	size_t len;

	vsnprintf(line, sizeof(line), fmt, ap);
	len = strlen(line);
	if (len && line[len - 1] == '\n')
		line[len - 1] = '\0';
	log_at(level <= FUSE_LOG_ERR ? LOG_LEVEL_ERR : LOG_LEVEL_DEBUG, "libfuse: %s", line);
}

static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, set, NULL);
}

static void release_node(struct node *n, void *fs)
{
	struct work *w = n->kind == PLACE_WORK ? work_place_work(n) : NULL;
	/* The table of open trees has one reference, this node another. */
	bool may_close = w && work_refs(w) <= 2;

	place_release(n);
	if (may_close)
		trees_settle(fs);
}

static struct fs *fs_new(struct store *st, const struct fs_config *config)
{
	struct fs *fs = alloc_zero(sizeof(*fs));
	struct ident root = {.ino = NODE_ROOT_ID};
	struct node want = {.ident = root, .kind = PLACE_ROOT, .mode = S_IFDIR | 0755};

	fs->store = st;
	fs->mountpoint = alloc_str(config->mountpoint);
	fs->uid = geteuid();
	fs->gid = getegid();
	fs->started = clock_wall(clock_system());
	fs->changed_ns = fs->started * 1000000000;
	fs->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fs->nodes = node_table_new(release_node, fs);
	fs->apps = apps_new();
	fs->trees = trees_new();
	names_slot_init(&fs->root_names);
	names_slot_init(&fs->history_names);
	pthread_mutex_init(&fs->review_lock, NULL);
	node_intern_root(fs->nodes, &want);
	return fs;
}

static int make_session(struct fs *fs, const struct fs_config *config)
{
	CLEANUP(free_p)
	char *options = alloc_fmt("-ofsname=fragfs,subtype=frag,default_permissions%s%s%s",
				  config->allow_other ? ",allow_other" : "",
				  config->options && *config->options ? "," : "",
				  config->options ? config->options : "");
	char name[] = "frag", *argv[] = {name, options, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(2, argv);

	fuse_set_log_func(log_fuse);
	fs->se = fuse_session_new(&args, &fs_ops, sizeof(fs_ops), fs);
	fuse_opt_free_args(&args);
	return fs->se ? 0 : fail(-EINVAL, "mount: options '%s'", options);
}

int fs_mount(struct store *st, const struct fs_config *config, struct fs **ret)
{
	CLEANUP(fs_freep) struct fs *fs = NULL;
	sigset_t set;
	int r = mountpoint_prepare(config->mountpoint, store_home(st));

	if (r)
		return r;
	fs = fs_new(st, config);
	r = fs->stop_fd < 0 ? fail(-errno, "mount: make an eventfd")
			    : ident_secret_draw(&fs->secret);
	if (!r)
		r = make_session(fs, config);
	if (r)
		return r;
	if (fuse_session_mount(fs->se, fs->mountpoint))
		return FS_NO_FUSE;
	fs->mounted = true;
	r = init_reply_hook(fs->se);
	if (r)
		return r;
	block_signals(&set);
	*ret = TAKE(fs);
	return 0;
}

/* In this order: an invalidation on its way may wait for an answer of the crew, and the crew reads from the
 * descriptor that unmounting closes. */
static void wind_down(struct fs *fs)
{
	follow_stop(fs->follow);
	inval_stop(fs->inval);
	ahead_stop(fs->ahead);
	crew_stop(TAKE(fs->crew));
	if (!fs->mounted)
		return;
	fs->mounted = false;
	fuse_session_unmount(fs->se);
}

static void on_end(void *arg)
{
	fs_stop(arg);
}

static unsigned n_workers(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN) * 2;

	return n < WORKERS_MIN ? WORKERS_MIN : n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

/* The kernel's 128 KiB of read-ahead can be raised by root only; without that, nothing is lost but some speed. */
static void raise_readahead(dev_t dev)
{
	CLEANUP(free_p)
	char *path = alloc_fmt("/sys/class/bdi/%u:%u/read_ahead_kb", major(dev), minor(dev));
	CLEANUP(free_p) char *text = alloc_fmt("%d", READAHEAD_KIB);
	CLEANUP(close_p) int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		io_write_all(fd, text, strlen(text));
}

/* Asks the mount itself: when that is answered, so is everybody. */
static int wait_until_answering(struct fs *fs)
{
	struct stat st;

	if (stat(fs->mountpoint, &st))
		return fail(-errno, "mount: '%s' does not answer", fs->mountpoint);
	raise_readahead(st.st_dev);
	return 0;
}

static void wait_for_end(struct fs *fs)
{
	CLEANUP(close_p) int signals = -1;
	struct pollfd fds[2];
	sigset_t set;

	block_signals(&set);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	fds[0] = (struct pollfd){.fd = fs->stop_fd, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = signals, .events = POLLIN};
	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
}

int fs_serve(struct fs *fs, void (*ready)(void *arg), void *arg)
{
	int r;

	fs->inval = inval_new(fs->se);
	fs->follow = fs->inval ? follow_new(fs) : NULL;
	fs->ahead = ahead_new(fs);
	fs->crew = fs->follow ? crew_start(fs->se, n_workers(), on_end, fs) : NULL;
	if (!fs->crew)
		return -EAGAIN;
	r = wait_until_answering(fs);
	if (!r && ready)
		ready(arg);
	if (!r)
		wait_for_end(fs);
	wind_down(fs);
	return r;
}

void fs_stop(struct fs *fs)
{
	uint64_t one = 1;

	/* Only what a signal handler may do. */
	if (write(fs->stop_fd, &one, sizeof(one)) < 0)
		return;
}

void fs_free(struct fs *fs)
{
	if (!fs)
		return;
	wind_down(fs);
	follow_free(fs->follow);
	inval_free(fs->inval);
	ahead_free(fs->ahead);
	if (fs->se)
		fuse_session_destroy(fs->se);
	node_table_free(fs->nodes);
	apps_free(fs->apps);
	trees_free(fs->trees);
	names_slot_deinit(&fs->root_names);
	names_slot_deinit(&fs->history_names);
	pthread_mutex_destroy(&fs->review_lock);
	close(fs->stop_fd);
	free(fs->mountpoint);
	free(fs);
}

int fs_follow_now(struct fs *fs, const char *project)
{
	if (!fs->follow)
		return 0;
	follow_now(fs->follow, project);
	return 0;
}

void fs_on_change(struct fs *fs, void (*fn)(const char *project, void *arg), void *arg)
{
	fs->on_change = fn;
	fs->on_change_arg = arg;
}

void fs_on_edit(struct fs *fs, void (*fn)(const char *project, void *arg), void *arg)
{
	fs->on_edit = fn;
	fs->on_edit_arg = arg;
}

void fs_on_status(struct fs *fs, void (*fn)(const char *project, struct json_out *o, void *arg),
		  void *arg)
{
	fs->status = fn;
	fs->status_arg = arg;
}

uint64_t fs_requests(const struct fs *fs, struct fs_counter *ret, unsigned max, unsigned *n)
{
	uint64_t sum = 0;

	*n = 0;
	for (unsigned i = 0; i < TALLY_OPS; i++) {
		uint64_t count = fs->tally.n[i];

		sum += i == TALLY_FORGET || i == TALLY_REFUSED ? 0 : count;
		if (*n < max)
			ret[(*n)++] = (struct fs_counter){tally_name(i), count};
	}
	return sum;
}
