/* fs/setattr.c - mode, owner, size and times.
 *
 * Whether the caller may is settled by the kernel. What it leaves to us is dropping the set-id bits of a file that is
 * written to, cut or given away (fs/init_reply.c says why): by chown whoever asks, else when it is not
 * root. A mount is nosuid in any case; the bits are kept right for whoever copies the file elsewhere.
 */
#include <errno.h>
#include <sys/stat.h>

#include "fs/door.h"
#include "fs/work_place.h"

static unsigned to_work_set(int set)
{
	static const struct {
		int fuse;
		unsigned work;
	} table[] = {
		{FUSE_SET_ATTR_MODE, WORK_SET_MODE},
		{FUSE_SET_ATTR_UID, WORK_SET_UID},
		{FUSE_SET_ATTR_GID, WORK_SET_GID},
		{FUSE_SET_ATTR_SIZE, WORK_SET_SIZE},
		{FUSE_SET_ATTR_ATIME, WORK_SET_ATIME},
		{FUSE_SET_ATTR_MTIME, WORK_SET_MTIME},
		{FUSE_SET_ATTR_ATIME_NOW, WORK_SET_ATIME_NOW},
		{FUSE_SET_ATTR_MTIME_NOW, WORK_SET_MTIME_NOW},
	};
	unsigned ret = 0;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		ret |= set & table[i].fuse ? table[i].work : 0;
	/* "Now" comes along with the bit for a given time. */
	if (ret & WORK_SET_ATIME_NOW)
		ret &= ~(unsigned)WORK_SET_ATIME;
	if (ret & WORK_SET_MTIME_NOW)
		ret &= ~(unsigned)WORK_SET_MTIME;
	return ret;
}

static bool drops_set_id(fuse_req_t req, const struct node *n, int set)
{
	if (S_ISDIR(n->mode) || S_ISLNK(n->mode) || set & FUSE_SET_ATTR_MODE)
		return false;
	/* Nothing at all is what chown(-1, -1) asks for. */
	if (!set || set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
		return true;
	return set & FUSE_SET_ATTR_SIZE && fuse_req_ctx(req)->uid;
}

void setattr_node(fuse_req_t req, fuse_ino_t ino, struct stat *st, int set,
		  struct fuse_file_info *fi)
{
	struct fs *fs = door_fs(req);
	struct node *n = door_enter_work(req, ino, TALLY_SETATTR);
	struct work_attr to, now;
	unsigned bits = to_work_set(set);
	struct stat shown;
	int r;

	if (!n)
		return;
	to = (struct work_attr){.mode = st->st_mode,
				.uid = st->st_uid,
				.gid = st->st_gid,
				.size = (uint64_t)st->st_size,
				.atime = st->st_atim,
				.mtime = st->st_mtim};
	if (drops_set_id(req, n, set))
		bits |= WORK_SET_KILL_SUID;
	r = work_setattr(work_place_work(n), work_place_number(n), &to, bits, &now);
	if (r) {
		fuse_reply_err(req, door_work_errno(r));
	} else {
		work_place_fill(n, &now, &shown);
		fuse_reply_attr(req, &shown, PLACE_ALWAYS);
	}
	node_put(fs->nodes, n);
}

void setattr_drop_set_id(fuse_req_t req, struct node *n)
{
	struct work *w = work_place_work(n);
	struct work_attr attr;

	if (!fuse_req_ctx(req)->uid || work_getattr(w, work_place_number(n), &attr) ||
	    !(attr.mode & (S_ISUID | S_ISGID)))
		return;
	work_setattr(w, work_place_number(n), &attr, WORK_SET_KILL_SUID, NULL);
}
