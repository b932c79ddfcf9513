#include "config/flags_edit.h"

#include "config/flags_file.h"
#include "config/sql_name.h"
#include "config/yaml_tree.h"

#include <stdlib.h>

/* Byte offset of a place; columns count characters. */
static size_t offset_of(struct slice text, uint32_t line, uint32_t column)
{
	size_t at = 0;
	for (uint32_t i = 1; i < line && at < text.len; at++)
		i += text.data[at] == '\n';
	for (uint32_t i = 1; i < column && at < text.len && text.data[at] != '\n'; i++) {
		do
			at++;
		while (at < text.len && ((unsigned char)text.data[at] & 0xC0) == 0x80);
	}
	return at;
}

static void append_item(struct buf *out, struct rel_name table, enum stage stage)
{
	struct buf name;
	buf_init(&name);
	rel_name_append(&name, table);
	const char *text = buf_cstr(&name);
	if (text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_.")])
		yaml_append_text(out, text);
	else
		buf_append_str(out, text);
	buf_printf(out, ": %s", stage_name(stage));
	buf_deinit(&name);
}

static void append_part(struct buf *out, struct slice text, size_t from, size_t until)
{
	buf_append(out, text.data + from, until - from);
}

static bool is_key_of(const char *key, struct rel_name table)
{
	struct sql_name name;
	struct arena arena;
	const char *why;
	arena_init(&arena);
	bool same = sql_name_parse(&arena, key, &name, &why) && name.name.schema && rel_name_eq(name.name, table);
	arena_deinit(&arena);
	return same;
}

/* The stage that is there is replaced by another. */
static void replace_value(struct slice text, const struct yaml_value *value, enum stage stage, struct buf *out)
{
	size_t from = offset_of(text, value->line, value->column);
	size_t until = offset_of(text, value->end_line, value->end_column);
	append_part(out, text, 0, from);
	buf_append_str(out, stage_name(stage));
	append_part(out, text, until, text.len);
}

/* A line behind that of the last item, indented as the first. */
static void add_line(struct slice text, const struct yaml_value *items, struct rel_name table, enum stage stage,
		     struct buf *out)
{
	size_t at = offset_of(text, items->items[items->count - 1].line, 1);
	while (at < text.len && text.data[at] != '\n')
		at++;
	append_part(out, text, 0, at);
	buf_append_byte(out, '\n');
	for (uint32_t i = 1; i < items->keys[0].column; i++)
		buf_append_byte(out, ' ');
	append_item(out, table, stage);
	append_part(out, text, at, text.len);
	if (at == text.len)
		buf_append_byte(out, '\n');
}

static void add_in_brackets(struct slice text, const struct yaml_value *items, struct rel_name table, enum stage stage,
			    struct buf *out)
{
	size_t at = offset_of(text, items->line, items->column) + 1;
	append_part(out, text, 0, at);
	append_item(out, table, stage);
	buf_append_str(out, items->count ? ", " : "");
	append_part(out, text, at, text.len);
}

/* There is nothing yet, but perhaps comments. */
static void begin_list(struct slice text, const struct yaml_doc *doc, struct rel_name table, enum stage stage,
		       struct buf *out)
{
	const struct yaml_value *items = yaml_get(&doc->root, "flags");
	size_t at = text.len;
	if (items) {
		at = offset_of(text, doc->root.keys[0].line, 1);
		while (at < text.len && text.data[at] != '\n')
			at++;
	}
	append_part(out, text, 0, at);
	if (at && text.data[at - 1] != '\n')
		buf_append_byte(out, '\n');
	buf_append_str(out, items ? "  " : "flags:\n  ");
	append_item(out, table, stage);
	append_part(out, text, at, text.len);
	if (at == text.len)
		buf_append_byte(out, '\n');
}

static void edit(struct slice text, const struct yaml_doc *doc, struct rel_name table, enum stage stage,
		 struct buf *out)
{
	const struct yaml_value *items = yaml_get(&doc->root, "flags");
	if (!items || items->kind != YAML_MAP) {
		begin_list(text, doc, table, stage, out);
		return;
	}
	for (size_t i = 0; i < items->count; i++) {
		if (is_key_of(items->keys[i].text, table)) {
			replace_value(text, &items->items[i], stage, out);
			return;
		}
	}
	if (items->flow)
		add_in_brackets(text, items, table, stage, out);
	else
		add_line(text, items, table, stage, out);
}

/* ---- is it what was wanted? ---- */

static const struct flag *find_flag(const struct flags *flags, struct rel_name table)
{
	for (size_t i = 0; i < flags->count; i++) {
		if (rel_name_eq(flags->items[i].table, table))
			return &flags->items[i];
	}
	return NULL;
}

static bool says_the_same(const struct flags *before, const struct flags *after, struct rel_name table,
			  enum stage stage)
{
	const struct flag *changed = find_flag(after, table);
	if (!changed || changed->stage != stage ||
	    after->count != before->count + (find_flag(before, table) == NULL))
		return false;
	for (size_t i = 0; i < before->count; i++) {
		const struct flag *same = find_flag(after, before->items[i].table);
		if (!same || (same != changed && same->stage != before->items[i].stage))
			return false;
	}
	return true;
}

static bool is_good(struct slice text, struct slice edited, const char *file, struct arena *arena,
		    struct rel_name table, enum stage stage)
{
	struct flags before, after;
	struct error unused;
	return flags_file_parse(text, file, arena, &before, &unused) &&
	       flags_file_parse(edited, file, arena, &after, &unused) && says_the_same(&before, &after, table, stage);
}

bool flags_edit(struct slice text, const char *file, struct rel_name table, enum stage stage, struct buf *out,
		struct error *error_out)
{
	struct yaml_doc doc;
	struct arena arena;
	struct flags flags;
	size_t start = out->len;
	arena_init(&arena);
	bool ok = flags_file_parse(text, file, &arena, &flags, error_out) &&
		  yaml_load_text(text, file, &doc, error_out);
	if (ok) {
		edit(text, &doc, table, stage, out);
		yaml_doc_deinit(&doc);
		ok = is_good(text, slice_of(out->data + start, out->len - start), file, &arena, table, stage);
		if (!ok) {
			error_set(error_out, SQLSTATE_CONFIG_FILE_ERROR,
				  "the flags file is written in a way that crossfade cannot change");
			error_hint(error_out, "Write it as `flags:` with one `table: stage` below it on each line, or edit it by hand.");
			error_at(error_out, file, 0, 0);
			out->len = start;
		}
	}
	arena_deinit(&arena);
	return ok;
}
