/* A fuzz target as an ordinary test: the corpus, and what lies near it.
 *
 * Every file of the directories named is run as it is, cut short at every length, and with each
 * bit of its first bytes flipped, so that a decoder meets thousands of almost-right records in
 * each `make test`. What it must not do is crash, hang or trip a sanitizer; the target itself
 * checks what it decoded. Corpus files are small; larger ones are run once.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"

enum { FILE_LIMIT = 16 << 20, NEAR_MAX = 2048 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of its own per run, so that a sanitizer sees the first byte read past the end. */
static void run_copy(const char *data, size_t len)
{
	CLEANUP(free_p) uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	if (len)
		memcpy(copy, data, len);
	(void)LLVMFuzzerTestOneInput(copy, len);
}

static unsigned run_near(char *data, size_t len)
{
	unsigned n = 1;

	run_copy(data, len);
	if (len > NEAR_MAX)
		return n;
	for (size_t cut = 0; cut < len; cut++, n++)
		run_copy(data, cut);
	for (size_t bit = 0; bit < len * 8; bit++, n++) {
		data[bit / 8] ^= (char)(1 << bit % 8);
		run_copy(data, len);
		data[bit / 8] ^= (char)(1 << bit % 8);
	}
	return n;
}

static int run_dir(const char *path, unsigned *n_files, unsigned *n_runs)
{
	CLEANUP(closedirp) DIR *dir = opendir(path);
	struct dirent *e;

	if (!dir) {
		(void)fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
		return 1;
	}
	while ((e = readdir(dir))) {
		CLEANUP(buf_deinit) struct buf b = {0};

		if (e->d_name[0] == '.')
			continue;
		buf_init(&b, FILE_LIMIT);
		if (io_slurp(dirfd(dir), e->d_name, &b))
			return 1;
		(void)printf("%s\n", e->d_name);
		(void)fflush(stdout);
		*n_runs += run_near(b.data, b.len);
		++*n_files;
	}
	return 0;
}

int main(int argc, char **argv)
{
	unsigned n_files = 0, n_runs = 0;

	log_open(-1, LOG_LEVEL_ERR, false);
	for (int i = 1; i < argc; i++) {
		if (run_dir(argv[i], &n_files, &n_runs))
			return 1;
	}
	(void)printf("%u files, %u inputs\n", n_files, n_runs);
	return n_files == 0; /* a corpus that is gone proves nothing */
}
