#include "app/csv.h"

#include <inttypes.h>
#include <string.h>

static void begin_cell(struct csv *csv)
{
	if (csv->inside)
		buf_append_byte(csv->out, ',');
	csv->inside = true;
}

/* Names and statements come from clients: a spreadsheet must not run them. */
static bool may_be_formula(const char *text)
{
	return *text && strchr("=+-@\t\r", *text) != NULL;
}

void csv_text(struct csv *csv, const char *text)
{
	begin_cell(csv);
	if (!text || !*text)
		return;
	bool formula = may_be_formula(text);
	if (!formula && !strpbrk(text, ",\"\r\n") && *text != ' ') {
		buf_append_str(csv->out, text);
		return;
	}
	buf_append_str(csv->out, formula ? "\"'" : "\"");
	for (; *text; text++) {
		if (*text == '"')
			buf_append_byte(csv->out, '"');
		buf_append_byte(csv->out, (uint8_t)*text);
	}
	buf_append_byte(csv->out, '"');
}

void csv_number(struct csv *csv, uint64_t number)
{
	begin_cell(csv);
	buf_printf(csv->out, "%" PRIu64, number);
}

void csv_end_row(struct csv *csv)
{
	buf_append_str(csv->out, "\r\n");
	csv->inside = false;
}

void csv_heading(struct csv *csv, const char *names)
{
	buf_append_str(csv->out, names);
	csv_end_row(csv);
}
