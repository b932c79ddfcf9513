#include "app/text_table.h"

enum { GUTTER = 2, ELASTIC_LEAST = 16 };

static bool starts_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

size_t text_length(const char *text)
{
	size_t length = 0;
	for (; *text; text++)
		length += starts_character(*text);
	return length;
}

void text_append_cut(struct buf *out, const char *text, size_t width)
{
	size_t length = text_length(text), keep = length > width && width > 3 ? width - 3 : width, seen = 0;
	const char *at = text;
	while (*at && (seen += starts_character(*at)) <= keep)
		at++;
	buf_append(out, text, (size_t)(at - text));
	if (length > keep && keep < width)
		buf_append_str(out, "...");
}

static void pad(struct buf *out, size_t count)
{
	while (count--)
		buf_append_byte(out, ' ');
}

static size_t word_length(const char *word, size_t *bytes_out)
{
	size_t length = 0, bytes = 0;
	for (; word[bytes] && word[bytes] != ' '; bytes++)
		length += starts_character(word[bytes]);
	*bytes_out = bytes;
	return length;
}

void text_append_wrapped(struct buf *out, const char *text, size_t column, size_t width)
{
	size_t at = 0, room = width > column + ELASTIC_LEAST ? width - column : ELASTIC_LEAST;
	while (*text) {
		size_t bytes, length = word_length(text, &bytes);
		if (at && at + 1 + length > room) {
			buf_append_byte(out, '\n');
			pad(out, column);
			at = 0;
		} else if (at) {
			buf_append_byte(out, ' ');
			at++;
		}
		buf_append(out, text, bytes);
		at += length;
		text += bytes + (text[bytes] == ' ');
	}
}

void text_table_init(struct text_table *table, struct arena *arena, const struct text_column *columns,
		     size_t column_count)
{
	*table = (struct text_table){ .arena = arena, .columns = columns, .column_count = column_count };
}

void text_table_add(struct text_table *table, const char *const *cells)
{
	if (table->row_count == table->row_capacity) {
		size_t capacity = table->row_capacity ? table->row_capacity * 2 : 16;
		const char *(*rows)[TEXT_TABLE_COLUMNS] = arena_alloc_array(table->arena, capacity, sizeof(*rows));
		for (size_t i = 0; i < table->row_count; i++)
			memcpy(rows[i], table->rows[i], sizeof(*rows));
		table->rows = rows;
		table->row_capacity = capacity;
	}
	memcpy(table->rows[table->row_count++], cells, table->column_count * sizeof(*cells));
}

/* Whether they fit. */
static bool measure(const struct text_table *table, size_t width, size_t widths[TEXT_TABLE_COLUMNS])
{
	size_t sum = 0, elastic = table->column_count;
	for (size_t column = 0; column < table->column_count; column++) {
		widths[column] = 0;
		for (size_t row = 0; row < table->row_count; row++) {
			size_t length = text_length(table->rows[row][column]);
			if (length > widths[column])
				widths[column] = length;
		}
		sum += widths[column] + (column ? GUTTER : 0);
		if (table->columns[column].elastic)
			elastic = column;
	}
	if (elastic == table->column_count || sum <= width)
		return sum <= width;
	size_t others = sum - widths[elastic];
	size_t left = width > others ? width - others : 0;
	widths[elastic] = left < ELASTIC_LEAST && widths[elastic] > ELASTIC_LEAST ? ELASTIC_LEAST :
			  left < ELASTIC_LEAST ? widths[elastic] : left;
	return others + widths[elastic] <= width;
}

static void print_cell(const char *cell, bool right, bool last, size_t width, struct buf *out)
{
	size_t length = text_length(cell), blank = width > length ? width - length : 0;
	if (right)
		pad(out, blank);
	text_append_cut(out, cell, width);
	if (!right && !last)
		pad(out, blank);
}

/* Columns that do not fit side by side: cells one after the other, on as many lines as it takes. */
static void print_folded(const struct text_table *table, size_t row, unsigned indent, size_t room, struct buf *out)
{
	size_t at = 0;
	for (size_t column = 0; column < table->column_count; column++) {
		const char *cell = table->rows[row][column];
		size_t length = text_length(cell);
		if (!length)
			continue;
		if (at && at + GUTTER + length > room) {
			buf_append_byte(out, '\n');
			pad(out, indent + GUTTER);
			at = GUTTER;
		} else if (at) {
			pad(out, GUTTER);
			at += GUTTER;
		}
		text_append_cut(out, cell, room > at ? room - at : ELASTIC_LEAST);
		at += length;
	}
}

void text_table_print(const struct text_table *table, unsigned indent, unsigned width, struct buf *out)
{
	size_t widths[TEXT_TABLE_COLUMNS];
	size_t room = width > indent ? width - indent : 0;
	bool fits = measure(table, room, widths);
	for (size_t row = 0; row < table->row_count; row++) {
		pad(out, indent);
		if (!fits)
			print_folded(table, row, indent, room, out);
		for (size_t column = 0; fits && column < table->column_count; column++) {
			if (column)
				pad(out, GUTTER);
			print_cell(table->rows[row][column], table->columns[column].right,
				   column + 1 == table->column_count, widths[column], out);
		}
		buf_append_byte(out, '\n');
	}
}
