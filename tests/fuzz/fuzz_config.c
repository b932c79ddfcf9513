/*
 * Every file that crossfade reads as configuration. The first byte chooses
 * the kind: m(ap), f(lags), c(atalog), anything else the configuration. What
 * loads is used and written back; what does not must say where and why.
 */
#include "app/settings.h"
#include "config/catalog_file.h"
#include "config/flags_file.h"
#include "config/map_capture.h"
#include "config/map_file.h"
#include "config/yaml_tree.h"
#include "fuzz.h"

#include <stdlib.h>

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_error(const struct error *error)
{
	must(error->message[0] && error->sqlstate[0] && strcmp(error->file, "fuzz.yaml") == 0);
	must(memchr(error->message, '\0', sizeof(error->message)) != NULL);
}

/* A map that loads makes a ruleset, or says why not. */
static void use_map(struct map *map)
{
	struct ruleset *ruleset;
	struct error error;
	if (ruleset_build(map, NULL, NULL, (struct policy){ 0 }, 1, NULL, NULL, &ruleset, &error))
		ruleset_unref(ruleset);
	else
		must(error.message[0]);
}

/* Whatever the layout of the file: filled in, it still is one, and there is nothing left to fill in. */
static void fill_map(struct slice text, const struct map *map)
{
	static const struct fact_column columns[2][2] = { { { .name = "id", .type = "numeric(8,4)" }, { .name = "null", .type = "text" } },
							  { { .name = "Id, #", .type = "text[]" }, { .name = "b", .type = "text" } } };
	struct facts *facts = facts_new();
	struct error error;
	struct buf filled, again;
	size_t count = 0;
	for (size_t i = 0; i < map->entry_count && i < 64; i++) {
		const struct map_entry *entry = &map->entries[i];
		if (entry->wildcard || !entry->new_name.name || rel_name_eq(entry->old_name, entry->new_name))
			continue;
		facts_set_columns(facts, facts_add_relation(facts, entry->old_name, FACT_TABLE, 0), columns[0], 2);
		facts_set_columns(facts, facts_add_relation(facts, entry->new_name, FACT_TABLE, 0), columns[1], 2);
	}
	facts_seal(facts);
	buf_init(&filled);
	buf_init(&again);
	must(map_capture(text, map, facts, &filled, &count, &error));
	must(filled.len >= text.len);
	struct map *result;
	if (map_file_parse(buf_slice(&filled), "fuzz.yaml", &result, &error)) {
		must(map_capture(buf_slice(&filled), result, facts, &again, &count, &error));
		must(count == 0 && slice_eq(buf_slice(&filled), buf_slice(&again)));
		map_unref(result);
	} else {
		struct yaml_doc doc; /* columns of the map that the tables do not have; but YAML */
		must(yaml_load_text(buf_slice(&filled), "fuzz.yaml", &doc, &error));
		yaml_doc_deinit(&doc);
	}
	buf_deinit(&filled);
	buf_deinit(&again);
	facts_unref(facts);
}

static void fuzz_map(struct slice text)
{
	struct map *map;
	struct error error;
	if (!map_file_parse(text, "fuzz.yaml", &map, &error)) {
		check_error(&error);
		return;
	}
	use_map(map);
	fill_map(text, map);
	map_unref(map);
}

static void fuzz_flags(struct slice text)
{
	struct arena arena;
	struct flags flags;
	struct error error;
	arena_init(&arena);
	if (!flags_file_parse(text, "fuzz.yaml", &arena, &flags, &error))
		check_error(&error);
	arena_deinit(&arena);
}

/* Written out and read again, the facts are the same. */
static void fuzz_catalog(struct slice text)
{
	struct facts *facts, *again;
	struct error error;
	struct buf first, second;
	if (!catalog_file_parse(text, "fuzz.yaml", &facts, &error)) {
		check_error(&error);
		return;
	}
	buf_init(&first);
	buf_init(&second);
	catalog_file_write(facts, &first);
	must(catalog_file_parse(buf_slice(&first), "fuzz.yaml", &again, &error));
	catalog_file_write(again, &second);
	must(slice_eq(buf_slice(&first), buf_slice(&second)));
	buf_deinit(&first);
	buf_deinit(&second);
	facts_unref(facts);
	facts_unref(again);
}

static void fuzz_settings(struct slice text)
{
	struct settings settings;
	struct error error;
	struct buf shown;
	if (!settings_parse(text, "fuzz.yaml", &settings, &error)) {
		check_error(&error);
		return;
	}
	must(settings.databases.count && settings.listen.count && settings.server.host);
	buf_init(&shown);
	fields_show(settings_fields(), &settings, &shown);
	buf_deinit(&shown);
	settings_deinit(&settings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	struct slice text = { (const char *)data + 1, size - 1 };
	if (data[0] == 'm')
		fuzz_map(text);
	else if (data[0] == 'f')
		fuzz_flags(text);
	else if (data[0] == 'c')
		fuzz_catalog(text);
	else
		fuzz_settings(text);
	return 0;
}
