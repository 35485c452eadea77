/* LD_PRELOAD=nosync.so - a machine on which every sync is a lie.
 *
 * The negative control of the power cuts: with it the very same work must lose acknowledged
 * changes, or the harness would prove nothing.
 */
#include <stddef.h>
#include <sys/types.h>

#define LIE __attribute__((visibility("default")))

int fsync(int fd);
int fdatasync(int fd);
int msync(void *at, size_t len, int flags);
int sync_file_range(int fd, off_t off, off_t len, unsigned flags);
int syncfs(int fd);
void sync(void);

LIE int fsync(int fd)
{
	return 0;
}

LIE int fdatasync(int fd)
{
	return 0;
}

LIE int msync(void *at, size_t len, int flags)
{
	return 0;
}

LIE int sync_file_range(int fd, off_t off, off_t len, unsigned flags)
{
	return 0;
}

LIE int syncfs(int fd)
{
	return 0;
}

LIE void sync(void)
{
}
