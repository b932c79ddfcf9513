#include "wire/client_message.h"
#include "wire/error_fields.h"
#include "wire/server_message.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct slice body_of(const struct buf *message)
{
	return frame_body(message->data, frame_peek(message->data));
}

Test(frame, a_length_that_does_not_count_itself_is_invalid)
{
	cr_assert_not(frame_valid(frame_peek("Q\0\0\0\3")));
	cr_assert_not(frame_valid(frame_peek("Q\xff\xff\xff\xff")));
	cr_assert_not(frame_valid(frame_peek("Q\x80\0\0\0")));
	cr_assert(frame_valid(frame_peek("Q\0\0\0\4")));
}

Test(client_message, parse_survives_building_and_reading)
{
	struct buf out = { 0 };
	struct parse_message parse;
	parse_append(&out, slice_str("s1"), slice_str("SELECT $1"), slice_of("\0\1\0\0\0\x17", 6));
	cr_assert_eq(frame_peek(out.data).size, out.len);
	cr_assert(parse_read(body_of(&out), &parse));
	cr_assert(slice_is(parse.name, "s1"));
	cr_assert(slice_is(parse.sql, "SELECT $1"));
	cr_assert_eq(parse.types.len, 6);
	buf_deinit(&out);
}

Test(client_message, a_bind_is_read_with_nulls_and_without_formats)
{
	static const char body[] = "p\0s\0\0\0\0\3\0\0\0\1x\xff\xff\xff\xff\0\0\0\0\0\1\0\1";
	struct bind_message bind;
	cr_assert(bind_read(slice_of(body, sizeof(body) - 1), &bind));
	cr_assert(slice_is(bind.portal, "p") && slice_is(bind.statement, "s"));
	cr_assert_eq(bind.formats.len, 0);
	cr_assert_eq(bind.parameter_count, 3);
	cr_assert_eq(bind.parameters.len, 13);
	cr_assert_eq(bind.results.len, 4);
	for (size_t len = 0; len < sizeof(body) - 5; len++)
		cr_assert_not(bind_read(slice_of(body, len), &bind));
}

Test(client_message, malformed_bodies_are_told)
{
	struct slice sql;
	struct parse_message parse;
	struct bind_names names;
	struct execute_message execute;
	struct object_message object;
	cr_assert_not(query_read(slice_of("abc", 3), &sql));
	cr_assert_not(query_read(slice_of("", 0), &sql));
	cr_assert_not(query_read(slice_of("a\0b\0", 4), &sql));
	cr_assert_not(parse_read(slice_of("a\0b\0", 4), &parse));
	cr_assert_not(parse_read(slice_of("a\0b\0\0\2\0\0\0\1", 10), &parse));
	cr_assert_not(parse_read(slice_of("a\0b\0\xff\xff", 6), &parse));
	cr_assert_not(bind_read_names(slice_of("a\0b", 3), &names));
	cr_assert_not(execute_read(slice_of("a\0\0\0", 4), &execute));
	cr_assert_not(execute_read(slice_of("a\0\0\0\0\0x", 7), &execute));
	cr_assert_not(object_read(slice_of("Xa\0", 3), &object));
	cr_assert_not(object_read(slice_of("S", 1), &object));
}

Test(server_message, mechanisms_bound_to_a_channel_are_not_offered)
{
	struct buf out = { 0 };
	static const char both[] = "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0";
	cr_assert(authentication_append_unbound(&out, slice_of(both, sizeof(both))));
	uint32_t kind;
	struct slice data;
	cr_assert(authentication_read(body_of(&out), &kind, &data));
	cr_assert_eq(kind, AUTHENTICATION_SASL);
	cr_assert(slice_eq(data, slice_of("SCRAM-SHA-256\0", 15)));
	buf_deinit(&out);
}

Test(server_message, nothing_is_said_when_no_mechanism_is_left)
{
	struct buf out = { 0 };
	cr_assert_not(authentication_append_unbound(&out, slice_of("SCRAM-SHA-256-PLUS\0", 20)));
	cr_assert_not(authentication_append_unbound(&out, slice_of("no end", 6)));
	cr_assert_not(authentication_append_unbound(&out, slice_of("", 0)));
	cr_assert_eq(out.len, 0);
	buf_deinit(&out);
}

Test(server_message, rows_are_the_last_number_of_a_tag)
{
	cr_assert_eq(tag_rows(slice_str("SELECT 5")), 5);
	cr_assert_eq(tag_rows(slice_str("INSERT 0 12")), 12);
	cr_assert_eq(tag_rows(slice_str("CREATE TABLE")), 0);
	cr_assert_eq(tag_rows(slice_str("BEGIN")), 0);
	cr_assert_eq(tag_rows(slice_str("")), 0);
	cr_assert(tag_changes_relations(slice_str("CREATE TABLE")));
	cr_assert(tag_changes_relations(slice_str("CREATE TABLE AS")));
	cr_assert(tag_changes_relations(slice_str("DROP SCHEMA")));
	cr_assert(tag_changes_relations(slice_str("ALTER MATERIALIZED VIEW")));
	cr_assert(tag_changes_relations(slice_str("IMPORT FOREIGN SCHEMA")));
	cr_assert(tag_changes_relations(slice_str("GRANT")));
	cr_assert_not(tag_changes_relations(slice_str("CREATE TABLESPACE")));
	cr_assert_not(tag_changes_relations(slice_str("CREATE")));
	cr_assert_not(tag_changes_relations(slice_str("DROP FUNCTION")));
	cr_assert_not(tag_changes_relations(slice_str("INSERT 0 1")));
	cr_assert_not(tag_changes_relations(slice_str("")));
	cr_assert_eq(tag_rows(slice_str("5")), 0);
	cr_assert_eq(tag_rows(slice_str("X 99999999999999999999999999999")), 0);
}

Test(server_message, first_column_of_a_row_is_read_within_bounds)
{
	struct slice value;
	cr_assert(data_row_first(slice_of("\0\1\0\0\0\2ab", 8), &value));
	cr_assert(slice_is(value, "ab"));
	cr_assert(data_row_first(slice_of("\0\1\xff\xff\xff\xff", 6), &value));
	cr_assert_null(value.data);
	cr_assert_not(data_row_first(slice_of("\0\1\0\0\0\3ab", 8), &value));
	cr_assert_not(data_row_first(slice_of("\0\0", 2), &value));
}

static const char sample[] = "SFEHLER\0VERROR\0C42P01\0Mno table\0P15\0Fx.c\0W\0";

Test(error_fields, are_found_whatever_their_order)
{
	struct error_fields fields;
	cr_assert(error_fields_read(slice_of(sample, sizeof(sample)), &fields));
	cr_assert(slice_is(fields.sqlstate, "42P01"));
	cr_assert(slice_is(fields.severity, "FEHLER"));
	cr_assert_eq(fields.position, 15);
	cr_assert_not(error_fields_fatal(&fields));
}

Test(error_fields, severity_of_old_servers_is_read_too)
{
	struct error_fields fields;
	cr_assert(error_fields_read(slice_of("SFATAL\0\0", 8), &fields));
	cr_assert(error_fields_fatal(&fields));
	cr_assert_null(fields.sqlstate.data);
}

Test(error_fields, an_error_without_any_field_is_no_trap)
{
	struct error_fields fields;
	cr_assert(error_fields_read(slice_of("\0", 1), &fields));
	cr_assert_not(error_fields_fatal(&fields));
	cr_assert(slice_is(fields.sqlstate, ""));
	cr_assert_not(error_fields_read(slice_of("Mno end", 7), &fields));
}

Test(error_fields, another_position_leaves_all_else_as_it_was)
{
	struct buf out = { 0 };
	struct error_changes changes = { .moved = true, .position = 7 };
	error_fields_append_changed(&out, 'E', slice_of(sample, sizeof(sample)), &changes);
	static const char expected[] = "SFEHLER\0VERROR\0C42P01\0Mno table\0P7\0Fx.c\0W\0";
	cr_assert(slice_eq(body_of(&out), slice_of(expected, sizeof(expected))));
	buf_deinit(&out);
}

Test(error_fields, changed_fields_take_the_place_of_those_they_change)
{
	static const char fields[] = "SERROR\0C23502\0Mold\0Dold\0sdata\0tprices\0cx\0";
	static const char expected[] = "SERROR\0C23502\0Mnew\0Dold\0spublic\0tprices\0cy\0";
	struct error_changes changes = { .message = slice_str("new"), .schema = slice_str("public"),
					 .column = slice_str("y") };
	struct error_fields read;
	struct buf out = { 0 };
	cr_assert(error_fields_read(slice_of(fields, sizeof(fields)), &read));
	cr_assert(slice_is(read.schema, "data"));
	cr_assert(slice_is(read.table, "prices"));
	cr_assert(slice_is(read.column, "x"));
	cr_assert_null(read.constraint.data);
	error_fields_append_changed(&out, 'E', slice_of(fields, sizeof(fields)), &changes);
	cr_assert(slice_eq(body_of(&out), slice_of(expected, sizeof(expected))));
	buf_deinit(&out);
}

Test(error_fields, an_error_of_ours_has_all_its_parts)
{
	struct buf out = { 0 };
	struct error error;
	struct error_fields fields;
	error_set(&error, "0A000", "no");
	error_detail(&error, "because");
	error_hint(&error, "write data.prices");
	error.position = 8;
	error_append(&out, "FATAL", &error);
	cr_assert_eq(frame_peek(out.data).size, out.len);
	cr_assert(error_fields_read(body_of(&out), &fields));
	cr_assert(error_fields_fatal(&fields));
	cr_assert_eq(fields.position, 8);
	cr_assert_not_null(memmem(out.data, out.len, "Hwrite data.prices", 19));
	buf_deinit(&out);
}

Test(reader, reading_past_the_end_fails_and_stays_failed)
{
	struct slice sql;
	for (size_t len = 0; len < 8; len++) {
		char *copy = malloc(len + 1);
		memset(copy, 'x', len);
		cr_assert_not(query_read(slice_of(copy, len), &sql));
		free(copy);
	}
}
