#include "check/blockers.h"

#include "check/bodies.h"
#include "check/objects.h"

#include <string.h>

static bool is_asked_for(const char *entry, const char *const *entries, size_t count)
{
	if (!entry || !entries)
		return true;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(entries[i], entry) == 0)
			return true;
	}
	return false;
}

bool blockers_find(struct catalog_connection *connection, const struct ruleset *ruleset, const char *const *entries,
		   size_t entry_count, uint32_t timeout_ms, struct findings *findings, struct error *error_out)
{
	struct dependents dependents;
	size_t kept = findings->count;
	if (!dependents_load(connection, timeout_ms, &dependents, error_out))
		return false;
	bodies_check(ruleset, &dependents, findings);
	objects_check(ruleset, &dependents, findings);
	dependents_deinit(&dependents);
	for (size_t i = kept; i < findings->count; i++) {
		if (is_asked_for(findings->items[i].entry, entries, entry_count))
			findings->items[kept++] = findings->items[i];
	}
	findings->count = kept;
	findings_sort(findings);
	return true;
}
