/* powercut <workload> <points> [seed] - pull the plug on a workload, many times. TAP.
 *
 * The workload runs once on an ext4 whose disk records every write and flush (blocklog.c). Then, for each
 * of many points, a disk is made as a power cut at that point could have left it, mounted (its
 * journal replays), and every acknowledgement older than the cut is checked. The same is done with
 * a workload whose syncs do nothing (nosync.c): if that shows no violation, the harness is
 * blind and says so.
 *
 * The directory of this program holds blocklog and nosync.so. Skipped (77) without root, loop devices
 * or FUSE.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/proc.h"
#include "tests/crash/acks.h"
#include "tests/crash/blockreplay.h"
#include "tests/crash/disk.h"
#include "tests/crash/workload.h"

enum { SKIPPED = 77, ROUNDS = 30, BROKEN_MAX = 10, KEYS_SHOWN = 3, START_TRIES = 500 };
#define IMAGE_SIZE ((off_t)64 << 20)

/* One recorded run: where its files are, and when the work ended. */
struct run {
	char dir[PATH_MAX], image[PATH_MAX + 16], log[PATH_MAX + 16], acks[PATH_MAX + 16];
	char blocks[PATH_MAX + 16], mnt[PATH_MAX + 16], home[PATH_MAX + 32];
	const struct workload *workload;
	int64_t ended;
};

static int run_quiet(const char *const *argv)
{
	struct proc p = {.argv = argv, .cwd_fd = -1, .in_fd = -1, .out_fd = -1, .err_fd = -1};
	pid_t pid;
	int r = proc_start(&p, &pid);

	return r ? r : proc_wait(pid);
}

static void name_files(struct run *r, const struct workload *w, const char *tmp,
		       const char *kind)
{
	*r = (struct run){.workload = w};
	(void)snprintf(r->dir, sizeof(r->dir), "%s/%s", tmp, kind);
	(void)snprintf(r->image, sizeof(r->image), "%s/image", r->dir);
	(void)snprintf(r->log, sizeof(r->log), "%s/log", r->dir);
	(void)snprintf(r->acks, sizeof(r->acks), "%s/acks", r->dir);
	(void)snprintf(r->blocks, sizeof(r->blocks), "%s/blocks", r->dir);
	(void)snprintf(r->mnt, sizeof(r->mnt), "%s/mnt", r->dir);
	(void)snprintf(r->home, sizeof(r->home), "%s/home", r->mnt);
}

static int make_disk(const struct run *r)
{
	const char *const mkfs[] = {"mkfs.ext4", "-q",   "-F",
				    "-b",        "4096", "-J",
				    "size=4",    "-E",   "nodiscard,lazy_itable_init=0",
				    r->image,    NULL};
	CLEANUP(close_p) int fd = -1;

	if (mkdir(r->dir, 0700) || mkdir(r->blocks, 0700) || mkdir(r->mnt, 0700))
		return -errno;
	fd = open(r->image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, IMAGE_SIZE))
		return -errno;
	return run_quiet(mkfs) ? -EIO : 0;
}

/* Starts blocklog and waits until its file is there. */
static int start_recorder(const struct run *r, const char *tools, pid_t *pid, int *disk)
{
	char program[PATH_MAX + 16], path[PATH_MAX + 32];
	const char *const argv[] = {program, r->image, r->blocks, r->log, NULL};
	struct proc p = {.argv = argv, .cwd_fd = -1, .in_fd = -1, .out_fd = -1, .err_fd = -1};
	int err;

	(void)snprintf(program, sizeof(program), "%s/blocklog", tools);
	(void)snprintf(path, sizeof(path), "%s/disk", r->blocks);
	err = proc_start(&p, pid);
	for (int i = 0; !err && i < START_TRIES; i++) {
		*disk = open(path, O_RDWR | O_CLOEXEC);
		if (*disk >= 0)
			return 0;
		(void)poll(NULL, 0, 10);
	}
	return err ? err : -ETIMEDOUT;
}

/* The workload in a process of its own, so that its syncs can be taken away. */
static int start_work(const struct run *r, const char *tools, bool synced)
{
	char self[PATH_MAX + 16], preload[PATH_MAX + 32];
	const char *const argv[] = {self, "work", r->workload->name, r->home, r->acks, NULL};

	(void)snprintf(self, sizeof(self), "%s/powercut", tools);
	(void)snprintf(preload, sizeof(preload), "%s/nosync.so", tools);
	if (!synced)
		(void)setenv("LD_PRELOAD", preload, 1);
	else
		(void)unsetenv("LD_PRELOAD");
	return run_quiet(argv);
}

static int record(struct run *r, const char *tools, bool synced)
{
	int disk = -1, err, work;
	pid_t pid = -1;

	err = make_disk(r);
	if (err)
		return err;
	err = start_recorder(r, tools, &pid, &disk);
	if (!err)
		err = disk_mount(disk, r->mnt);
	if (disk >= 0)
		close(disk);
	if (!err) {
		work = mkdir(r->home, 0700) ? -errno : start_work(r, tools, synced);
		(void)unsetenv("LD_PRELOAD");
		r->ended = clock_ns();
		err = disk_unmount(r->mnt);
		err = work ? -EIO : err;
	}
	if (pid > 0) {
		(void)kill(pid, SIGTERM);
		(void)proc_wait(pid);
	}
	return err;
}

/* One look at a disk after its cut. */
struct look {
	const struct run *run;
	const struct acks *acks;
	void *opened;
	int64_t cut;
	unsigned n_keys, n_bad;
};

static void look_at_key(const char *key, void *arg)
{
	char value[WORKLOAD_VALUE_MAX] = "unopened";
	struct look *l = arg;

	l->n_keys++;
	if (l->opened)
		l->run->workload->probe(l->opened, key, value);
	if (acks_allow(l->acks, l->cut, key, value))
		return;
	l->n_bad++;
	if (l->n_bad <= KEYS_SHOWN)
		(void)printf("#   %s is '%s'\n", key, value);
}

/* In a child, so that what the library does with a damaged disk cannot take the harness along. */
static bool holds(const struct run *r, const struct acks *acks, int64_t cut)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct look l = {.run = r, .acks = acks, .cut = cut};

		l.opened = r->workload->open(r->home);
		acks_keys(acks, cut, look_at_key, &l);
		if (l.opened)
			r->workload->close(l.opened);
		_exit(l.n_bad ? 1 : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (!WIFEXITED(status))
		(void)printf("#   the reader died of signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int compare_size(const void *a, const void *b)
{
	const size_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Points in ascending order, spread over the whole log by a fixed sequence. */
static size_t *choose_points(size_t n_records, unsigned n, uint64_t seed)
{
	size_t *points = alloc_array(n, sizeof(*points));

	for (unsigned i = 0; i < n; i++) {
		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		points[i] = 1 + (size_t)(seed >> 33) % n_records;
	}
	qsort(points, n, sizeof(*points), compare_size);
	return points;
}

static bool check_point(const struct run *r, struct blockreplay *b, const struct acks *acks,
			size_t point, uint64_t seed)
{
	enum blockreplay_kind kind = seed & 1 ? BLOCKREPLAY_TORN : BLOCKREPLAY_PREFIX;
	int64_t cut = blockreplay_time(b, point);
	CLEANUP(close_p) int fd = -1;
	bool good;
	int err;

	fd = open(r->image, O_RDWR | O_CLOEXEC);
	err = fd < 0 ? -errno : blockreplay_cut(b, point, kind, seed, fd);
	if (!err)
		err = disk_mount(fd, r->mnt);
	if (err) {
		(void)printf("#   mount: %s\n", strerror(-err));
		return false;
	}
	good = holds(r, acks, cut);
	err = disk_unmount(r->mnt);
	if (err)
		(void)printf("#   unmount: %s\n", strerror(-err));
	if (!good)
		(void)printf("#   at record %zu, %s, seed %" PRIu64 "\n", point,
			     kind == BLOCKREPLAY_TORN ? "torn" : "prefix", seed);
	return good && !err;
}

/* How many of `n` cuts break a promise; negative: the run itself failed. */
static int count_broken(const struct run *r, unsigned n, uint64_t seed)
{
	struct blockreplay *b = blockreplay_new(r->image, r->log);
	struct acks *acks = acks_load(r->acks);
	size_t n_records = b ? blockreplay_count(b, r->ended) : 0;
	size_t *points = NULL;
	int broken = 0;

	if (!n_records || !acks_count(acks)) {
		(void)printf("# nothing was recorded\n");
		broken = -1;
		n = 0;
	} else {
		(void)printf("# %zu records, %zu flushes, %zu acknowledgements, %u cuts\n",
			     n_records, blockreplay_flushes(b, n_records), acks_count(acks), n);
		points = choose_points(n_records, n, seed);
	}
	for (unsigned i = 0; i < n && broken < BROKEN_MAX; i++)
		broken += !check_point(r, b, acks, points[i], seed + i);
	free(points);
	acks_free(acks);
	blockreplay_free(b);
	return broken;
}

static int work(const char *name, const char *home, const char *path)
{
	const struct workload *w = workload_find(name);
	struct acks *a = acks_create(path);
	int r = w ? w->work(home, a, ROUNDS) : -EINVAL;

	acks_free(a);
	return r ? 1 : 0;
}

static int cut(const struct workload *w, const char *tmp, const char *tools, unsigned n,
	       uint64_t seed)
{
	struct run kept, lost;
	int failed = 0, broken = -1;

	name_files(&kept, w, tmp, "synced");
	name_files(&lost, w, tmp, "unsynced");
	if (!record(&kept, tools, true))
		broken = count_broken(&kept, n, seed);
	failed += broken != 0;
	(void)printf("%sok 1 - %s: no cut of %u loses what was acknowledged\n",
		     broken ? "not " : "", w->name, n);
	broken = -1;
	if (!record(&lost, tools, false))
		broken = count_broken(&lost, n < 20 ? n : 20, seed);
	failed += broken <= 0;
	(void)printf("%sok 2 - %s: without syncs the same cuts do, so the harness sees\n",
		     broken <= 0 ? "not " : "", w->name);
	return failed;
}

int main(int argc, char **argv)
{
	const char *tmp_base = getenv("TMPDIR"), *points = getenv("POINTS");
	char tmp[PATH_MAX], self[PATH_MAX];
	const struct workload *w = argc > 1 ? workload_find(argv[1]) : NULL;
	unsigned n = 0;
	uint64_t seed = 1;
	int failed;

	if (argc == 5 && !strcmp(argv[1], "work"))
		return work(argv[2], argv[3], argv[4]);
	if (!points && argc > 2)
		points = argv[2];
	if (!w || !points || sscanf(points, "%u", &n) != 1 || !n ||
	    (argc > 3 && sscanf(argv[3], "%" SCNu64, &seed) != 1))
		return 2;
	/* Mounts of our own world: they go with this process, however it ends. */
	if (!disk_possible() || unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return SKIPPED;
	log_open(-1, LOG_LEVEL_ERR, false);
	setlinebuf(stdout);
	(void)snprintf(tmp, sizeof(tmp), "%s/frag-cut-XXXXXX", tmp_base ? tmp_base : "/tmp");
	if (!mkdtemp(tmp) || !realpath("/proc/self/exe", self))
		return 1;
	(void)printf("1..2\n");
	failed = cut(w, tmp, dirname(self), n, seed);
	(void)io_remove_tree(AT_FDCWD, tmp);
	return failed ? 1 : 0;
}
