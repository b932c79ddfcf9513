/* The table of fields as text for people: `crossfade config` and the documentation. */
#include "config/fields.h"

enum { DOC_WIDTH = 96 };

/* The part of path that is a section of its own, up to its last dot. */
static size_t section_len(const char *path)
{
	const char *dot = strrchr(path, '.');
	return dot ? (size_t)(dot - path) : 0;
}

static unsigned depth_of(const char *path)
{
	unsigned depth = 0;
	for (; *path; path++)
		depth += *path == '.';
	return depth;
}

static void indent(struct buf *out, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		buf_append_str(out, "  ");
}

/* Section headings between the previous field's section and this one's. */
static void open_sections(const char *before, const char *path, struct buf *out)
{
	size_t start = 0;
	for (size_t i = 0; path[i]; i++) {
		if (path[i] != '.')
			continue;
		bool same = before && strncmp(before, path, i + 1) == 0;
		if (!same) {
			indent(out, depth_of(path) - depth_of(path + i) );
			buf_printf(out, "%.*s:\n", (int)(i - start), path + start);
		}
		start = i + 1;
	}
}

static void append_comment(struct buf *out, unsigned depth, const char *text)
{
	size_t width = DOC_WIDTH - depth * 2;
	while (*text) {
		size_t len = strlen(text);
		if (len > width) {
			len = width;
			while (len > 0 && text[len] != ' ')
				len--;
			len = len ? len : width;
		}
		indent(out, depth);
		buf_printf(out, "# %.*s\n", (int)len, text);
		text += len;
		text += strspn(text, " ");
	}
}

/* "size; reload: yes", "one of pass, notice, refuse; reload: no" */
static void append_facts(const struct field *field, struct buf *out)
{
	static const char *const kinds[] = {
		[FIELD_BOOL] = "true or false",	       [FIELD_INT] = "number", [FIELD_BYTES] = "size (kB, MB, GB)",
		[FIELD_DURATION] = "duration (ms, s, min, h, d)", [FIELD_TEXT] = "text",  [FIELD_PATH] = "path",
	};
	if (field->kind == FIELD_ENUM) {
		for (size_t i = 0; field->words[i]; i++)
			buf_printf(out, "%s%s", i ? " | " : "", field->words[i]);
	} else if (field->unit) {
		buf_append_str(out, field->unit);
	} else if (field->kind < sizeof(kinds) / sizeof(kinds[0])) {
		buf_append_str(out, kinds[field->kind]);
	}
	if (field->zero && field->kind != FIELD_CUSTOM)
		buf_printf(out, " | %s", field->zero);
}

static void append_explanation(const struct field *field, struct buf *out)
{
	struct buf line;
	unsigned depth = depth_of(field->path);
	buf_init(&line);
	buf_append_str(&line, field->help);
	append_comment(out, depth, buf_cstr(&line));
	buf_clear(&line);
	append_facts(field, &line);
	buf_printf(&line, "; %s", field->reloadable ? "a reload applies it" : "needs a restart");
	if (field->required)
		buf_append_str(&line, "; required, the value is an example");
	else if (field->example)
		buf_printf(&line, "; for example %s", field->example);
	append_comment(out, depth, buf_cstr(&line));
	buf_deinit(&line);
}

static void append_key(const struct field *field, struct buf *out)
{
	size_t section = section_len(field->path);
	indent(out, depth_of(field->path));
	buf_printf(out, "%s: ", field->path + (section ? section + 1 : 0));
}

static void append_default(const struct field *field, const void *defaults, struct buf *out)
{
	if (field->required)
		buf_append_str(out, field->example);
	else
		field_format(field, defaults, false, out);
}

void fields_document(struct field_table table, const void *defaults, struct buf *out)
{
	const char *before = NULL;
	for (size_t i = 0; i < table.count; i++) {
		const struct field *field = &table.fields[i];
		if (before && !depth_of(field->path))
			buf_append_byte(out, '\n');
		else if (before && strncmp(before, field->path, section_len(field->path) + 1) != 0)
			buf_append_byte(out, '\n');
		open_sections(before, field->path, out);
		append_explanation(field, out);
		append_key(field, out);
		append_default(field, defaults, out);
		buf_append_byte(out, '\n');
		before = field->path;
	}
}

void fields_show(struct field_table table, const void *settings, struct buf *out)
{
	const char *before = NULL;
	for (size_t i = 0; i < table.count; i++) {
		const struct field *field = &table.fields[i];
		open_sections(before, field->path, out);
		append_key(field, out);
		field_format(field, settings, false, out);
		buf_append_byte(out, '\n');
		before = field->path;
	}
}

/* A pipe would end the cell. */
static void append_cell(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			buf_append_byte(out, '\\');
		buf_append_byte(out, (uint8_t)*text);
	}
}

static void append_row(const struct field *field, const void *defaults, struct buf *out)
{
	struct buf cell;
	buf_init(&cell);
	buf_printf(out, "| `%s` | ", field->path);
	append_facts(field, &cell);
	append_cell(out, buf_cstr(&cell));
	buf_append_str(out, " | ");
	buf_clear(&cell);
	if (field->required)
		buf_append_str(&cell, "(required)");
	else
		field_format(field, defaults, false, &cell);
	if (!slice_is(buf_slice(&cell), "null"))
		append_cell(out, buf_cstr(&cell));
	buf_printf(out, " | %s | ", field->reloadable ? "yes" : "no");
	append_cell(out, field->help);
	buf_append_str(out, " |\n");
	buf_deinit(&cell);
}

void fields_document_markdown(struct field_table table, const void *defaults, struct buf *out)
{
	buf_append_str(out, "| key | value | default | reload | what it does |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < table.count; i++)
		append_row(&table.fields[i], defaults, out);
}
