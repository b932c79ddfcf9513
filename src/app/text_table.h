/* Columns for a terminal: each as wide as its widest cell, one cut to what is left. */
#ifndef CROSSFADE_APP_TEXT_TABLE_H
#define CROSSFADE_APP_TEXT_TABLE_H

#include "base/arena.h"
#include "base/buf.h"

enum { TEXT_TABLE_COLUMNS = 8 };

struct text_column {
	bool right;   /* numbers */
	bool elastic; /* cut when the line would be too long; one column at most */
};

struct text_table {
	struct arena *arena; /* of rows; cells are borrowed */
	const struct text_column *columns;
	size_t column_count;
	const char *(*rows)[TEXT_TABLE_COLUMNS];
	size_t row_count, row_capacity;
};

void text_table_init(struct text_table *table, struct arena *arena, const struct text_column *columns,
		     size_t column_count);
/* As many cells as there are columns. */
void text_table_add(struct text_table *table, const char *const *cells);
void text_table_print(const struct text_table *table, unsigned indent, unsigned width, struct buf *out);

/* Characters of UTF-8. */
size_t text_length(const char *text);
/* Appends at most width characters; cut text ends in "...". */
void text_append_cut(struct buf *out, const char *text, size_t width);
/* Appends text from this column on, broken at spaces; further lines begin at the same column. */
void text_append_wrapped(struct buf *out, const char *text, size_t column, size_t width);

#endif
