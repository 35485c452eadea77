/* tests/peers/sha256.h - SHA-256 of some bytes, and HMAC with it.
 */
#pragma once

#include <stddef.h>

enum { SHA256_LEN = 32 };

void sha256(const void *data, size_t len, unsigned char ret[SHA256_LEN]);
void hmac_sha256(const char *key, size_t key_len, const char *text, size_t len,
		 unsigned char ret[SHA256_LEN]);
