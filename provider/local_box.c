/* provider/local_box.c - ids, records and the question who is alive.
 *
 * Ids come from the kernel's random numbers: who can guess one can ask for its preview. Records are JSON in
 * files only their owner can read, since an environment may hold secrets.
 *
 * As root every sandbox gets a uid of its own, from a range that nothing else uses (or, in a
 * container with fewer uids, from the upper half of what there is), so that sandboxes cannot touch one another
 * even where their walls fail.
 */
#include "provider/local_box.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/log.h"

enum { RECORD_MAX = 1 << 20, STAT_MAX = 4096 };

DEFINE_CLEANUP(struct json *, json_free)

bool box_is_id(const char *id)
{
	size_t len = strlen(id);

	return len == BOX_ID_LEN && strspn(id, "0123456789abcdef") == len;
}

char *box_path(const char *id, const char *rest, char ret[BOX_PATH_MAX])
{
	(void)snprintf(ret, BOX_PATH_MAX, "%s/%s", id, rest);
	return ret;
}

static int random_bytes(void *data, size_t len)
{
	return getrandom(data, len, 0) == (ssize_t)len ? 0 : fail(-EIO, "random numbers");
}

static int new_id(char ret[PROVIDER_ID_MAX])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[BOX_ID_LEN];
	int r = random_bytes(raw, sizeof(raw));

	if (r)
		return r;
	for (size_t i = 0; i < BOX_ID_LEN; i++)
		ret[i] = digits[raw[i] & 15];
	ret[BOX_ID_LEN] = '\0';
	return 0;
}

/* How many uids from 0 up there are here. */
static uint64_t uids_here(void)
{
	CLEANUP(fclosep) FILE *f = fopen("/proc/self/uid_map", "re");
	uint64_t from = 1, to, n = 0;

	if (!f || fscanf(f, "%" SCNu64 " %" SCNu64 " %" SCNu64, &from, &to, &n) != 3 || from)
		return 1ULL << 32;
	return n;
}

static int pick_uid(uid_t *ret)
{
	uint64_t n = uids_here(), from = 0x70000000, count = 0x0fffffff;
	uint32_t r32;
	int r;

	*ret = 0;
	if (geteuid())
		return 0;
	r = random_bytes(&r32, sizeof(r32));
	if (r)
		return r;
	if (n < from + count) {
		from = n / 2;
		count = n / 2;
	}
	if (from < 2)
		return fail(-EPERM,
			    "there is no uid a sandbox could have: "
			    "this root has only %" PRIu64,
			    n);
	*ret = (uid_t)(from + r32 % count);
	return 0;
}

static void write_record(const struct box *b, struct json_out *o)
{
	json_begin(o, '{');
	json_str_field(o, "label", b->label);
	json_key_out(o, "labels");
	json_begin(o, '[');
	for (const char *l = b->labels; *l; l += strlen(l) + 1)
		json_put_str(o, l);
	json_end(o, ']');
	json_int_field(o, "created", b->created);
	json_int_field(o, "uid", b->uid);
	json_bool_field(o, "network", b->network);
	json_int_field(o, "memory_bytes", (int64_t)b->memory_bytes);
	json_int_field(o, "disk_bytes", (int64_t)b->disk_bytes);
	json_int_field(o, "processes", b->processes);
	json_key_out(o, "env");
	json_begin(o, '[');
	for (char **e = b->env; e && *e; e++)
		json_put_str(o, *e);
	json_end(o, ']');
	json_end(o, '}');
}

static int write_json(int dir_fd, const char *path, const struct buf *b)
{
	return io_replace(dir_fd, path, b->data, b->len, 0600);
}

static int make_dirs(int dir_fd, const struct box *b)
{
	char path[BOX_PATH_MAX];
	int r = io_mkdir(dir_fd, b->id, 0700);

	if (!r)
		r = io_mkdir(dir_fd, box_path(b->id, "run", path), 0700);
	if (!r)
		r = io_mkdir(dir_fd, box_path(b->id, "home", path), 0700);
	if (r || !b->uid)
		return r;
	if (fchownat(dir_fd, path, b->uid, b->uid, AT_SYMLINK_NOFOLLOW))
		return fail(-errno, "give '%s' to uid %u", path, b->uid);
	return 0;
}

static char **copy_env(const char *const *env)
{
	size_t n = 0;
	char **copy;

	while (env && env[n] && n < BOX_ENV_MAX)
		n++;
	copy = alloc_array(n + 1, sizeof(*copy));
	for (size_t i = 0; i < n; i++)
		copy[i] = alloc_str(env[i]);
	return copy;
}

int box_make(int dir_fd, const struct provider_spec *spec, int64_t now, struct box *ret)
{
	char path[BOX_PATH_MAX];
	struct json_out o;
	struct buf text;
	struct box b = {
		.created = now,
		.network = spec->allow_network,
		.memory_bytes = spec->memory_bytes,
		.disk_bytes = spec->disk_bytes,
		.processes = spec->max_processes,
	};
	struct provider_sandbox as = {0};
	int r = new_id(b.id);

	if (!r)
		r = pick_uid(&b.uid);
	if (r)
		return r;
	if (!provider_labels_set(&as, spec->labels))
		return BOX_REFUSED;
	memcpy(b.labels, as.labels, sizeof(b.labels));
	(void)snprintf(b.label, sizeof(b.label), "%s", spec->label ? spec->label : "");
	b.env = copy_env(spec->env);
	buf_init(&text, RECORD_MAX);
	json_out_buf(&o, &text);
	write_record(&b, &o);
	r = json_out_end(&o);
	if (r)
		r = fail(r, "write the record of a sandbox");
	if (!r)
		r = make_dirs(dir_fd, &b);
	if (!r)
		r = write_json(dir_fd, box_path(b.id, "meta.json", path), &text);
	buf_deinit(&text);
	if (r) {
		(void)io_remove_tree(dir_fd, b.id);
		box_deinit(&b);
		return r;
	}
	*ret = b;
	return 0;
}

void box_deinit(struct box *b)
{
	for (char **e = b->env; e && *e; e++)
		free(*e);
	free(b->env);
	b->env = NULL;
}

/* Reads "<id>/<rest>" as one JSON object. 0, BOX_GONE, BOX_BROKEN or a fault. */
static int read_json(int dir_fd, const char *path, struct json **ret)
{
	char why[200];
	struct buf text;
	int r;

	buf_init(&text, RECORD_MAX);
	r = io_slurp(dir_fd, path, &text);
	if (r == IO_MISSING)
		r = BOX_GONE;
	else if (!r && json_parse(text.data, text.len, ret, why, sizeof(why))) {
		log_warn("sandbox: the record '%s' does not read: %s, ignoring", path, why);
		r = BOX_BROKEN;
	}
	buf_deinit(&text);
	return r;
}

static void read_env(const struct json *doc, struct box *b)
{
	const struct json *list = NULL;
	size_t n = 0;

	(void)json_get(doc, "env", &list);
	if (!list || !json_is_array(list))
		return;
	b->env = alloc_array(json_count(list) + 1, sizeof(*b->env));
	for (const struct json *e = json_first(list); e; e = json_next(e))
		if (json_str(e))
			b->env[n++] = alloc_str(json_str(e));
}

static void read_labels(const struct json *doc, struct box *b)
{
	const struct json *list = NULL;
	size_t at = 0;

	(void)json_get(doc, "labels", &list);
	if (!list || !json_is_array(list))
		return;
	for (const struct json *e = json_first(list); e; e = json_next(e)) {
		const char *text = json_str(e);
		size_t len = text ? strlen(text) + 1 : 0;

		if (len < 2 || len + 1 > sizeof(b->labels) - at)
			continue;
		memcpy(b->labels + at, text, len);
		at += len;
	}
	b->labels[at] = '\0';
}

static int64_t get_int(const struct json *doc, const char *key)
{
	int64_t v = 0;

	return json_get_int(doc, key, &v) || v < 0 ? 0 : v;
}

int box_read(int dir_fd, const char *id, struct box *ret)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	const char *label = "";
	char path[BOX_PATH_MAX];
	struct box b = {0};
	int r = box_is_id(id) ? 0 : BOX_GONE;

	if (!r)
		r = read_json(dir_fd, box_path(id, "meta.json", path), &doc);
	if (r)
		return r;
	(void)snprintf(b.id, sizeof(b.id), "%s", id);
	(void)json_get_str(doc, "label", &label);
	(void)snprintf(b.label, sizeof(b.label), "%s", label);
	b.created = get_int(doc, "created");
	b.uid = (uid_t)get_int(doc, "uid");
	(void)json_get_bool(doc, "network", &b.network);
	b.memory_bytes = (uint64_t)get_int(doc, "memory_bytes");
	b.disk_bytes = (uint64_t)get_int(doc, "disk_bytes");
	b.processes = (uint32_t)get_int(doc, "processes");
	read_labels(doc, &b);
	read_env(doc, &b);
	*ret = b;
	return 0;
}

int box_lock(int dir_fd, const char *id, int *ret)
{
	char path[BOX_PATH_MAX];
	struct stat st;
	int r;

	if (!box_is_id(id) ||
	    fstatat(dir_fd, box_path(id, "meta.json", path), &st, AT_SYMLINK_NOFOLLOW))
		return BOX_GONE;
	r = lock_take(dir_fd, box_path(id, "run/lock", path), "sandbox", false, ret);
	return r == LOCK_HELD ? BOX_HELD : r;
}

static void boot_id(char ret[BOX_BOOT_MAX])
{
	CLEANUP(close_p) int fd = -1;
	ssize_t n;

	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : io_read_all(fd, ret, BOX_BOOT_MAX - 1);
	ret[n > 0 ? n : 0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
}

/* Field 22 of stat, counted from the closing bracket of the name. 0 when there is no such process. */
static uint64_t start_of(pid_t pid)
{
	char path[64], text[STAT_MAX], state;
	CLEANUP(close_p) int fd = -1;
	uint64_t start = 0;
	char *p;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : io_read_all(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	p = strrchr(text, ')');
	if (!p || sscanf(p + 1,
			 " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			 "%*s %*s %*s %" SCNu64,
			 &state, &start) != 2)
		return 0;
	return state == 'Z' || state == 'X' ? 0 : start;
}

int box_note_process(int dir_fd, const char *id, const char *name, pid_t pid, int64_t number)
{
	char path[BOX_PATH_MAX], rest[BOX_PATH_MAX / 2], boot[BOX_BOOT_MAX];
	uint64_t start = start_of(pid);
	struct json_out o;
	struct buf text;
	int r;

	if (!start)
		return BOX_DEAD;
	boot_id(boot);
	buf_init(&text, RECORD_MAX);
	json_out_buf(&o, &text);
	json_begin(&o, '{');
	json_int_field(&o, "pid", pid);
	json_int_field(&o, "start", (int64_t)start);
	json_str_field(&o, "boot", boot);
	json_int_field(&o, "number", number);
	json_end(&o, '}');
	r = json_out_end(&o);
	(void)snprintf(rest, sizeof(rest), "run/%s", name);
	if (!r)
		r = write_json(dir_fd, box_path(id, rest, path), &text);
	buf_deinit(&text);
	return r;
}

int box_find_process(int dir_fd, const char *id, const char *name, struct box_process *ret,
		     int64_t *number)
{
	char path[BOX_PATH_MAX], rest[BOX_PATH_MAX / 2], boot[BOX_BOOT_MAX];
	CLEANUP(json_freep) struct json *doc = NULL;
	const char *of = "";
	int r;

	(void)snprintf(rest, sizeof(rest), "run/%s", name);
	r = read_json(dir_fd, box_path(id, rest, path), &doc);
	if (r)
		return r < 0 ? r : BOX_DEAD;
	ret->pid = (pid_t)get_int(doc, "pid");
	ret->start = (uint64_t)get_int(doc, "start");
	(void)json_get_str(doc, "boot", &of);
	(void)snprintf(ret->boot, sizeof(ret->boot), "%s", of);
	if (number)
		*number = get_int(doc, "number");
	boot_id(boot);
	if (ret->pid < 2 || strcmp(boot, ret->boot) != 0 || start_of(ret->pid) != ret->start)
		return BOX_DEAD;
	return 0;
}

void box_forget_process(int dir_fd, const char *id, const char *name)
{
	char path[BOX_PATH_MAX], rest[BOX_PATH_MAX / 2];

	(void)snprintf(rest, sizeof(rest), "run/%s", name);
	(void)unlinkat(dir_fd, box_path(id, rest, path), 0);
}

int box_open_process(const struct box_process *p)
{
	long fd = syscall(SYS_pidfd_open, p->pid, 0);

	if (fd < 0)
		return -errno;
	/* The pid may have changed hands before we held it, but not since. */
	if (start_of(p->pid) == p->start)
		return (int)fd;
	close((int)fd);
	return -ESRCH;
}

bool box_runs(int dir_fd, const char *id)
{
	struct box_process p;

	return box_find_process(dir_fd, id, "agent.json", &p, NULL) == 0;
}
