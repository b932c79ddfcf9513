#include "admin/console_result.h"

#include "base/memory.h"

#include <stdlib.h>

void console_result_init(struct console_result *result, struct arena *arena, const struct rows_column *columns,
			 size_t column_count)
{
	*result = (struct console_result){ .arena = arena, .columns = columns, .column_count = column_count };
}

void console_result_deinit(struct console_result *result)
{
	free(result->cells);
	result->cells = NULL;
	result->cell_count = result->cell_capacity = 0;
}

static void put(struct console_result *result, struct rows_cell cell)
{
	if (result->cell_count == result->cell_capacity) {
		result->cell_capacity = result->cell_capacity ? result->cell_capacity * 2 : 64;
		result->cells = memory_realloc(result->cells, result->cell_capacity * sizeof(*result->cells));
	}
	result->cells[result->cell_count++] = cell;
}

void console_put_text(struct console_result *result, const char *text)
{
	put(result, (struct rows_cell){ .null = !text, .text = arena_strdup(result->arena, text) });
}

void console_put_number(struct console_result *result, int64_t number)
{
	put(result, (struct rows_cell){ .number = number });
}

void console_put_bool(struct console_result *result, bool value)
{
	put(result, (struct rows_cell){ .number = value });
}

void console_put_time(struct console_result *result, int64_t wall_ms)
{
	put(result, (struct rows_cell){ .null = !wall_ms, .number = wall_ms });
}

void console_put_null(struct console_result *result)
{
	put(result, (struct rows_cell){ .null = true });
}
