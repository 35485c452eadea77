/* The number that a project is known by, planted in its repository's config.
 *
 * With it goes that pushes may move a branch that a work tree stands on: git would refuse them, not knowing that work trees
 * follow. The config is changed as git changes it: written whole to config.lock, which must not exist,
 * synced, renamed. Our lines are appended; in git's syntax the last value of a key
 * counts, so a copied repository is given its own id without touching what stands there.
 *
 * Who has an id is asked of the index: its record names the project. If that project is still
 * there with the same id, the one at hand is a copy.
 */
#include "store/project_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "store/index.h"
#include "store/index_format.h"
#include "store/project_record.h"
#include "store/store_private.h"

enum { CONFIG_MAX = 1 << 20 };

uint64_t project_id_new(void)
{
	uint64_t id = 0;

	/* Fails only before the machine's pool is filled, which blocks instead. */
	while (!id) {
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			id = 0;
	}
	return id;
}

static uint64_t parse_id(const char *s)
{
	uint64_t id = 0;
	size_t n = 0;

	for (; s[n]; n++) {
		const char *digits = "0123456789abcdef", *at = strchr(digits, s[n]);

		if (!at || n >= 16)
			return 0;
		id = id << 4 | (uint64_t)(at - digits);
	}
	return n == 16 ? id : 0;
}

int project_id_read(struct store *st, const char *dir, uint64_t *ret)
{
	CLEANUP(git_config_freep) git_config *config = NULL;
	CLEANUP(free_p) char *path = alloc_fmt("%s/projects/%s/config", st->home, dir);
	git_buf value = {0};
	int r = git_config_open_ondisk(&config, path);

	if (r)
		return fail_git(r, "read '%s'", path);
	r = git_config_get_string_buf(&value, config, "fragfs.id");
	*ret = r ? 0 : parse_id(value.ptr);
	git_buf_dispose(&value);
	return r && r != GIT_ENOTFOUND ? fail_git(r, "read fragfs.id of '%s'", path) : 0;
}

static int write_config(int dir_fd, const struct buf *text)
{
	CLEANUP(close_p)
	int fd = openat(dir_fd, "config.lock", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int r;

	if (fd < 0 && errno == EEXIST)
		return fail(-EEXIST, "change the config of a project: git is changing it, or a "
				     "killed git left 'config.lock': remove it");
	if (fd < 0)
		return fail(-errno, "create 'config.lock'");
	r = io_write_all(fd, text->data, text->len);
	if (!r && fsync(fd))
		r = -errno;
	if (!r && renameat(dir_fd, "config.lock", dir_fd, "config"))
		r = -errno;
	if (r) {
		(void)unlinkat(dir_fd, "config.lock", 0);
		return fail(r, "write the config of a project");
	}
	return io_sync_dir(dir_fd, ".");
}

static int plant(int dir_fd, uint64_t id)
{
	CLEANUP(buf_deinit) struct buf text;
	int r;

	buf_init(&text, CONFIG_MAX);
	r = io_slurp(dir_fd, "config", &text);
	if (r < 0)
		return r;
	if (text.len && text.data[text.len - 1] != '\n')
		r = buf_str(&text, "\n");
	else
		r = 0;
	if (!r)
		r = buf_fmt(&text,
			    "[fragfs]\n\tid = %016" PRIx64
			    "\n[receive]\n\tdenyCurrentBranch = ignore\n",
			    id);
	return r ? fail(r, "extend the config of a project") : write_config(dir_fd, &text);
}

/* True when the index gives `id` to another project that still has it. */
static bool taken(struct store *st, const char *name, uint64_t id)
{
	struct project_record rec;
	char dir[PROJECT_DIR_NAME_MAX];
	struct stat sb;
	uint64_t other = 0;

	if (project_record_read(st->index, id, &rec) || !strcmp(rec.name, name))
		return false;
	project_dir_name(rec.name, dir);
	if (fstatat(st->projects_fd, dir, &sb, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(sb.st_mode))
		return false;
	return !project_id_read(st, dir, &other) && other == id;
}

/* The name is bound to the id at once, so that of two copies the first stays what it is. */
static int bind(struct store *st, const char *name, uint64_t id)
{
	struct project_record rec = {0};
	int r = project_record_read(st->index, id, &rec);

	if (r < 0)
		return r;
	if (!r && !strcmp(rec.name, name))
		return 0;
	(void)snprintf(rec.name, sizeof(rec.name), "%s", name);
	return project_record_write(st->index, id, &rec);
}

int project_id_settle(struct store *st, const char *name, int dir_fd, uint64_t *ret)
{
	char dir[PROJECT_DIR_NAME_MAX];
	uint64_t id;
	int r = project_id_read(st, project_dir_name(name, dir), &id);

	if (r)
		return r;
	if (id && taken(st, name, id)) {
		log_info("project '%s' is a copy, giving it an id of its own", name);
		id = 0;
	}
	if (!id) {
		id = project_id_new();
		r = plant(dir_fd, id);
	}
	if (!r)
		r = bind(st, name, id);
	if (r)
		return r;
	*ret = id;
	return 0;
}
