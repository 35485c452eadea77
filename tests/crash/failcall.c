/* LD_PRELOAD=failcall.so - the n-th call that changes a disk goes wrong.
 *
 * FAILCALL_AT is n, from 1; 0 only counts. FAILCALL_HOW is what happens then:
 *	kill   the process dies before the call
 *	tear   half of a write is done, then the process dies
 *	eio    the call fails with EIO, later ones work; an unlink never does: what fails only
 *	       together with its whole filesystem is not worth a guess at whose a lock is
 *	full   this and every later call that takes space fails with ENOSPC
 * At exit the number of calls is written to FAILCALL_COUNT. Standard output and error, and what goes around
 * libc, do not count.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define HOOK __attribute__((visibility("default")))

static struct {
	atomic_long calls;
	long at;
	char how[8];
} plan;

__attribute__((constructor)) static void read_plan(void)
{
	const char *at = getenv("FAILCALL_AT"), *how = getenv("FAILCALL_HOW");

	if (at)
		(void)sscanf(at, "%ld", &plan.at);
	if (how)
		(void)snprintf(plan.how, sizeof(plan.how), "%s", how);
}

__attribute__((destructor)) static void tell(void)
{
	const char *path = getenv("FAILCALL_COUNT");
	char text[32];
	int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT, 0600) : -1;
	int n = snprintf(text, sizeof(text), "%ld\n", atomic_load(&plan.calls));

	if (fd < 0)
		return;
	(void)syscall(SYS_write, fd, text, (size_t)n);
	(void)syscall(SYS_close, fd);
}

static void die(void)
{
	(void)kill(getpid(), SIGKILL);
}

/* Counts this call; true when it must fail, with errno set. */
static bool strikes(bool takes_space)
{
	long n = atomic_fetch_add(&plan.calls, 1) + 1;

	if (!plan.at || n < plan.at)
		return false;
	if (!strcmp(plan.how, "full")) {
		errno = ENOSPC;
		return takes_space;
	}
	if (n != plan.at)
		return false;
	if (strcmp(plan.how, "eio") != 0)
		die();
	errno = EIO;
	return takes_space;
}

static bool is_torn(long n)
{
	return plan.at == n && !strcmp(plan.how, "tear");
}

HOOK ssize_t write(int fd, const void *data, size_t len)
{
	if (fd <= 2)
		return syscall(SYS_write, fd, data, len);
	if (is_torn(atomic_load(&plan.calls) + 1))
		(void)syscall(SYS_write, fd, data, len / 2);
	return strikes(true) ? -1 : syscall(SYS_write, fd, data, len);
}

HOOK ssize_t pwrite64(int fd, const void *data, size_t len, off64_t off)
{
	if (is_torn(atomic_load(&plan.calls) + 1))
		(void)syscall(SYS_pwrite64, fd, data, len / 2, off);
	return strikes(true) ? -1 : syscall(SYS_pwrite64, fd, data, len, off);
}

HOOK ssize_t pwrite(int fd, const void *data, size_t len, off_t off)
{
	return pwrite64(fd, data, len, off);
}

HOOK ssize_t writev(int fd, const struct iovec *v, int n)
{
	return strikes(true) ? -1 : syscall(SYS_writev, fd, v, n);
}

HOOK ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t off)
{
	return strikes(true) ? -1 : syscall(SYS_pwritev, fd, v, n, off, 0L);
}

HOOK ssize_t pwritev(int fd, const struct iovec *v, int n, off_t off)
{
	return pwritev64(fd, v, n, off);
}

HOOK int fsync(int fd)
{
	return strikes(true) ? -1 : (int)syscall(SYS_fsync, fd);
}

HOOK int fdatasync(int fd)
{
	return strikes(true) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

HOOK int ftruncate64(int fd, off64_t len)
{
	return strikes(true) ? -1 : (int)syscall(SYS_ftruncate, fd, len);
}

HOOK int ftruncate(int fd, off_t len)
{
	return ftruncate64(fd, len);
}

HOOK int renameat2(int from, const char *old, int to, const char *new, unsigned flags)
{
	return strikes(true) ? -1 : (int)syscall(SYS_renameat2, from, old, to, new, flags);
}

HOOK int renameat(int from, const char *old, int to, const char *new)
{
	return renameat2(from, old, to, new, 0);
}

HOOK int rename(const char *old, const char *new)
{
	return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0);
}

HOOK int linkat(int from, const char *old, int to, const char *new, int flags)
{
	return strikes(true) ? -1 : (int)syscall(SYS_linkat, from, old, to, new, flags);
}

HOOK int link(const char *old, const char *new)
{
	return linkat(AT_FDCWD, old, AT_FDCWD, new, 0);
}

HOOK int unlinkat(int dir, const char *path, int flags)
{
	return strikes(false) ? -1 : (int)syscall(SYS_unlinkat, dir, path, flags);
}

HOOK int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

HOOK int mkdirat(int dir, const char *path, mode_t mode)
{
	return strikes(true) ? -1 : (int)syscall(SYS_mkdirat, dir, path, mode);
}

HOOK int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

static int open_hooked(int dir, const char *path, int flags, mode_t mode)
{
	if ((flags & (O_CREAT | O_TRUNC)) && strikes(true))
		return -1;
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

/* The mode argument stands there only with O_CREAT or O_TMPFILE. */
#define OPEN_MODE(flags, mode)                                                                 \
	do {                                                                                   \
		va_list ap_;                                                                   \
		va_start(ap_, flags);                                                          \
		mode = (flags) & (O_CREAT | O_TMPFILE) ? va_arg(ap_, mode_t) : 0;              \
		va_end(ap_);                                                                   \
	} while (0)

HOOK int open64(const char *path, int flags, ...)
{
	mode_t mode;

	OPEN_MODE(flags, mode);
	return open_hooked(AT_FDCWD, path, flags, mode);
}

HOOK int open(const char *path, int flags, ...)
{
	mode_t mode;

	OPEN_MODE(flags, mode);
	return open_hooked(AT_FDCWD, path, flags, mode);
}

HOOK int openat64(int dir, const char *path, int flags, ...)
{
	mode_t mode;

	OPEN_MODE(flags, mode);
	return open_hooked(dir, path, flags, mode);
}

HOOK int openat(int dir, const char *path, int flags, ...)
{
	mode_t mode;

	OPEN_MODE(flags, mode);
	return open_hooked(dir, path, flags, mode);
}
