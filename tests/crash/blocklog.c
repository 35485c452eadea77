/* blocklog <image> <mountpoint> <log> - a disk in memory that remembers every write and flush.
 *
 * A filesystem of one file, `disk`, which starts as a copy of the image. A loop device over it makes a
 * block device whose barriers arrive here as fsync: the loop driver turns a flush into one, and
 * completes a write only after we answered. I/O is direct, so nothing is cached or reordered
 * on the way. The log is what the disk was told, so any prefix of it is a disk as a power cut
 * would have left it. Ends on SIGTERM or unmount.
 */
#define FUSE_USE_VERSION 34

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "tests/crash/blocklog_format.h"

enum { DISK_INO = 2 };

struct disk {
	char *data;
	size_t size;
	FILE *log;
};

static void describe(const struct disk *d, fuse_ino_t ino, struct stat *st)
{
	*st = (struct stat){.st_ino = ino, .st_nlink = 1, .st_mode = S_IFREG | 0600};
	if (ino == FUSE_ROOT_ID)
		st->st_mode = S_IFDIR | 0700;
	else
		st->st_size = (off_t)d->size;
}

static void on_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = {
		.ino = DISK_INO, .attr_timeout = 3600, .entry_timeout = 3600};

	if (parent != FUSE_ROOT_ID || strcmp(name, "disk") != 0) {
		(void)fuse_reply_err(req, ENOENT);
		return;
	}
	describe(fuse_req_userdata(req), DISK_INO, &e.attr);
	(void)fuse_reply_entry(req, &e);
}

static void on_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	describe(fuse_req_userdata(req), ino, &st);
	(void)fuse_reply_attr(req, &st, 3600);
}

static void on_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fi->direct_io = 1;
	(void)fuse_reply_open(req, fi);
}

static void on_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	const struct disk *d = fuse_req_userdata(req);
	size_t at = (size_t)off < d->size ? (size_t)off : d->size;

	(void)fuse_reply_buf(req, d->data + at, size < d->size - at ? size : d->size - at);
}

static int note(const struct disk *d, enum blocklog_kind kind, uint64_t off, const char *data,
		size_t len)
{
	struct blocklog_record r = {
		.ns = clock_ns(), .offset = off, .len = (uint32_t)len, .kind = kind};

	if (fwrite(&r, sizeof(r), 1, d->log) != 1 || fwrite(data, 1, len, d->log) != len)
		return EIO;
	return 0;
}

static void on_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	struct disk *d = fuse_req_userdata(req);

	if ((size_t)off > d->size || size > d->size - (size_t)off) {
		(void)fuse_reply_err(req, ENOSPC);
		return;
	}
	if (note(d, BLOCKLOG_WRITE, (uint64_t)off, data, size)) {
		(void)fuse_reply_err(req, EIO);
		return;
	}
	memcpy(d->data + off, data, size);
	(void)fuse_reply_write(req, size);
}

static void on_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)fuse_reply_err(req, note(fuse_req_userdata(req), BLOCKLOG_FLUSH, 0, "", 0));
}

static int load(const char *path, struct disk *d)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -1;
	d->size = (size_t)st.st_size;
	d->data = malloc(d->size);
	if (!d->data || io_read_all(fd, d->data, d->size) != st.st_size)
		return -1;
	close(fd);
	return 0;
}

static int serve(struct disk *d, const char *mountpoint)
{
	static const struct fuse_lowlevel_ops ops = {
		.lookup = on_lookup,
		.getattr = on_getattr,
		.open = on_open,
		.read = on_read,
		.write = on_write,
		.fsync = on_fsync,
	};
	char name[] = "blocklog";
	char *argv[] = {name, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct fuse_session *se = fuse_session_new(&args, &ops, sizeof(ops), d);
	int r = 1;

	if (!se)
		return 1;
	if (!fuse_set_signal_handlers(se) && !fuse_session_mount(se, mountpoint)) {
		r = fuse_session_loop(se) < 0;
		fuse_session_unmount(se);
	}
	fuse_remove_signal_handlers(se);
	fuse_session_destroy(se);
	return r;
}

int main(int argc, char **argv)
{
	struct disk d = {0};
	int r;

	if (argc != 4 || load(argv[1], &d)) {
		(void)fprintf(stderr, "usage: blocklog <image> <mountpoint> <log>\n");
		return 2;
	}
	d.log = fopen(argv[3], "we");
	if (!d.log)
		return 1;
	r = serve(&d, argv[2]);
	free(d.data);
	return fclose(d.log) ? 1 : r;
}
