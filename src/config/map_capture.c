#include "config/map_capture.h"

#include "config/yaml_tree.h"
#include "model/type_name.h"

#include <string.h>

struct insertion {
	size_t offset, removed; /* bytes of the text */
	struct buf text;
};

struct capture {
	struct slice text;
	struct buf insertions; /* struct insertion, in the file's order */
	size_t filled;
};

/* ---- places ---- */

/* Bytes of the line break at `at`, as YAML has them; 0: none. */
static size_t line_break(struct slice text, size_t at)
{
	static const char *const breaks[] = { "\r\n", "\n", "\r", "\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9" };
	for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
		size_t len = strlen(breaks[i]);
		if (text.len - at >= len && memcmp(text.data + at, breaks[i], len) == 0)
			return len;
	}
	return 0;
}

static size_t line_start(struct slice text, uint32_t line)
{
	size_t at = 0;
	for (uint32_t i = 1; i < line && at < text.len;) {
		size_t len = line_break(text, at);
		i += len > 0;
		at += len ? len : 1;
	}
	return at;
}

static size_t offset_of(struct slice text, uint32_t line, uint32_t column)
{
	size_t at = line_start(text, line);
	if (line == 1 && text.len >= 3 && memcmp(text.data, "\xEF\xBB\xBF", 3) == 0)
		at += 3;
	for (uint32_t i = 1; i < column && at < text.len; i++) {
		at++;
		while (at < text.len && ((unsigned char)text.data[at] & 0xC0) == 0x80)
			at++;
	}
	return at;
}

static struct buf *insert_at(struct capture *capture, size_t offset, size_t removed)
{
	struct insertion insertion = { offset, removed, { 0 } };
	buf_init(&insertion.text);
	buf_append(&capture->insertions, &insertion, sizeof(insertion));
	struct insertion *items = (struct insertion *)capture->insertions.data;
	return &items[capture->insertions.len / sizeof(*items) - 1].text;
}

/* ---- columns ---- */

static bool is_plain(const char *text)
{
	for (const char *c = text; *c; c++) {
		bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_';
		bool inner = (*c >= '0' && *c <= '9') || *c == ' ' || *c == '.' || *c == '(' || *c == ')';
		if (!letter && !(inner && c > text))
			return false;
	}
	return *text != '\0';
}

/* Words that YAML readers take for something else than a text. */
static bool is_reserved(const char *text)
{
	static const char *const words[] = { "null", "true", "false", "yes", "no", "on", "off", "y", "n" };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(words[i], text) == 0)
			return true;
	}
	return false;
}

void map_append_scalar(struct buf *out, const char *text)
{
	if (is_plain(text) && !is_reserved(text))
		buf_append_str(out, text);
	else
		yaml_append_text(out, text);
}

/* A map holds SQL's spelling of names. */
void map_append_column(struct buf *out, const char *name)
{
	struct buf spelled;
	buf_init(&spelled);
	name_append_quoted(&spelled, name);
	map_append_scalar(out, buf_cstr(&spelled));
	buf_deinit(&spelled);
}

static void append_flow(struct buf *out, const char *key, const struct fact_relation *relation)
{
	buf_printf(out, "%s: {", key);
	for (size_t i = 0; i < relation->column_count; i++) {
		buf_append_str(out, i ? ", " : "");
		map_append_column(out, relation->columns[i].name);
		buf_append_str(out, ": ");
		map_append_scalar(out, relation->columns[i].type);
	}
	buf_append_byte(out, '}');
}

static void append_block(struct buf *out, unsigned indent, const char *key, const struct fact_relation *relation)
{
	buf_printf(out, "%*s%s:\n", (int)indent, "", key);
	for (size_t i = 0; i < relation->column_count; i++) {
		buf_printf(out, "%*s", (int)indent + 2, "");
		map_append_column(out, relation->columns[i].name);
		buf_append_str(out, ": ");
		map_append_scalar(out, relation->columns[i].type);
		buf_append_byte(out, '\n');
	}
}

/* ---- which entries ---- */

static const char *renamed(const struct map_entry *entry, const char *old_column)
{
	for (size_t i = 0; i < entry->columns.count; i++) {
		if (strcmp(entry->columns.items[i].key, old_column) == 0)
			return entry->columns.items[i].value;
	}
	return old_column;
}

static bool same_columns(const struct map_entry *entry, const struct fact_relation *old_table,
			 const struct fact_relation *new_table)
{
	if (old_table->column_count != new_table->column_count)
		return false;
	for (size_t i = 0; i < old_table->column_count; i++) {
		const struct fact_column *one = &old_table->columns[i], *other = &new_table->columns[i];
		if (strcmp(renamed(entry, one->name), other->name) != 0 || !type_name_same(one->type, other->type))
			return false;
	}
	return true;
}

struct sides {
	const struct fact_relation *old_table, *new_table; /* NULL: nothing to fill in */
};

static const struct fact_relation *table_of(const struct facts *facts, struct rel_name name)
{
	const struct fact_relation *relation = facts_find(facts, name.schema, name.name);
	return relation && relation->column_count && fact_kind_holds_rows(relation->kind) ? relation : NULL;
}

/* A move has the same columns on both sides; only two tables of different shape need lists. */
static struct sides what_to_fill(const struct map_entry *entry, const struct facts *facts)
{
	struct sides none = { NULL, NULL };
	if (entry->wildcard || entry->kind == MAP_DROPPED || entry->kind == MAP_IDENTITY)
		return none;
	struct sides sides = { table_of(facts, entry->old_name), table_of(facts, entry->new_name) };
	if (entry->kind == MAP_MOVE &&
	    (!sides.old_table || !sides.new_table || same_columns(entry, sides.old_table, sides.new_table)))
		return none;
	if (entry->shape.count)
		sides.old_table = NULL;
	if (entry->new_shape.count)
		sides.new_table = NULL;
	return sides;
}

/* ---- the text ---- */

static void append_both_flow(struct buf *out, struct sides sides)
{
	if (sides.old_table)
		append_flow(out, "shape", sides.old_table);
	if (sides.old_table && sides.new_table)
		buf_append_str(out, ", ");
	if (sides.new_table)
		append_flow(out, "new_shape", sides.new_table);
}

/* old: new → old: {to: new, shape: …} */
static void fill_short(struct capture *capture, const struct yaml_value *body, struct sides sides)
{
	size_t start = offset_of(capture->text, body->line, body->column);
	size_t end = offset_of(capture->text, body->end_line, body->end_column);
	struct buf *out = insert_at(capture, start, end - start);
	buf_append_str(out, "{to: ");
	if (!body->quoted && strpbrk(body->text, ",[]{}"))
		yaml_append_text(out, body->text);
	else
		buf_append(out, capture->text.data + start, end - start);
	buf_append_str(out, ", ");
	append_both_flow(out, sides);
	buf_append_byte(out, '}');
}

static void fill_flow(struct capture *capture, const struct yaml_value *body, struct sides sides)
{
	size_t end = offset_of(capture->text, body->end_line, body->end_column) - 1;
	/* Behind the last value, where a comment may follow before the brace; behind a key
	 * without a value nobody can tell where a comma is, so in front of all keys then. */
	const struct yaml_value *last = &body->items[body->count - 1];
	size_t at = offset_of(capture->text, last->end_line, last->end_column);
	bool first = at > end || yaml_is_null(last);
	if (first)
		at = offset_of(capture->text, body->keys[0].line, body->keys[0].column);
	struct buf *out = insert_at(capture, at, 0);
	buf_append_str(out, first ? "" : ", ");
	append_both_flow(out, sides);
	buf_append_str(out, first ? ", " : "");
}

/* In lines of their own, before the line of the first key that is not `to`; behind everything if there is none. */
static void fill_block(struct capture *capture, const struct yaml_value *body, struct sides sides)
{
	size_t count = body->count;
	uint32_t last_line = body->items[count - 1].kind == YAML_TEXT || body->items[count - 1].flow
				     ? body->items[count - 1].end_line
				     : 0;
	const struct yaml_value *before = NULL;
	for (size_t i = 1; i < count && !before; i++) {
		if (strcmp(body->keys[i - 1].text, "to") == 0)
			before = &body->keys[i];
	}
	size_t at = before ? line_start(capture->text, before->line)
			   : last_line ? line_start(capture->text, last_line + 1)
				       : line_start(capture->text, body->keys[0].line);
	unsigned indent = body->keys[0].column - 1;
	struct buf *out = insert_at(capture, at, 0);
	if (at == capture->text.len && at && capture->text.data[at - 1] != '\n')
		buf_append_byte(out, '\n');
	if (sides.old_table)
		append_block(out, indent, "shape", sides.old_table);
	if (sides.new_table)
		append_block(out, indent, "new_shape", sides.new_table);
}

static void fill_entry(struct capture *capture, const struct yaml_value *body, struct sides sides)
{
	/* A key without a value is there all the same. */
	if (body->kind == YAML_MAP && yaml_get(body, "shape"))
		sides.old_table = NULL;
	if (body->kind == YAML_MAP && yaml_get(body, "new_shape"))
		sides.new_table = NULL;
	if (!sides.old_table && !sides.new_table)
		return;
	capture->filled += (sides.old_table != NULL) + (sides.new_table != NULL);
	if (body->kind == YAML_TEXT)
		fill_short(capture, body, sides);
	else if (body->kind == YAML_MAP && body->count && body->flow)
		fill_flow(capture, body, sides);
	else if (body->kind == YAML_MAP && body->count)
		fill_block(capture, body, sides);
}

static const struct map_entry *entry_at(const struct map *map, const struct yaml_value *key)
{
	for (size_t i = 0; i < map->entry_count; i++) {
		if (map->entries[i].line == key->line && map->entries[i].column == key->column)
			return &map->entries[i];
	}
	return NULL;
}

static void finish(struct capture *capture, struct buf *out)
{
	struct insertion *items = (struct insertion *)capture->insertions.data;
	size_t at = 0;
	for (size_t i = 0; i < capture->insertions.len / sizeof(*items); i++) {
		buf_append(out, capture->text.data + at, items[i].offset - at);
		buf_append(out, items[i].text.data, items[i].text.len);
		at = items[i].offset + items[i].removed;
		buf_deinit(&items[i].text);
	}
	if (capture->text.len > at)
		buf_append(out, capture->text.data + at, capture->text.len - at);
	buf_deinit(&capture->insertions);
}

bool map_capture(struct slice text, const struct map *map, const struct facts *facts, struct buf *out,
		 size_t *filled_out, struct error *error_out)
{
	struct capture capture = { .text = text };
	struct yaml_doc doc;
	if (!yaml_load_text(text, map->file, &doc, error_out))
		return false;
	buf_init(&capture.insertions);
	const struct yaml_value *tables = doc.root.kind == YAML_MAP ? yaml_get(&doc.root, "tables") : NULL;
	for (size_t i = 0; tables && tables->kind == YAML_MAP && i < tables->count; i++) {
		const struct map_entry *entry = entry_at(map, &tables->keys[i]);
		if (entry)
			fill_entry(&capture, &tables->items[i], what_to_fill(entry, facts));
	}
	finish(&capture, out);
	*filled_out = capture.filled;
	yaml_doc_deinit(&doc);
	return true;
}
