/*
 * libyaml's events become a tree here. libyaml resolves aliases only in its
 * document API; events keep their marks and let us refuse early.
 */
#include "config/yaml_tree.h"

#include "base/buf.h"
#include "base/clock.h"
#include "config/suggest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

struct reader {
	yaml_parser_t parser;
	struct yaml_doc *doc;
	struct slice text;
	size_t values;
	yaml_mark_t end; /* of the collection that was read last */
	struct error *error;
};

static bool fail_at(struct reader *reader, yaml_mark_t mark, const char *message, const char *hint)
{
	error_set(reader->error, SQLSTATE_CONFIG_FILE_ERROR, "%s", message);
	error_at(reader->error, reader->doc->file, (uint32_t)mark.line + 1, (uint32_t)mark.column + 1);
	if (hint)
		error_hint(reader->error, "%s", hint);
	return false;
}

/* libyaml's reader knows only the byte where it stopped. */
static yaml_mark_t mark_of_offset(struct slice text, size_t offset)
{
	yaml_mark_t mark = { 0 };
	for (size_t i = 0; i < offset && i < text.len; i++) {
		if (text.data[i] == '\n') {
			mark.line++;
			mark.column = 0;
		} else if (((unsigned char)text.data[i] & 0xC0) != 0x80) {
			mark.column++;
		}
	}
	return mark;
}

static const char *syntax_hint(const char *problem)
{
	if (strstr(problem, "cannot start any token") || strstr(problem, "tab character"))
		return "Indent with spaces, not tabs; quote texts that begin with one of * & ! % @ `.";
	if (strstr(problem, "mapping values are not allowed"))
		return "Check the indentation, and quote texts that contain \": \".";
	if (strstr(problem, "could not find expected ':'") || strstr(problem, "did not find expected key"))
		return "Check the indentation and the line above: a key is followed by a colon and a space.";
	return NULL;
}

static bool fail_syntax(struct reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;
	const char *problem = parser->problem ? parser->problem : "cannot be read";
	char message[256];
	yaml_mark_t mark = parser->error == YAML_READER_ERROR
				   ? mark_of_offset(reader->text, parser->problem_offset)
				   : parser->problem_mark;
	snprintf(message, sizeof(message), "not valid YAML: %s%s%s", problem, parser->context ? ", " : "",
		 parser->context ? parser->context : "");
	return fail_at(reader, mark, message, syntax_hint(problem));
}

static bool next_event(struct reader *reader, yaml_event_t *event_out)
{
	return yaml_parser_parse(&reader->parser, event_out) || fail_syntax(reader);
}

static bool refuse_extras(struct reader *reader, const yaml_event_t *event)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;
	switch (event->type) {
	case YAML_ALIAS_EVENT:
		anchor = event->data.alias.anchor;
		break;
	case YAML_SCALAR_EVENT:
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
		break;
	default:
		break;
	}
	if (anchor)
		return fail_at(reader, event->start_mark, "anchors and aliases (& and *) are not supported",
			       "Write the value out, or quote a text that begins with & or *.");
	if (tag)
		return fail_at(reader, event->start_mark, "tags (!) are not supported",
			       "Leave the tag out, or quote a text that begins with an exclamation mark.");
	return true;
}

static bool read_value(struct reader *reader, const yaml_event_t *event, unsigned depth,
		       struct yaml_value *value_out);

static bool read_text(struct reader *reader, const yaml_event_t *event, struct yaml_value *value)
{
	const char *data = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	if (memchr(data, '\0', len))
		return fail_at(reader, event->start_mark, "a text must not contain a NUL character", NULL);
	value->kind = YAML_TEXT;
	value->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	value->text = arena_copy(&reader->doc->arena, data, len);
	return true;
}

static struct yaml_value *keep(struct reader *reader, const struct buf *values, size_t *count_out)
{
	*count_out = values->len / sizeof(struct yaml_value);
	struct yaml_value *kept = ARENA_ARRAY(&reader->doc->arena, *count_out, struct yaml_value);
	if (values->len)
		memcpy(kept, values->data, values->len);
	return kept;
}

/* Reads the next value into values; *end_out when the collection ends instead. */
static bool read_next(struct reader *reader, yaml_event_type_t end, unsigned depth, struct buf *values,
		      bool *end_out)
{
	yaml_event_t event;
	struct yaml_value value;
	if (!next_event(reader, &event))
		return false;
	*end_out = event.type == end;
	if (*end_out)
		reader->end = event.end_mark;
	bool ok = *end_out || read_value(reader, &event, depth, &value);
	if (ok && !*end_out)
		buf_append(values, &value, sizeof(value));
	yaml_event_delete(&event);
	return ok;
}

static bool read_list(struct reader *reader, unsigned depth, struct yaml_value *value)
{
	struct buf items;
	bool end = false, ok = true;
	buf_init(&items);
	while (ok && !end)
		ok = read_next(reader, YAML_SEQUENCE_END_EVENT, depth, &items, &end);
	value->kind = YAML_LIST;
	if (ok)
		value->items = keep(reader, &items, &value->count);
	buf_deinit(&items);
	return ok;
}

static int compare_keys(const void *a, const void *b)
{
	const struct yaml_value *x = *(const struct yaml_value *const *)a;
	const struct yaml_value *y = *(const struct yaml_value *const *)b;
	int by_text = strcmp(x->text, y->text);
	if (by_text)
		return by_text;
	return (x > y) - (x < y); /* both lie in one array, in the file's order */
}

static bool check_distinct(struct reader *reader, const struct yaml_value *map)
{
	if (map->count < 2)
		return true;
	const struct yaml_value **sorted = ARENA_ARRAY(&reader->doc->arena, map->count, const struct yaml_value *);
	const struct yaml_value *twice = NULL, *first = NULL;
	for (size_t i = 0; i < map->count; i++)
		sorted[i] = &map->keys[i];
	qsort(sorted, map->count, sizeof(*sorted), compare_keys);
	for (size_t i = 1; i < map->count; i++) {
		if (strcmp(sorted[i - 1]->text, sorted[i]->text) == 0 && (!twice || sorted[i] < twice)) {
			twice = sorted[i];
			first = sorted[i - 1];
		}
	}
	return !twice || yaml_fail(reader->doc, twice, reader->error,
				   "key `%s` is given twice, first in line %u", twice->text, first->line);
}

static bool check_key(struct reader *reader, const struct buf *keys)
{
	const struct yaml_value *key = (const struct yaml_value *)(keys->data + keys->len) - 1;
	return key->kind == YAML_TEXT || yaml_fail(reader->doc, key, reader->error,
						   "a key must be a text, not a list or a mapping");
}

static bool read_map(struct reader *reader, unsigned depth, struct yaml_value *value)
{
	struct buf keys, items;
	bool end = false, ok = true;
	buf_init(&keys);
	buf_init(&items);
	while (ok && !end) {
		bool unused;
		ok = read_next(reader, YAML_MAPPING_END_EVENT, depth, &keys, &end);
		if (ok && !end)
			ok = check_key(reader, &keys) &&
			     read_next(reader, YAML_NO_EVENT, depth, &items, &unused);
	}
	value->kind = YAML_MAP;
	if (ok) {
		value->keys = keep(reader, &keys, &value->count);
		value->items = keep(reader, &items, &value->count);
		ok = check_distinct(reader, value);
	}
	buf_deinit(&keys);
	buf_deinit(&items);
	return ok;
}

static bool read_value(struct reader *reader, const yaml_event_t *event, unsigned depth,
		       struct yaml_value *value_out)
{
	struct yaml_value value = {
		.line = (uint32_t)event->start_mark.line + 1,
		.column = (uint32_t)event->start_mark.column + 1,
	};
	bool ok;
	if (!refuse_extras(reader, event))
		return false;
	if (depth == 0)
		return fail_at(reader, event->start_mark, "nested too deeply", NULL);
	if (++reader->values > YAML_MAX_VALUES)
		return fail_at(reader, event->start_mark, "too many values in one file", NULL);
	if (event->type == YAML_SEQUENCE_START_EVENT)
		ok = read_list(reader, depth - 1, &value);
	else if (event->type == YAML_MAPPING_START_EVENT)
		ok = read_map(reader, depth - 1, &value);
	else
		ok = read_text(reader, event, &value);
	yaml_mark_t end = value.kind == YAML_TEXT ? event->end_mark : reader->end;
	value.end_line = (uint32_t)end.line + 1;
	value.end_column = (uint32_t)end.column + 1;
	value.flow = (event->type == YAML_MAPPING_START_EVENT &&
		      event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE) ||
		     (event->type == YAML_SEQUENCE_START_EVENT &&
		      event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE);
	if (ok)
		*value_out = value;
	return ok;
}

/* The document's own value, and nothing after it. */
static bool read_document(struct reader *reader, struct yaml_value *root)
{
	bool ok = true, done = false, seen = false;
	while (ok && !done) {
		yaml_event_t event;
		if (!next_event(reader, &event))
			return false;
		if (event.type == YAML_DOCUMENT_START_EVENT && seen) {
			ok = fail_at(reader, event.start_mark, "a second document begins here",
				     "Keep one document in a file: remove the line with ---.");
		} else if (event.type == YAML_STREAM_END_EVENT) {
			done = true;
		} else if (event.type != YAML_STREAM_START_EVENT && event.type != YAML_DOCUMENT_START_EVENT &&
			   event.type != YAML_DOCUMENT_END_EVENT) {
			ok = read_value(reader, &event, YAML_MAX_DEPTH, root);
			seen = true;
		}
		yaml_event_delete(&event);
	}
	return ok;
}

bool yaml_load_text(struct slice text, const char *file, struct yaml_doc *doc_out, struct error *error_out)
{
	struct yaml_doc doc = { .root = { .kind = YAML_TEXT, .line = 1, .column = 1, .text = "" } };
	struct reader reader = { .doc = &doc, .text = text, .error = error_out };
	arena_init(&doc.arena);
	doc.file = arena_strdup(&doc.arena, file);
	bool ok;
	if (text.len > YAML_MAX_BYTES) {
		ok = yaml_fail(&doc, NULL, error_out, "the file is larger than %d MiB", YAML_MAX_BYTES >> 20);
	} else if (!yaml_parser_initialize(&reader.parser)) {
		ok = yaml_fail(&doc, NULL, error_out, "out of memory");
	} else {
		yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text.data, text.len);
		ok = read_document(&reader, &doc.root);
		yaml_parser_delete(&reader.parser);
	}
	if (ok)
		*doc_out = doc;
	else
		yaml_doc_deinit(&doc);
	return ok;
}

static bool fail_file(const char *path, struct error *error_out)
{
	int reason = errno;
	error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "cannot read the file: %s", strerror(reason));
	error_at(error_out, path, 0, 0);
	return false;
}

enum { PIPE_WAIT_MS = 2000 };

/* Who reads a file anew while sessions run must not wait for somebody to write it. */
static bool wait_readable(int fd, bool is_pipe, uint64_t until_us)
{
	uint64_t now_us = clock_monotonic_us();
	struct pollfd wanted = { .fd = fd, .events = POLLIN };
	int left_ms = !is_pipe ? -1 : now_us < until_us ? (int)((until_us - now_us) / 1000) : 0;
	int ready = poll(&wanted, 1, left_ms);
	if (!ready)
		errno = ETIMEDOUT;
	return ready > 0 || (ready < 0 && errno == EINTR);
}

static bool read_all(int fd, bool is_pipe, struct buf *out)
{
	uint64_t until_us = clock_monotonic_us() + PIPE_WAIT_MS * UINT64_C(1000);
	for (;;) {
		buf_reserve(out, 65536);
		ssize_t got = read(fd, out->data + out->len, 65536);
		if (got < 0 && (errno == EINTR || (errno == EAGAIN && wait_readable(fd, is_pipe, until_us))))
			continue;
		if (got == 0 && !out->len && is_pipe)
			errno = EPIPE;
		if (got < 0 || (got == 0 && !out->len && is_pipe))
			return false;
		out->len += (size_t)got;
		if (got == 0 || out->len > YAML_MAX_BYTES)
			return true;
	}
}

bool yaml_load_file(const char *path, struct yaml_doc *doc_out, struct error *error_out)
{
	struct stat info;
	struct buf text;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fail_file(path, error_out);
	buf_init(&text);
	bool is_pipe = fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode);
	bool ok = read_all(fd, is_pipe, &text) || fail_file(path, error_out);
	close(fd);
	ok = ok && yaml_load_text(buf_slice(&text), path, doc_out, error_out);
	buf_deinit(&text);
	return ok;
}

void yaml_doc_deinit(struct yaml_doc *doc)
{
	arena_deinit(&doc->arena);
}

bool yaml_is_null(const struct yaml_value *value)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };
	if (value->kind != YAML_TEXT || value->quoted)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(value->text, words[i]) == 0)
			return true;
	}
	return false;
}

const struct yaml_value *yaml_get(const struct yaml_value *map, const char *key)
{
	for (size_t i = 0; map->kind == YAML_MAP && i < map->count; i++) {
		if (strcmp(map->keys[i].text, key) == 0)
			return &map->items[i];
	}
	return NULL;
}

bool yaml_fail(const struct yaml_doc *doc, const struct yaml_value *at, struct error *error_out,
	       const char *format, ...)
{
	char message[2 * sizeof(error_out->message)]; /* error_set cuts at a character's edge */
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR, "%s", message);
	error_at(error_out, doc->file, at ? at->line : 0, at ? at->column : 0);
	return false;
}

static const char *kind_name(const struct yaml_value *value)
{
	if (yaml_is_null(value))
		return "empty";
	return value->kind == YAML_TEXT ? "a text" : value->kind == YAML_LIST ? "a list" : "a mapping";
}

bool yaml_expect(const struct yaml_doc *doc, const struct yaml_value *value, enum yaml_kind kind,
		 const char *what, struct error *error_out)
{
	static const char *const wanted[] = {
		[YAML_TEXT] = "a text",
		[YAML_LIST] = "a list",
		[YAML_MAP] = "a mapping (key: value)",
	};
	if (value->kind == kind && !yaml_is_null(value))
		return true;
	return yaml_fail(doc, value, error_out, "%s must be %s, but is %s", what, wanted[kind], kind_name(value));
}

static bool is_one_of(const char *text, const char *const *known, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(text, known[i]) == 0)
			return true;
	}
	return false;
}

bool yaml_check_keys(const struct yaml_doc *doc, const struct yaml_value *map, const char *const *known,
		     size_t known_count, const char *what, struct error *error_out)
{
	for (size_t i = 0; i < map->count; i++) {
		const char *key = map->keys[i].text;
		if (is_one_of(key, known, known_count))
			continue;
		const char *near = suggest_word(key, known, known_count);
		yaml_fail(doc, &map->keys[i], error_out, "unknown key `%s` in %s", key, what);
		if (near)
			error_hint(error_out, "Did you mean `%s`?", near);
		return false;
	}
	return true;
}

/* Characters that YAML does not take as they are, or takes for a line break. */
static size_t append_special(struct buf *out, const unsigned char *c)
{
	if (c[0] == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0)
		return buf_printf(out, "\\x%02x", c[1]), 2;
	if (c[0] == 0xE2 && c[1] == 0x80 && (c[2] == 0xA8 || c[2] == 0xA9))
		return buf_printf(out, "\\u20%02x", c[2] - 0x80), 3;
	if (c[0] == 0xEF && c[1] == 0xBB && c[2] == 0xBF)
		return buf_append_str(out, "\\ufeff"), 3;
	return 0;
}

void yaml_append_text(struct buf *out, const char *text)
{
	buf_append_byte(out, '"');
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		size_t special = append_special(out, c);
		if (special)
			c += special - 1;
		else if (*c == '"' || *c == '\\')
			buf_printf(out, "\\%c", *c);
		else if (*c < ' ' || *c == 0x7f)
			buf_printf(out, "\\x%02x", *c);
		else
			buf_append_byte(out, *c);
	}
	buf_append_byte(out, '"');
}
