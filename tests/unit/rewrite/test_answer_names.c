/* What an answer says becomes what the client wrote; nothing else does. */
#include "rewrite/answer_names.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct ruleset *rules;
static struct buf text;
static struct answer answer;
static char got[512];

static struct ruleset *build(enum policy_errors errors)
{
	static struct map_pair renamed = { .key = "foreigner", .value = "foreign_net" };
	static struct flag flags[] = { { .table = { "public", "stocks" }, .stage = STAGE_LIVE },
				       { .table = { "public", "investor" }, .stage = STAGE_LIVE } };
	struct flags list = { .items = flags, .count = 2 };
	struct map *map = map_new();
	struct ruleset *built = NULL;
	struct error error;
	map->entries = ARENA_ARRAY(&map->arena, 2, struct map_entry);
	map->entry_count = 2;
	map->entries[0] = (struct map_entry){ .id = 0, .old_name = { "public", "stocks" },
					      .new_name = { "data", "instruments" }, .group = -1 };
	map->entries[1] = (struct map_entry){ .id = 1, .old_name = { "public", "investor" },
					      .new_name = { "data", "flow" }, .group = -1,
					      .columns = { &renamed, 1 } };
	struct facts *facts = facts_new();
	struct fact_column columns[] = { { .name = "code", .type = "text" }, { .name = "foreign_net", .type = "integer" } };
	facts_add_relation(facts, (struct rel_name){ "data", "instruments" }, FACT_TABLE, 1);
	facts_set_columns(facts, facts_add_relation(facts, (struct rel_name){ "data", "flow" }, FACT_TABLE, 2), columns, 2);
	facts_seal(facts);
	cr_assert(ruleset_build(map, &list, facts, (struct policy){ .errors = errors }, 1, NULL, NULL, &built, &error),
		  "%s", error.message);
	map_unref(map);
	facts_unref(facts);
	return built;
}

static void use_of(const char *table, enum side side, unsigned flags)
{
	struct use use = { .entry = strcmp(table, "public.investor") == 0, .side = (uint8_t)side, .flags = (uint16_t)flags, .table = table,
			   .written = { "public", "x" } };
	struct use uses[2] = { use };
	size_t count = 0;
	for (size_t i = 0; answer.shape && i < answer.shape->use_count; i++)
		uses[count++] = answer.shape->uses[i];
	uses[count++] = use;
	struct statement_shape *shape = statement_shape_new(slice_str("q"), uses, count);
	statement_shape_unref((struct statement_shape *)answer.shape);
	answer.shape = shape;
}

static void begin(void)
{
	rules = build(ERRORS_MAPPED);
	answer = (struct answer){ .ruleset = rules, .encoding = ENCODING_UTF8 };
	use_of("public.stocks", SIDE_OLD, USE_REWRITTEN);
}

static void end(void)
{
	statement_shape_unref((struct statement_shape *)answer.shape);
	ruleset_unref(rules);
	buf_deinit(&text);
}

TestSuite(answer_names, .init = begin, .fini = end);

/* "schema.table.column: message" as the client gets them. */
static const char *told(struct answer_fields fields)
{
	struct answer_changes changes = { 0 };
	answer_names_translate(&answer, &fields, &text, &changes);
	struct slice schema = changes.schema.data ? changes.schema : fields.schema;
	struct slice table = changes.table.data ? changes.table : fields.table;
	struct slice column = changes.column.data ? changes.column : fields.column;
	struct slice message = changes.message.data ? changes.message : fields.message;
	snprintf(got, sizeof(got), "%.*s.%.*s.%.*s: %.*s", (int)schema.len, schema.data, (int)table.len, table.data,
		 (int)column.len, column.data, (int)message.len, message.data);
	return got;
}

static struct answer_fields failing(const char *sqlstate, const char *message)
{
	return (struct answer_fields){ .sqlstate = slice_str(sqlstate), .message = slice_str(message) };
}

static struct answer_fields of_table(const char *sqlstate, const char *message, const char *table, const char *column)
{
	struct answer_fields fields = failing(sqlstate, message);
	fields.schema = slice_str("data");
	fields.table = slice_str(table);
	fields.column = slice_str(column);
	return fields;
}

Test(answer_names, fields_and_message_speak_of_the_written_table)
{
	cr_assert_str_eq(told(of_table("23502", "null value in column \"name\" of relation \"instruments\" violates it",
				       "instruments", "name")),
			 "public.stocks.name: null value in column \"name\" of relation \"stocks\" violates it");
}

Test(answer_names, columns_follow_the_map_of_their_own_table_only)
{
	use_of("public.investor", SIDE_OLD, USE_REWRITTEN);
	cr_assert_str_eq(told(of_table("23502", "null value in column \"foreign_net\" of relation \"flow\"", "flow",
				       "foreign_net")),
			 "public.investor.foreigner: null value in column \"foreigner\" of relation \"investor\"");
	cr_assert_str_eq(told(of_table("23502", "null value in column \"foreign_net\" of relation \"instruments\"",
				       "instruments", "foreign_net")),
			 "public.stocks.foreign_net: null value in column \"foreign_net\" of relation \"stocks\"");
}

Test(answer_names, a_column_or_constraint_that_is_called_like_the_table_stays)
{
	struct answer_fields fields = of_table("23514", "row for relation \"instruments\" violates constraint \"instruments\"",
					      "instruments", "");
	fields.constraint = slice_str("other");
	cr_assert_str_eq(told(fields), "public.stocks.: row for relation \"stocks\" violates constraint \"instruments\"");
	cr_assert_str_eq(told(failing("23502", "column \"instruments\" of relation \"instruments\"")),
			 "..: column \"instruments\" of relation \"stocks\"");
}

Test(answer_names, in_other_languages_the_fields_help)
{
	cr_assert_str_eq(told(of_table("23502", "\"instruments\" 릴레이션의 \"name\" 칼럼", "instruments", "name")),
			 "public.stocks.name: \"stocks\" 릴레이션의 \"name\" 칼럼");
}

Test(answer_names, what_the_client_wrote_itself_stays)
{
	answer.has_position = true;
	cr_assert_str_eq(told(failing("42P01", "missing FROM-clause entry for table \"instruments\"")),
			 "..: missing FROM-clause entry for table \"instruments\"");
	cr_assert_str_eq(told(failing("42703", "column \"nix\" of relation \"instruments\" does not exist")),
			 "..: column \"nix\" of relation \"stocks\" does not exist");
	answer.at_replaced = true;
	answer.replaced_len = sizeof("public.stocks") - 1;
	cr_assert_str_eq(told(failing("42P01", "relation \"data.instruments\" does not exist")),
			 "..: relation \"public.stocks\" does not exist");
	answer.replaced_len = sizeof("stocks") - 1;
	cr_assert_str_eq(told(failing("42P01", "relation \"data.instruments\" does not exist")),
			 "..: relation \"stocks\" does not exist");
}

Test(answer_names, a_table_that_was_written_under_both_names_stays)
{
	use_of("public.stocks", SIDE_NEW, 0);
	cr_assert_str_eq(told(failing("42501", "permission denied for table instruments")),
			 "..: permission denied for table instruments");
}

Test(answer_names, privileges_are_told_without_quotes)
{
	cr_assert_str_eq(told(failing("42501", "permission denied for table instruments")),
			 "..: permission denied for table stocks");
	cr_assert_str_eq(told(failing("42501", "instruments 테이블")), "..: stocks 테이블");
	cr_assert_str_eq(told(failing("42501", "permission denied for schema data")),
			 "..: permission denied for schema data");
	cr_assert_str_eq(told(failing("42501", "denied for table my_instruments")), "..: denied for table my_instruments");
	cr_assert_str_eq(told(failing("42501", "instruments")), "..: instruments");
}

Test(answer_names, other_errors_and_names_that_were_not_rewritten_stay)
{
	cr_assert_str_eq(told(failing("22P02", "invalid input \"instruments\"")), "..: invalid input \"instruments\"");
	cr_assert_str_eq(told(failing("23505", "violates \"flow\"")), "..: violates \"flow\"");
	cr_assert_str_eq(told(failing("23505", "odd \"instruments")), "..: odd \"instruments");
	cr_assert_str_eq(told(failing("23505", "\"\" \"")), "..: \"\" \"");
	cr_assert_str_eq(told(failing("23505", "")), "..: ");
}

Test(answer_names, fields_of_the_other_end_of_a_foreign_key_are_written_ones)
{
	cr_assert_str_eq(told(of_table("23503", "on table \"instruments\" violates it on table \"flow\"", "flow", "")),
			 "public.investor.: on table \"stocks\" violates it on table \"flow\"");
}

Test(answer_names, raw_errors_stay)
{
	ruleset_unref(rules);
	answer.ruleset = rules = build(ERRORS_RAW);
	cr_assert_str_eq(told(of_table("23502", "relation \"instruments\"", "instruments", "x")),
			 "data.instruments.x: relation \"instruments\"");
}
