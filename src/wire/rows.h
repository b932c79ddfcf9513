/*
 * The answers of a server that has rows of its own to give: what they are
 * called, what they hold, as text or as PostgreSQL's binary formats.
 */
#ifndef CROSSFADE_WIRE_ROWS_H
#define CROSSFADE_WIRE_ROWS_H

#include "wire/frame.h"

/* The OIDs of the types. */
enum rows_type { ROWS_BOOL = 16, ROWS_INT8 = 20, ROWS_TEXT = 25, ROWS_TIMESTAMPTZ = 1184 };

struct rows_column {
	const char *name;
	enum rows_type type;
};

struct rows_cell {
	bool null;
	const char *text; /* ROWS_TEXT */
	int64_t number;	  /* the others; ROWS_TIMESTAMPTZ: milliseconds since 1970 */
};

/* What Bind asks for: no codes, one for all columns, or one for each. */
struct rows_formats {
	size_t count;
	const uint8_t *binary;
};
static inline bool rows_binary(const struct rows_formats *formats, size_t column)
{
	return formats->count && formats->binary[formats->count == 1 ? 0 : column];
}

void rows_description_append(struct buf *out, const struct rows_column *columns, size_t count,
			     const struct rows_formats *formats);
void rows_row_append(struct buf *out, const struct rows_column *columns, size_t count,
		     const struct rows_cell *cells, const struct rows_formats *formats);
/* ParameterDescription of so many texts. */
void rows_parameters_append(struct buf *out, size_t count);

/* Messages of one text, such as CommandComplete, and of none. */
void rows_tag_append(struct buf *out, const char *tag);
void rows_ready_append(struct buf *out, char status);
void rows_status_append(struct buf *out, const char *name, const char *value);

#endif
