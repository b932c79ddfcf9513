#include "wire/rows.h"

#include "wire/server_message.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* 2000-01-01, from which PostgreSQL counts, in milliseconds since 1970. */
#define EPOCH_2000_MS INT64_C(946684800000)

static void append_text(struct buf *out, const char *text)
{
	buf_append(out, text, strlen(text) + 1);
}

static uint16_t type_size(enum rows_type type)
{
	return type == ROWS_TEXT ? UINT16_MAX : type == ROWS_BOOL ? 1 : 8;
}

void rows_description_append(struct buf *out, const struct rows_column *columns, size_t count,
			     const struct rows_formats *formats)
{
	size_t begin = frame_begin(out, SERVER_ROWS);
	buf_append_u16(out, (uint16_t)count);
	for (size_t i = 0; i < count; i++) {
		append_text(out, columns[i].name);
		buf_append_u32(out, 0); /* no table, no column of one */
		buf_append_u16(out, 0);
		buf_append_u32(out, columns[i].type);
		buf_append_u16(out, type_size(columns[i].type));
		buf_append_u32(out, UINT32_MAX); /* no type modifier */
		buf_append_u16(out, rows_binary(formats, i));
	}
	frame_end(out, begin);
}

/* ---- cells ---- */

static void append_u64(struct buf *out, uint64_t value)
{
	buf_append_u32(out, (uint32_t)(value >> 32));
	buf_append_u32(out, (uint32_t)value);
}

static void append_time_text(struct buf *out, int64_t ms)
{
	char text[48];
	int64_t seconds = ms / 1000, rest_ms = ms % 1000;
	if (rest_ms < 0) {
		rest_ms += 1000;
		seconds--;
	}
	time_t when = (time_t)seconds;
	struct tm parts;
	gmtime_r(&when, &parts);
	size_t len = strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &parts);
	snprintf(text + len, sizeof(text) - len, ".%03" PRId64 "+00", rest_ms);
	buf_append_str(out, text);
}

static void append_as_text(struct buf *out, enum rows_type type, const struct rows_cell *cell)
{
	switch (type) {
	case ROWS_BOOL: buf_append_byte(out, cell->number ? 't' : 'f'); break;
	case ROWS_INT8: buf_printf(out, "%" PRId64, cell->number); break;
	case ROWS_TEXT: buf_append_str(out, cell->text); break;
	case ROWS_TIMESTAMPTZ: append_time_text(out, cell->number); break;
	}
}

static void append_as_binary(struct buf *out, enum rows_type type, const struct rows_cell *cell)
{
	switch (type) {
	case ROWS_BOOL: buf_append_byte(out, cell->number != 0); break;
	case ROWS_INT8: append_u64(out, (uint64_t)cell->number); break;
	case ROWS_TEXT: buf_append_str(out, cell->text); break;
	case ROWS_TIMESTAMPTZ: append_u64(out, (uint64_t)((cell->number - EPOCH_2000_MS) * 1000)); break;
	}
}

static void append_cell(struct buf *out, enum rows_type type, const struct rows_cell *cell, bool binary)
{
	size_t begin = out->len;
	buf_append_u32(out, UINT32_MAX);
	if (cell->null)
		return;
	if (binary)
		append_as_binary(out, type, cell);
	else
		append_as_text(out, type, cell);
	uint32_t len = (uint32_t)(out->len - begin - 4);
	uint8_t *p = (uint8_t *)out->data + begin;
	p[0] = (uint8_t)(len >> 24);
	p[1] = (uint8_t)(len >> 16);
	p[2] = (uint8_t)(len >> 8);
	p[3] = (uint8_t)len;
}

void rows_row_append(struct buf *out, const struct rows_column *columns, size_t count,
		     const struct rows_cell *cells, const struct rows_formats *formats)
{
	size_t begin = frame_begin(out, SERVER_DATA_ROW);
	buf_append_u16(out, (uint16_t)count);
	for (size_t i = 0; i < count; i++)
		append_cell(out, columns[i].type, &cells[i], rows_binary(formats, i));
	frame_end(out, begin);
}

/* ---- small messages ---- */

void rows_parameters_append(struct buf *out, size_t count)
{
	size_t begin = frame_begin(out, SERVER_PARAMETERS);
	buf_append_u16(out, (uint16_t)count);
	for (size_t i = 0; i < count; i++)
		buf_append_u32(out, ROWS_TEXT);
	frame_end(out, begin);
}

void rows_tag_append(struct buf *out, const char *tag)
{
	size_t begin = frame_begin(out, SERVER_COMMAND_COMPLETE);
	append_text(out, tag);
	frame_end(out, begin);
}

void rows_ready_append(struct buf *out, char status)
{
	frame_append(out, SERVER_READY, slice_of(&status, 1));
}

void rows_status_append(struct buf *out, const char *name, const char *value)
{
	size_t begin = frame_begin(out, SERVER_PARAMETER_STATUS);
	append_text(out, name);
	append_text(out, value);
	frame_end(out, begin);
}
