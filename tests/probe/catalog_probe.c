/*
 * Shows a test what catalog/ knows: keeps a watcher running, prints a line
 * for each of its callbacks and answers questions asked on stdin.
 * usage: catalog_probe DSN POLL_MS [MAP]
 */
#include "catalog/loader.h"
#include "catalog/watcher.h"
#include "config/map_file.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct facts *current;

static void on_facts(void *context, struct facts *facts)
{
	pthread_mutex_lock(&lock);
	facts_unref(current);
	current = facts;
	printf("facts %" PRIu64 " %zu\n", facts->version, facts->relation_count);
	fflush(stdout);
	pthread_mutex_unlock(&lock);
}

static void on_checked(void *context, uint64_t ticket, bool fresh)
{
	pthread_mutex_lock(&lock);
	printf("checked %" PRIu64 " %s\n", ticket, fresh ? "fresh" : "stale");
	fflush(stdout);
	pthread_mutex_unlock(&lock);
}

static void print_relation(const char *schema, const char *name)
{
	static const char *const kinds[] = { "table", "partitioned", "foreign", "view", "matview", "sequence",
					     "index", "composite" };
	const struct fact_relation *relation = facts_find(current, schema, name);
	if (!relation) {
		printf("none\n");
		return;
	}
	printf("%s", kinds[relation->kind]);
	if (relation->owned_by.name)
		printf(" of %s.%s", relation->owned_by.schema, relation->owned_by.name);
	for (size_t i = 0; i < relation->column_count; i++) {
		const struct fact_column *column = &relation->columns[i];
		printf("|%d %s %s%s%s%s%s%s", column->attnum, column->name, column->type,
		       column->not_null ? " not null" : "", column->identity ? " identity" : "",
		       column->generated ? " generated" : "", column->default_text ? " default " : "",
		       column->default_text ? column->default_text : "");
	}
	printf("\n");
}

static void print_code(const char *function)
{
	unsigned flags = facts_code_flags(current, function);
	printf("%s%s\n", flags & FACT_CODE_SESSION ? "session " : "", flags & FACT_CODE_CATALOG ? "catalog" : "");
}

static void print_constraint(const char *name)
{
	size_t count = 0;
	const struct fact_constraint *found = facts_constraints(current, name, &count);
	for (size_t i = 0; i < count; i++)
		printf("%s%s.%s", i ? " " : "", found[i].table.schema, found[i].table.name);
	printf("\n");
}

static void answer(char *line)
{
	char *save = NULL, *verb = strtok_r(line, "\t\n", &save);
	char *first = strtok_r(NULL, "\t\n", &save), *second = strtok_r(NULL, "\t\n", &save);
	if (!current)
		printf("no facts\n");
	else if (strcmp(verb, "relation") == 0)
		print_relation(first, second);
	else if (strcmp(verb, "path") == 0)
		printf("%s\n", facts_default_search_path(current, first));
	else if (strcmp(verb, "use") == 0)
		printf("%s\n", facts_may_use(current, first, second) ? "yes" : "no");
	else if (strcmp(verb, "schema") == 0)
		printf("%s\n", facts_has_schema(current, first) ? "yes" : "no");
	else if (strcmp(verb, "code") == 0)
		print_code(first);
	else if (strcmp(verb, "constraint") == 0)
		print_constraint(first);
	else if (strcmp(verb, "server") == 0)
		printf("%s %d %s\n", current->database, current->server_version, current->search_path);
}

static void serve(struct catalog_watcher *watcher)
{
	char line[1024];
	while (fgets(line, sizeof(line), stdin)) {
		uint64_t ticket = strcmp(line, "poke\n") == 0 ? catalog_watcher_poke(watcher) : 0;
		pthread_mutex_lock(&lock);
		if (ticket)
			printf("poked %" PRIu64 "\n", ticket);
		else
			answer(line);
		fflush(stdout);
		pthread_mutex_unlock(&lock);
	}
}

int main(int argc, char **argv)
{
	struct map *map = NULL;
	struct error error;
	if (argc < 3 || (argc > 3 && !map_file_load(argv[3], &map, &error)))
		return 2;
	struct catalog_watcher_settings settings = catalog_watcher_settings_default();
	settings.dsn = argv[1];
	settings.poll_ms = (uint32_t)atoi(argv[2]);
	struct catalog_watcher *watcher = catalog_watcher_new(
		&settings, map, (struct catalog_watcher_callbacks){ NULL, on_facts, on_checked });
	serve(watcher);
	catalog_watcher_free(watcher);
	facts_unref(current);
	map_unref(map);
	printf("stopped\n");
	return 0;
}
