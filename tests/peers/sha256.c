/* tests/peers/sha256.c - FIPS 180-4, for signatures of URLs.
 *
 * The round constants are computed as they are defined, the fraction bits of cube roots of primes: a table would
 * be longer than the program. Input is padded in a copy; what is signed is short.
 */
#include "tests/peers/sha256.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { BLOCK = 64 };

typedef unsigned __int128 wide;

/* The first 32 fraction bits of the `power`-th root of n: the integer root of n * 2^(32 * power), by bisection. */
static uint32_t root_bits(unsigned n, int power)
{
	uint64_t low = 0, high = (uint64_t)32 << 32;

	while (high - low > 1) {
		uint64_t mid = low + (high - low) / 2;
		wide target = (wide)n << (32 * power), v = (wide)mid * mid;

		if (power == 3)
			v = v > target / (mid ? mid : 1) ? target + 1 : v * mid;
		if (v > target)
			high = mid;
		else
			low = mid;
	}
	return (uint32_t)low;
}

static void constants(uint32_t k[64], uint32_t h[8])
{
	unsigned found = 0;

	for (unsigned n = 2; found < 64; n++) {
		bool prime = true;

		for (unsigned d = 2; d * d <= n && prime; d++)
			prime = n % d;
		if (!prime)
			continue;
		if (found < 8)
			h[found] = root_bits(n, 2);
		k[found++] = root_bits(n, 3);
	}
}

static uint32_t turn(uint32_t v, int n)
{
	return v >> n | v << (32 - n);
}

static void expand(uint32_t w[64], const unsigned char *p)
{
	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
		       (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];

		w[i] = w[i - 16] + w[i - 7] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) +
		       (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
	}
}

static void block(uint32_t state[8], const uint32_t k[64], const unsigned char *p)
{
	uint32_t w[64], v[8];

	expand(w, p);
	memcpy(v, state, sizeof(v));
	for (int i = 0; i < 64; i++) {
		uint32_t e = v[4], a = v[0];
		uint32_t x = v[7] + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) +
			     ((e & v[5]) ^ (~e & v[6])) + k[i] + w[i];
		uint32_t y = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) +
			     ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

		memmove(v + 1, v, 7 * sizeof(*v));
		v[4] += x;
		v[0] = x + y;
	}
	for (int i = 0; i < 8; i++)
		state[i] += v[i];
}

void sha256(const void *data, size_t len, unsigned char ret[SHA256_LEN])
{
	size_t padded = (len + 8) / BLOCK * BLOCK + BLOCK;
	unsigned char *copy = alloc_zero(padded);
	uint32_t k[64], state[8];

	constants(k, state);
	memcpy(copy, data, len);
	copy[len] = 0x80;
	for (int i = 0; i < 8; i++)
		copy[padded - 1 - (size_t)i] = (unsigned char)((uint64_t)len * 8 >> (8 * i));
	for (size_t at = 0; at < padded; at += BLOCK)
		block(state, k, copy + at);
	for (int i = 0; i < SHA256_LEN; i++)
		ret[i] = (unsigned char)(state[i / 4] >> (24 - i % 4 * 8));
	free(copy);
}

void hmac_sha256(const char *key, size_t key_len, const char *text, size_t len,
		 unsigned char ret[SHA256_LEN])
{
	unsigned char pad[BLOCK] = {0}, *inner = alloc_zero(BLOCK + len),
		      outer[BLOCK + SHA256_LEN];

	if (key_len > BLOCK)
		sha256(key, key_len, pad);
	else
		memcpy(pad, key, key_len);
	for (int i = 0; i < BLOCK; i++) {
		inner[i] = pad[i] ^ 0x36;
		outer[i] = pad[i] ^ 0x5c;
	}
	memcpy(inner + BLOCK, text, len);
	sha256(inner, BLOCK + len, outer + BLOCK);
	sha256(outer, sizeof(outer), ret);
	free(inner);
}
