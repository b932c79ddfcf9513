#include "check/run.h"

#include "check/bodies.h"
#include "check/columns.h"
#include "check/coverage.h"
#include "check/grants.h"
#include "check/objects.h"
#include "config/map_live.h"

static void on_problem(void *context, const struct error *problem)
{
	struct findings *findings = context;
	struct finding *finding = findings_add(findings, FINDING_ERROR, NULL, "map", NULL, "%s", problem->message);
	finding->line = problem->line;
	finding->column = problem->column;
	if (problem->hint[0])
		finding_hint(findings, finding, "%s", problem->hint);
}

/* What the catalog does not show to everybody. */
static void say_unseen(const struct dependents *dependents, struct findings *findings)
{
	struct buf role;
	if (dependents->reads_stats)
		return;
	buf_init(&role);
	name_append_quoted(&role, dependents->user ? dependents->user : "");
	struct finding *note = findings_add(findings, FINDING_NOTE, NULL, "unseen", NULL,
					    "role %s does not see what other roles' sessions are: their addresses, states "
					    "and kinds", dependents->user ? dependents->user : "");
	finding_hint(findings, note, "GRANT pg_read_all_stats TO %s; `crossfade check --grants` prints all it needs.",
		     buf_cstr(&role));
	buf_deinit(&role);
}

static void say_pooler(const struct dependents *dependents, struct findings *findings)
{
	if (!dependents->is_pooled)
		return;
	struct finding *finding = findings_add(findings, FINDING_WARNING, NULL, "pooler", NULL,
					       "there is a pooler between crossfade and the server: the process that "
					       "logged us in is not the one that answers");
	finding_hint(findings, finding, "Give admin.dsn the server itself, and let a pooler behind the proxy use session mode.");
}

void check_run(const struct ruleset *ruleset, const struct dependents *dependents, struct findings *findings)
{
	map_live_check(ruleset->map, ruleset->facts, on_problem, findings);
	coverage_check(ruleset, dependents, findings);
	columns_check(ruleset, dependents, findings);
	grants_check(ruleset, dependents, findings);
	bodies_check(ruleset, dependents, findings);
	objects_check(ruleset, dependents, findings);
	say_unseen(dependents, findings);
	say_pooler(dependents, findings);
	findings_sort(findings);
}
