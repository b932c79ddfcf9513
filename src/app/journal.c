#include "app/journal.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the end of the file, when somebody reads: far more than a command shows. */
enum { READ_MAX_BYTES = 16 << 20 };

struct text_field {
	const char *key;
	size_t offset;
};

static const struct text_field text_fields[] = {
	{ "who", offsetof(struct journal_entry, who) },
	{ "action", offsetof(struct journal_entry, action) },
	{ "database", offsetof(struct journal_entry, database) },
	{ "table", offsetof(struct journal_entry, table) },
	{ "from", offsetof(struct journal_entry, from) },
	{ "to", offsetof(struct journal_entry, to) },
	{ "outcome", offsetof(struct journal_entry, outcome) },
	{ "reason", offsetof(struct journal_entry, reason) },
};

enum { TEXT_FIELD_COUNT = sizeof(text_fields) / sizeof(text_fields[0]) };

static const char **text_of(struct journal_entry *entry, size_t i)
{
	return (const char **)((char *)entry + text_fields[i].offset);
}

static bool fail(const char *path, const char *what, struct error *error_out)
{
	int reason = errno;
	error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "cannot %s the journal: %s", what, strerror(reason));
	error_hint(error_out, "`journal` in the configuration names a file that crossfade may write to.");
	error_at(error_out, path, 0, 0);
	return false;
}

/* ---- writing ---- */

/* What is no UTF-8 becomes readable in part rather than lost. */
static json_t *text_value(const char *text)
{
	json_t *value = json_string(text);
	if (value)
		return value;
	char *copy = memory_strdup(text);
	for (char *c = copy; *c; c++)
		*c = (unsigned char)*c < 0x80 ? *c : '?';
	value = json_string(copy);
	free(copy);
	return value;
}

static char *entry_line(const struct journal_entry *entry)
{
	struct journal_entry copy = *entry;
	json_t *object = json_object();
	json_object_set_new(object, "at_ms", json_integer(entry->at_ms ? entry->at_ms : clock_wall_ms()));
	for (size_t i = 0; i < TEXT_FIELD_COUNT; i++) {
		const char *text = *text_of(&copy, i);
		if (text)
			json_object_set_new(object, text_fields[i].key, text_value(text));
	}
	if (entry->forced)
		json_object_set_new(object, "forced", json_true());
	char *line = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(object);
	return line;
}

/* A line that a crash cut off is ended first, so that ours stays whole. */
static bool ends_within_line(int fd)
{
	struct stat info;
	char last = '\n';
	if (fstat(fd, &info) == 0 && info.st_size > 0 && pread(fd, &last, 1, info.st_size - 1) != 1)
		last = '\n';
	return last != '\n';
}

static int open_to_append(const char *path)
{
	return open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

bool journal_check(const char *path, struct error *error_out)
{
	int fd = path ? open_to_append(path) : -1;
	if (path && fd < 0)
		return fail(path, "open", error_out);
	if (fd >= 0)
		close(fd);
	return true;
}

bool journal_append(const char *path, const struct journal_entry *entry, struct error *error_out)
{
	struct buf text;
	if (!path)
		return true;
	int fd = open_to_append(path);
	if (fd < 0)
		return fail(path, "open", error_out);
	char *line = entry_line(entry);
	buf_init(&text);
	buf_append_str(&text, ends_within_line(fd) ? "\n" : "");
	buf_append_str(&text, line ? line : "{}");
	buf_append_byte(&text, '\n');
	bool ok = write(fd, text.data, text.len) == (ssize_t)text.len && fdatasync(fd) == 0;
	if (!ok)
		fail(path, "write", error_out);
	buf_deinit(&text);
	free(line);
	close(fd);
	return ok;
}

/* ---- reading ---- */

static bool read_end(const char *path, struct buf *out, struct error *error_out)
{
	struct stat info;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT || fail(path, "open", error_out);
	if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
		errno = errno ? errno : EINVAL;
		close(fd);
		return fail(path, "read", error_out);
	}
	size_t len = info.st_size > READ_MAX_BYTES ? READ_MAX_BYTES : (size_t)info.st_size;
	off_t from = info.st_size - (off_t)len;
	buf_reserve(out, len + 1);
	while (out->len < len) {
		ssize_t got = pread(fd, out->data + out->len, len - out->len, from + (off_t)out->len);
		if (got <= 0)
			break;
		out->len += (size_t)got;
	}
	close(fd);
	return true;
}

static bool parse_line(struct slice line, struct arena *arena, struct journal_entry *entry_out)
{
	json_t *object = json_loadb(line.data, line.len, 0, NULL);
	json_t *at = json_object_get(object, "at_ms");
	struct journal_entry entry = { .at_ms = json_integer_value(at),
				       .forced = json_is_true(json_object_get(object, "forced")) };
	bool ok = json_is_integer(at);
	for (size_t i = 0; ok && i < TEXT_FIELD_COUNT; i++) {
		const char *text = json_string_value(json_object_get(object, text_fields[i].key));
		*text_of(&entry, i) = arena_strdup(arena, text);
	}
	json_decref(object);
	if (ok)
		*entry_out = entry;
	return ok;
}

static struct slice last_line(struct slice *rest)
{
	size_t end = rest->len, start;
	while (end && rest->data[end - 1] == '\n')
		end--;
	for (start = end; start && rest->data[start - 1] != '\n'; start--)
		;
	rest->len = start;
	return slice_of(rest->data + start, end - start);
}

bool journal_read(const char *path, const char *table, size_t most, struct arena *arena,
		  struct journal_entries *entries_out, struct error *error_out)
{
	struct journal_entries entries = { ARENA_ARRAY(arena, most + 1, struct journal_entry), 0 };
	struct buf text;
	buf_init(&text);
	bool ok = !path || read_end(path, &text, error_out);
	struct slice rest = buf_slice(&text);
	while (ok && rest.len && entries.count < most) {
		struct slice line = last_line(&rest);
		struct journal_entry *entry = &entries.items[entries.count];
		if (line.len && line.len <= JOURNAL_LINE_MAX_BYTES && parse_line(line, arena, entry) &&
		    (!table || (entry->table && strcmp(entry->table, table) == 0)))
			entries.count++;
	}
	buf_deinit(&text);
	if (ok)
		*entries_out = entries;
	return ok;
}
