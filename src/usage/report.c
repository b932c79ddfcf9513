#include "usage/report.h"

#include "base/clock.h"
#include "base/memory.h"
#include "usage/report_index.h"

#include <stdlib.h>

enum { SAME_FLIP_MS = 60000 };

struct report_filter report_filter_default(void)
{
	return (struct report_filter){ .now_ms = clock_wall_ms(), .idle_days = 35, .statements_max = 100 };
}

struct report *report_new(const struct report_filter *filter)
{
	struct report *report = memory_zalloc(sizeof(*report));
	arena_init(&report->arena);
	report->filter = *filter;
	report->filter.table = arena_strdup(&report->arena, filter->table);
	report->filter.application = arena_strdup(&report->arena, filter->application);
	report->filter.user = arena_strdup(&report->arena, filter->user);
	report->index = report_index_new();
	return report;
}

void report_free(struct report *report)
{
	if (!report)
		return;
	report_index_free(report->index);
	free(report->tables);
	free(report->observations);
	free(report->flips);
	free(report->bypasses);
	free(report->asked);
	arena_deinit(&report->arena);
	free(report);
}

/* ---- the configuration's entries ---- */

static bool is_asked_for(const struct report *report, const struct usage_entry *entry)
{
	const char *table = report->filter.table;
	return !table || strcmp(table, entry->table) == 0 || (entry->new_name && strcmp(table, entry->new_name) == 0);
}

void report_add_entries(struct report *report, const struct usage_entry *entries, size_t count, bool all)
{
	report->map_known |= all;
	for (size_t i = 0; all && i < report->table_count; i++)
		report->tables[i]->in_map = false;
	for (size_t i = 0; i < count; i++) {
		if (!is_asked_for(report, &entries[i]))
			continue;
		struct report_table *table = report_table_of(report, entries[i].table);
		table->in_map = true;
		table->new_name = arena_strdup(&report->arena, entries[i].new_name);
		if (!entries[i].stage_unknown)
			table->stage = stage_name(entries[i].stage);
		for (size_t k = 0; k < entries[i].deprecated_count; k++)
			report_deprecate(report, table->name, entries[i].deprecated[k]);
	}
}

/* ---- what others have found out ---- */

void report_add_blocker(struct report *report, const char *name, const char *what)
{
	struct report_table *table = report_table_of(report, name);
	if (table->blocker_count == table->blocker_capacity) {
		size_t capacity = table->blocker_capacity ? table->blocker_capacity * 2 : 4;
		const char **grown = ARENA_ARRAY(&report->arena, capacity, const char *);
		if (table->blocker_count)
			memcpy(grown, table->blockers, table->blocker_count * sizeof(*grown));
		table->blockers = grown;
		table->blocker_capacity = capacity;
	}
	table->blockers[table->blocker_count++] = arena_strdup(&report->arena, what);
}

void report_add_asked(struct report *report, const char *database, int64_t at_ms, const char *error)
{
	if (report->asked_count == report->asked_capacity) {
		report->asked_capacity = report->asked_capacity ? report->asked_capacity * 2 : 4;
		report->asked = memory_realloc(report->asked, report->asked_capacity * sizeof(*report->asked));
	}
	report->asked[report->asked_count++] = (struct report_asked){
		arena_strdup(&report->arena, database), at_ms, arena_strdup(&report->arena, error) };
}

void report_set_bypass_known(struct report *report)
{
	report->bypass_known = true;
}

void report_add_bypass(struct report *report, const char *user, const char *application, uint64_t sessions)
{
	if (report->bypass_count == report->bypass_capacity) {
		report->bypass_capacity = report->bypass_capacity ? report->bypass_capacity * 2 : 8;
		report->bypasses = memory_realloc(report->bypasses, report->bypass_capacity * sizeof(*report->bypasses));
	}
	report->bypasses[report->bypass_count++] = (struct report_bypass){
		arena_strdup(&report->arena, user), arena_strdup(&report->arena, application), sessions };
}

const struct report_table *report_find(const struct report *report, const char *table)
{
	for (size_t i = 0; i < report->table_count; i++) {
		const struct report_table *own = report->tables[i];
		if (strcmp(own->name, table) == 0 || (own->new_name && strcmp(own->new_name, table) == 0))
			return own;
	}
	return NULL;
}


/* Entries that left the map unused are nobody's concern. */
static void drop_forgotten(struct report *report)
{
	size_t kept = 0;
	for (size_t i = 0; i < report->table_count; i++) {
		struct report_table *table = report->tables[i];
		if (table->in_map || table->sides[SIDE_OLD].counts.total || table->sides[SIDE_NEW].counts.total ||
		    table->old_last_ms)
			report->tables[kept++] = table;
	}
	report->table_count = kept;
}

static int newest_first(const void *a, const void *b)
{
	const struct report_flip *x = a, *y = b;
	int order = x->at_ms != y->at_ms ? (x->at_ms > y->at_ms ? -1 : 1) : strcmp(x->table, y->table);
	return order;
}

/* Each proxy's ledger tells of a flip, a little sooner or later. */
static bool is_the_same_flip(const struct report_flip *later, const struct report_flip *sooner)
{
	return later->at_ms - sooner->at_ms < SAME_FLIP_MS && strcmp(later->table, sooner->table) == 0 &&
	       strcmp(later->from, sooner->from) == 0 && strcmp(later->to, sooner->to) == 0;
}

static void merge_flips(struct report *report)
{
	size_t kept = 0;
	if (report->flip_count)
		qsort(report->flips, report->flip_count, sizeof(*report->flips), newest_first);
	for (size_t i = 0; i < report->flip_count; i++) {
		bool again = false;
		for (size_t k = i + 1; k < report->flip_count && !again &&
				       report->flips[i].at_ms - report->flips[k].at_ms < SAME_FLIP_MS; k++)
			again = is_the_same_flip(&report->flips[i], &report->flips[k]);
		if (!again)
			report->flips[kept++] = report->flips[i];
	}
	report->flip_count = kept;
}

void report_finish(struct report *report)
{
	merge_flips(report);
	report_index_collect(report);
	drop_forgotten(report);
	report_judge(report);
}
