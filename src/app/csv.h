/* Rows of RFC 4180 for spreadsheets, safe against cells that those would take for formulas. */
#ifndef CROSSFADE_APP_CSV_H
#define CROSSFADE_APP_CSV_H

#include "base/buf.h"

struct csv {
	struct buf *out;
	bool inside; /* a row has begun */
};

/* NULL gives an empty cell. A text that begins with = + - or @ gets a ' in front. */
void csv_text(struct csv *csv, const char *text);
void csv_number(struct csv *csv, uint64_t number);
void csv_end_row(struct csv *csv);
/* Cells of a heading, separated by commas, as they are. */
void csv_heading(struct csv *csv, const char *names);

#endif
