/* tests/crash/acks.h - what was promised, and when.
 *
 * A workload changes named things to named values. It notes `begin` before a change and `done` once the
 * library said it is durable. After a cut at time T a thing must have the value of its last `done` before
 * T, or one that was begun after that; before its first `done` it may also be absent ("-").
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct acks;

/* The writing side: a file outside the disk that will lose its power. */
struct acks *acks_create(const char *path);
void acks_begin(struct acks *a, const char *key, const char *value);
void acks_done(struct acks *a, const char *key, const char *value);

/* The judging side. */
struct acks *acks_load(const char *path);
void acks_free(struct acks *a);
size_t acks_count(const struct acks *a); /* `done` notes in all */

/* Calls `fn` once for every key that had a `done` before `cut`. */
typedef void (*acks_key_fn)(const char *key, void *arg);
void acks_keys(const struct acks *a, int64_t cut, acks_key_fn fn, void *arg);

/* May `key` have `value` after a cut at `cut`? */
bool acks_allow(const struct acks *a, int64_t cut, const char *key, const char *value);
