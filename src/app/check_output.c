#include "app/check_output.h"

#include <jansson.h>

static void print_place(const char *map_path, const struct finding *finding, FILE *stream)
{
	fputs(map_path, stream);
	if (finding->line)
		fprintf(stream, ":%u:%u", finding->line, finding->column);
	fputs(": ", stream);
}

/* Names come from the catalog: a line break or escape in one must not look like ours. */
static void print_line(const char *text, FILE *stream)
{
	for (const char *c = text; *c; c++)
		fputc((unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c, stream);
	fputc('\n', stream);
}

static void print_finding(const char *map_path, const struct finding *finding)
{
	FILE *stream = finding->severity == FINDING_ERROR ? stderr : stdout;
	if (finding->severity == FINDING_ERROR || finding->line)
		print_place(map_path, finding, stream);
	if (finding->severity != FINDING_ERROR)
		fprintf(stream, "%s: ", finding_severity_name(finding->severity));
	if (finding->entry && finding->severity != FINDING_ERROR)
		fprintf(stream, "%s: ", finding->entry);
	print_line(finding->text, stream);
	if (finding->hint) {
		fputs(finding->severity == FINDING_ERROR ? "HINT:  " : "  ", stream);
		print_line(finding->hint, stream);
	}
}

static void print_count(size_t count, const char *what, const char *separator)
{
	if (count)
		printf("%s%zu %s%s", separator, count, what, count == 1 ? "" : "s");
}

static void print_summary(const char *map_path, const char *database, const struct findings *findings)
{
	size_t errors = findings_count(findings, FINDING_ERROR), warnings = findings_count(findings, FINDING_WARNING);
	size_t notes = findings_count(findings, FINDING_NOTE);
	if (!errors && !warnings) {
		printf("%s: agrees with database %s", map_path, database);
		print_count(notes, "note", "; ");
	} else {
		printf("%s: database %s: ", map_path, database);
		print_count(errors, "error", "");
		print_count(warnings, "warning", errors ? ", " : "");
		print_count(notes, "note", ", ");
	}
	putchar('\n');
}

void check_output_text(const char *map_path, const char *database, const struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++)
		print_finding(map_path, &findings->items[i]);
	fflush(stderr);
	print_summary(map_path, database, findings);
}

/* ---- JSON ---- */

/* Text that is no UTF-8 (a database in another encoding may name things so) must not make the whole fail. */
static json_t *text_or_null(const char *text)
{
	if (!text)
		return json_null();
	json_t *value = json_string(text);
	return value ? value : json_string("?");
}

static json_t *number_or_null(uint32_t number)
{
	return number ? json_integer(number) : json_null();
}

static json_t *finding_json(const struct finding *finding)
{
	json_t *object = json_object();
	json_object_set_new(object, "severity", json_string(finding_severity_name(finding->severity)));
	json_object_set_new(object, "kind", text_or_null(finding->kind));
	json_object_set_new(object, "entry", text_or_null(finding->entry));
	json_object_set_new(object, "object", text_or_null(finding->object));
	json_object_set_new(object, "text", text_or_null(finding->text));
	json_object_set_new(object, "hint", text_or_null(finding->hint));
	json_object_set_new(object, "line", number_or_null(finding->line));
	json_object_set_new(object, "column", number_or_null(finding->column));
	return object;
}

json_t *check_output_json(const char *map_path, const char *database, const struct findings *findings)
{
	json_t *object = json_object(), *list = json_array();
	for (size_t i = 0; i < findings->count; i++)
		json_array_append_new(list, finding_json(&findings->items[i]));
	json_object_set_new(object, "map", text_or_null(map_path));
	json_object_set_new(object, "database", text_or_null(database));
	json_object_set_new(object, "errors", json_integer((json_int_t)findings_count(findings, FINDING_ERROR)));
	json_object_set_new(object, "warnings", json_integer((json_int_t)findings_count(findings, FINDING_WARNING)));
	json_object_set_new(object, "notes", json_integer((json_int_t)findings_count(findings, FINDING_NOTE)));
	json_object_set_new(object, "findings", list);
	return object;
}

json_t *check_output_failure(const char *map_path, const struct error *error)
{
	json_t *object = json_object(), *reason = json_object();
	json_object_set_new(reason, "message", text_or_null(error->message));
	json_object_set_new(reason, "hint", text_or_null(error->hint[0] ? error->hint : NULL));
	json_object_set_new(reason, "line", number_or_null(error->line));
	json_object_set_new(reason, "column", number_or_null(error->column));
	json_object_set_new(object, "map", text_or_null(map_path));
	json_object_set_new(object, "error", reason);
	return object;
}

bool check_output_print(json_t *databases)
{
	json_t *root = json_object();
	json_object_set_new(root, "databases", databases);
	bool ok = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0 && putchar('\n') != EOF &&
		  fflush(stdout) == 0;
	json_decref(root);
	return ok;
}
