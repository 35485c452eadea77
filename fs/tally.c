/* fs/tally.c - how many requests of each kind the kernel sent: their names. */
#include "fs/tally.h"

const char *tally_name(enum tally_op op)
{
	static const char *const names[TALLY_OPS] = {
		[TALLY_LOOKUP] = "lookup",     [TALLY_FORGET] = "forget",
		[TALLY_GETATTR] = "getattr",   [TALLY_READLINK] = "readlink",
		[TALLY_OPEN] = "open",         [TALLY_READ] = "read",
		[TALLY_FLUSH] = "flush",       [TALLY_OPENDIR] = "opendir",
		[TALLY_READDIR] = "readdir",   [TALLY_READDIRPLUS] = "readdirplus",
		[TALLY_GETXATTR] = "getxattr", [TALLY_LISTXATTR] = "listxattr",
		[TALLY_STATFS] = "statfs",     [TALLY_REFUSED] = "refused",
	};
	return names[op];
}
