/* tests/fs/twin_ops.h - the operations a twin run draws from. */
#pragma once

#include "tests/fs/twin.h"

/* A number below `n`. */
uint64_t twin_draw(struct twin *t, uint64_t n);

/* Draws an operation, runs it on both sides, compares what they answer. */
void twin_op(struct twin *t);
