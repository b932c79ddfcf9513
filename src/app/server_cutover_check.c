/*
 * What a cutover's check says beyond the catalog: statements of the ledger
 * that would be refused or are opaque at the next stage, and sessions that do
 * not come through here. On the cutover's thread.
 */
#include "app/server_parts.h"

#include "app/report_rules.h"
#include "base/clock.h"
#include "usage/report.h"

#include <inttypes.h>

enum { STATEMENTS_SAID = 5, SESSIONS_SAID = 5, STATEMENTS_READ = 2000, DAY_MS = 86400000, HOUR_MS = 3600000, MINUTE_MS = 60000 };

struct check {
	const struct server_check *wanted;
	const struct move_plan *plan;
};

static void say(const struct check *check, const char *text)
{
	check->wanted->say(check->wanted->context, text);
}

/* ---- the ledger ---- */

static struct report *read_ledger(const struct check *check, const char *key, struct error *error_out)
{
	struct report_filter filter = report_filter_default();
	filter.table = key;
	filter.idle_days = check->wanted->ledger.idle_days;
	filter.since_ms = clock_wall_ms() - (int64_t)filter.idle_days * DAY_MS;
	filter.statements_max = STATEMENTS_READ;
	filter.wants_uses = true;
	struct report *report = report_new(&filter);
	if (!report_add_ledger(report, check->wanted->ledger.ledger_path, error_out)) {
		report_free(report);
		return NULL;
	}
	report_add_rules(report, check->wanted->ruleset, true, check->wanted->ledger.only_database);
	report_finish(report);
	return report;
}

/* Who sent it most often. */
static const struct report_use *main_use(const struct report_side *side, const struct report_statement *statement)
{
	const struct report_use *most = NULL;
	for (size_t i = 0; i < side->use_count; i++) {
		const struct report_use *use = side->uses[i];
		if (use->statement == statement && (!most || use->counts.total > most->counts.total))
			most = use;
	}
	return most;
}

static void append_ago(struct buf *text, int64_t at_ms)
{
	int64_t ago_ms = clock_wall_ms() - at_ms;
	if (ago_ms >= 2 * (int64_t)DAY_MS)
		buf_printf(text, "%" PRId64 " days ago", ago_ms / DAY_MS);
	else if (ago_ms >= 2 * HOUR_MS)
		buf_printf(text, "%" PRId64 " hours ago", ago_ms / HOUR_MS);
	else
		buf_printf(text, "%" PRId64 " minutes ago", ago_ms > 0 ? ago_ms / MINUTE_MS : 0);
}

static void say_statement(const struct check *check, const char *key, const struct report_side *side,
			  const struct report_statement *statement, const char *what)
{
	const struct report_use *use = main_use(side, statement);
	struct buf text;
	buf_init(&text);
	buf_printf(&text, "%s: %s: %s", key, what, statement->text);
	if (statement->forecast_reason)
		buf_printf(&text, " (%s)", statement->forecast_reason);
	buf_printf(&text, "; %" PRIu64 " times, last ", statement->counts.total);
	append_ago(&text, statement->counts.last_ms);
	if (use)
		buf_printf(&text, ", application %s, user %s",
			   use->who->application[0] ? use->who->application : "none given", use->who->user);
	say(check, buf_cstr(&text));
	buf_deinit(&text);
}

static bool is_forecast(const struct report_statement *statement, const char *forecast)
{
	return statement->forecast && strcmp(statement->forecast, forecast) == 0;
}

static void say_more(const struct check *check, const char *key, size_t count, const char *what)
{
	struct buf text;
	if (count <= STATEMENTS_SAID)
		return;
	buf_init(&text);
	buf_printf(&text, "%s: and %zu more statements %s; `crossfade report --table %s` lists them", key,
		   count - STATEMENTS_SAID, what, key);
	say(check, buf_cstr(&text));
	buf_deinit(&text);
}

/* On the way back nothing was tried: what is opaque names the table where it is now. */
static void say_side(const struct check *check, const char *key, const struct report_side *side, enum side written,
		     bool tried)
{
	bool loses = (written == SIDE_NEW) == check->plan->reverse;
	size_t refused = 0, opaque = 0;
	for (size_t i = 0; i < side->statement_count; i++) {
		const struct report_statement *statement = side->statements[i];
		if (tried && is_forecast(statement, "refused") && ++refused <= STATEMENTS_SAID)
			say_statement(check, key, side, statement, "would be refused afterwards");
		else if (((loses && statement->kind == USE_OPAQUE) || (tried && is_forecast(statement, "opaque"))) &&
			 ++opaque <= STATEMENTS_SAID)
			say_statement(check, key, side, statement, "is not rewritten (opaque), and names a table that moves");
	}
	say_more(check, key, refused, "would be refused");
	say_more(check, key, opaque, "are opaque");
}

static void say_table(const struct check *check, const struct report *report, const struct state_stage *stage)
{
	const struct report_table *table = report_find(report, stage->table);
	if (!table)
		return;
	bool tried = table->forecast.stage && strcmp(table->forecast.stage, stage_name(stage->to)) == 0;
	say_side(check, stage->table, &table->sides[SIDE_OLD], SIDE_OLD, tried);
	say_side(check, stage->table, &table->sides[SIDE_NEW], SIDE_NEW, tried);
}

static void say_statements(const struct check *check)
{
	struct error error;
	struct buf text;
	if (!check->wanted->ledger.ledger_path) {
		say(check, "nothing is counted (`usage: off`), so which statements would be refused is not known");
		return;
	}
	for (size_t i = 0; i < check->plan->stage_count; i++) {
		struct report *report = read_ledger(check, check->plan->stages[i].table, &error);
		if (report) {
			say_table(check, report, &check->plan->stages[i]);
			report_free(report);
			continue;
		}
		buf_init(&text);
		buf_printf(&text, "the ledger cannot be read, so which statements would be refused is not known: %s",
			   error.message);
		say(check, buf_cstr(&text));
		buf_deinit(&text);
		return;
	}
}

/* ---- sessions that come past us ---- */

struct passers {
	const struct check *check;
	size_t count;
};

static void on_session(void *context, const char *database, const struct activity_session *session)
{
	struct passers *passers = context;
	struct buf text;
	if (++passers->count > SESSIONS_SAID)
		return;
	buf_init(&text);
	buf_printf(&text, "a session does not come through crossfade: pid %u, user %s, application %s", session->pid,
		   session->user && *session->user ? session->user : "not known",
		   session->application && *session->application ? session->application : "none given");
	if (session->address && *session->address)
		buf_printf(&text, ", from %s", session->address);
	say(passers->check, buf_cstr(&text));
	buf_deinit(&text);
}

static void say_passers(const struct check *check)
{
	struct passers passers = { check, 0 };
	struct error error;
	struct buf text;
	buf_init(&text);
	if (!server_each_bypass(check->wanted->server, check->wanted->dsn, on_session, &passers, &error))
		buf_printf(&text, "which sessions do not come through crossfade is not known: %s", error.message);
	else if (passers.count)
		buf_printf(&text, "%s%zu session%s come%s past crossfade: %s (SHOW BYPASS lists all)",
			   passers.count > SESSIONS_SAID ? "in all " : "", passers.count, passers.count == 1 ? "" : "s",
			   passers.count == 1 ? "s" : "",
			   check->plan->reverse ? "under the new name they will find nothing" :
			   check->wanted->view	? "under the old name they go on to work over the view" :
						  "without a view their statements on the old name will fail");
	if (text.len)
		say(check, buf_cstr(&text));
	buf_deinit(&text);
}

void server_check_move(const struct server_check *wanted, const struct move_plan *plan)
{
	struct check check = { wanted, plan };
	say_statements(&check);
	say_passers(&check);
}
