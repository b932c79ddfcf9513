#include "wire/server_message.h"

#include "wire/reader.h"

bool authentication_read(struct slice body, uint32_t *kind_out, struct slice *data_out)
{
	struct reader reader = reader_of(body);
	uint32_t kind = reader_u32(&reader);
	if (reader.failed)
		return false;
	*kind_out = kind;
	*data_out = reader_rest(&reader);
	return true;
}

bool authentication_wants_answer(uint32_t kind)
{
	return kind != AUTHENTICATION_OK && kind != AUTHENTICATION_SASL_FINAL;
}

static bool is_channel_bound(struct slice mechanism)
{
	static const char suffix[] = "-PLUS";
	size_t len = sizeof(suffix) - 1;
	return mechanism.len >= len && memcmp(mechanism.data + mechanism.len - len, suffix, len) == 0;
}

bool authentication_append_unbound(struct buf *out, struct slice mechanisms)
{
	struct reader reader = reader_of(mechanisms);
	size_t start = out->len, begin = frame_begin(out, SERVER_AUTHENTICATION), offered = 0;
	buf_append_u32(out, AUTHENTICATION_SASL);
	while (reader_left(&reader)) {
		struct slice mechanism = reader_text(&reader);
		if (reader.failed || !mechanism.len)
			break;
		if (is_channel_bound(mechanism))
			continue;
		buf_append(out, mechanism.data, mechanism.len + 1);
		offered++;
	}
	buf_append_byte(out, 0);
	frame_end(out, begin);
	if (!offered)
		out->len = start;
	return offered > 0;
}

bool key_data_read(struct slice body, uint32_t *pid_out, struct slice *key_out)
{
	struct reader reader = reader_of(body);
	uint32_t pid = reader_u32(&reader);
	struct slice key = reader_rest(&reader);
	if (reader.failed || !key.len || key.len > 256)
		return false;
	*pid_out = pid;
	*key_out = key;
	return true;
}

bool parameter_status_read(struct slice body, struct slice *name_out, struct slice *value_out)
{
	struct reader reader = reader_of(body);
	struct slice name = reader_text(&reader), value = reader_text(&reader);
	if (reader.failed)
		return false;
	*name_out = name;
	*value_out = value;
	return true;
}

bool ready_read(struct slice body, char *status_out)
{
	if (body.len != 1)
		return false;
	*status_out = body.data[0];
	return true;
}

bool tag_read(struct slice body, struct slice *tag_out)
{
	struct reader reader = reader_of(body);
	struct slice tag = reader_text(&reader);
	if (reader.failed)
		return false;
	*tag_out = tag;
	return true;
}

static bool takes_word(struct slice *text, const char *word)
{
	size_t len = strlen(word);
	if (text->len < len || memcmp(text->data, word, len) != 0 || (text->len > len && text->data[len] != ' '))
		return false;
	*text = text->len > len ? slice_of(text->data + len + 1, text->len - len - 1) : (struct slice){ 0 };
	return true;
}

static bool takes_any(struct slice *text, const char *const *words)
{
	while (*words && !takes_word(text, *words))
		words++;
	return *words != NULL;
}

bool tag_changes_relations(struct slice tag)
{
	/* SELECT, UPDATE and DELETE, most of all that is said, are told by their beginning. */
	if (!tag.len || !strchr("CDAIGR", *tag.data) || (tag.len > 2 && tag.data[2] == 'L'))
		return false;
	static const char *const verbs[] = { "CREATE", "DROP", "ALTER", NULL };
	static const char *const whole[] = { "IMPORT FOREIGN SCHEMA", "GRANT", "REVOKE", "REASSIGN OWNED",
					     NULL };
	static const char *const objects[] = { "TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE", "SEQUENCE",
					       "INDEX", "SCHEMA", "EXTENSION", "TYPE", "ROLE", "DATABASE", "OWNED",
					       NULL };
	if (!takes_any(&tag, verbs))
		return takes_any(&tag, whole);
	return takes_any(&tag, objects);
}

uint64_t tag_rows(struct slice tag)
{
	uint64_t rows = 0, unit = 1;
	for (size_t i = tag.len; i > 0; i--) {
		char c = tag.data[i - 1];
		if (c == ' ')
			return rows;
		if (c < '0' || c > '9' || unit > UINT64_MAX / 100)
			return 0;
		rows += (uint64_t)(c - '0') * unit;
		unit *= 10;
	}
	return 0;
}

bool data_row_first(struct slice body, struct slice *value_out)
{
	struct reader reader = reader_of(body);
	uint16_t columns = reader_u16(&reader);
	uint32_t len = reader_u32(&reader);
	if (reader.failed || !columns)
		return false;
	if (len == UINT32_MAX) {
		*value_out = (struct slice){ 0 };
		return true;
	}
	struct slice value = reader_bytes(&reader, len);
	if (reader.failed)
		return false;
	*value_out = value;
	return true;
}
