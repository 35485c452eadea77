/* provider/local_bwrap.c - what a sandbox can see, and starting it.
 *
 * Inside: /usr read-only, an /etc of a few made and a few borrowed files, private /proc, /dev and temporary
 * directories of bounded size, its home. Own user, pid, ipc, uts, cgroup and, unless allowed, network namespace; no
 * capability, no new privileges, no further user namespaces, an empty environment. The agent is
 * process 1: when it is killed, the kernel kills everything in the sandbox.
 *
 * As root, the child first leaves root for good: it makes a mount namespace, binds the sandbox's home to a
 * place every uid may traverse (the path to it is closed to others), and becomes the sandbox's uid before
 * it runs bubblewrap. So nothing inside was ever root outside.
 *
 * Arguments go through a memory file, not argv: an environment may hold secrets, and argv is everybody's to
 * read. Between fork and exec only system calls are made, since the parent may have threads.
 */
#include "provider/local_bwrap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "provider/local_private.h"

enum {
	ARGS_MAX = 4 << 20,
	TMP_BYTES = 512 << 20,
	SHM_BYTES = 64 << 20,
	PROCESSES_DEFAULT = 512,
	FILE_BYTES_DEFAULT_GIB = 4,
};

/* Descriptors as bubblewrap gets them. */
enum {
	FD_ARGS = 3,
	FD_INFO,
	FD_LISTEN,
	FD_AGENT,
	FD_PASSWD,
	FD_GROUP,
	FD_HOSTS,
	FD_NSS,
	FD_END
};

static const struct {
	int fd;
	const char *path, *text;
} etc_files[] = {
	{FD_PASSWD, "/etc/passwd",
	 "sb:x:1000:1000:sandbox:" LOCAL_HOME
	 ":/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"},
	{FD_GROUP, "/etc/group", "sb:x:1000:\nnogroup:x:65534:\n"},
	{FD_HOSTS, "/etc/hosts", "127.0.0.1\tlocalhost sandbox\n::1\tlocalhost\n"},
	{FD_NSS, "/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"},
};

static const char *const etc_borrowed[] = {
	"/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
	"/etc/localtime",    "/etc/mime.types",  "/etc/ssl/certs",  "/etc/ssl/openssl.cnf",
	"/etc/protocols",    "/etc/services",
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *find_bwrap(void)
{
	static const char *const places[] = {"/usr/bin/bwrap", "/usr/local/bin/bwrap",
					     "/bin/bwrap"};

	for (size_t i = 0; i < COUNT(places); i++)
		if (!access(places[i], X_OK))
			return places[i];
	return NULL;
}

/* Arguments in a buffer, each ended by a NUL. Errors stick in `err`. */
struct args {
	struct buf b;
	int err;
};

static void add(struct args *a, const char *first, const char *second, const char *third)
{
	const char *const words[] = {first, second, third};

	for (size_t i = 0; i < COUNT(words); i++)
		if (words[i] && !a->err)
			a->err = buf_add(&a->b, words[i], strlen(words[i]) + 1);
}

static void add_number(struct args *a, const char *name, uint64_t v)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	add(a, name, text, NULL);
}

static void add_tmpfs(struct args *a, const char *perms, uint64_t size, const char *path)
{
	add(a, "--perms", perms, NULL);
	add_number(a, "--size", size);
	add(a, "--tmpfs", path, NULL);
}

/* /bin and its kin: links into /usr on a merged system, directories elsewhere. */
static void add_system(struct args *a)
{
	static const char *const dirs[] = {"/bin",   "/lib",    "/lib32",
					   "/lib64", "/libx32", "/sbin"};

	add(a, "--ro-bind", "/usr", "/usr");
	for (size_t i = 0; i < COUNT(dirs); i++) {
		char target[PATH_MAX];
		ssize_t n = readlink(dirs[i], target, sizeof(target) - 1);

		if (n > 0) {
			target[n] = '\0';
			add(a, "--symlink", target, dirs[i]);
		} else {
			add(a, "--ro-bind-try", dirs[i], dirs[i]);
		}
	}
}

static void add_etc(struct args *a, bool network)
{
	char fd[16];

	for (size_t i = 0; i < COUNT(etc_files); i++) {
		(void)snprintf(fd, sizeof(fd), "%d", etc_files[i].fd);
		add(a, "--perms", "0644", NULL);
		add(a, "--file", fd, etc_files[i].path);
	}
	for (size_t i = 0; i < COUNT(etc_borrowed); i++)
		add(a, "--ro-bind-try", etc_borrowed[i], etc_borrowed[i]);
	if (network)
		add(a, "--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf");
}

static void add_env(struct args *a, const struct box *b)
{
	add(a, "--clearenv", NULL, NULL);
	add(a, "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin");
	add(a, "--setenv", "HOME", LOCAL_HOME);
	add(a, "--setenv", "USER", "sb");
	add(a, "--setenv", "LANG", "C.UTF-8");
	for (char **e = b->env; e && *e; e++) {
		char *eq = strchr(*e, '=');

		if (!eq || eq == *e)
			continue;
		*eq = '\0';
		add(a, "--setenv", *e, eq + 1);
		*eq = '=';
	}
}

static void add_walls(struct args *a, const struct bwrap_start *s, const char *home)
{
	add(a, "--unshare-all", s->box->network ? "--share-net" : NULL, NULL);
	add(a, "--unshare-user", "--disable-userns", NULL);
	add(a, "--hostname", "sandbox", NULL);
	add(a, "--new-session", "--as-pid-1", NULL);
	add(a, "--uid", "1000", NULL);
	add(a, "--gid", "1000", NULL);
	add(a, "--cap-drop", "ALL", NULL);
	add_env(a, s->box);
	add_system(a);
	add(a, "--proc", "/proc", NULL);
	add(a, "--dev", "/dev", NULL);
	add_tmpfs(a, "1777", SHM_BYTES, "/dev/shm");
	add_tmpfs(a, "1777", TMP_BYTES, "/tmp");
	add(a, "--perms", "0755", NULL);
	add(a, "--dir", "/etc", NULL);
	add_etc(a, s->box->network);
	add(a, "--perms", "0755", NULL);
	add(a, "--dir", "/home", NULL);
	add(a, "--bind", home, LOCAL_HOME);
	/* Where hosted sandboxes have theirs, so that a program moves between them with its paths. */
	add(a, "--symlink", "sb",
	    "/home/"
	    "user");
	add(a, "--symlink", "sb",
	    "/home/"
	    "daytona");
	add(a, "--perms", "0555", NULL);
	add_number(a, "--ro-bind-data", FD_AGENT);
	add(a, "/.agent", NULL, NULL);
	/* What is not made to be written must not be: these are tmpfs of the host's memory. */
	add(a, "--remount-ro", "/dev", NULL);
	add(a, "--remount-ro", "/", NULL);
	add(a, "--chdir", LOCAL_HOME, NULL);
	add_number(a, "--info-fd", FD_INFO);
}

static int memory_file(const char *name, const void *data, size_t len)
{
	CLEANUP(close_p) int fd = memfd_create(name, MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return fail(-errno, "make a memory file");
	r = io_write_all(fd, data, len);
	if (!r && lseek(fd, 0, SEEK_SET))
		r = -errno;
	return r ? fail(r, "fill a memory file") : TAKE_FD(fd);
}

/* Everything the child needs, made before the fork. */
struct prepared {
	const struct bwrap_start *s;
	const char *bwrap, *place; /* where the home is bound as root; NULL: nowhere */
	int fds[FD_END];           /* by the number they get; owned except FD_LISTEN */
	int null_fd;
	char limits[3][32];
	const char *argv[20];
};

static const char *find_place(void)
{
	static const char *const places[] = {"/mnt", "/media", "/srv", "/tmp"};
	struct stat st;

	for (size_t i = 0; i < COUNT(places); i++)
		if (!stat(places[i], &st) && S_ISDIR(st.st_mode) && st.st_mode & S_IXOTH)
			return places[i];
	return NULL;
}

static void prepare_argv(struct prepared *p)
{
	const struct box *b = p->s->box;
	const char *const words[] = {
		p->bwrap,     "--args",          "3",          "--",
		"/.agent",    "--home",          LOCAL_HOME,   "--listen-fd",
		"5",          "--max-processes", p->limits[0], "--max-file",
		p->limits[1], "--max-memory",    p->limits[2], NULL,
	};
	const uint64_t limits[] = {
		b->processes ? b->processes : PROCESSES_DEFAULT,
		b->disk_bytes ? b->disk_bytes : (uint64_t)FILE_BYTES_DEFAULT_GIB << 30,
		b->memory_bytes,
	};

	_Static_assert(FD_ARGS == 3 && FD_LISTEN == 5, "as argv says");
	for (size_t i = 0; i < COUNT(limits); i++)
		(void)snprintf(p->limits[i], sizeof(p->limits[i]), "%llu",
			       (unsigned long long)limits[i]);
	memcpy(p->argv, words, sizeof(words));
}

static int prepare_files(struct prepared *p, const char *home)
{
	struct args a = {0};
	int fd;

	buf_init(&a.b, ARGS_MAX);
	add_walls(&a, p->s, home);
	fd = a.err ? fail(a.err, "gather the arguments of bubblewrap")
		   : memory_file("arguments", a.b.data, a.b.len);
	buf_deinit(&a.b);
	if (fd < 0)
		return fd;
	p->fds[FD_ARGS] = fd;
	for (size_t i = 0; i < COUNT(etc_files); i++) {
		fd = memory_file("etc", etc_files[i].text, strlen(etc_files[i].text));
		if (fd < 0)
			return fd;
		p->fds[etc_files[i].fd] = fd;
	}
	p->fds[FD_AGENT] = open(p->s->agent, O_RDONLY | O_CLOEXEC);
	if (p->fds[FD_AGENT] < 0)
		return fail(-errno, "open the agent '%s'", p->s->agent);
	p->fds[FD_LISTEN] = p->s->listen_fd;
	return 0;
}

static void prepared_deinit(struct prepared *p)
{
	for (int i = FD_ARGS; i < FD_END; i++)
		if (i != FD_LISTEN)
			close_p(&p->fds[i]);
	close_p(&p->null_fd);
}

/* Moves the descriptors to their numbers; those in the way step aside first. */
static int settle_fds(struct prepared *p)
{
	int moved[FD_END];

	for (int i = FD_ARGS; i < FD_END; i++) {
		moved[i] = fcntl(p->fds[i], F_DUPFD, FD_END + 16);
		if (moved[i] < 0)
			return -1;
	}
	if (dup2(p->null_fd, 0) < 0 || dup2(p->s->log_fd, 1) < 0 || dup2(1, 2) < 0)
		return -1;
	for (int i = FD_ARGS; i < FD_END; i++)
		if (dup2(moved[i], i) < 0)
			return -1;
	return (int)syscall(SYS_close_range, FD_END, ~0U, 0);
}

static int leave_root(const struct prepared *p)
{
	uid_t uid = p->s->box->uid;

	if (!p->place)
		return 0;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount(p->s->home, p->place, NULL, MS_BIND, NULL))
		return -1;
	/* By system call: the C library's wrappers would speak to threads that are not here. */
	return (int)(syscall(SYS_setgroups, 0, NULL) || syscall(SYS_setresgid, uid, uid, uid) ||
		     syscall(SYS_setresuid, uid, uid, uid));
}

__attribute__((noreturn)) static void child(struct prepared *p)
{
	static const char oops[] = "frag: could not prepare the sandbox's process\n";
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)setsid();
	if (leave_root(p) || settle_fds(p) || chdir("/")) {
		const char *words = strerrordesc_np(errno);

		(void)!write(p->s->log_fd, oops, sizeof(oops) - 1);
		if (words)
			(void)!write(p->s->log_fd, words, strlen(words));
		_exit(126);
	}
	(void)execv(p->bwrap, (char *const *)(uintptr_t)p->argv);
	_exit(127);
}

/* Forks twice, so that the sandbox is nobody's child here and outlives us. */
static int spawn(struct prepared *p)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return fail(-errno, "fork for bubblewrap");
	if (!pid) {
		pid = fork();
		if (!pid)
			child(p);
		_exit(pid < 0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail(-errno, "wait for the fork of bubblewrap");
	return status ? fail(-EAGAIN, "fork for bubblewrap") : 0;
}

int bwrap_start(const struct bwrap_start *s, int *info)
{
	struct prepared p = {.s = s, .bwrap = find_bwrap(), .null_fd = -1};
	CLEANUP(close_p) int rd = -1;
	int pipefd[2], r;

	if (!p.bwrap)
		return BWRAP_MISSING;
	if (pipe2(pipefd, O_CLOEXEC | O_NONBLOCK))
		return fail(-errno, "pipe for bubblewrap");
	for (int i = 0; i < FD_END; i++)
		p.fds[i] = -1;
	rd = pipefd[0];
	p.fds[FD_INFO] = pipefd[1];
	p.null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	p.place = s->box->uid ? find_place() : NULL;
	prepare_argv(&p);
	if (s->box->uid && !p.place)
		r = fail(-ENOENT, "no directory to bind a sandbox's home to (/mnt, /tmp)");
	else
		r = prepare_files(&p, p.place ? p.place : s->home);
	if (!r)
		r = spawn(&p);
	prepared_deinit(&p);
	if (!r)
		*info = TAKE_FD(rd);
	return r;
}

pid_t bwrap_pid(const char *text, size_t len)
{
	struct json *doc = NULL;
	int64_t pid = 0;
	char why[100];

	if (json_parse(text, len, &doc, why, sizeof(why)))
		return 0;
	if (json_get_int(doc, "child-pid", &pid) || pid < 2 || pid > INT32_MAX)
		pid = 0;
	json_free(doc);
	return (pid_t)pid;
}
