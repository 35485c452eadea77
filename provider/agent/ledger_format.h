/* provider/agent/ledger_format.h - the agent's memory on disk, byte for byte.
 *
 * Little-endian; `str` is u16 length and bytes.
 *
 * .frag/manifest: u32 magic LEDGER_MANIFEST, u32 version, u64 generation, u32 n, n entries, 20 bytes SHA-1 of
 * everything before. Replaced by rename.
 *
 * .frag/journal: u32 magic LEDGER_JOURNAL, u32 version, u64 generation, then records. It belongs to the manifest of
 * the same generation; one of another generation is void. A record is u32 length of what follows up to the check,
 * u8 type, payload, u32 check (first bytes of the SHA-1 of type and payload). Reading stops at the first
 * record that is cut or does not check: nothing after it was ever promised.
 *
 *	entry   str path, u32 mode (0: removed), oid, u64 size, u64 ino, u64 mtime_ns, u64 ctime_ns, u8 racy
 *	INTENT  u32 staging number, oid from, oid to, u32 n, n times (str path, u32 mode, oid, u64 size, u32 slot)
 *	DONE    u32 n, n entries
 *
 * A journal that ends in an INTENT is a sweep that was cut short.
 */
#pragma once

enum {
	LEDGER_MANIFEST = 0x696e616d, /* "mani" */
	LEDGER_JOURNAL = 0x6c6e726a,  /* "jrnl" */
	LEDGER_VERSION = 1,
	LEDGER_INTENT = 1,
	LEDGER_DONE = 2,
};
