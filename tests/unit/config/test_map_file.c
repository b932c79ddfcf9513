#include "config/map_file.h"

#include "bad_input.h"

#define HEAD "tables:\n"

static const struct bad_input bad_maps[] = {
	{ "", 1, 1, "a map must be a mapping (key: value), but is empty", NULL },
	{ "- a\n", 1, 1, "a map must be a mapping (key: value), but is a list", NULL },
	{ "tabels: {}\n", 1, 1, "unknown key `tabels` in a map", "Did you mean `tables`?" },
	{ "old: v10\n", 1, 1, "`tables` is missing", "tables: {}" },
	{ "tables:\n", 1, 8, "`tables` is missing", "tables: {}" },
	{ "tables: [a.b]\n", 1, 9, "`tables` must be a mapping (key: value), but is a list", NULL },
	{ "old: []\ntables: {}\n", 1, 6, "the value must be a text, but is a list", NULL },
	{ "new: ''\ntables: {}\n", 1, 6, "the value must not be empty", NULL },
	/* names */
	{ HEAD "  prices: data.prices\n", 2, 3, "table name `prices` has no schema", "public.prices" },
	{ HEAD "  public.prices: prices\n", 2, 18, "table name `prices` has no schema", "public.prices" },
	{ HEAD "  db.public.prices: a.b\n", 2, 3, "table name `db.public.prices` has more than two parts",
	  "schema.table" },
	{ HEAD "  public.my-table: a.b\n", 2, 3,
	  "table name `public.my-table` has characters that SQL takes only in double quotes", "schema.table" },
	{ HEAD "  'public.\"open': a.b\n", 2, 3, "table name `public.\"open` has a double quote that is not closed",
	  "schema.table" },
	{ HEAD "  'public.\"a\"b': a.b\n", 2, 3, "table name `public.\"a\"b` goes on behind a closing double quote",
	  "schema.table" },
	{ HEAD "  public.: a.b\n", 2, 3, "table name `public.` has an empty part", "schema.table" },
	{ HEAD "  '.x': a.b\n", 2, 3, "table name `.x` has an empty part", "schema.table" },
	{ HEAD "  'a.\"\"': a.b\n", 2, 3, "table name `a.\"\"` has an empty part", "schema.table" },
	{ HEAD "  '': a.b\n", 2, 3, "table name `` is empty", "schema.table" },
	{ HEAD "  a.1x: a.b\n", 2, 3, "table name `a.1x` has characters that SQL takes only in double quotes",
	  "schema.table" },
	{ HEAD "  a.a23456789b123456789c123456789d123456789e123456789f123456789g1234: a.b\n", 2, 3,
	  "table name `a.a23456789b123456789c123456789d123456789e123456789f123456789g1234` has a part longer than "
	  "63 bytes, which PostgreSQL would cut",
	  "schema.table" },
	/* patterns */
	{ HEAD "  public.*: data.prices\n", 2, 13, "the new name of a pattern must be a pattern too", "both sides" },
	{ HEAD "  public.prices: data.*\n", 2, 18, "the new name of one table must not be a pattern", "both" },
	{ HEAD "  public.pri*: data.*\n", 2, 3,
	  "table name `public.pri*` has characters that SQL takes only in double quotes", "schema.table" },
	{ HEAD "  public.*: {to: data.*, columns: {a: b}}\n", 2, 26,
	  "`columns` needs an entry of its own for each table, not a pattern", NULL },
	/* entries */
	{ HEAD "  public.a:\n", 2, 3, "public.a has no new name", "to: null" },
	{ HEAD "  public.a: {}\n", 2, 3, "public.a has no `to`", "to: schema.table" },
	{ HEAD "  public.a: [data.a]\n", 2, 13,
	  "public.a must be a new name or a mapping with `to`, but is a list", NULL },
	{ HEAD "  public.a: {to: [x.y]}\n", 2, 18, "the new name must be a text, but is a list", NULL },
	{ HEAD "  public.a: {too: x.y}\n", 2, 14, "unknown key `too` in an entry of `tables`", "Did you mean `to`?" },
	{ HEAD "  public.a: {to: x.y, colums: {}}\n", 2, 23, "unknown key `colums` in an entry of `tables`",
	  "Did you mean `columns`?" },
	{ HEAD "  public.a: {to: null, columns: {a: b}}\n", 2, 24,
	  "`columns` makes no sense for a table without a new side", NULL },
	{ HEAD "  public.a: {to: public.a, columns: {a: b}}\n", 2, 28,
	  "`columns` needs a new name that differs from the old one", "equal" },
	{ HEAD "  public.a: {to: x.y, reason: {}}\n", 2, 31, "the value must be a text, but is a mapping",
	  NULL },
	/* columns */
	{ HEAD "  public.a: {to: x.y, columns: [a]}\n", 2, 32,
	  "`columns` must be a mapping (key: value), but is a list", NULL },
	{ HEAD "  public.a: {to: x.y, columns: {a: }}\n", 2, 36, "a column name must be a text, but is empty", NULL },
	{ HEAD "  public.a: {to: x.y, columns: {a.b: c}}\n", 2, 33,
	  "column name `a.b` must be a single name without a dot", "as in SQL" },
	{ HEAD "  public.a:\n    to: x.y\n    columns:\n      code: c\n      CODE: d\n", 6, 7,
	  "code is in `columns` twice", NULL },
	{ HEAD "  public.a:\n    to: x.y\n    columns:\n      a: c\n      b: C\n", 6, 7,
	  "columns a and b would both become c", "of its own" },
	{ HEAD "  public.a:\n    to: x.y\n    shape: {a: int, b: int}\n    columns: {a: b}\n", 5, 15,
	  "column a would become b, which is another column of the old table", "Say where b goes" },
	{ HEAD "  public.a:\n    to: x.y\n    shape: {code: int}\n    columns: {coed: b}\n", 5, 15,
	  "column coed is not in `shape`", "Did you mean code?" },
	{ HEAD "  public.a:\n    to: x.y\n    new_shape: {id: int}\n    columns: {a: di}\n", 5, 15,
	  "column di is not in `new_shape`", "Did you mean id?" },
	{ HEAD "  public.a:\n    to: x.y\n    shape: {a: int}\n    read: {z: '1'}\n", 5, 12,
	  "column z is not in `shape`", NULL },
	{ HEAD "  public.a:\n    to: x.y\n    new_shape: {a: int}\n    write: {zz: '1'}\n", 5, 13,
	  "column zz is not in `new_shape`", NULL },
	{ HEAD "  public.a:\n    to: x.y\n    columns: {a: b}\n    read: {a: '1'}\n", 5, 12,
	  "column a is in `columns` and in `read`", "keep one" },
	{ HEAD "  public.a:\n    to: x.y\n    columns: {a: b}\n    write: {b: '1'}\n", 5, 13,
	  "column b is in `columns` and in `write`", "keep one" },
	{ HEAD "  public.a:\n    to: x.y\n    shape: {a: int}\n    deprecated: [priority]\n", 2, 3,
	  "column priority is not in `shape`, but in `deprecated`", NULL },
	{ HEAD "  public.a:\n    to: x.y\n    shape: {a: int}\n    new_shape: {b: int}\n    lossy: [c]\n", 2, 3,
	  "column c is not in `shape` or `new_shape`, but in `lossy`", NULL },
	{ HEAD "  public.a: {to: x.y, deprecated: [a, A]}\n", 2, 39, "a is in `deprecated` twice", NULL },
	{ HEAD "  public.a: {to: x.y, deprecated: a}\n", 2, 35, "`deprecated` must be a list, but is a text", NULL },
	{ HEAD "  public.a: {to: x.y, shape: {a: }}\n", 2, 34, "the value must be a text, but is empty", NULL },
	{ HEAD "  public.a: {to: x.y, shape: {a: ' '}}\n", 2, 34, "the value must not be empty", NULL },
	/* entries among each other */
	{ HEAD "  public.a: x.a\n  public.a: x.b\n", 3, 3, "key `public.a` is given twice, first in line 2", NULL },
	{ HEAD "  public.a: x.a\n  PUBLIC.A: x.b\n", 3, 3, "public.a has two entries, the first in line 2", NULL },
	{ HEAD "  public.*: x.*\n  PUBLIC.*: y.*\n", 3, 3, "public.* has two entries, the first in line 2", NULL },
	{ HEAD "  public.a: x.a\n  public.b: x.a\n", 3, 3,
	  "x.a is the new name of two entries, this one and public.a in line 2", "one old table" },
	{ HEAD "  b.t: c.t\n  a.t: b.t\n", 3, 3, "b.t is the new name of this entry and the old name of b.t in line 2",
	  "moves once" },
	{ HEAD "  a.t: b.t\n  b.t: a.t\n", 3, 3, "a.t is the new name of this entry and the old name of a.t in line 2",
	  "moves once" },
	{ HEAD "  a.t: a.t\n  b.t: a.t\n", 3, 3, "a.t is the new name of two entries, this one and a.t in line 2",
	  "one old table" },
	{ HEAD "  a.*: b.*\n  b.*: c.*\n", 3, 3, "b.* is the old name of this entry and the new name of a.* in line 2",
	  "moves once" },
	/* groups */
	{ "tables: {a.t: b.t}\ngroups: {g: [a.x]}\n", 2, 14, "`tables` has no entry a.x", "Did you mean a.t?" },
	{ "tables: {a.t: b.t}\ngroups: {g: [some.thing]}\n", 2, 14, "`tables` has no entry some.thing", "old names" },
	{ "tables: {a.t: b.t}\ngroups: {g: [a.t, A.T]}\n", 2, 19, "A.T is in the group twice", NULL },
	{ "tables: {a.t: b.t}\ngroups: {g: [a.t], h: [a.t]}\n", 2, 24, "a.t is in group g already", NULL },
	{ "tables: {a.t: b.t}\ngroups: {g: a.t}\n", 2, 13, "a group must be a list, but is a text", NULL },
	{ "tables: {a.t: b.t}\ngroups: [a.t]\n", 2, 9, "`groups` must be a mapping (key: value), but is a list", NULL },
	/* derived */
	{ "tables: {a.t: b.t}\nderived: {b.t: a.t}\n", 2, 11, "b.t is derived, but also in the entry of line 1",
	  "computed" },
	{ "tables: {}\nderived: {b.t: b.T}\n", 2, 16, "b.t cannot be derived from itself", NULL },
	{ "tables: {}\nderived: {b.*: b.T}\n", 2, 11, "`derived` takes tables, not patterns", NULL },
};

Test(map_file, says_what_is_wrong_and_where)
{
	for (size_t i = 0; i < sizeof(bad_maps) / sizeof(bad_maps[0]); i++) {
		struct map *map = NULL;
		struct error error;
		bool loaded = map_file_parse(slice_str(bad_maps[i].text), "test.yaml", &map, &error);
		expect_error(&bad_maps[i], loaded, &error);
		cr_expect_null(map, "map_out was touched");
	}
}

static struct map *parse(const char *text)
{
	struct map *map = NULL;
	struct error error;
	if (!map_file_parse(slice_str(text), "test.yaml", &map, &error))
		cr_assert_fail("%u:%u: %s", error.line, error.column, error.message);
	return map;
}

static const struct map_entry *old_entry(const struct map *map, const char *schema, const char *name)
{
	const struct map_entry *entry = NULL;
	for (size_t i = 0; i < map->entry_count && !entry; i++) {
		if (rel_name_eq(map->entries[i].old_name, (struct rel_name){ schema, name }))
			entry = &map->entries[i];
	}
	cr_assert_not_null(entry, "%s.%s", schema, name);
	return entry;
}

Test(map_file, short_form_is_a_move_and_equal_names_are_an_identity)
{
	struct map *map = parse("old: v10\nnew: v13\ntables:\n  Public.Prices: data.prices\n  e.o: e.o\n");
	cr_expect_str_eq(map->old_label, "v10");
	cr_expect_str_eq(map->new_label, "v13");
	const struct map_entry *prices = old_entry(map, "public", "prices");
	cr_expect_eq(prices->kind, MAP_MOVE);
	cr_expect_str_eq(prices->new_name.schema, "data");
	cr_expect_eq(prices->line, 4);
	cr_expect_eq(prices->column, 3);
	cr_expect_eq(prices->group, -1);
	cr_expect_eq(old_entry(map, "e", "o")->kind, MAP_IDENTITY);
	map_unref(map);
}

Test(map_file, quoted_names_keep_their_case_and_dots)
{
	struct map *map = parse("tables:\n  '\"My Schema\".\"a.b\"\"c\"': x.\"Y\"\n  'public.\"*\"': x.\"*\"\n");
	const struct map_entry *entry = old_entry(map, "My Schema", "a.b\"c");
	cr_expect_str_eq(entry->new_name.name, "Y");
	cr_expect_not(old_entry(map, "public", "*")->wildcard);
	map_unref(map);
}

Test(map_file, long_form_keeps_every_detail)
{
	struct map *map = parse("tables:\n"
				"  b.r:\n"
				"    to: s.f\n"
				"    shape: {date: date, code: varchar(10), scores: jsonb}\n"
				"    new_shape: {day: date, code: varchar(10), momentum: 'numeric(8,4)', extra: int}\n"
				"    columns: {date: day}\n"
				"    read: {scores: \"jsonb_build_object('momentum', momentum)\"}\n"
				"    write: {momentum: \"(scores->>'momentum')::numeric\"}\n"
				"    lossy: [extra]\n"
				"    deprecated: [Code]\n"
				"    reason: why not\n");
	const struct map_entry *entry = old_entry(map, "b", "r");
	cr_expect_eq(entry->kind, MAP_TRANSFORM);
	cr_expect_eq(entry->shape.count, 3);
	cr_expect_str_eq(entry->shape.items[1].value, "varchar(10)");
	cr_expect_str_eq(entry->new_shape.items[3].key, "extra");
	cr_expect_str_eq(entry->columns.items[0].value, "day");
	cr_expect_eq(entry->read.items[0].line, 7);
	cr_expect_str_eq(entry->write.items[0].value, "(scores->>'momentum')::numeric");
	cr_expect_str_eq(entry->lossy.names[0], "extra");
	cr_expect_str_eq(entry->deprecated.names[0], "code");
	cr_expect_str_eq(entry->reason, "why not");
	map_unref(map);
}

Test(map_file, renamed_columns_alone_stay_a_move_and_may_swap_names)
{
	struct map *map = parse("tables: {a.t: {to: b.t, columns: {x: y, y: x}}}\n");
	cr_expect_eq(old_entry(map, "a", "t")->kind, MAP_MOVE);
	map_unref(map);
}

Test(map_file, a_table_without_new_side_is_dropped)
{
	struct map *map = parse("tables: {a.t: {to: null, reason: gone, deprecated: [x]}}\n");
	const struct map_entry *entry = old_entry(map, "a", "t");
	cr_expect_eq(entry->kind, MAP_DROPPED);
	cr_expect_null(entry->new_name.name);
	map_unref(map);
}

Test(map_file, patterns_groups_and_derived_tables)
{
	struct map *map = parse("tables:\n  public.*: data.*\n  public.a: data.b\n  x.c: {to: y.c}\n"
				"groups: {core: [x.c, PUBLIC.A]}\n"
				"derived: {S.f: data.b, s.new: null}\n");
	cr_expect(map->entries[0].wildcard);
	cr_expect_str_eq(map->entries[0].new_name.name, "*");
	cr_assert_eq(map->group_count, 1);
	cr_expect_eq(map->groups[0].entries[0], 2);
	cr_expect_eq(map->groups[0].entries[1], 1);
	cr_expect_eq(map->entries[1].group, 0);
	cr_expect_str_eq(map->derived.items[0].key, "s.f");
	cr_expect_str_eq(map->derived.items[1].key, "s.new");
	cr_expect_null(map->derived.items[1].value);
	map_unref(map);
}

Test(map_file, an_empty_map_is_a_map)
{
	struct map *map = parse("tables: {}\n");
	cr_expect_eq(map->entry_count, 0);
	map_unref(map);
}

Test(map_file, a_missing_file_is_named)
{
	struct map *map;
	struct error error;
	cr_assert_not(map_file_load("/nonexistent/map.yaml", &map, &error));
	cr_expect_str_eq(error.message, "cannot read the file: No such file or directory");
	cr_expect_str_eq(error.file, "/nonexistent/map.yaml");
	cr_assert_not(map_file_load("/", &map, &error));
	cr_expect_str_eq(error.message, "cannot read the file: Is a directory");
}

Test(map_file, the_sample_loads)
{
	struct map *map;
	struct error error;
	if (!map_file_load(SAMPLE_FOLDER "/v10-to-v13.yaml", &map, &error))
		cr_assert_fail("%u:%u: %s", error.line, error.column, error.message);
	cr_expect_eq(old_entry(map, "public", "investor")->kind, MAP_MOVE);
	cr_expect_eq(old_entry(map, "brain", "analysis_results")->kind, MAP_TRANSFORM);
	map_unref(map);
}

Test(map_file, a_hundred_thousand_entries_load_in_no_time)
{
	struct buf text;
	buf_init(&text);
	buf_append_str(&text, "tables:\n");
	for (int i = 0; i < 100000; i++)
		buf_printf(&text, "  a.t%d: b.t%d\n", i, i);
	buf_append_str(&text, "groups:\n  all: [");
	for (int i = 0; i < 100000; i++)
		buf_printf(&text, "a.t%d, ", i);
	buf_append_str(&text, "]\nderived:\n");
	for (int i = 0; i < 100000; i++)
		buf_printf(&text, "  c.t%d: b.t%d\n", i, i);
	struct map *map = parse(buf_cstr(&text));
	cr_expect_eq(map->groups[0].count, 100000);
	map_unref(map);
	buf_deinit(&text);
}
