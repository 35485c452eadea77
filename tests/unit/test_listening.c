/* tests/unit/test_listening.c - which ports a table of sockets says are listened on. */
#include "tools/listening.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char head[] = "  sl  local_address rem_address   st tx_queue rx_queue\n";

static void finds_listeners_and_nothing_else(void **state)
{
	static const char text[] =
		"   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000\n"
		"   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000\n"
		"   2: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000\n";
	uint16_t ports[4];

	assert_int_equal(listening_parse(head, ports, 0, 4), 0);
	assert_int_equal(listening_parse(text, ports, 0, 4), 2);
	assert_int_equal(ports[0], 3000);
	assert_int_equal(ports[1], 8000);
}

static void counts_a_port_of_both_families_once(void **state)
{
	static const char text[] =
		"   0: 00000000000000000000000001000000:0BB8 "
		"00000000000000000000000000000000:0000 0A 00000000:00000000\n";
	uint16_t ports[4] = {3000};

	assert_int_equal(listening_parse(text, ports, 1, 4), 1);
}

static void passes_over_lines_that_are_none(void **state)
{
	static const char text[] = "\n\n0: :0BB8 x 0A\n9999999999999999999\n: : :\n"
				   "0: 0100007F:0BB8\n0: 0100007F:0BB8 00000000:0000\n"
				   "0: zz:0BB8 00000000:0000 0A\n";
	uint16_t ports[4];

	assert_int_equal(listening_parse(text, ports, 0, 4), 0);
	assert_int_equal(listening_parse("", ports, 0, 4), 0);
}

static void keeps_to_its_room(void **state)
{
	static const char text[] =
		"0: 0:0001 0:0000 0A\n1: 0:0002 0:0000 0A\n2: 0:0003 0:0000 0A\n";
	uint16_t ports[3] = {0, 0, 77};

	assert_int_equal(listening_parse(text, ports, 0, 2), 2);
	assert_int_equal(ports[2], 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_listeners_and_nothing_else),
		cmocka_unit_test(counts_a_port_of_both_families_once),
		cmocka_unit_test(passes_over_lines_that_are_none),
		cmocka_unit_test(keeps_to_its_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
