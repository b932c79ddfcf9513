/* A table of bad inputs: each must fail at its place, with its words. */
#ifndef TEST_CONFIG_BAD_INPUT_H
#define TEST_CONFIG_BAD_INPUT_H

#include "base/error.h"

#include <criterion/criterion.h>
#include <string.h>

struct bad_input {
	const char *text;
	uint32_t line, column;
	const char *message; /* the whole message */
	const char *hint;    /* a part of it; NULL: none may be there */
};

static inline void expect_error(const struct bad_input *bad, bool loaded, const struct error *error)
{
	cr_expect(!loaded, "was taken:\n%s", bad->text);
	if (loaded)
		return;
	cr_expect_str_eq(error->message, bad->message, "in:\n%s\ngot: %s", bad->text, error->message);
	cr_expect(error->line == bad->line && error->column == bad->column,
		  "in:\n%s\n%s\nat %u:%u, expected %u:%u", bad->text, error->message, error->line, error->column,
		  bad->line, bad->column);
	cr_expect_str_eq(error->file, "test.yaml");
	cr_expect_str_eq(error->sqlstate, SQLSTATE_CONFIG_FILE_ERROR);
	if (bad->hint)
		cr_expect(strstr(error->hint, bad->hint), "in:\n%s\nhint: %s", bad->text, error->hint);
	else
		cr_expect_str_empty(error->hint, "in:\n%s\nhint: %s", bad->text, error->hint);
}

#endif
