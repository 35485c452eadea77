/* fs/dates_place.c - by-date/<day>/<time>-<hash>: links to the fragments, by the clock. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/app.h"
#include "fs/dates.h"
#include "fs/dirbuf.h"
#include "fs/fs_private.h"
#include "fs/place.h"
#include "fs/tree_place.h"
#include "store/fragment.h"

enum { HASH_AT = 7, HASH_LEN = 12, BATCH = 64 };

/* The project, with its days up to date. */
static int use(struct fs *fs, struct app *app, struct project **ret)
{
	int r = app_use(fs, app, ret);

	if (!r)
		r = dates_update(&app->dates, *ret);
	return r > 0 ? -EIO : r;
}

static int find_day(struct fs *fs, struct node *dir, const char *name, struct found *ret)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	int64_t day = dates_day_parse(name);
	struct node want;
	int r;

	if (day < 0)
		return PLACE_NO_ENTRY;
	r = use(fs, dir->app, &p);
	if (r)
		return r;
	if (dates_next(&dir->app->dates, (uint32_t)day) != day)
		return PLACE_NO_ENTRY;
	want = place_subdir(fs, dir, name, PLACE_DAY);
	want.seq = (uint32_t)day;
	ret->node = place_node(fs, &want);
	ret->entry_ttl = PLACE_ALWAYS;
	return 0;
}

static int list_days(struct fs *fs, struct node *dir, uint64_t from, struct dirbuf *out)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	int r = use(fs, dir->app, &p);
	char name[DATES_TEXT_MAX];

	if (r || from > DATES_DAY_MAX)
		return r;
	for (uint32_t day = (uint32_t)from;; day++) {
		struct ident id;

		day = dates_next(&dir->app->dates, day);
		if (day > DATES_DAY_MAX)
			return 0;
		dates_day_text(day, name);
		id = ident_child(&fs->secret, &dir->ident, name, strlen(name));
		if (!dirbuf_add(out, name, id.ino, S_IFDIR, day + 1))
			return 0;
	}
}

static bool parse_hash(const char *name, uint64_t *ret)
{
	if (strlen(name) != HASH_AT + HASH_LEN)
		return false;
	*ret = 0;
	for (const char *c = name + HASH_AT; *c; c++) {
		const char *digits = "0123456789abcdef", *d = strchr(digits, *c);

		if (!d)
			return false;
		*ret = *ret << 4 | (uint64_t)(d - digits);
	}
	return true;
}

static int find_time(struct fs *fs, struct node *dir, const char *name, struct found *ret)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	char exact[DATES_NAME_MAX];
	struct fragment f;
	uint64_t prefix;
	struct node want;
	uint32_t seq;
	int r;

	if (!parse_hash(name, &prefix))
		return PLACE_NO_ENTRY;
	r = use(fs, dir->app, &p);
	if (r)
		return r;
	seq = dates_find(&dir->app->dates, dir->seq, prefix);
	r = seq ? fragment_get(p, seq, &f) : FRAGMENT_MISSING;
	if (r)
		return r < 0 ? r : PLACE_NO_ENTRY;
	dates_name(&f, exact);
	if (strcmp(name, exact) != 0)
		return PLACE_NO_ENTRY;
	want = place_pointer(fs, dir, &f);
	ret->node = place_node(fs, &want);
	ret->entry_ttl = PLACE_ALWAYS;
	return 0;
}

/* False when the answer is full. */
static bool list_link(struct fs *fs, struct node *dir, const struct fragment *f,
		      struct dirbuf *out)
{
	char name[DATES_NAME_MAX];
	struct node want = place_pointer(fs, dir, f);
	bool more;

	dates_name(f, name);
	more = dirbuf_add(out, name, want.ident.ino, S_IFLNK, f->seq);
	place_release(&want);
	return more;
}

static int list_times(struct fs *fs, struct node *dir, uint64_t from, struct dirbuf *out)
{
	CLEANUP(project_unrefp) struct project *p = NULL;
	struct date batch[BATCH];
	int r = use(fs, dir->app, &p);
	size_t n;

	if (r || from >= UINT32_MAX)
		return r;
	while ((n = dates_of(&dir->app->dates, dir->seq, (uint32_t)from, batch, BATCH))) {
		for (size_t i = 0; i < n; i++) {
			struct fragment f;

			r = fragment_get(p, batch[i].seq, &f);
			if (r < 0)
				return r;
			if (!r && !list_link(fs, dir, &f, out))
				return 0;
		}
		from = batch[n - 1].seq;
	}
	return 0;
}

const struct place_ops place_dates = {
	.lookup = find_day,
	.list = list_days,
};

const struct place_ops place_day = {
	.lookup = find_time,
	.list = list_times,
};
