/* provider/agent/descriptors.c - close_range, or a loop where the kernel is too old for it.
 */
#include "provider/agent/descriptors.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LOOP_MAX = 4096 };

void descriptors_close_from(int first)
{
	if (!syscall(SYS_close_range, first, ~0U, 0))
		return;
	for (int fd = first; fd < LOOP_MAX; fd++)
		(void)close(fd);
}

int descriptors_keep_two(int a, int b, int first)
{
	if ((a != first && dup2(a, first) < 0) || (b != first + 1 && dup2(b, first + 1) < 0))
		return -errno;
	descriptors_close_from(first + 2);
	return first;
}
