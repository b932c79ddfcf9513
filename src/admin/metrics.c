#include "admin/metrics.h"

#include <inttypes.h>

struct metric;
typedef void metric_samples_fn(const struct metric *metric, const struct metrics_input *input, struct buf *out);

struct metric {
	const char *name, *type, *labels, *help;
	metric_samples_fn *samples;
	size_t offset; /* for plain numbers: of the uint64_t in metrics_input */
};

/* ---- samples ---- */

struct label {
	const char *name, *value;
};

static void append_value(struct buf *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '\n')
			buf_append_str(out, "\\n");
		else if (*value == '"' || *value == '\\')
			buf_printf(out, "\\%c", *value);
		else
			buf_append_byte(out, (uint8_t)*value);
	}
}

static void begin_sample(const struct metric *metric, const struct label *labels, size_t count, struct buf *out)
{
	buf_append_str(out, metric->name);
	for (size_t i = 0; i < count; i++) {
		buf_printf(out, "%s%s=\"", i ? "," : "{", labels[i].name);
		append_value(out, labels[i].value);
		buf_append_byte(out, '"');
	}
	buf_append_str(out, count ? "} " : " ");
}

static void sample(const struct metric *metric, const struct label *labels, size_t count, uint64_t value,
		   struct buf *out)
{
	begin_sample(metric, labels, count, out);
	buf_printf(out, "%" PRIu64 "\n", value);
}

static void sample_ms(const struct metric *metric, const struct label *labels, size_t count, int64_t ms,
		      struct buf *out)
{
	begin_sample(metric, labels, count, out);
	buf_printf(out, "%" PRId64 ".%03" PRId64 "\n", ms / 1000, ms % 1000);
}

static void plain(const struct metric *metric, const struct metrics_input *input, struct buf *out)
{
	uint64_t value;
	memcpy(&value, (const char *)input + metric->offset, sizeof(value));
	sample(metric, NULL, 0, value, out);
}

static void build_info(const struct metric *metric, const struct metrics_input *input, struct buf *out)
{
	sample(metric, &(struct label){ "version", CROSSFADE_VERSION }, 1, 1, out);
}

static void start_time(const struct metric *metric, const struct metrics_input *input, struct buf *out)
{
	sample_ms(metric, NULL, 0, input->started_ms, out);
}

static void ready(const struct metric *metric, const struct metrics_input *input, struct buf *out)
{
	sample(metric, NULL, 0, input->phase == OVERVIEW_READY, out);
}

static void rewriting(const struct metric *metric, const struct metrics_input *input, struct buf *out)
{
	sample(metric, NULL, 0, input->rewriting, out);
}

static void closed(const struct metric *metric, const struct metrics_input *input, struct buf *out)
{
	for (int i = 0; i < CLOSE_REASON_COUNT; i++)
		sample(metric, &(struct label){ "reason", close_reason_name((enum close_reason)i) }, 1,
		       input->proxy.closed[i], out);
}

static void statements(const struct metric *metric, const struct metrics_input *input, struct buf *out)
{
	sample(metric, &(struct label){ "outcome", "unchanged" }, 1, input->proxy.statements_unchanged, out);
	sample(metric, &(struct label){ "outcome", "rewritten" }, 1, input->proxy.statements_rewritten, out);
	sample(metric, &(struct label){ "outcome", "refused" }, 1, input->proxy.statements_refused, out);
}

static void errors(const struct metric *metric, const struct metrics_input *input, struct buf *out)
{
	static const char *const reasons[TRAFFIC_ERROR_COUNT] = {
		[TRAFFIC_ERROR_SERVER] = "server",	 [TRAFFIC_ERROR_REFUSED] = "refused",
		[TRAFFIC_ERROR_TOO_LARGE] = "too_large", [TRAFFIC_ERROR_UNKNOWN] = "state_unknown",
		[TRAFFIC_ERROR_CANCELLED] = "cancelled",
	};
	for (int i = 0; i < TRAFFIC_ERROR_COUNT; i++)
		sample(metric, &(struct label){ "reason", reasons[i] }, 1, input->proxy.errors[i], out);
}

static void cache_hits(const struct metric *metric, const struct metrics_input *input, struct buf *out)
{
	sample(metric, NULL, 0, input->proxy.cache.hits + input->proxy.cache.recipe_hits, out);
}

/* Buckets are cumulative. */
static void parse_seconds(const struct metric *metric, const struct metrics_input *input, struct buf *out)
{
	const struct parse_times *times = &input->proxy.parse_times;
	uint64_t count = 0;
	for (size_t i = 0; i < PARSE_TIMES_BOUNDS; i++) {
		count += times->buckets[i];
		buf_printf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", metric->name,
			   (double)parse_times_bounds_us[i] / 1e6, count);
	}
	count += times->buckets[PARSE_TIMES_BOUNDS];
	buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.6f\n%s_count %" PRIu64 "\n", metric->name, count,
		   metric->name, (double)times->sum_us / 1e6, metric->name, count);
}

static void usage_lag(const struct metric *metric, const struct metrics_input *input, struct buf *out)
{
	sample_ms(metric, NULL, 0, (int64_t)input->usage.lag_ms, out);
}

/* ---- samples of tables ---- */

static void uses(const struct metric *metric, const struct metrics_input *input, struct buf *out)
{
	for (size_t i = 0; i < input->use_count; i++) {
		const struct usage_tally_row *row = &input->uses[i];
		struct label labels[] = { { "database", row->database }, { "table", row->table },
					  { "side", side_name(row->side) }, { "outcome", "unchanged" } };
		sample(metric, labels, 4, row->unchanged, out);
		labels[3].value = "rewritten";
		sample(metric, labels, 4, row->rewritten, out);
		labels[3].value = "refused";
		sample(metric, labels, 4, row->refused, out);
	}
}

static void use_errors(const struct metric *metric, const struct metrics_input *input, struct buf *out)
{
	for (size_t i = 0; i < input->use_count; i++) {
		const struct usage_tally_row *row = &input->uses[i];
		struct label labels[] = { { "database", row->database }, { "table", row->table },
					  { "side", side_name(row->side) } };
		sample(metric, labels, 3, row->errors, out);
	}
}

static void flips(const struct metric *metric, const struct metrics_input *input, struct buf *out)
{
	for (size_t i = 0; i < input->databases.count; i++) {
		const struct overview_database *database = &input->databases.items[i];
		for (size_t k = 0; database->ruleset && database->flips && k < database->ruleset->entry_count; k++) {
			struct label labels[] = { { "database", database->name },
						  { "table", database->ruleset->entries[k].key } };
			sample(metric, labels, 2, database->flips[k], out);
		}
	}
}

typedef uint64_t entry_value_fn(const struct ruleset_entry *entry);

static void entries(const struct metric *metric, const struct metrics_input *input, entry_value_fn *value,
		    struct buf *out)
{
	for (size_t i = 0; i < input->databases.count; i++) {
		const struct overview_database *database = &input->databases.items[i];
		for (size_t k = 0; database->ruleset && k < database->ruleset->entry_count; k++) {
			const struct ruleset_entry *entry = &database->ruleset->entries[k];
			struct label labels[] = { { "database", database->name }, { "table", entry->key } };
			sample(metric, labels, 2, value(entry), out);
		}
	}
}

static uint64_t stage_of(const struct ruleset_entry *entry)
{
	return entry->stage;
}

static uint64_t is_new(const struct ruleset_entry *entry)
{
	return entry->physical == SIDE_NEW;
}

static uint64_t has_drift(const struct ruleset_entry *entry)
{
	return entry->drift;
}

static void stages(const struct metric *metric, const struct metrics_input *input, struct buf *out)
{
	entries(metric, input, stage_of, out);
}

static void physical(const struct metric *metric, const struct metrics_input *input, struct buf *out)
{
	entries(metric, input, is_new, out);
}

static void drift(const struct metric *metric, const struct metrics_input *input, struct buf *out)
{
	entries(metric, input, has_drift, out);
}

static void facts_age(const struct metric *metric, const struct metrics_input *input, struct buf *out)
{
	for (size_t i = 0; i < input->databases.count; i++) {
		const struct overview_database *database = &input->databases.items[i];
		if (database->facts_age_ms >= 0)
			sample_ms(metric, &(struct label){ "database", database->name }, 1, database->facts_age_ms, out);
	}
}

static void ruleset_versions(const struct metric *metric, const struct metrics_input *input, struct buf *out)
{
	for (size_t i = 0; i < input->databases.count; i++) {
		const struct overview_database *database = &input->databases.items[i];
		if (database->ruleset)
			sample(metric, &(struct label){ "database", database->name }, 1, database->ruleset->version, out);
	}
}

/* ---- the table ---- */

#define NUMBER(member) .samples = plain, .offset = offsetof(struct metrics_input, member)

static const struct metric metrics[] = {
	{ "crossfade_build_info", "gauge", "version", "Always 1; the label says which version runs.", build_info },
	{ "crossfade_start_time_seconds", "gauge", "", "When the process started, in seconds since 1970.", start_time },
	{ "crossfade_ready", "gauge", "", "1 while new sessions are accepted, 0 while starting or draining.", ready },
	{ "crossfade_rewriting", "gauge", "", "0 while the kill switch has rewriting off, else 1.", rewriting },
	{ "crossfade_sessions", "gauge", "", "Sessions open now.", NUMBER(proxy.sessions) },
	{ "crossfade_sessions_opened_total", "counter", "", "Connections of clients that were accepted.",
	  NUMBER(proxy.sessions_total) },
	{ "crossfade_sessions_closed_total", "counter", "reason",
	  "Connections that ended, by reason; operations.md explains each.", closed },
	{ "crossfade_client_received_bytes_total", "counter", "", "Bytes that clients sent.",
	  NUMBER(proxy.bytes_from_client) },
	{ "crossfade_server_received_bytes_total", "counter", "", "Bytes that the server sent.",
	  NUMBER(proxy.bytes_from_server) },
	{ "crossfade_client_received_messages_total", "counter", "", "Protocol messages that clients sent.",
	  NUMBER(proxy.messages_from_client) },
	{ "crossfade_server_received_messages_total", "counter", "", "Protocol messages that the server sent.",
	  NUMBER(proxy.messages_from_server) },
	{ "crossfade_statements_total", "counter", "outcome",
	  "Statements looked at, by what became of them: unchanged, rewritten, refused.", statements },
	{ "crossfade_transactions_total", "counter", "", "Transactions that ended, those of single statements included.",
	  NUMBER(proxy.transactions) },
	{ "crossfade_errors_total", "counter", "reason",
	  "Errors that clients got: server (its own), refused (by the rules), too_large (over limits.message_bytes), "
	  "state_unknown (search_path or catalog could not be read), cancelled (while it waited in crossfade).", errors },
	{ "crossfade_rewrite_cache_hits_total", "counter", "",
	  "Texts that were known, as they stood or but for their literals.", cache_hits },
	{ "crossfade_rewrite_cache_misses_total", "counter", "", "Texts that had to be looked at anew.",
	  NUMBER(proxy.cache.misses) },
	{ "crossfade_rewrite_cache_bytes", "gauge", "", "Memory of what is remembered about texts, of all workers.",
	  NUMBER(proxy.cache.bytes) },
	{ "crossfade_rewrite_cache_entries", "gauge", "", "Texts remembered, of all workers.",
	  NUMBER(proxy.cache.entries) },
	{ "crossfade_parse_seconds", "histogram", "", "Time that the parser took for a text.", parse_seconds },
	{ "crossfade_hidden_exchanges_total", "counter", "",
	  "Times the server was asked for a session's search_path, or to prepare a statement anew.",
	  NUMBER(proxy.hidden_exchanges) },
	{ "crossfade_reprepared_total", "counter", "",
	  "Prepared statements prepared anew, because what their names mean has changed.", NUMBER(proxy.reprepared) },
	{ "crossfade_retried_total", "counter", "",
	  "Batches sent again, because somebody else had moved their table.", NUMBER(proxy.retried) },
	{ "crossfade_parked", "gauge", "", "Statements that wait now because their table is paused.",
	  NUMBER(proxy.parked) },
	{ "crossfade_parked_total", "counter", "", "Statements that had to wait because their table was paused.",
	  NUMBER(proxy.parked_total) },
	{ "crossfade_pauses_over_limit_total", "counter", "",
	  "Pauses that ended because more waited than limits.parked_clients or limits.parked_bytes allow.",
	  NUMBER(proxy.pauses_over_limit) },
	{ "crossfade_cancels_total", "counter", "", "Cancel requests passed on to the server.", NUMBER(proxy.cancels) },
	{ "crossfade_table_uses_total", "counter", "database, table, side, outcome",
	  "Statements that named a mapped table, by the name written (side old or new) and what became of it: unchanged, "
	  "rewritten, refused. As far as the ledger has them.", uses },
	{ "crossfade_table_use_errors_total", "counter", "database, table, side",
	  "Of these, those that the server answered with an error.", use_errors },
	{ "crossfade_table_stage", "gauge", "database, table",
	  "The stage: 0 old, 1 dualwrite, 2 shadow, 3 live, 4 rampdown, 5 complete.", stages },
	{ "crossfade_table_flips_total", "counter", "database, table", "Changes of the stage.", flips },
	{ "crossfade_table_rows_in_new", "gauge", "database, table", "1 when the rows are in the new table, 0 in the old.",
	  physical },
	{ "crossfade_table_drift", "gauge", "database, table", "1 when the catalog contradicts the flag.", drift },
	{ "crossfade_ruleset_version", "gauge", "database",
	  "Grows when map, flags or the catalog change what is rewritten.", ruleset_versions },
	{ "crossfade_facts_age_seconds", "gauge", "database",
	  "Since the catalog was last read or found unchanged. Missing until it was, and without admin.dsn.", facts_age },
	{ "crossfade_usage_statements_total", "counter", "", "Statements counted for the ledger.",
	  NUMBER(usage.statements) },
	{ "crossfade_usage_lost_total", "counter", "", "Of these, those given up on: the ledger could not be written.",
	  NUMBER(usage.lost) },
	{ "crossfade_usage_folded_total", "counter", "",
	  "Statements counted without their text, because limits.usage_bytes was used up.", NUMBER(usage.folded) },
	{ "crossfade_usage_batches_total", "counter", "", "Transactions written to the ledger.", NUMBER(usage.batches) },
	{ "crossfade_usage_failures_total", "counter", "", "Attempts to write it that failed.", NUMBER(usage.failures) },
	{ "crossfade_usage_lag_seconds", "gauge", "", "Age of the oldest count not yet in the ledger.", usage_lag },
};

void metrics_append(const struct metrics_input *input, struct buf *out)
{
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		const struct metric *metric = &metrics[i];
		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name, metric->type);
		metric->samples(metric, input, out);
	}
}

void metrics_document(struct buf *out)
{
	buf_append_str(out, "| metric | type | labels | |\n|---|---|---|---|\n");
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
		buf_printf(out, "| `%s` | %s | %s | %s |\n", metrics[i].name, metrics[i].type, metrics[i].labels,
			   metrics[i].help);
}
