/* flock(2) with a name on it.
 *
 * The kernel releases a lock when its last descriptor closes, so a killed holder leaves
 * nothing stale. What stands in the file is only a courtesy to whoever must wait.
 */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"

int lock_take(int dirfd, const char *path, const char *what, bool wait, int *ret)
{
	CLEANUP(close_p) int fd = -1;
	char line[256];
	int n, r;

	fd = openat(dirfd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail(-errno, "open lock '%s'", path);
	do
		r = flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB));
	while (r && errno == EINTR);
	if (r && errno == EWOULDBLOCK)
		return LOCK_HELD;
	if (r)
		return fail(-errno, "take lock '%s'", path);
	n = snprintf(line, sizeof(line), "%ld %s\n", (long)getpid(), what);
	/* Only a courtesy: a full disk must not keep anybody from locking. What a longer line left
	 * behind the newline is nobody's business; to truncate first costs ext4 a flush. */
	(void)!pwrite(fd, line, n < 0 ? 0 : strnlen(line, sizeof(line)), 0);
	*ret = TAKE_FD(fd);
	return 0;
}

void lock_holder(int dirfd, const char *path, char *ret, size_t size)
{
	CLEANUP(close_p) int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	ret[0] = '\0';
	if (fd < 0)
		return;
	n = io_read_all(fd, ret, size - 1);
	ret[n < 0 ? 0 : n] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
}
