#include "wire/error_fields.h"

#include "wire/reader.h"
#include "wire/server_message.h"

#include <stdio.h>

static bool next_field(struct reader *reader, uint8_t *code_out, struct slice *value_out)
{
	uint8_t code = reader_u8(reader);
	if (!code)
		return false;
	*code_out = code;
	*value_out = reader_text(reader);
	return !reader->failed;
}

static uint32_t parse_position(struct slice text)
{
	uint64_t value = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return 0;
		value = value * 10 + (uint64_t)(text.data[i] - '0');
		if (value > UINT32_MAX)
			return 0;
	}
	return (uint32_t)value;
}

bool error_fields_read(struct slice body, struct error_fields *fields_out)
{
	struct error_fields fields = { 0 };
	struct reader reader = reader_of(body);
	uint8_t code;
	struct slice value;
	while (next_field(&reader, &code, &value)) {
		switch (code) {
		case 'S': fields.severity = value; break;
		case 'V': fields.severity_en = value; break;
		case 'C': fields.sqlstate = value; break;
		case 'M': fields.message = value; break;
		case 's': fields.schema = value; break;
		case 't': fields.table = value; break;
		case 'c': fields.column = value; break;
		case 'n': fields.constraint = value; break;
		case 'q': fields.inner_query = value; break;
		case 'R': fields.routine = value; break;
		case 'P': fields.position = parse_position(value); break;
		default: break;
		}
	}
	if (reader.failed)
		return false;
	*fields_out = fields;
	return true;
}

bool error_fields_fatal(const struct error_fields *fields)
{
	struct slice severity = fields->severity_en.data ? fields->severity_en : fields->severity;
	return slice_is(severity, "FATAL") || slice_is(severity, "PANIC");
}

static void append_field(struct buf *out, char code, struct slice value)
{
	if (!value.len)
		return;
	buf_append_byte(out, (uint8_t)code);
	buf_append_slice(out, value);
	buf_append_byte(out, 0);
}

static void append_position(struct buf *out, uint32_t position)
{
	char digits[12];
	if (!position)
		return;
	snprintf(digits, sizeof(digits), "%u", position);
	append_field(out, 'P', slice_str(digits));
}

static const struct slice *change_of(const struct error_changes *changes, uint8_t code)
{
	switch (code) {
	case 'M': return &changes->message;
	case 's': return &changes->schema;
	case 't': return &changes->table;
	case 'c': return &changes->column;
	default: return NULL;
	}
}

void error_fields_append_changed(struct buf *out, uint8_t type, struct slice body, const struct error_changes *changes)
{
	struct reader reader = reader_of(body);
	uint8_t code;
	struct slice value;
	bool hinted = false;
	size_t begin = frame_begin(out, type);
	while (next_field(&reader, &code, &value)) {
		hinted |= code == 'H';
		const struct slice *change = change_of(changes, code);
		if (code == 'P' && changes->moved) {
			append_position(out, changes->position);
			continue;
		}
		buf_append_byte(out, code);
		buf_append_slice(out, change && change->data ? *change : value);
		buf_append_byte(out, 0);
	}
	if (!hinted)
		append_field(out, 'H', changes->hint);
	buf_append_byte(out, 0);
	frame_end(out, begin);
}

static void append_error(struct buf *out, uint8_t type, struct slice severity, struct slice severity_en,
			 const struct error *error)
{
	size_t begin = frame_begin(out, type);
	append_field(out, 'S', severity);
	append_field(out, 'V', severity_en);
	append_field(out, 'C', slice_str(error->sqlstate));
	append_field(out, 'M', slice_str(error->message));
	append_field(out, 'D', slice_str(error->detail));
	append_field(out, 'H', slice_str(error->hint));
	append_position(out, error->position);
	buf_append_byte(out, 0);
	frame_end(out, begin);
}

void error_append(struct buf *out, const char *severity, const struct error *error)
{
	append_error(out, SERVER_ERROR, slice_str(severity), slice_str(severity), error);
}

void notice_append(struct buf *out, const char *severity, const struct error *error)
{
	append_error(out, SERVER_NOTICE, slice_str(severity), slice_str(severity), error);
}

void error_append_like(struct buf *out, const struct error_fields *like, const struct error *error)
{
	append_error(out, SERVER_ERROR, like->severity, like->severity_en, error);
}
