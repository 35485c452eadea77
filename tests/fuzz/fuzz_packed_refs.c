/* Any bytes as git's packed-refs: read without harm, and nothing of the skipped prefix is shown. */
#include <assert.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "store/packed_refs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count(const struct packed_ref *ref, void *arg)
{
	assert(*ref->name && !strchr(ref->name, '\n'));
	++*(size_t *)arg;
	return 0;
}

static int count_others(const struct packed_ref *ref, void *arg)
{
	assert(strncmp(ref->name, "refs/fragments/", strlen("refs/fragments/")) != 0);
	return count(ref, arg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char dir[] = "/tmp/frag-fuzz-XXXXXX";
	int fd, file;
	size_t all = 0, others = 0;

	log_open(-1, LOG_LEVEL_ERR, false);
	if (!mkdtemp(dir))
		return 0;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	file = openat(fd, "packed-refs", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (!io_write_all(file, data, size)) {
		(void)packed_refs_each(fd, count, &all);
		(void)packed_refs_each_but(fd, "refs/fragments/", count_others, &others);
	}
	close(file);
	(void)unlinkat(fd, "packed-refs", 0);
	close(fd);
	(void)rmdir(dir);
	return 0;
}
