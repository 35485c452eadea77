/* fs/tally.c - how many requests of each kind the kernel sent: their names. */
#include "fs/tally.h"

const char *tally_name(enum tally_op op)
{
	static const char *const names[TALLY_OPS] = {
		[TALLY_LOOKUP] = "lookup",
		[TALLY_FORGET] = "forget",
		[TALLY_GETATTR] = "getattr",
		[TALLY_READLINK] = "readlink",
		[TALLY_OPEN] = "open",
		[TALLY_READ] = "read",
		[TALLY_FLUSH] = "flush",
		[TALLY_OPENDIR] = "opendir",
		[TALLY_READDIR] = "readdir",
		[TALLY_READDIRPLUS] = "readdirplus",
		[TALLY_GETXATTR] = "getxattr",
		[TALLY_LISTXATTR] = "listxattr",
		[TALLY_STATFS] = "statfs",
		[TALLY_SETATTR] = "setattr",
		[TALLY_CREATE] = "create",
		[TALLY_MKNOD] = "mknod",
		[TALLY_MKDIR] = "mkdir",
		[TALLY_SYMLINK] = "symlink",
		[TALLY_LINK] = "link",
		[TALLY_UNLINK] = "unlink",
		[TALLY_RMDIR] = "rmdir",
		[TALLY_RENAME] = "rename",
		[TALLY_WRITE] = "write",
		[TALLY_FALLOCATE] = "fallocate",
		[TALLY_COPY] = "copy",
		[TALLY_LSEEK] = "lseek",
		[TALLY_FSYNC] = "fsync",
		[TALLY_SETXATTR] = "setxattr",
		[TALLY_REMOVEXATTR] = "removexattr",
		[TALLY_REFUSED] = "refused",
	};
	return names[op];
}
