#include "config/catalog_file.h"

#include "bad_input.h"

static const struct bad_input bad_catalogs[] = {
	{ "- a\n", 1, 1, "a catalog must be a mapping (key: value), but is a list", NULL },
	{ "relation: {}\n", 1, 1, "unknown key `relation` in a catalog", "Did you mean `relations`?" },
	{ "server_version: new\n", 1, 17, "`server_version` must be a number such as 150004", NULL },
	{ "relations:\n  a: table\n", 2, 3, "relation name `a` needs schema.name", NULL },
	{ "relations:\n  a.*: table\n", 2, 3, "relation name `a.*` needs schema.name", NULL },
	{ "relations:\n  a.b: tabel\n", 2, 8, "a relation's kind cannot be `tabel`", "Did you mean `table`?" },
	{ "relations:\n  a.b: {kin: view}\n", 2, 9, "unknown key `kin` in a relation", "Did you mean `kind`?" },
	{ "relations:\n  a.b: {columns: [x]}\n", 2, 18, "`columns` must be a mapping (key: value), but is a list", NULL },
	{ "relations:\n  a.b: {columns: {x: {}}}\n", 2, 22, "column x has no `type`", NULL },
	{ "relations:\n  a.b: {columns: {x: {type: int, identity: never}}}\n", 2, 44,
	  "`identity` cannot be `never`", NULL },
	{ "relations:\n  a.b: {columns: {x: {type: int, not_null: 1}}}\n", 2, 44, "`not_null` must be true or false",
	  NULL },
	{ "relations:\n  a.b: {columns: {x: int, X: int}}\n", 2, 27, "column x is given twice", NULL },
	{ "relations:\n  a.b: table\n  A.B: view\n", 2, 3, "relation a.b is given twice", NULL },
	{ "settings: [{role: x}]\n", 1, 12, "an item of `settings` has no `search_path`", NULL },
	{ "denied: {app: x}\n", 1, 15, "the schemas a role may not use must be a list, but is a text", NULL },
	{ "functions: {f: session}\n", 1, 16, "what a function changes must be a list, but is a text", NULL },
	{ "functions: {f: [sesion]}\n", 1, 17, "what a function changes cannot be `sesion`", "Did you mean `session`?" },
	{ "relations:\n  a.b: {constraints: {x: y}}\n", 2, 22,
	  "`constraints` must be a list, but is a mapping", NULL },
	{ "relations:\n  a.b: {keys: {k: c}}\n", 2, 19, "the columns of a key must be a list, but is a text", NULL },
	{ "schemas: [a.b]\n", 1, 11, "schema `a.b` must be a single name without a dot", NULL },
};

Test(catalog_file, says_what_is_wrong_and_where)
{
	for (size_t i = 0; i < sizeof(bad_catalogs) / sizeof(bad_catalogs[0]); i++) {
		struct facts *facts = NULL;
		struct error error;
		bool loaded = catalog_file_parse(slice_str(bad_catalogs[i].text), "test.yaml", &facts, &error);
		expect_error(&bad_catalogs[i], loaded, &error);
		cr_expect_null(facts);
	}
}

static const char sample[] =
	"database: aegis\n"
	"server_version: 150004\n"
	"search_path: v10, public\n"
	"schemas: [empty, Public]\n"
	"settings:\n"
	"  - {role: app, search_path: 'app, public'}\n"
	"  - {role: app, this_database: true, search_path: here}\n"
	"denied: {app: [secret, empty], '\"Other Role\"': [secret]}\n"
	"functions: {to_app: [session], '\"Odd\"': [catalog, session], quiet: []}\n"
	"relations:\n"
	"  public.prices:\n"
	"    constraints: [prices_pkey, '\"Odd fk\"']\n"
	"    keys: {prices_key: [id, '\"Odd Name\"']}\n"
	"    columns:\n"
	"      id: {type: integer, not_null: true, default: \"nextval('public.prices_id_seq'::regclass)\"}\n"
	"      Code: varchar(10)\n"
	"      '\"Odd Name\"': {type: bigint, identity: by default}\n"
	"      twice: {type: numeric, generated: true, default: (n * 2)}\n"
	"  public.prices_pkey: {kind: index, owned_by: public.prices}\n"
	"  public.prices_id_seq: {kind: sequence, owned_by: public.prices}\n"
	"  data.v: view\n";

static void check_sample(const struct facts *facts)
{
	const struct fact_constraint *key = facts_key(facts, (struct rel_name){ "public", "prices" }, "prices_key");
	cr_assert(key && key->column_count == 2);
	cr_expect_str_eq(key->columns[1], "Odd Name");
	cr_expect_null(facts_key(facts, (struct rel_name){ "public", "prices" }, "prices_pkey"));
	cr_expect_str_eq(facts->database, "aegis");
	cr_expect_eq(facts->server_version, 150004);
	cr_expect(facts_has_schema(facts, "empty") && facts_has_schema(facts, "data"));
	cr_expect_eq(facts->schema_count, 3);
	cr_expect_str_eq(facts_default_search_path(facts, "app"), "here");
	cr_expect_str_eq(facts_default_search_path(facts, "bob"), "v10, public");
	cr_expect_not(facts_may_use(facts, "app", "secret"));
	cr_expect_not(facts_may_use(facts, "Other Role", "secret"));
	cr_expect(facts_may_use(facts, "Other Role", "empty"));
	cr_expect_eq(facts_code_flags(facts, "to_app"), FACT_CODE_SESSION);
	cr_expect_eq(facts_code_flags(facts, "Odd"), FACT_CODE_SESSION | FACT_CODE_CATALOG);
	cr_expect_eq(facts_code_flags(facts, "quiet"), 0);
	size_t constraint_count = 0;
	const struct fact_constraint *constraint = facts_constraints(facts, "Odd fk", &constraint_count);
	cr_assert_eq(constraint_count, 1);
	cr_expect_str_eq(constraint->table.name, "prices");
	const struct fact_relation *prices = facts_find(facts, "public", "prices");
	cr_assert_not_null(prices);
	cr_assert_eq(prices->column_count, 4);
	cr_expect_eq(prices->kind, FACT_TABLE);
	cr_expect(prices->columns[0].not_null && prices->columns[0].has_default);
	cr_expect_str_eq(prices->columns[1].name, "code");
	cr_expect_str_eq(prices->columns[2].name, "Odd Name");
	cr_expect_eq(prices->columns[2].identity, 'd');
	cr_expect_eq(prices->columns[3].generated, 's');
	cr_expect_eq(prices->columns[3].attnum, 4);
	size_t owned = 0;
	for (const struct fact_relation *r = prices->owned; r; r = r->owner_next)
		owned++;
	cr_expect_eq(owned, 2);
	cr_expect_eq(facts_find(facts, "data", "v")->kind, FACT_VIEW);
}

static struct facts *parse(const char *text)
{
	struct facts *facts;
	struct error error;
	if (!catalog_file_parse(slice_str(text), "test.yaml", &facts, &error))
		cr_assert_fail("%u:%u: %s\n%s", error.line, error.column, error.message, text);
	return facts;
}

Test(catalog_file, holds_what_a_catalog_says)
{
	struct facts *facts = parse(sample);
	check_sample(facts);
	facts_unref(facts);
}

Test(catalog_file, what_is_written_loads_as_the_same)
{
	struct facts *facts = parse(sample);
	struct buf first, second;
	buf_init(&first);
	buf_init(&second);
	catalog_file_write(facts, &first);
	struct facts *again = parse(buf_cstr(&first));
	check_sample(again);
	catalog_file_write(again, &second);
	cr_expect_str_eq(buf_cstr(&first), buf_cstr(&second));
	facts_unref(again);
	facts_unref(facts);
	buf_deinit(&first);
	buf_deinit(&second);
}

Test(catalog_file, nothing_is_an_empty_catalog)
{
	struct facts *facts = parse("# no relations\n");
	cr_expect_eq(facts->relation_count, 0);
	facts_unref(facts);
}

Test(catalog_file, every_kind_has_a_word)
{
	struct facts *facts = facts_new();
	for (int kind = 0; kind <= FACT_COMPOSITE; kind++) {
		char name[] = { 't', (char)('a' + kind), '\0' };
		facts_add_relation(facts, (struct rel_name){ "s", name }, (enum fact_kind)kind, 0);
	}
	facts_seal(facts);
	struct buf text;
	buf_init(&text);
	catalog_file_write(facts, &text);
	struct facts *again = parse(buf_cstr(&text));
	for (int kind = 0; kind <= FACT_COMPOSITE; kind++) {
		char name[] = { 't', (char)('a' + kind), '\0' };
		cr_expect_eq(facts_find(again, "s", name)->kind, (enum fact_kind)kind);
	}
	facts_unref(again);
	facts_unref(facts);
	buf_deinit(&text);
}
