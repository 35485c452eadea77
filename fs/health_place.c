/* fs/health_place.c - .frag/ of the mount: is it well, and what was asked of it.
 *
 * Reading stats.json costs requests itself: two look-ups and a read.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "fs/control.h"
#include "fs/dirbuf.h"
#include "fs/fs_private.h"
#include "fs/place.h"
#include "store/project.h"
#include "store/store.h"

enum { TEXT_MAX = 64 << 10 };

static int count(const char *name, void *arg)
{
	++*(uint64_t *)arg;
	return 0;
}

static int write_status(struct fs *fs, struct json_out *o)
{
	uint64_t n = 0;
	int r = project_each(fs->store, count, &n);

	json_str_field(o, "home", store_home(fs->store));
	json_str_field(o, "mount", fs->mountpoint);
	json_int_field(o, "pid", getpid());
	json_int_field(o, "started", fs->started);
	json_int_field(o, "projects", (int64_t)n);
	return r;
}

static int write_stats(struct fs *fs, struct json_out *o)
{
	struct node_stats nodes = node_stats(fs->nodes);
	struct fs_counter counters[TALLY_OPS];
	unsigned n;

	json_int_field(o, "requests", (int64_t)fs_requests(fs, counters, TALLY_OPS, &n));
	json_key_out(o, "by_kind");
	json_begin(o, '{');
	for (unsigned i = 0; i < n; i++)
		json_int_field(o, counters[i].name, (int64_t)counters[i].n);
	json_end(o, '}');
	json_int_field(o, "nodes", (int64_t)nodes.n_nodes);
	json_int_field(o, "node_bytes", (int64_t)nodes.bytes);
	return 0;
}

struct text {
	const char *name;
	int (*write)(struct fs *fs, struct json_out *o);
};

static const struct text texts[] = {
	{"status.json", write_status},
	{"stats.json", write_stats},
};

enum { N_TEXTS = sizeof(texts) / sizeof(texts[0]) };

static int lookup(struct fs *fs, struct node *dir, const char *name, struct found *ret)
{
	CLEANUP(buf_deinit) struct buf b;
	struct json_out o;
	size_t i = 0;
	int r;

	buf_init(&b, TEXT_MAX);
	while (i < N_TEXTS && strcmp(texts[i].name, name) != 0)
		i++;
	if (i == N_TEXTS)
		return PLACE_NO_ENTRY;
	json_out_buf(&o, &b);
	json_begin(&o, '{');
	r = texts[i].write(fs, &o);
	json_end(&o, '}');
	if (!r)
		r = json_out_end(&o);
	if (!r)
		control_show(fs, dir, name, &b, ret);
	return r;
}

static int list(struct fs *fs, struct node *dir, uint64_t from, struct dirbuf *out)
{
	for (uint64_t i = from; i < N_TEXTS; i++) {
		struct ident id = ident_child(&fs->secret, &dir->ident, texts[i].name,
					      strlen(texts[i].name));

		if (!dirbuf_add(out, texts[i].name, id.ino, S_IFREG, i + 1))
			break;
	}
	return 0;
}

const struct place_ops place_health = {
	.lookup = lookup,
	.list = list,
};
