/* The metrics: what is documented is what is served, and it is well-formed whatever the names are. */
#include "admin/metrics.h"

#include <criterion/criterion.h>

static void read_doc(struct buf *out)
{
	FILE *file = fopen(METRICS_DOC, "r");
	cr_assert_not_null(file);
	buf_init(out);
	buf_reserve(out, 65536);
	out->len = fread(out->data, 1, 65535, file);
	fclose(file);
}

Test(metrics, documentation_has_exactly_the_table)
{
	struct buf doc, table;
	read_doc(&doc);
	buf_init(&table);
	metrics_document(&table);
	const char *at = strstr(buf_cstr(&doc), "| metric |");
	cr_assert_not_null(at, "docs/metrics.md has no table");
	const char *end = strstr(at, "\n\n");
	size_t len = end ? (size_t)(end - at) + 1 : strlen(at);
	cr_assert(len == table.len && memcmp(at, table.data, len) == 0, "the table should be:\n%s", buf_cstr(&table));
	buf_deinit(&doc);
	buf_deinit(&table);
}

static void append(const struct metrics_input *input, struct buf *out)
{
	buf_init(out);
	metrics_append(input, out);
}

Test(metrics, counts_of_tables_carry_the_four_labels_and_no_other)
{
	struct usage_tally_row row = { "aegis", "public.prices", SIDE_OLD, 3, 5, 7, 2 };
	struct metrics_input input = { .uses = &row, .use_count = 1 };
	struct buf out;
	append(&input, &out);
	const char *text = buf_cstr(&out);
	cr_expect(strstr(text, "\ncrossfade_table_uses_total{database=\"aegis\",table=\"public.prices\",side=\"old\","
			       "outcome=\"rewritten\"} 5\n"));
	cr_expect(strstr(text, "outcome=\"unchanged\"} 3\n"));
	cr_expect(strstr(text, "outcome=\"refused\"} 7\n"));
	cr_expect(strstr(text, "\ncrossfade_table_use_errors_total{database=\"aegis\",table=\"public.prices\","
			       "side=\"old\"} 2\n"));
	buf_deinit(&out);
}

Test(metrics, names_are_escaped)
{
	struct usage_tally_row row = { "a\"b\\c\nd", "x", SIDE_NEW, 1, 0, 0, 0 };
	struct metrics_input input = { .uses = &row, .use_count = 1 };
	struct buf out;
	append(&input, &out);
	cr_expect(strstr(buf_cstr(&out), "{database=\"a\\\"b\\\\c\\nd\",table="));
	buf_deinit(&out);
}

Test(metrics, phase_lag_and_close_reasons_are_shown)
{
	struct metrics_input input = { .phase = OVERVIEW_READY, .started_ms = 1700000000123, .usage = { .lag_ms = 1005 } };
	struct buf out;
	input.proxy.closed[CLOSE_SHUTDOWN] = 9;
	append(&input, &out);
	const char *text = buf_cstr(&out);
	cr_expect(strstr(text, "\ncrossfade_ready 1\n"));
	cr_expect(strstr(text, "\ncrossfade_start_time_seconds 1700000000.123\n"));
	cr_expect(strstr(text, "\ncrossfade_usage_lag_seconds 1.005\n"));
	cr_expect(strstr(text, "\ncrossfade_sessions_closed_total{reason=\"shutdown\"} 9\n"));
	buf_deinit(&out);
	input.phase = OVERVIEW_DRAINING;
	append(&input, &out);
	cr_expect(strstr(buf_cstr(&out), "\ncrossfade_ready 0\n"));
	buf_deinit(&out);
}

Test(metrics, parse_times_are_a_cumulative_histogram_in_seconds)
{
	struct metrics_input input = { 0 };
	struct buf out;
	struct parse_times times = { 0 };
	parse_times_add(&times, 20);
	parse_times_add(&times, 25);
	parse_times_add(&times, 300);
	parse_times_add(&times, 5000000);
	input.proxy.parse_times = parse_times_read(&times);
	append(&input, &out);
	const char *text = buf_cstr(&out);
	cr_expect(strstr(text, "# TYPE crossfade_parse_seconds histogram\n"
			       "crossfade_parse_seconds_bucket{le=\"2.5e-05\"} 2\n"));
	cr_expect(strstr(text, "crossfade_parse_seconds_bucket{le=\"0.0005\"} 3\n"));
	cr_expect(strstr(text, "crossfade_parse_seconds_bucket{le=\"1\"} 3\n"
			       "crossfade_parse_seconds_bucket{le=\"+Inf\"} 4\n"
			       "crossfade_parse_seconds_sum 5.000345\ncrossfade_parse_seconds_count 4\n"));
	buf_deinit(&out);
}

Test(metrics, errors_have_their_reasons)
{
	struct metrics_input input = { 0 };
	struct buf out;
	input.proxy.errors[TRAFFIC_ERROR_REFUSED] = 4;
	append(&input, &out);
	cr_expect(strstr(buf_cstr(&out), "\ncrossfade_errors_total{reason=\"refused\"} 4\n"));
	buf_deinit(&out);
}
