#include "app/report_blockers.h"

#include "app/stages.h"
#include "base/clock.h"
#include "catalog/loader.h"
#include "check/blockers.h"
#include "config/map_file.h"

enum { TIMEOUT_MS = 5000 };

static bool build(const struct settings *settings, const struct settings_database *database, struct arena *arena,
		  struct catalog_connection *connection, struct ruleset **ruleset_out, struct error *error_out)
{
	struct flags flags = { 0 };
	struct facts *facts = NULL;
	struct map *map;
	if (!map_file_load(database->map_path, &map, error_out))
		return false;
	bool ok = catalog_load(connection, map, 1, TIMEOUT_MS, &facts, NULL, error_out) &&
		  stages_load(database, connection, arena, &flags, error_out) &&
		  ruleset_build(map, &flags, facts, settings->policy, 1, NULL, NULL, ruleset_out, error_out);
	facts_unref(facts);
	map_unref(map);
	return ok;
}

void report_blockers_take(struct report *report, const struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *finding = &findings->items[i];
		if (finding->severity == FINDING_WARNING && finding->entry)
			report_add_blocker(report, finding->entry,
					   arena_printf(&report->arena, "%s %s", finding->kind, finding->object));
	}
}

static bool find(struct report *report, const struct settings *settings, const struct settings_database *database,
		 struct catalog_connection *connection, struct error *error_out)
{
	struct ruleset *ruleset = NULL;
	struct findings findings;
	struct arena arena;
	arena_init(&arena);
	findings_init(&findings);
	bool ok = build(settings, database, &arena, connection, &ruleset, error_out) &&
		  blockers_find(connection, ruleset, NULL, 0, TIMEOUT_MS, &findings, error_out);
	if (ok)
		report_blockers_take(report, &findings);
	ruleset_unref(ruleset);
	findings_deinit(&findings);
	arena_deinit(&arena);
	return ok;
}

void report_blockers_add(struct report *report, const struct settings *settings,
			 const struct settings_database *database)
{
	struct catalog_connection *connection = NULL;
	struct error error;
	if (!database->admin_dsn)
		return;
	bool ok = catalog_connect(database->admin_dsn, -1, TIMEOUT_MS, &connection, &error) &&
		  find(report, settings, database, connection, &error);
	catalog_connection_free(connection);
	report_add_asked(report, database->name, ok ? clock_wall_ms() : 0, ok ? NULL : error.message);
	if (!ok)
		fprintf(stderr, "crossfade report: the database cannot be asked what in it names a table (%s)\n", error.message);
}
