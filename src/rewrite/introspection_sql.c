/*
 * A row of a catalog table is taken whole and given other names by
 * jsonb_populate_record, so that columns, order and types are those of the
 * server, whatever its version.
 */
#include "rewrite/introspection.h"

#include <stdio.h>

/* Columns that together name a relation (or a constraint, whose table's schema is its own). */
struct named_by {
	const char *schema, *name;
	bool constraint;
	const char *also; /* another column with the same schema */
};

static const struct view_spec {
	const char *schema, *name;
	struct named_by by[2];
	const char *column;	/* holds a column's name */
	const char *definition; /* holds SQL */
	bool qualified;		/* … whose names all have schemas */
} views[] = {
#define INFO "information_schema"
#define CATALOG "pg_catalog"
#define TABLE_COLUMNS { "table_schema", "table_name", false, NULL }
	{ INFO, "tables", { TABLE_COLUMNS }, NULL, NULL, false },
	{ INFO, "columns", { TABLE_COLUMNS }, "column_name", "column_default", false },
	{ INFO, "views", { TABLE_COLUMNS }, NULL, NULL, false },
	{ INFO, "table_privileges", { TABLE_COLUMNS }, NULL, NULL, false },
	{ INFO, "role_table_grants", { TABLE_COLUMNS }, NULL, NULL, false },
	{ INFO, "column_privileges", { TABLE_COLUMNS }, "column_name", NULL, false },
	{ INFO, "role_column_grants", { TABLE_COLUMNS }, "column_name", NULL, false },
	{ INFO, "view_table_usage", { TABLE_COLUMNS }, NULL, NULL, false },
	{ INFO, "view_column_usage", { TABLE_COLUMNS }, "column_name", NULL, false },
	{ INFO, "column_udt_usage", { TABLE_COLUMNS }, "column_name", NULL, false },
	{ INFO, "sequences", { { "sequence_schema", "sequence_name", false, NULL } }, NULL, NULL, false },
	{ INFO, "table_constraints", { { "table_schema", "table_name", false, "constraint_schema" } }, NULL, NULL, false },
	{ INFO, "key_column_usage", { { "table_schema", "table_name", false, "constraint_schema" } }, "column_name", NULL,
	  false },
	{ INFO, "constraint_column_usage", { TABLE_COLUMNS, { "constraint_schema", "constraint_name", true, NULL } },
	  "column_name", NULL, false },
	{ INFO, "constraint_table_usage", { TABLE_COLUMNS, { "constraint_schema", "constraint_name", true, NULL } }, NULL,
	  NULL, false },
	{ INFO, "referential_constraints",
	  { { "constraint_schema", "constraint_name", true, NULL },
	    { "unique_constraint_schema", "unique_constraint_name", true, NULL } }, NULL, NULL, false },
	{ INFO, "check_constraints", { { "constraint_schema", "constraint_name", true, NULL } }, NULL, NULL, false },
	{ INFO, "triggers", { { "event_object_schema", "event_object_table", false, "trigger_schema" } }, NULL, NULL,
	  false },
	{ CATALOG, "pg_tables", { { "schemaname", "tablename", false, NULL } }, NULL, NULL, false },
	{ CATALOG, "pg_views", { { "schemaname", "viewname", false, NULL } }, NULL, NULL, false },
	{ CATALOG, "pg_matviews", { { "schemaname", "matviewname", false, NULL } }, NULL, NULL, false },
	{ CATALOG, "pg_indexes", { { "schemaname", "tablename", false, NULL } }, NULL, "indexdef", true },
	{ CATALOG, "pg_sequences", { { "schemaname", "sequencename", false, NULL } }, NULL, NULL, false },
	{ CATALOG, "pg_policies", { { "schemaname", "tablename", false, NULL } }, NULL, NULL, false },
	{ CATALOG, "pg_rules", { { "schemaname", "tablename", false, NULL } }, NULL, NULL, false },
	{ CATALOG, "pg_stats", { { "schemaname", "tablename", false, NULL } }, "attname", NULL, false },
	{ CATALOG, "pg_stat_all_tables", { { "schemaname", "relname", false, NULL } }, NULL, NULL, false },
	{ CATALOG, "pg_stat_user_tables", { { "schemaname", "relname", false, NULL } }, NULL, NULL, false },
	{ CATALOG, "pg_stat_all_indexes", { { "schemaname", "relname", false, NULL } }, NULL, NULL, false },
	{ CATALOG, "pg_stat_user_indexes", { { "schemaname", "relname", false, NULL } }, NULL, NULL, false },
	{ CATALOG, "pg_statio_all_tables", { { "schemaname", "relname", false, NULL } }, NULL, NULL, false },
	{ CATALOG, "pg_statio_user_tables", { { "schemaname", "relname", false, NULL } }, NULL, NULL, false },
#undef TABLE_COLUMNS
#undef INFO
#undef CATALOG
};

static const char *const tables[] = { "pg_class", "pg_constraint", "pg_type", "pg_attribute" };

static const struct view_spec *find_view(const char *schema, const char *name)
{
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
		if (strcmp(views[i].schema, schema) == 0 && strcmp(views[i].name, name) == 0)
			return &views[i];
	}
	return NULL;
}

bool introspection_knows(const char *schema, const char *name)
{
	for (size_t i = 0; strcmp(schema, "pg_catalog") == 0 && i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (strcmp(tables[i], name) == 0)
			return true;
	}
	return find_view(schema, name) != NULL;
}

/* ---- pieces ---- */

static void append_literal(struct buf *out, const char *text)
{
	if (strchr(text, '\\'))
		buf_append_byte(out, 'E');
	buf_append_byte(out, '\'');
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			buf_append_byte(out, (uint8_t)*text);
		buf_append_byte(out, (uint8_t)*text);
	}
	buf_append_byte(out, '\'');
}

/* One relation that moved, under its two names. */
struct moved {
	const struct shown *shown;
	uint32_t oid;
	bool is_table, is_index;
	struct rel_name physical, written;
};

typedef void moved_fn(void *context, const struct moved *moved);

/* The table, then its indexes and sequences, which keep their names. */
static void each_of(const struct shown *shown, moved_fn *visit, void *context)
{
	const struct ruleset_entry *entry = shown->entry;
	const struct fact_relation *table = entry->relation[entry->physical];
	struct moved moved = { shown, table->oid, true, false, entry->names[entry->physical], entry->names[shown->written] };
	visit(context, &moved);
	for (const struct fact_relation *owned = table->owned; owned; owned = owned->owner_next) {
		moved = (struct moved){ shown, owned->oid, false, owned->kind == FACT_INDEX, owned->name,
					{ moved.written.schema, owned->name.name } };
		if (owned->oid)
			visit(context, &moved);
	}
}

static void each_moved(const struct shown_list *list, moved_fn *visit, void *context)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].as != SHOWN_PHYSICAL)
			each_of(&list->items[i], visit, context);
	}
}

/* Where a row can stand only once, one of two names must do. */
static bool stands_as_written(const struct shown *shown)
{
	return shown->as == SHOWN_WRITTEN || (shown->as == SHOWN_BOTH && shown->visible);
}

struct rows {
	struct buf *out;
	size_t count;
	bool tables_only, once, identities; /* which */
};

static void append_row(struct rows *rows, const struct moved *moved, struct rel_name name, bool written)
{
	struct buf *out = rows->out;
	buf_printf(out, "%s(%u::pg_catalog.oid,", rows->count++ ? "," : "", moved->oid);
	append_literal(out, moved->physical.schema);
	buf_append_byte(out, ',');
	append_literal(out, moved->physical.name);
	buf_append_byte(out, ',');
	append_literal(out, name.schema);
	buf_append_byte(out, ',');
	append_literal(out, name.name);
	bool both = moved->shown->as == SHOWN_BOTH;
	buf_printf(out, ",%s,%s,%s)", written ? "true" : "false", both ? "false" : "true",
		   !both || written == moved->shown->visible ? "true" : "false");
}

static void add_row(void *context, const struct moved *moved)
{
	struct rows *rows = context;
	if (rows->tables_only && !moved->is_table)
		return;
	if (rows->once && !stands_as_written(moved->shown))
		return;
	append_row(rows, moved, moved->written, true);
	if (rows->identities && moved->shown->as == SHOWN_BOTH)
		append_row(rows, moved, moved->physical, false);
}

/* (VALUES …) as `alias`: oid, physical schema and name, the name to show; is it the written one,
 * the only one, the one that search_path prefers. */
static size_t append_rows(struct buf *out, const struct shown_list *shown, struct rows which, const char *alias)
{
	which.out = out;
	buf_append_str(out, "(VALUES ");
	each_moved(shown, add_row, &which);
	buf_printf(out, ") AS %s(o,ps,pn,s,n,w,one,v)", alias);
	return which.count;
}

struct oids {
	struct buf *out;
	size_t count;
	bool tables_only, once, by_visibility, visible;
};

static void add_oid(void *context, const struct moved *moved)
{
	struct oids *oids = context;
	const struct shown *shown = moved->shown;
	if (oids->tables_only && !moved->is_table)
		return;
	if (oids->by_visibility && (shown->as == SHOWN_BOTH ? shown->reached : shown->visible) != oids->visible)
		return;
	if (!oids->by_visibility && (oids->once ? !stands_as_written(shown) : shown->as != SHOWN_WRITTEN))
		return;
	buf_printf(oids->out, "%s%u", oids->count++ ? "," : "", moved->oid);
}

static void append_oids(struct buf *out, const struct shown_list *shown, struct oids which)
{
	which.out = out;
	buf_append_str(out, "'{");
	each_moved(shown, add_oid, &which);
	buf_append_str(out, "}'::pg_catalog.oid[]");
}

bool introspection_oids(const struct shown_list *shown, bool visible, struct buf *out)
{
	struct oids which = { .out = out, .by_visibility = true, .visible = visible };
	size_t start = out->len;
	append_oids(out, shown, which);
	return out->data[start + 2] != '}';
}

/* ---- columns that have other names ---- */

struct column_rows {
	struct buf *out;
	size_t count;
};

static void add_columns(struct column_rows *rows, const struct shown *shown)
{
	const struct ruleset_entry *entry = shown->entry;
	const struct map_pairs *pairs = &entry->map->columns;
	struct rel_name physical = entry->names[entry->physical];
	for (size_t i = 0; i < pairs->count; i++) {
		bool written_is_old = shown->written == SIDE_OLD;
		buf_printf(rows->out, "%s(%u::pg_catalog.oid,", rows->count++ ? "," : "",
			   entry->relation[entry->physical]->oid);
		append_literal(rows->out, physical.schema);
		buf_append_byte(rows->out, ',');
		append_literal(rows->out, physical.name);
		buf_append_byte(rows->out, ',');
		append_literal(rows->out, written_is_old ? pairs->items[i].value : pairs->items[i].key);
		buf_append_byte(rows->out, ',');
		append_literal(rows->out, written_is_old ? pairs->items[i].key : pairs->items[i].value);
		buf_append_byte(rows->out, ')');
	}
}

/* (VALUES …): oid, physical schema, table and column, column to show. False when none is renamed. */
static bool append_columns(struct buf *out, const struct shown_list *shown, bool once)
{
	struct column_rows rows = { out, 0 };
	buf_append_str(out, "(VALUES ");
	for (size_t i = 0; i < shown->count; i++) {
		const struct shown *item = &shown->items[i];
		if (item->as != SHOWN_PHYSICAL && (!once || stands_as_written(item)))
			add_columns(&rows, item);
	}
	buf_append_byte(out, ')');
	return rows.count > 0;
}

static bool any_renamed(const struct shown_list *shown)
{
	for (size_t i = 0; i < shown->count; i++) {
		if (shown->items[i].as != SHOWN_PHYSICAL && shown->items[i].entry->map->columns.count)
			return true;
	}
	return false;
}

/* ---- SQL that holds names ---- */

static void append_escaped(struct buf *out, struct slice spelled)
{
	for (size_t i = 0; i < spelled.len; i++) {
		char c = spelled.data[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
			     (c & 0x80);
		if (!plain)
			buf_append_byte(out, '\\');
		buf_append_byte(out, (uint8_t)c);
	}
}

/* In a replacement text only the backslash is special. */
static void append_replacement(struct buf *out, struct slice spelled)
{
	for (size_t i = 0; i < spelled.len; i++) {
		if (spelled.data[i] == '\\')
			buf_append_byte(out, '\\');
		buf_append_byte(out, (uint8_t)spelled.data[i]);
	}
}

/* Names that go from one schema to another, or lose it, in one regular expression; renamed ones each in their own. */
struct name_group {
	const char *from;
	struct rel_name to; /* schema NULL: unqualified; name NULL: all keep theirs */
	struct buf names;   /* escaped, with | between them */
};

struct translation {
	struct buf groups; /* struct name_group */
	bool qualified;
};

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static struct name_group *group_of(struct translation *t, const char *from, struct rel_name to)
{
	struct name_group *groups = (struct name_group *)t->groups.data;
	size_t count = t->groups.len / sizeof(*groups);
	for (size_t i = 0; !to.name && i < count; i++) {
		if (!groups[i].to.name && same_text(groups[i].from, from) && same_text(groups[i].to.schema, to.schema))
			return &groups[i];
	}
	struct name_group fresh = { from, to, { 0 } };
	buf_init(&fresh.names);
	buf_append(&t->groups, &fresh, sizeof(fresh));
	return (struct name_group *)t->groups.data + count;
}

static void add_to_group(void *context, const struct moved *moved)
{
	struct translation *t = context;
	if (moved->is_index || !stands_as_written(moved->shown))
		return;
	bool renamed = strcmp(moved->physical.name, moved->written.name) != 0;
	bool bare = !t->qualified && moved->shown->visible;
	struct rel_name to = { bare ? NULL : moved->written.schema, renamed ? moved->written.name : NULL };
	struct name_group *group = group_of(t, moved->physical.schema, to);
	struct buf name;
	buf_init(&name);
	name_append_quoted(&name, moved->physical.name);
	if (group->names.len)
		buf_append_byte(&group->names, '|');
	append_escaped(&group->names, buf_slice(&name));
	buf_deinit(&name);
}

static void append_group_pattern(struct buf *out, const struct name_group *group)
{
	struct buf text, schema;
	buf_init(&text);
	buf_init(&schema);
	name_append_quoted(&schema, group->from);
	buf_append_str(&text, "(?<![\\w$\".])");
	append_escaped(&text, buf_slice(&schema));
	buf_append_str(&text, "\\.(");
	buf_append_slice(&text, buf_slice(&group->names));
	buf_append_str(&text, ")(?![\\w$\"])");
	append_literal(out, buf_cstr(&text));
	buf_deinit(&text);
	buf_deinit(&schema);
}

static void append_group_replacement(struct buf *out, const struct name_group *group)
{
	struct buf text, name;
	buf_init(&text);
	buf_init(&name);
	if (group->to.schema) {
		name_append_quoted(&name, group->to.schema);
		buf_append_byte(&name, '.');
	}
	if (group->to.name)
		name_append_quoted(&name, group->to.name);
	append_replacement(&text, buf_slice(&name));
	if (!group->to.name)
		buf_append_str(&text, "\\1");
	append_literal(out, buf_cstr(&text));
	buf_deinit(&text);
	buf_deinit(&name);
}

void introspection_translate(const struct shown_list *shown, bool qualified, struct buf *before, struct buf *after)
{
	struct translation t = { .qualified = qualified };
	buf_init(&t.groups);
	each_moved(shown, add_to_group, &t);
	struct name_group *groups = (struct name_group *)t.groups.data;
	for (size_t i = 0; i < t.groups.len / sizeof(*groups); i++) {
		buf_append_str(before, "pg_catalog.regexp_replace(");
		buf_append_byte(after, ',');
		append_group_pattern(after, &groups[i]);
		buf_append_byte(after, ',');
		append_group_replacement(after, &groups[i]);
		buf_append_str(after, ",'g')");
		buf_deinit(&groups[i].names);
	}
	buf_deinit(&t.groups);
}

/* ---- system tables ---- */

static void append_system_columns(struct buf *out, const struct shown_list *shown, const char *of)
{
	if (shown->with_tableoid)
		buf_printf(out, "%stableoid,", of);
	if (shown->with_xmin)
		buf_printf(out, "%sxmin,", of);
	if (shown->with_ctid)
		buf_printf(out, "%sctid,", of);
}

/* The rows that stay as they are: SELECT … FROM table WHERE. */
static void append_others(struct buf *out, const struct shown_list *shown, const char *table)
{
	buf_append_str(out, "(SELECT ");
	append_system_columns(out, shown, "");
	buf_printf(out, "* FROM pg_catalog.%s WHERE ", table);
}

static void append_changed(struct buf *out, const struct shown_list *shown)
{
	buf_append_str(out, " UNION ALL SELECT ");
	append_system_columns(out, shown, "t.");
	buf_append_str(out, "r.* FROM ");
}

static void append_populate(struct buf *out, const char *fields)
{
	buf_printf(out, " CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(t, pg_catalog.jsonb_build_object(%s)) AS r)",
		   fields);
}

#define SHOWN_NAMESPACE "pg_catalog.to_regnamespace(pg_catalog.quote_ident(m.s))::pg_catalog.oid"

static bool append_pg_class(struct buf *out, const struct shown_list *shown)
{
	append_others(out, shown, "pg_class");
	buf_append_str(out, "oid <> ALL (");
	append_oids(out, shown, (struct oids){ .once = false });
	buf_append_byte(out, ')');
	append_changed(out, shown);
	size_t rows = append_rows(out, shown, (struct rows){ .once = false }, "m");
	buf_append_str(out, " JOIN pg_catalog.pg_class AS t ON t.oid = m.o");
	append_populate(out, "'relname', m.n, 'relnamespace', " SHOWN_NAMESPACE);
	return rows > 0;
}

static bool append_pg_constraint(struct buf *out, const struct shown_list *shown)
{
	append_others(out, shown, "pg_constraint");
	buf_append_str(out, "conrelid <> ALL (");
	append_oids(out, shown, (struct oids){ .once = true, .tables_only = true });
	buf_append_byte(out, ')');
	append_changed(out, shown);
	size_t rows = append_rows(out, shown, (struct rows){ .once = true, .tables_only = true }, "m");
	buf_append_str(out, " JOIN pg_catalog.pg_constraint AS t ON t.conrelid = m.o");
	append_populate(out, "'connamespace', " SHOWN_NAMESPACE);
	return rows > 0;
}

/* Row types and the arrays of them, named after their tables. */
static bool append_pg_type(struct buf *out, const struct shown_list *shown)
{
	append_others(out, shown, "pg_type");
	buf_append_str(out, "oid <> ALL (ARRAY(SELECT pg_catalog.unnest(ARRAY[x.oid, x.typarray]) FROM pg_catalog.pg_type"
			    " AS x WHERE x.typrelid = ANY (");
	append_oids(out, shown, (struct oids){ .once = true, .tables_only = true });
	buf_append_str(out, ")))");
	append_changed(out, shown);
	size_t rows = append_rows(out, shown, (struct rows){ .once = true, .tables_only = true }, "m");
	buf_append_str(out, " JOIN pg_catalog.pg_type AS x ON x.typrelid = m.o"
			    " JOIN pg_catalog.pg_type AS t ON t.oid IN (x.oid, x.typarray)");
	append_populate(out, "'typname', CASE WHEN m.n = m.pn THEN t.typname::pg_catalog.text"
			     " WHEN t.oid = x.oid THEN m.n ELSE '_' || m.n END, 'typnamespace', " SHOWN_NAMESPACE);
	return rows > 0;
}

static bool append_pg_attribute(struct buf *out, const struct shown_list *shown)
{
	struct buf columns;
	buf_init(&columns);
	bool any = append_columns(&columns, shown, true);
	struct slice values = buf_slice(&columns);
	append_others(out, shown, "pg_attribute");
	buf_append_str(out, "NOT EXISTS (SELECT FROM ");
	buf_append(out, values.data, values.len);
	buf_append_str(out, " AS m(o,ps,pn,pc,c) WHERE m.o = attrelid AND m.pc = attname)");
	append_changed(out, shown);
	buf_append(out, values.data, values.len);
	buf_append_str(out, " AS m(o,ps,pn,pc,c) JOIN pg_catalog.pg_attribute AS t ON t.attrelid = m.o AND t.attname = m.pc");
	append_populate(out, "'attname', m.c");
	buf_deinit(&columns);
	return any;
}

/* ---- views ---- */

static void append_view_join(struct buf *out, const struct shown_list *shown, const struct named_by *by, unsigned i)
{
	char alias[8];
	snprintf(alias, sizeof(alias), "m%u", i);
	buf_append_str(out, " LEFT JOIN ");
	if (by->constraint)
		buf_append_str(out, "(SELECT m.o, n.nspname AS ps, k.conname AS pn, m.s, m.n, m.w, m.one, m.v FROM ");
	append_rows(out, shown, (struct rows){ .identities = true, .tables_only = by->constraint },
		    by->constraint ? "m" : alias);
	if (by->constraint)
		buf_printf(out, " JOIN pg_catalog.pg_constraint AS k ON k.conrelid = m.o"
				" JOIN pg_catalog.pg_namespace AS n ON n.oid = k.connamespace) AS %s", alias);
	buf_printf(out, " ON %s.ps = t.%s::pg_catalog.text AND %s.pn = t.%s::pg_catalog.text", alias, by->schema, alias,
		   by->name);
	if (i == 1) /* both names of one row come from the same layout, where each is there twice */
		buf_append_str(out, " AND (m1.one OR CASE WHEN m0.w IS NULL OR m0.one THEN m1.v ELSE m0.w = m1.w END)");
}

static void append_view_columns(struct buf *out, const struct shown_list *shown, const struct view_spec *view)
{
	buf_append_str(out, " LEFT JOIN ");
	append_columns(out, shown, false);
	buf_printf(out, " AS c(o,ps,pn,pc,c) ON m0.w AND c.ps = m0.ps AND c.pn = m0.pn AND c.pc = t.%s::pg_catalog.text",
		   view->column);
}

static void append_view_fields(struct buf *out, const struct shown_list *shown, const struct view_spec *view,
			       bool renamed)
{
	const char *comma = "";
	for (unsigned i = 0; i < 2 && view->by[i].schema; i++, comma = ", ") {
		const struct named_by *by = &view->by[i];
		buf_printf(out, "%s'%s', m%u.s", comma, by->schema, i);
		if (!by->constraint)
			buf_printf(out, ", '%s', m%u.n", by->name, i);
		if (by->also)
			buf_printf(out, ", '%s', m%u.s", by->also, i);
	}
	if (renamed)
		buf_printf(out, ", '%s', c.c", view->column);
	if (view->definition) {
		struct buf after;
		buf_init(&after);
		buf_printf(out, ", '%s', ", view->definition);
		introspection_translate(shown, view->qualified, out, &after);
		buf_printf(out, "t.%s::pg_catalog.text", view->definition);
		buf_append(out, after.data, after.len);
		buf_deinit(&after);
	}
}

static bool append_view(struct buf *out, const struct shown_list *shown, const struct view_spec *view)
{
	bool renamed = view->column && any_renamed(shown);
	buf_printf(out, "(SELECT r.* FROM %s.%s AS t", view->schema, view->name);
	for (unsigned i = 0; i < 2 && view->by[i].schema; i++)
		append_view_join(out, shown, &view->by[i], i);
	if (renamed)
		append_view_columns(out, shown, view);
	buf_append_str(out, " CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(t,"
			    " pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(");
	append_view_fields(out, shown, view, renamed);
	buf_append_str(out, "))) AS r)");
	return true;
}

static bool anything_shown(const struct shown_list *shown)
{
	for (size_t i = 0; i < shown->count; i++) {
		if (shown->items[i].as != SHOWN_PHYSICAL)
			return true;
	}
	return false;
}

static bool append_table(struct buf *out, const struct shown_list *shown, const char *schema, const char *name)
{
	const struct view_spec *view = find_view(schema, name);
	if (view)
		return append_view(out, shown, view);
	if (strcmp(name, "pg_class") == 0)
		return append_pg_class(out, shown);
	if (strcmp(name, "pg_constraint") == 0)
		return append_pg_constraint(out, shown);
	return strcmp(name, "pg_type") == 0 ? append_pg_type(out, shown) : append_pg_attribute(out, shown);
}

struct slice introspection_table(struct arena *arena, const struct shown_list *shown, const char *schema,
				 const char *name)
{
	struct slice text = slice_of(NULL, 0);
	struct buf out;
	if (!anything_shown(shown))
		return text;
	buf_init(&out);
	if (append_table(&out, shown, schema, name))
		text = slice_of(arena_copy(arena, out.data, out.len), out.len);
	buf_deinit(&out);
	return text;
}
