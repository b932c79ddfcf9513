#include "app/rules.h"

#include "base/log.h"
#include "base/memory.h"
#include "config/flags_file.h"
#include "config/map_file.h"

#include <stdlib.h>

/* What the files said; facts are not part of it. */
struct rules_inputs {
	struct map *map;
	struct arena arena; /* of flags */
	struct flags flags;
	struct policy policy;
};

struct rules {
	char *database;
	rules_publish_fn *publish;
	void *context;
	struct rules_inputs *inputs;
	struct facts *facts;
	struct ruleset *current;
	struct buf warned; /* the warnings of the current ruleset, so that each is logged once */
	uint64_t version;
};

struct rules *rules_new(const char *database, rules_publish_fn *publish, void *context)
{
	struct rules *rules = memory_zalloc(sizeof(*rules));
	rules->database = memory_strdup(database);
	rules->publish = publish;
	rules->context = context;
	buf_init(&rules->warned);
	return rules;
}

static void inputs_free(struct rules_inputs *inputs)
{
	if (!inputs)
		return;
	map_unref(inputs->map);
	arena_deinit(&inputs->arena);
	free(inputs);
}

void rules_free(struct rules *rules)
{
	if (!rules)
		return;
	inputs_free(rules->inputs);
	facts_unref(rules->facts);
	ruleset_unref(rules->current);
	buf_deinit(&rules->warned);
	free(rules->database);
	free(rules);
}

/* ---- warnings ---- */

struct warnings {
	const struct rules *rules;
	struct buf seen; /* one line each */
};

static bool is_known(const struct buf *lines, const char *line)
{
	size_t len = strlen(line);
	return lines->len && memmem(lines->data, lines->len, line, len) != NULL;
}

static void on_warning(void *context, const struct error *warning)
{
	struct warnings *warnings = context;
	char line[sizeof(warning->message) + 2];
	snprintf(line, sizeof(line), "%s\n", warning->message);
	if (!is_known(&warnings->rules->warned, line)) {
		LOG(LOG_WARNING, "map_warning", LOG_STR("database", warnings->rules->database),
		    LOG_STR("message", warning->message),
		    LOG_STR("hint", warning->hint[0] ? warning->hint : NULL),
		    LOG_STR("file", warning->file[0] ? warning->file : NULL), LOG_UINT("line", warning->line));
	}
	buf_append_str(&warnings->seen, line);
}

/* ---- building ---- */

static bool build(struct rules *rules, const struct rules_inputs *inputs, struct facts *facts,
		  struct error *error_out)
{
	struct ruleset *built;
	struct warnings warnings = { .rules = rules };
	buf_init(&warnings.seen);
	if (!ruleset_build(inputs->map, &inputs->flags, facts, inputs->policy, rules->version + 1, on_warning,
			   &warnings, &built, error_out)) {
		buf_deinit(&warnings.seen);
		return false;
	}
	rules->version++;
	ruleset_unref(rules->current);
	rules->current = built;
	buf_deinit(&rules->warned);
	rules->warned = warnings.seen;
	if (rules->publish)
		rules->publish(rules->context, rules->database, built);
	return true;
}

static bool load_inputs(const struct rules_files *files, struct rules_inputs *inputs, struct error *error_out)
{
	inputs->policy = files->policy;
	if (!map_file_load(files->map_path, &inputs->map, error_out))
		return false;
	return !files->flags_path ||
	       flags_file_load(files->flags_path, &inputs->arena, &inputs->flags, error_out);
}

bool rules_load(struct rules *rules, const struct rules_files *files, struct error *error_out)
{
	struct rules_inputs *inputs = memory_zalloc(sizeof(*inputs));
	arena_init(&inputs->arena);
	if (!load_inputs(files, inputs, error_out) || !build(rules, inputs, rules->facts, error_out)) {
		inputs_free(inputs);
		return false;
	}
	inputs_free(rules->inputs);
	rules->inputs = inputs;
	return true;
}

bool rules_set_facts(struct rules *rules, struct facts *facts, struct error *error_out)
{
	if (rules->inputs && !build(rules, rules->inputs, facts, error_out))
		return false;
	facts_ref(facts);
	facts_unref(rules->facts);
	rules->facts = facts;
	return true;
}

const struct ruleset *rules_current(const struct rules *rules)
{
	return rules->current;
}

struct map *rules_map(const struct rules *rules)
{
	return rules->inputs ? rules->inputs->map : NULL;
}
