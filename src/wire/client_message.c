/*
 * A field is read by a statement of its own: in which order the initialisers
 * of a list are evaluated, C does not say.
 */
#include "wire/client_message.h"

#include "wire/reader.h"

bool query_read(struct slice body, struct slice *sql_out)
{
	struct reader reader = reader_of(body);
	struct slice sql = reader_text(&reader);
	if (reader.failed || reader_left(&reader))
		return false;
	*sql_out = sql;
	return true;
}

bool parse_read(struct slice body, struct parse_message *message_out)
{
	struct reader reader = reader_of(body);
	struct parse_message message;
	message.name = reader_text(&reader);
	message.sql = reader_text(&reader);
	message.types = reader_rest(&reader);
	struct reader types = reader_of(message.types);
	size_t count = reader_u16(&types);
	if (reader.failed || types.failed || reader_left(&types) != count * 4)
		return false;
	*message_out = message;
	return true;
}

bool bind_read_names(struct slice body, struct bind_names *names_out)
{
	struct reader reader = reader_of(body);
	struct bind_names names;
	names.portal = reader_text(&reader);
	names.statement = reader_text(&reader);
	if (reader.failed)
		return false;
	*names_out = names;
	return true;
}

static struct slice skip_parameters(struct reader *reader, size_t count)
{
	const char *start = reader->at;
	for (size_t i = 0; i < count && !reader->failed; i++) {
		uint32_t len = reader_u32(reader);
		if (len != UINT32_MAX) /* NULL */
			reader_bytes(reader, len);
	}
	return slice_of(start, (size_t)(reader->at - start));
}

bool bind_read(struct slice body, struct bind_message *message_out)
{
	struct reader reader = reader_of(body);
	struct bind_message message;
	message.portal = reader_text(&reader);
	message.statement = reader_text(&reader);
	message.formats = reader_bytes(&reader, 2 * (size_t)reader_u16(&reader));
	message.parameter_count = reader_u16(&reader);
	message.parameters = skip_parameters(&reader, message.parameter_count);
	message.results = reader_rest(&reader);
	if (reader.failed)
		return false;
	*message_out = message;
	return true;
}

bool execute_read(struct slice body, struct execute_message *message_out)
{
	struct reader reader = reader_of(body);
	struct execute_message message;
	message.portal = reader_text(&reader);
	message.max_rows = reader_u32(&reader);
	if (reader.failed || reader_left(&reader))
		return false;
	*message_out = message;
	return true;
}

bool object_read(struct slice body, struct object_message *message_out)
{
	struct reader reader = reader_of(body);
	struct object_message message;
	message.kind = reader_u8(&reader);
	message.name = reader_text(&reader);
	if (reader.failed || reader_left(&reader) || (message.kind != 'S' && message.kind != 'P'))
		return false;
	*message_out = message;
	return true;
}

static void append_text(struct buf *out, struct slice text)
{
	buf_append_slice(out, text);
	buf_append_byte(out, 0);
}

void query_append(struct buf *out, struct slice sql)
{
	size_t begin = frame_begin(out, CLIENT_QUERY);
	append_text(out, sql);
	frame_end(out, begin);
}

void parse_append(struct buf *out, struct slice name, struct slice sql, struct slice types)
{
	size_t begin = frame_begin(out, CLIENT_PARSE);
	append_text(out, name);
	append_text(out, sql);
	if (types.len)
		buf_append_slice(out, types);
	else
		buf_append_u16(out, 0);
	frame_end(out, begin);
}

void bind_append(struct buf *out, const char *portal, const char *statement)
{
	size_t begin = frame_begin(out, CLIENT_BIND);
	append_text(out, slice_str(portal));
	append_text(out, slice_str(statement));
	buf_append_u16(out, 0);
	buf_append_u16(out, 0);
	buf_append_u16(out, 0);
	frame_end(out, begin);
}

void bind_text_append(struct buf *out, const char *portal, const char *statement, struct slice value)
{
	size_t begin = frame_begin(out, CLIENT_BIND);
	append_text(out, slice_str(portal));
	append_text(out, slice_str(statement));
	buf_append_u16(out, 0);
	buf_append_u16(out, 1);
	buf_append_u32(out, (uint32_t)value.len);
	buf_append_slice(out, value);
	buf_append_u16(out, 0);
	frame_end(out, begin);
}

void execute_append(struct buf *out, const char *portal, uint32_t max_rows)
{
	size_t begin = frame_begin(out, CLIENT_EXECUTE);
	append_text(out, slice_str(portal));
	buf_append_u32(out, max_rows);
	frame_end(out, begin);
}

void object_append(struct buf *out, enum client_type type, uint8_t kind, struct slice name)
{
	size_t begin = frame_begin(out, (uint8_t)type);
	buf_append_byte(out, kind);
	append_text(out, name);
	frame_end(out, begin);
}

void flush_append(struct buf *out)
{
	frame_append(out, CLIENT_FLUSH, (struct slice){ 0 });
}

void sync_append(struct buf *out)
{
	frame_append(out, CLIENT_SYNC, (struct slice){ 0 });
}

void terminate_append(struct buf *out)
{
	frame_append(out, CLIENT_TERMINATE, (struct slice){ 0 });
}

void ssl_request_append(struct buf *out)
{
	buf_append_u32(out, 8);
	buf_append_u32(out, 80877103);
}
