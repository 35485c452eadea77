/* callcut <workload> <kill|tear|eio|full> <points> - something goes wrong at the n-th call. TAP.
 *
 * The workload runs with failcall.so, which strikes at its n-th call that changes the disk: for n = 1, 2,
 * 3 … or, where there are more calls than points, evenly spread over them. After each, everything
 * acknowledged must hold (a killed process loses nothing), the home must open, and a second run of
 * the workload on what the first one left must work. Needs no root.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/proc.h"
#include "tests/crash/acks.h"
#include "tests/crash/workload.h"

enum { ROUNDS = 3, BROKEN_MAX = 5 };

struct trial {
	const struct workload *workload;
	const char *how;
	char tools[PATH_MAX], tmp[PATH_MAX];
	char home[PATH_MAX + 16], acks[PATH_MAX + 16], count[PATH_MAX + 16];
};

/* Runs the workload with the n-th call struck; returns how it ended, as proc_wait() says it. */
static int run_struck(const struct trial *t, long n)
{
	char self[PATH_MAX + 16], preload[PATH_MAX + 48], at[48], how[32], count[PATH_MAX + 48];
	const char *const argv[] = {self, "work", t->workload->name, t->home, t->acks, NULL};
	const char *const env[] = {preload, at, how, count, "PATH=/usr/bin:/bin", NULL};
	struct proc p = {.argv = argv,
			 .env = env,
			 .cwd_fd = -1,
			 .in_fd = -1,
			 .out_fd = -1,
			 .err_fd = -1};
	pid_t pid;
	int r;

	(void)snprintf(self, sizeof(self), "%s/callcut", t->tools);
	(void)snprintf(preload, sizeof(preload), "LD_PRELOAD=%s/failcall.so", t->tools);
	(void)snprintf(at, sizeof(at), "FAILCALL_AT=%ld", n);
	(void)snprintf(how, sizeof(how), "FAILCALL_HOW=%s", t->how);
	(void)snprintf(count, sizeof(count), "FAILCALL_COUNT=%s", t->count);
	r = proc_start(&p, &pid);
	return r ? r : proc_wait(pid);
}

static int fresh_home(const struct trial *t)
{
	int r = io_remove_tree(AT_FDCWD, t->home);

	return r ? r : mkdir(t->home, 0700) ? -errno : 0;
}

static long count_calls(const struct trial *t)
{
	CLEANUP(fclosep) FILE *f = NULL;
	long n = 0;
	int r;

	if (fresh_home(t))
		return -1;
	r = run_struck(t, 0);
	if (r) {
		(void)printf("# undisturbed it ended with %d\n", r);
		return -1;
	}
	f = fopen(t->count, "re");
	return f && fscanf(f, "%ld", &n) == 1 ? n : -1;
}

struct look {
	const struct trial *trial;
	const struct acks *acks;
	void *opened;
	unsigned n_bad;
};

static void look_at_key(const char *key, void *arg)
{
	char value[WORKLOAD_VALUE_MAX] = "unopened";
	struct look *l = arg;

	if (l->opened)
		l->trial->workload->probe(l->opened, key, value);
	if (acks_allow(l->acks, INT64_MAX, key, value))
		return;
	l->n_bad++;
	(void)printf("#   %s is '%s'\n", key, value);
}

/* In a child: what a reader does with what was left must not take the harness along. */
static bool holds(const struct trial *t)
{
	pid_t pid = fork();
	int status = 0;

	if (!pid) {
		struct look l = {.trial = t, .acks = acks_load(t->acks)};

		l.opened = t->workload->open(t->home);
		acks_keys(l.acks, INT64_MAX, look_at_key, &l);
		if (l.opened)
			t->workload->close(l.opened);
		_exit(l.n_bad ? 1 : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (WIFSIGNALED(status))
		(void)printf("#   the reader died of signal %d\n", WTERMSIG(status));
	return status == 0;
}

static bool survives(const struct trial *t, long n)
{
	int ended, again;

	if (fresh_home(t))
		return false;
	(void)unlink(t->acks);
	ended = run_struck(t, n);
	/* Killed on purpose, refused, or carried on: but never dead of anything else. */
	if (ended < 0 || (ended > 1 && ended != 128 + SIGKILL)) {
		(void)printf("#   call %ld: it ended with %d\n", n, ended);
		return false;
	}
	if (!holds(t)) {
		(void)printf("#   after call %ld\n", n);
		return false;
	}
	again = run_struck(t, 0);
	if (again) {
		(void)printf("#   call %ld: a second run on what was left ended with %d\n", n,
			     again);
		return false;
	}
	return true;
}

static int try_all(const struct trial *t, long n_points)
{
	long n_calls = count_calls(t), step, tried = 0;
	int broken = 0;

	if (n_calls <= 0) {
		(void)printf("1..1\nnot ok 1 - %s: the workload runs\n", t->workload->name);
		return 1;
	}
	step = n_calls > n_points ? n_calls / n_points : 1;
	for (long n = 1; n <= n_calls && broken < BROKEN_MAX; n += step, tried++)
		broken += !survives(t, n);
	(void)printf("1..1\n%sok 1 - %s: %s at each of %ld of %ld calls breaks no promise\n",
		     broken ? "not " : "", t->workload->name, t->how, tried, n_calls);
	return broken ? 1 : 0;
}

static int work(const char *name, const char *home, const char *path)
{
	const struct workload *w = workload_find(name);
	struct acks *a = acks_create(path);
	int r = w ? w->work(home, a, ROUNDS) : -EINVAL;

	acks_free(a);
	return r ? 1 : 0;
}

int main(int argc, char **argv)
{
	const char *tmp_base = getenv("TMPDIR"), *points = getenv("POINTS");
	struct trial t = {0};
	char self[PATH_MAX];
	long n = 0;
	int r;

	log_open(-1, LOG_LEVEL_ERR, false);
	if (argc == 5 && !strcmp(argv[1], "work"))
		return work(argv[2], argv[3], argv[4]);
	t.workload = argc == 4 ? workload_find(argv[1]) : NULL;
	if (!points && argc == 4)
		points = argv[3];
	if (!t.workload || !points || sscanf(points, "%ld", &n) != 1 || n <= 0)
		return 2;
	t.how = argv[2];
	setlinebuf(stdout);
	(void)snprintf(t.tmp, sizeof(t.tmp), "%s/frag-call-XXXXXX",
		       tmp_base ? tmp_base : "/tmp");
	if (!mkdtemp(t.tmp) || !realpath("/proc/self/exe", self))
		return 1;
	(void)snprintf(t.tools, sizeof(t.tools), "%s", dirname(self));
	(void)snprintf(t.home, sizeof(t.home), "%s/home", t.tmp);
	(void)snprintf(t.acks, sizeof(t.acks), "%s/acks", t.tmp);
	(void)snprintf(t.count, sizeof(t.count), "%s/count", t.tmp);
	r = try_all(&t, n);
	(void)io_remove_tree(AT_FDCWD, t.tmp);
	return r;
}
