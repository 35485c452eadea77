/* tests/scratch.h - a place of one's own for a test, and the count of what it left open.
 *
 *	static int setup(void **state) { return scratch_setup(state); }
 *
 * cmocka fixtures that need nothing but a directory use these two as they are.
 */
#pragma once

struct scratch {
	char path[256]; /* absolute, under $TMPDIR or /tmp; gone after scratch_deinit() */
	int fd;         /* the directory */
	int n_open; /* descriptors that were open when it was made; INT_MAX: not looked at */
};

void scratch_init(struct scratch *s);

/* Removes the directory; fails the test when more descriptors are open than at first. */
void scratch_deinit(struct scratch *s);

/* The same as cmocka's fixtures; `*state` becomes a struct scratch. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/* Open descriptors of this process. */
int scratch_open_fds(void);

/* Writes a small file below the directory, and reads one back (static buffer, NUL-terminated). */
void scratch_write(const struct scratch *s, const char *path, const char *text);
const char *scratch_read(const struct scratch *s, const char *path);
