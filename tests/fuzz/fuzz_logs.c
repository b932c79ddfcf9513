/*
 * What `report --from` reads: PostgreSQL's logs in its three formats, and
 * files of SQL. The first byte chooses the format; t(ext) goes on with the
 * prefix of its lines. Whatever the pieces in which bytes come, the same
 * statements are found.
 */
#include "base/buf.h"
#include "fuzz.h"
#include "logs/csv_log.h"
#include "logs/json_log.h"
#include "logs/message.h"
#include "logs/sql_text.h"
#include "logs/text_log.h"

#include <inttypes.h>
#include <stdlib.h>

struct found {
	struct buf text;
	struct log_losses losses;
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void append_name(struct buf *out, const char *name)
{
	must(!name || strlen(name) < LOG_FIELD_MAX_BYTES);
	buf_append_str(out, name ? name : "-");
	buf_append_byte(out, '|');
}

static void on_record(void *context, const struct log_record *record)
{
	struct buf *out = context;
	must(record->sql.len <= LOG_STATEMENT_MAX_BYTES);
	buf_append_slice(out, record->sql);
	append_name(out, record->user);
	append_name(out, record->database);
	append_name(out, record->application);
	append_name(out, record->address);
	buf_printf(out, "%" PRIu64 " %" PRId64 " %d%d\n", record->session, record->time_ms, record->failed, record->ends);
}

#define READ(name, make)                                                                              \
	static void read_##name(struct slice rest, size_t piece, struct log_reader *reader)           \
	{                                                                                             \
		struct name *log = make;                                                              \
		for (size_t at = 0; at < rest.len; at += piece)                                       \
			name##_feed(log, slice_of(rest.data + at, rest.len - at < piece ? rest.len - at : piece)); \
		name##_end(log);                                                                      \
		name##_free(log);                                                                     \
	}

static struct text_log *text_log_of(const char *prefix, struct log_reader *reader)
{
	struct text_log *log;
	struct error error;
	if (text_log_new(prefix, reader, &log, &error))
		return log;
	must(error.message[0]);
	must(text_log_new("%m [%p] %q%u@%d/%a/%r ", reader, &log, &error));
	return log;
}

static const char *prefix;

READ(csv_log, csv_log_new(reader))
READ(json_log, json_log_new(reader))
READ(sql_text, sql_text_new("f.sql", reader))
READ(text_log, text_log_of(prefix, reader))

static void read_all(char format, struct slice rest, size_t piece, struct found *found)
{
	struct log_reader reader = { .context = &found->text, .record = on_record };
	switch (format) {
	case 'c': read_csv_log(rest, piece, &reader); break;
	case 'j': read_json_log(rest, piece, &reader); break;
	case 's': read_sql_text(rest, piece, &reader); break;
	default: read_text_log(rest, piece, &reader); break;
	}
	found->losses = reader.losses;
}

/* The first line of a text log. */
static char *take_prefix(struct slice *rest)
{
	const char *end = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;
	size_t len = end ? (size_t)(end - rest->data) : 0;
	char *text = strndup(len ? rest->data : "", len);
	if (end)
		*rest = slice_of(end + 1, rest->len - len - 1);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = { SIZE_MAX / 2, 1, 7 };
	struct found found[3] = { 0 };
	if (!size)
		return 0;
	struct slice rest = slice_of((const char *)data + 1, size - 1);
	char *line = data[0] == 't' ? take_prefix(&rest) : NULL;
	prefix = line ? line : "";
	for (size_t i = 0; i < 3; i++) {
		read_all((char)data[0], rest, pieces[i], &found[i]);
		must(slice_eq(buf_slice(&found[0].text), buf_slice(&found[i].text)));
		must(memcmp(&found[0].losses, &found[i].losses, sizeof(found[i].losses)) == 0);
	}
	for (size_t i = 0; i < 3; i++)
		buf_deinit(&found[i].text);
	free(line);
	return 0;
}
