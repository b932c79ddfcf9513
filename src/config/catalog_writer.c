/* Writing facts as a catalog's file. */
#include "config/catalog_file.h"
#include "config/catalog_words.h"
#include "config/yaml_tree.h"

const char *const catalog_kind_words[CATALOG_KIND_COUNT] = {
	[FACT_TABLE] = "table",	    [FACT_PARTITIONED] = "partitioned", [FACT_FOREIGN] = "foreign",
	[FACT_VIEW] = "view",	    [FACT_MATVIEW] = "matview",     [FACT_SEQUENCE] = "sequence",
	[FACT_INDEX] = "index",	    [FACT_COMPOSITE] = "composite",
};
const char *const catalog_identity_words[2] = { "always", "by default" };
const char *const catalog_code_words[2] = { "session", "catalog" };

/* An SQL identifier inside a YAML text. */
static void append_name(struct buf *out, const char *schema, const char *name)
{
	struct buf text;
	buf_init(&text);
	rel_name_append(&text, (struct rel_name){ schema, name });
	yaml_append_text(out, buf_cstr(&text));
	buf_deinit(&text);
}

static void append_pair(struct buf *out, const char *before, const char *key, const char *value)
{
	buf_printf(out, "%s%s: ", before, key);
	yaml_append_text(out, value);
}

static void write_column(const struct fact_column *column, struct buf *out)
{
	buf_append_str(out, "      ");
	append_name(out, NULL, column->name);
	append_pair(out, ": {", "type", column->type);
	if (column->not_null)
		buf_append_str(out, ", not_null: true");
	if (column->default_text)
		append_pair(out, ", ", "default", column->default_text);
	if (column->identity)
		append_pair(out, ", ", "identity", catalog_identity_words[column->identity == 'd']);
	if (column->generated)
		buf_append_str(out, ", generated: true");
	if (column->in_key)
		buf_append_str(out, ", primary_key: true");
	buf_append_str(out, "}\n");
}

static void write_constraints(const struct facts *facts, const struct fact_relation *relation, struct buf *out)
{
	size_t count = 0;
	for (size_t i = 0; i < facts->constraint_count; i++) {
		if (facts->constraints[i].column_count || !rel_name_eq(facts->constraints[i].table, relation->name))
			continue;
		buf_append_str(out, count++ ? ", " : "    constraints: [");
		append_name(out, NULL, facts->constraints[i].name);
	}
	buf_append_str(out, count ? "]\n" : "");
}

static void write_keys(const struct facts *facts, const struct fact_relation *relation, struct buf *out)
{
	size_t count = 0;
	for (size_t i = 0; i < facts->constraint_count; i++) {
		const struct fact_constraint *key = &facts->constraints[i];
		if (!key->column_count || !rel_name_eq(key->table, relation->name))
			continue;
		buf_append_str(out, count++ ? ", " : "    keys: {");
		append_name(out, NULL, key->name);
		for (size_t k = 0; k < key->column_count; k++) {
			buf_append_str(out, k ? ", " : ": [");
			append_name(out, NULL, key->columns[k]);
		}
		buf_append_byte(out, ']');
	}
	buf_append_str(out, count ? "}\n" : "");
}

static void write_code(const struct facts *facts, struct buf *out)
{
	buf_append_str(out, facts->code_count ? "functions:\n" : "");
	for (size_t i = 0; i < facts->code_count; i++) {
		unsigned flags = facts->code[i].flags;
		buf_append_str(out, "  ");
		append_name(out, NULL, facts->code[i].function);
		buf_printf(out, ": [%s%s%s]\n", flags & FACT_CODE_SESSION ? catalog_code_words[0] : "",
			   flags == (FACT_CODE_SESSION | FACT_CODE_CATALOG) ? ", " : "",
			   flags & FACT_CODE_CATALOG ? catalog_code_words[1] : "");
	}
}

static void write_relation(const struct facts *facts, const struct fact_relation *relation, struct buf *out)
{
	buf_append_str(out, "  ");
	append_name(out, relation->name.schema, relation->name.name);
	buf_printf(out, ":\n    kind: %s\n", catalog_kind_words[relation->kind]);
	if (relation->owned_by.name) {
		buf_append_str(out, "    owned_by: ");
		append_name(out, relation->owned_by.schema, relation->owned_by.name);
		buf_append_byte(out, '\n');
	}
	write_constraints(facts, relation, out);
	write_keys(facts, relation, out);
	if (relation->column_count)
		buf_append_str(out, "    columns:\n");
	for (size_t i = 0; i < relation->column_count; i++)
		write_column(&relation->columns[i], out);
}

static void write_settings(const struct facts *facts, struct buf *out)
{
	if (facts->settings)
		buf_append_str(out, "settings:\n");
	for (const struct fact_setting *setting = facts->settings; setting; setting = setting->next) {
		append_pair(out, "  - {", "search_path", setting->search_path);
		if (setting->role) {
			buf_append_str(out, ", role: ");
			append_name(out, NULL, setting->role);
		}
		buf_printf(out, ", this_database: %s}\n", setting->this_database ? "true" : "false");
	}
}

/* Sorted by role. */
static void write_denied(const struct facts *facts, struct buf *out)
{
	const char *role = NULL;
	if (facts->denied_count)
		buf_append_str(out, "denied:");
	for (size_t i = 0; i < facts->denied_count; i++) {
		const struct fact_denied *denied = &facts->denied[i];
		if (!role || strcmp(role, denied->role) != 0) {
			buf_append_str(out, role ? "]\n  " : "\n  ");
			append_name(out, NULL, denied->role);
			buf_append_str(out, ": [");
		} else {
			buf_append_str(out, ", ");
		}
		append_name(out, NULL, denied->schema);
		role = denied->role;
	}
	if (facts->denied_count)
		buf_append_str(out, "]\n");
}

void catalog_file_write(const struct facts *facts, struct buf *out)
{
	if (facts->database) {
		append_pair(out, "", "database", facts->database);
		buf_append_byte(out, '\n');
	}
	if (facts->server_version)
		buf_printf(out, "server_version: %d\n", facts->server_version);
	if (facts->search_path) {
		append_pair(out, "", "search_path", facts->search_path);
		buf_append_byte(out, '\n');
	}
	buf_append_str(out, "schemas: [");
	for (size_t i = 0; i < facts->schema_count; i++) {
		buf_append_str(out, i ? ", " : "");
		append_name(out, NULL, facts->schemas[i]);
	}
	buf_append_str(out, "]\n");
	write_settings(facts, out);
	write_denied(facts, out);
	write_code(facts, out);
	buf_append_str(out, facts->relation_count ? "relations:\n" : "relations: {}\n");
	for (size_t i = 0; i < facts->relation_count; i++)
		write_relation(facts, facts->relations[i], out);
}
