/* What a cutover has to say to people. */
#include "fleet/cutover_parts.h"

#include <stdarg.h>

void cutover_say(struct cutover *cutover, enum cutover_line kind, const char *format, ...)
{
	char text[2048];
	va_list arguments;
	if (!cutover->callbacks.line)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	cutover->callbacks.line(cutover->callbacks.context, kind, text);
}

static void say_error(struct cutover *cutover, enum cutover_line kind, const struct error *error)
{
	cutover_say(cutover, kind, "%s%s%s", error->message, error->hint[0] ? "\nHINT: " : "", error->hint);
}

/* A statement may be longer than a line of ours. */
static void say_statement(struct cutover *cutover, const struct move_statement *statement)
{
	struct buf text;
	if (!cutover->callbacks.line)
		return;
	buf_init(&text);
	buf_printf(&text, "%s;", statement->sql);
	if (statement->locks)
		buf_printf(&text, "  -- %s", statement->locks);
	cutover->callbacks.line(cutover->callbacks.context, CUTOVER_LINE_PLAN, buf_cstr(&text));
	buf_deinit(&text);
}

void cutover_say_plan(struct cutover *cutover)
{
	const struct move_plan *plan = cutover->plan;
	for (size_t i = 0; i < plan->problem_count; i++)
		say_error(cutover, CUTOVER_LINE_PROBLEM, &plan->problems[i]);
	for (size_t i = 0; i < plan->warning_count; i++)
		say_error(cutover, CUTOVER_LINE_WARNING, &plan->warnings[i]);
	if (!cutover->request.dry_run || !plan->stage_count)
		return;
	cutover_say(cutover, CUTOVER_LINE_PLAN, "BEGIN;");
	for (size_t i = 0; i < plan->statement_count; i++)
		say_statement(cutover, &plan->statements[i]);
	for (size_t i = 0; i < plan->stage_count; i++)
		cutover_say(cutover, CUTOVER_LINE_PLAN, "-- stage of %s in crossfade.stages: %s", plan->stages[i].table,
			    stage_name(plan->stages[i].to));
	cutover_say(cutover, CUTOVER_LINE_PLAN, "COMMIT;");
}

static void say_holder(struct cutover *cutover, const struct holder *holder)
{
	if (!holder->pid) {
		cutover_say(cutover, CUTOVER_LINE_BLOCKER,
			    "prepared transaction '%s' of %s, %.1f s old, holds %s (%s)", holder->gid, holder->user,
			    (double)holder->age_ms / 1000, holder->relation, holder->mode);
		return;
	}
	if (holder->proxy[0]) {
		cutover_say(cutover, CUTOVER_LINE_BLOCKER,
			    "pid %u, user %s, application %s, %s: a session of proxy %s, which is out of reach", holder->pid,
			    holder->user, holder->application[0] ? holder->application : "none given", holder->state, holder->proxy);
		return;
	}
	cutover_say(cutover, CUTOVER_LINE_BLOCKER, "pid %u, user %s, application %s, %s%s, transaction %.1f s old, holds %s (%s): %s",
		    holder->pid, holder->user[0] ? holder->user : holder->kind,
		    holder->application[0] ? holder->application : "none given", holder->state,
		    holder->waits ? " (waiting for a lock)" : "", (double)holder->age_ms / 1000, holder->relation,
		    holder->mode, holder->statement);
}

void cutover_say_holders(struct cutover *cutover, const struct holders *holders)
{
	for (size_t i = 0; i < holders->count && i < 10; i++)
		say_holder(cutover, &holders->items[i]);
	if (holders->count > 10)
		cutover_say(cutover, CUTOVER_LINE_BLOCKER, "and %zu more%s", holders->count - 10,
			    holders->cut ? ", at least" : "");
}
