/* tests/unit/test_wire.c - the agent's frames, there and back, and everything that is not one. */
#include "provider/agent/wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct buf out, list;
};

static int setup(void **state)
{
	static struct fixture f;

	buf_init(&f.out, 16 << 20);
	buf_init(&f.list, 1 << 20);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	buf_deinit(&f->out);
	buf_deinit(&f->list);
	return 0;
}

static struct wire_frame there_and_back(struct fixture *f, const struct wire_frame *in)
{
	struct wire_frame out;
	size_t used = 0;

	buf_clear(&f->out);
	assert_int_equal(wire_encode(&f->out, in), 0);
	assert_int_equal(wire_decode(f->out.data, f->out.len, &out, &used), 0);
	assert_int_equal(used, f->out.len);
	assert_int_equal(out.type, in->type);
	assert_int_equal(out.id, in->id);
	return out;
}

static void assert_str(struct wire_str s, const char *want)
{
	assert_int_equal(s.len, strlen(want));
	assert_memory_equal(s.p, want, s.len);
}

static struct wire_frame a_file(void)
{
	return (struct wire_frame){
		.type = WIRE_FILE,
		.id = 7,
		.mode = 0100755,
		.oid = {.id = {1, 2, 3}},
		.size = 5000000000,
		.source = WIRE_INLINE,
		.path = wire_str("src/main.c"),
		.data = wire_data("int\0x", 5),
	};
}

static void carries_a_file(void **state)
{
	const struct wire_frame in = a_file();
	struct wire_frame out = there_and_back(*state, &in);

	assert_int_equal(out.mode, 0100755);
	assert_true(oid_eq(&out.oid, &in.oid));
	assert_int_equal(out.size, 5000000000);
	assert_str(out.path, "src/main.c");
	assert_int_equal(out.data.len, 5);
	assert_memory_equal(out.data.p, "int\0x", 5);
}

static void carries_an_apply_and_its_reply(void **state)
{
	struct wire_frame in = {
		.type = WIRE_APPLY,
		.id = 1,
		.from = {.id = {9}},
		.to = {.id = {8}},
		.n_changes = 3,
		.flags = WIRE_APPLY_RESIDENT,
	};
	struct wire_frame out = there_and_back(*state, &in);

	assert_int_equal(out.from.id[0], 9);
	assert_int_equal(out.to.id[0], 8);
	assert_int_equal(out.n_changes, 3);
	assert_int_equal(out.flags, WIRE_APPLY_RESIDENT);
	in = (struct wire_frame){.type = WIRE_APPLIED,
				 .id = 1,
				 .tree = {.id = {8}},
				 .n_files = 4,
				 .apply_us = 99};
	out = there_and_back(*state, &in);
	assert_int_equal(out.n_files, 4);
	assert_int_equal(out.apply_us, 99);
}

static void carries_a_command_with_its_words(void **state)
{
	struct fixture *f = *state;
	struct wire_frame in = {.type = WIRE_EXEC, .id = 2, .cwd = wire_str("web")}, out;
	struct wire_str s;

	assert_int_equal(wire_list_add(&f->list, "sh"), 0);
	assert_int_equal(wire_list_add(&f->list, ""), 0);
	assert_int_equal(wire_list_add(&f->list, "a b"), 0);
	in.argv = (struct wire_list){.p = f->list.data, .len = f->list.len, .n = 3};
	out = there_and_back(f, &in);
	assert_str(out.cwd, "web");
	assert_int_equal(out.argv.n, 3);
	assert_true(wire_list_next(&out.argv, &s));
	assert_str(s, "sh");
	assert_true(wire_list_next(&out.argv, &s));
	assert_str(s, "");
	assert_true(wire_list_next(&out.argv, &s));
	assert_str(s, "a b");
	assert_false(wire_list_next(&out.argv, &s));
	assert_false(wire_list_next(&out.env, &s));
}

static void leaves_fields_of_other_types_zero(void **state)
{
	const struct wire_frame in = {.type = WIRE_EXITED, .status = 137, .mode = 5};
	struct wire_frame out = there_and_back(*state, &in);

	assert_int_equal(out.status, 137);
	assert_int_equal(out.mode, 0);
}

static void asks_for_more_at_every_cut(void **state)
{
	struct fixture *f = *state;
	const struct wire_frame in = a_file();
	struct wire_frame out;
	size_t used;

	assert_int_equal(wire_encode(&f->out, &in), 0);
	for (size_t n = 0; n < f->out.len; n++)
		assert_int_equal(wire_decode(f->out.data, n, &out, &used), WIRE_SHORT);
}

static void refuses_a_frame_whose_length_is_off_by_some(void **state)
{
	struct fixture *f = *state;
	const struct wire_frame in = a_file();
	struct wire_frame out;
	size_t used;

	assert_int_equal(wire_encode(&f->out, &in), 0);
	assert_int_equal(buf_u64(&f->out, 0), 0);
	for (int off = -8; off <= 8; off++) {
		unsigned char was = (unsigned char)f->out.data[0];

		f->out.data[0] = (char)(was + off);
		assert_int_equal(wire_decode(f->out.data, f->out.len, &out, &used),
				 off ? WIRE_BAD : 0);
		f->out.data[0] = (char)was;
	}
}

static void refuses_what_is_no_frame(void **state)
{
	static const struct {
		const char *why, *bytes;
		size_t len;
	} bad[] = {
		{"too long", "\x01\x00\x40\x00\x07\0\0\0\0\0\0\0", 12},
		{"too short for a header", "\x07\0\0\0\x07\0\0\0\0\0\0", 11},
		{"unknown type", "\x08\0\0\0\x63\0\0\0\0\0\0\0", 12},
		{"type past the table", "\x08\0\0\0\xff\0\0\0\0\0\0\0", 12},
		{"type zero", "\x08\0\0\0\0\0\0\0\0\0\0\0", 12},
		{"flags", "\x08\0\0\0\x06\1\0\0\0\0\0\0", 12},
		{"reserved", "\x08\0\0\0\x06\0\1\0\0\0\0\0", 12},
		{"empty path", "\x0a\0\0\0\x05\0\0\0\0\0\0\0\0\0", 14},
		{"NUL in a path", "\x0c\0\0\0\x05\0\0\0\0\0\0\0\2\0a\0", 16},
		{"fewer words than said", "\x0f\0\0\0\x0a\0\0\0\0\0\0\0\0\0\2\0\0\0\0", 19},
		{"data past the limit", "\x0c\0\0\0\x04\0\0\0\0\0\0\0\1\0\x10\0", 16},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct wire_frame out;
		size_t used;

		if (wire_decode(bad[i].bytes, bad[i].len, &out, &used) != WIRE_BAD)
			fail_msg("took: %s", bad[i].why);
	}
}

static void does_not_write_what_it_would_refuse(void **state)
{
	static char big[WIRE_DATA_MAX + 1];
	struct fixture *f = *state;
	struct wire_frame in = a_file();

	in.data = wire_data(big, sizeof(big));
	assert_int_equal(wire_encode(&f->out, &in), -EINVAL);
	in = a_file();
	in.path.len = 0;
	assert_int_equal(wire_encode(&f->out, &in), -EINVAL);
	in.path = (struct wire_str){.p = "a\0b", .len = 3};
	assert_int_equal(wire_encode(&f->out, &in), -EINVAL);
	in.type = 99;
	assert_int_equal(wire_encode(&f->out, &in), -EINVAL);
	assert_int_equal(f->out.len, 0);
}

static void cuts_a_stream_that_comes_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	const struct wire_frame file = a_file(), commit = {.type = WIRE_COMMIT, .id = 7};
	struct wire_stream s;
	struct wire_frame got;
	int seen = 0;

	assert_int_equal(wire_encode(&f->out, &file), 0);
	assert_int_equal(wire_encode(&f->out, &commit), 0);
	assert_int_equal(buf_str(&f->out, "raw"), 0);
	wire_stream_init(&s);
	for (size_t i = 0; i < f->out.len; i++) {
		size_t room;
		char *p = wire_stream_room(&s, &room);

		assert_non_null(p);
		assert_true(room >= 4096);
		*p = f->out.data[i];
		wire_stream_filled(&s, 1);
		if (seen == 2)
			continue;
		if (wire_stream_next(&s, &got) == 0)
			assert_int_equal(got.type, seen++ ? WIRE_COMMIT : WIRE_FILE);
	}
	assert_int_equal(seen, 2);
	assert_int_equal(wire_stream_rest(&s).len, 3);
	assert_memory_equal(wire_stream_rest(&s).p, "raw", 3);
	wire_stream_deinit(&s);
}

static void holds_the_largest_frame_in_a_stream(void **state)
{
	static char big[WIRE_DATA_MAX];
	struct fixture *f = *state;
	const struct wire_frame in = {.type = WIRE_MORE, .data = wire_data(big, sizeof(big))};
	struct wire_stream s;
	struct wire_frame got;
	size_t at = 0;

	assert_int_equal(wire_encode(&f->out, &in), 0);
	wire_stream_init(&s);
	while (at < f->out.len) {
		size_t room, n = f->out.len - at;
		void *p = wire_stream_room(&s, &room);

		assert_non_null(p);
		n = n < room ? n : room;
		memcpy(p, f->out.data + at, n);
		wire_stream_filled(&s, n);
		at += n;
	}
	assert_int_equal(wire_stream_next(&s, &got), 0);
	assert_int_equal(got.data.len, WIRE_DATA_MAX);
	wire_stream_deinit(&s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(carries_a_file),
		T(carries_an_apply_and_its_reply),
		T(carries_a_command_with_its_words),
		T(leaves_fields_of_other_types_zero),
		T(asks_for_more_at_every_cut),
		T(refuses_a_frame_whose_length_is_off_by_some),
		T(refuses_what_is_no_frame),
		T(does_not_write_what_it_would_refuse),
		T(cuts_a_stream_that_comes_byte_by_byte),
		T(holds_the_largest_frame_in_a_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
