#include "logs/message.h"

#include <criterion/criterion.h>

static void expect(const char *message, const char *sql)
{
	struct slice found;
	bool is_one = log_message_statement(slice_str(message), &found);
	cr_expect_eq(is_one, sql != NULL, "%s", message);
	if (is_one && sql)
		cr_expect(slice_is(found, sql), "%s gives %.*s", message, (int)found.len, found.data);
}

Test(message, statements_that_ran)
{
	expect("statement: SELECT 1", "SELECT 1");
	expect("execute <unnamed>: SELECT $1", "SELECT $1");
	expect("execute S_1: SELECT ': '", "SELECT ': '");
	expect("duration: 0.123 ms  statement: SELECT 1", "SELECT 1");
	expect("duration: 12345.678 ms  execute a b: SELECT 1", "SELECT 1");
	expect("duration: 0.1 ms", NULL);
	expect("duration: 0.1 ms  parse x: SELECT 1", NULL);
	expect("duration: 0.1 ms  bind x: SELECT 1", NULL);
	expect("execute fetch from C_1: SELECT 1", NULL);
	expect("connection received: host=[local]", NULL);
	expect("execute", NULL);
	expect("duration: ", NULL);
	expect("", NULL);
}

Test(message, times)
{
	cr_expect_eq(log_time_ms("2026-11-20 17:12:27.123 UTC"), 1795194747123);
	cr_expect_eq(log_time_ms("2026-11-20 17:12:27 GMT"), 1795194747000);
	cr_expect_eq(log_time_ms("2026-11-20 18:12:27 +01"), 1795194747000);
	cr_expect_eq(log_time_ms("2026-11-20 13:42:27 -0330"), 1795194747000);
	cr_expect_eq(log_time_ms("2026-11-20T17:12:27.5+00:00"), 1795194747500);
	cr_expect_eq(log_time_ms("1795194747.123"), 1795194747123);
	cr_expect_eq(log_time_ms("2026-13-20 17:12:27"), 0);
	cr_expect_eq(log_time_ms("yesterday"), 0);
	cr_expect_eq(log_time_ms(""), 0);
}
