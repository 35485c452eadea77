/* provider/agent/site.c - opening a sandbox's directories, and what the last agent left in them.
 *
 *	ledger says           then
 *	nothing applied yet   the manifest is empty, whatever stands in the project
 *	it does not check     list what is there and adopt that
 *	ends in an intent     sweep it to its end, note what became of it
 *	otherwise             it is as it says
 *
 * Only one agent works in a place: the lock dies with its holder.
 */
#include "provider/agent/site.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "provider/agent/beneath.h"
#include "provider/agent/survey.h"
#include "provider/agent/sweep.h"

static int open_dir(int at, const char *name, mode_t mode, int *ret, struct refusal *why)
{
	if (mkdirat(at, name, mode) && errno != EEXIST)
		return refuse_io(why, errno, "make the directory '%s'", name);
	*ret = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret < 0 ? refuse_io(why, errno, "open the directory '%s'", name) : 0;
}

static int open_dirs(struct site *p, const char *home, const char *root, struct refusal *why)
{
	int r;

	p->home = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->home < 0)
		return refuse_io(why, errno, "open '%s'", home);
	r = open_dir(p->home, root, 0755, &p->root, why);
	if (!r)
		r = open_dir(p->home, ".frag", 0700, &p->frag, why);
	if (!r)
		r = open_dir(p->frag, "stage", 0700, &p->stage, why);
	if (r)
		return r;
	p->lock = openat(p->frag, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (p->lock < 0)
		return refuse_io(why, errno, "open the lock");
	if (flock(p->lock, LOCK_EX | LOCK_NB))
		return refuse(why, WIRE_E_BUSY, "another agent works in '%s'", home);
	return 0;
}

static void read_epoch(struct site *p)
{
	CLEANUP(close_p) int fd = openat(p->frag, "epoch", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	p->has_epoch = fd >= 0 && read(fd, p->epoch, sizeof(p->epoch)) == sizeof(p->epoch);
	if (!p->has_epoch)
		memset(p->epoch, 0, sizeof(p->epoch));
}

/* Removes staging directories of the past. */
static void sweep_stage(struct site *p)
{
	if (!beneath_wipe(p->frag, "stage") && !mkdirat(p->frag, "stage", 0700)) {
		close_p(&p->stage);
		p->stage = openat(p->frag, "stage",
				  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
}

static int list_anew(struct site *p, struct refusal *why)
{
	struct survey s;
	int r = survey_take(p, true, &s, why);

	if (!r)
		r = site_adopt(p, &s.now, why);
	survey_deinit(&s);
	return r;
}

static int finish_cut(struct site *p, struct apply *cut, struct refusal *why)
{
	char name[SLOT_MAX];
	int r;

	cut->n_expected = (uint32_t)cut->n;
	cut->dir = openat(p->stage, apply_slot(cut->number, name),
			  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	cut->stage_root = p->stage;
	if (cut->dir < 0)
		return list_anew(p, why);
	r = sweep_resume(p, cut, why);
	return r ? list_anew(p, why) : 0;
}

static int recover(struct site *p, struct refusal *why)
{
	struct apply cut;
	int r = ledger_open(&p->ledger, p->frag, &p->current, &cut);

	if (r == LEDGER_BROKEN)
		r = list_anew(p, why);
	else if (r == LEDGER_EMPTY)
		r = 0;
	else if (r < 0)
		r = refuse_io(why, r, "read the manifest");
	if (!r && !manifest_tree(&p->current, &p->tree))
		r = list_anew(p, why);
	if (!r && cut.n)
		r = finish_cut(p, &cut, why);
	apply_deinit(&cut);
	sweep_stage(p);
	return r;
}

int site_open(struct site *p, const char *home, const char *root, struct refusal *why)
{
	int r;

	p->home = p->root = p->frag = p->stage = p->lock = p->cache.dir = -1;
	p->ledger.journal = -1;
	p->current = (struct manifest){0};
	p->next_stage = 0;
	if (snprintf(p->root_path, sizeof(p->root_path), "%s/%s", home, root) >=
	    (int)sizeof(p->root_path))
		return refuse(why, WIRE_E_IO, "'%s' is too long", home);
	p->root_name = p->root_path + strlen(home) + 1;
	r = open_dirs(p, home, root, why);
	if (r)
		return r;
	read_epoch(p);
	r = objcache_open(&p->cache, p->frag);
	if (r)
		return refuse_io(why, r, "open the object cache");
	return recover(p, why);
}

void site_close(struct site *p)
{
	ledger_close(&p->ledger);
	objcache_close(&p->cache);
	manifest_deinit(&p->current);
	close_p(&p->stage);
	close_p(&p->frag);
	close_p(&p->root);
	close_p(&p->home);
	close_p(&p->lock);
}

int site_refresh(struct site *p, struct refusal *why)
{
	struct stat named, held;

	if (!fstatat(p->home, p->root_name, &named, AT_SYMLINK_NOFOLLOW) &&
	    !fstat(p->root, &held) && named.st_ino == held.st_ino &&
	    named.st_dev == held.st_dev)
		return 0;
	close_p(&p->root);
	return open_dir(p->home, p->root_name, 0755, &p->root, why);
}

int site_plant(struct site *p, const unsigned char epoch[16], struct refusal *why)
{
	CLEANUP(close_p) int fd = -1;

	if (p->has_epoch && !memcmp(p->epoch, epoch, sizeof(p->epoch)))
		return 0;
	if (p->has_epoch)
		return refuse(why, WIRE_E_MOVED, "another epoch is planted here");
	fd = openat(p->frag, "epoch.new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0 || write(fd, epoch, 16) != 16 || fsync(fd) ||
	    renameat(p->frag, "epoch.new", p->frag, "epoch"))
		return refuse_io(why, errno, "plant the epoch");
	memcpy(p->epoch, epoch, sizeof(p->epoch));
	p->has_epoch = true;
	return 0;
}

int site_adopt(struct site *p, struct manifest *m, struct refusal *why)
{
	struct oid tree;
	int r;

	if (!manifest_tree(m, &tree))
		return refuse(why, WIRE_E_IO, "what is there makes no tree");
	r = ledger_rewrite(&p->ledger, m);
	if (r)
		return refuse_io(why, r, "write the manifest");
	manifest_deinit(&p->current);
	p->current = *m;
	p->tree = tree;
	*m = (struct manifest){0};
	return 0;
}
