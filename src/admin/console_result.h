/* The rows that a command of the console gives: filled cell by cell, in the order of its columns. */
#ifndef CROSSFADE_ADMIN_CONSOLE_RESULT_H
#define CROSSFADE_ADMIN_CONSOLE_RESULT_H

#include "base/arena.h"
#include "wire/rows.h"

struct console_result {
	struct arena *arena;
	const struct rows_column *columns;
	size_t column_count;
	struct rows_cell *cells; /* row after row; on the heap */
	size_t cell_count, cell_capacity;
};

void console_result_init(struct console_result *result, struct arena *arena, const struct rows_column *columns,
			 size_t column_count);
void console_result_deinit(struct console_result *result);
static inline size_t console_result_rows(const struct console_result *result)
{
	return result->column_count ? result->cell_count / result->column_count : 0;
}

/* Texts are copied; NULL is null. */
void console_put_text(struct console_result *result, const char *text);
void console_put_number(struct console_result *result, int64_t number);
void console_put_bool(struct console_result *result, bool value);
/* 0: null. */
void console_put_time(struct console_result *result, int64_t wall_ms);
void console_put_null(struct console_result *result);

#endif
