#include "app/rules.h"

#include "app/error_log.h"
#include "base/memory.h"
#include "config/flags_file.h"
#include "config/map_file.h"
#include "model/facts_change.h"

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
	struct buf warned; /* the warnings of the current ruleset, a line each, so that each is logged once */
	uint64_t version;
	bool expects; /* stages that the current ruleset does not have yet */
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

static bool is_known(const struct buf *lines, struct slice line)
{
	return lines->len && memmem(lines->data, lines->len, line.data, line.len) != NULL;
}

static void on_warning(void *context, const struct error *warning)
{
	buf_append(context, warning, sizeof(*warning));
}

/* Those that the ruleset before did not have. */
static void say_warnings(struct rules *rules, const struct buf *warnings)
{
	struct buf lines;
	buf_init(&lines);
	for (size_t at = 0; at < warnings->len; at += sizeof(struct error)) {
		struct error warning;
		size_t begin = lines.len;
		memcpy(&warning, warnings->data + at, sizeof(warning));
		buf_printf(&lines, "%s\n", warning.message);
		if (!is_known(&rules->warned, slice_of(lines.data + begin, lines.len - begin)))
			error_log(LOG_WARNING, "map_warning", rules->database, &warning);
	}
	buf_deinit(&rules->warned);
	rules->warned = lines;
}

/* ---- building ---- */

struct rules_change {
	struct rules_inputs *inputs; /* NULL: those of before */
	struct ruleset *ruleset;
	struct buf warnings; /* each a struct error; said once the change is made */
};

static bool build(struct rules *rules, const struct rules_inputs *inputs, struct facts *facts,
		  struct rules_change *change, struct error *error_out)
{
	return ruleset_build(inputs->map, &inputs->flags, facts, inputs->policy, ++rules->version, on_warning,
			     &change->warnings, &change->ruleset, error_out);
}

/* A file that cannot be read at all: which key names it? */
static bool say_who_names(const char *key, struct error *error)
{
	if (!error->line && !error->hint[0])
		error_hint(error, "`%s` in the configuration names it; paths there are relative to that file.", key);
	return false;
}

static void copy_flags(const struct rules *rules, const char *file, struct rules_inputs *inputs)
{
	const struct flags *now = &rules->inputs->flags;
	inputs->flags.file = file ? arena_strdup(&inputs->arena, file) : NULL;
	inputs->flags.count = now->count;
	inputs->flags.items = ARENA_ARRAY(&inputs->arena, now->count + 1, struct flag);
	for (size_t i = 0; i < now->count; i++)
		inputs->flags.items[i] = (struct flag){ .table = rel_name_copy(&inputs->arena, now->items[i].table),
							.stage = now->items[i].stage };
}

static bool load_inputs(const struct rules *rules, const struct rules_files *files, struct rules_inputs *inputs,
			struct error *error_out)
{
	inputs->policy = files->policy;
	if (!map_file_load(files->map_path, &inputs->map, error_out))
		return say_who_names("map", error_out);
	if (files->keep_flags && rules->inputs) {
		copy_flags(rules, files->flags_path, inputs);
		return true;
	}
	if (files->flags_text.data)
		return flags_file_parse(files->flags_text, files->flags_path, &inputs->arena, &inputs->flags,
					error_out);
	return !files->flags_path ||
	       flags_file_load(files->flags_path, &inputs->arena, &inputs->flags, error_out) ||
	       say_who_names("flags", error_out);
}

bool rules_prepare(struct rules *rules, const struct rules_files *files, struct rules_change **change_out,
		   struct error *error_out)
{
	struct rules_change *change = memory_zalloc(sizeof(*change));
	change->inputs = memory_zalloc(sizeof(*change->inputs));
	arena_init(&change->inputs->arena);
	if (!load_inputs(rules, files, change->inputs, error_out) ||
	    !build(rules, change->inputs, rules->facts, change, error_out)) {
		rules_abandon(change);
		return false;
	}
	*change_out = change;
	return true;
}

static void change_free(struct rules_change *change)
{
	inputs_free(change->inputs);
	ruleset_unref(change->ruleset);
	buf_deinit(&change->warnings);
}

void rules_abandon(struct rules_change *change)
{
	if (!change)
		return;
	change_free(change);
	free(change);
}

static void publish_current(const struct rules *rules)
{
	if (rules->publish && rules->current)
		rules->publish(rules->context, rules->database, rules->current);
}

/* What was current goes into the change, which is freed with it. */
static void swap_in(struct rules *rules, struct rules_change *change)
{
	struct rules_change old = { .ruleset = rules->current, .warnings = change->warnings };
	say_warnings(rules, &change->warnings);
	if (change->inputs) {
		old.inputs = rules->inputs;
		rules->inputs = change->inputs;
	}
	rules->current = change->ruleset;
	*change = old;
	rules->expects = false;
	publish_current(rules);
}

void rules_publish_again(struct rules *rules)
{
	struct rules_change change = { 0 };
	struct error error;
	if (!rules->expects) {
		publish_current(rules);
		return;
	}
	if (build(rules, rules->inputs, rules->facts, &change, &error))
		swap_in(rules, &change);
	else
		error_log(LOG_ERROR, "facts_rejected", rules->database, &error);
	change_free(&change);
}

static struct flag *find_flag(struct flags *flags, struct rel_name table)
{
	for (size_t i = 0; i < flags->count; i++) {
		if (rel_name_eq(flags->items[i].table, table))
			return &flags->items[i];
	}
	return NULL;
}

static struct flag *add_flag(struct rules_inputs *inputs, struct rel_name table)
{
	struct flags *flags = &inputs->flags;
	struct flag *items = ARENA_ARRAY(&inputs->arena, flags->count + 1, struct flag);
	if (flags->count)
		memcpy(items, flags->items, flags->count * sizeof(*items));
	items[flags->count].table = rel_name_copy(&inputs->arena, table);
	flags->items = items;
	return &items[flags->count++];
}

void rules_expect_stage(struct rules *rules, const char *key, enum stage stage)
{
	const struct ruleset_entry *entry = rules->current ? ruleset_entry_by_key(rules->current, key) : NULL;
	if (!entry || !rules->inputs)
		return;
	struct rel_name table = entry->names[SIDE_OLD];
	struct flag *flag = find_flag(&rules->inputs->flags, table);
	if (!flag)
		flag = add_flag(rules->inputs, table);
	flag->stage = stage;
	rules->expects = true;
}

void rules_expect_stages(struct rules *rules, struct slice text)
{
	struct arena arena;
	struct flags flags = { 0 };
	struct error ignored;
	arena_init(&arena);
	bool ok = rules->inputs && flags_file_parse(text, "stages", &arena, &flags, &ignored);
	for (size_t i = 0; ok && i < flags.count; i++) {
		struct flag *flag = find_flag(&rules->inputs->flags, flags.items[i].table);
		if (!flag)
			flag = add_flag(rules->inputs, flags.items[i].table);
		flag->stage = flags.items[i].stage;
		rules->expects = true;
	}
	arena_deinit(&arena);
}

const struct ruleset *rules_change_ruleset(const struct rules_change *change)
{
	return change->ruleset;
}

void rules_commit(struct rules *rules, struct rules_change *change)
{
	swap_in(rules, change);
	rules_abandon(change);
}

bool rules_set_flags(struct rules *rules, struct slice text, const char *file, struct error *error_out)
{
	struct rules_change *change;
	if (!rules->inputs)
		return true;
	change = memory_zalloc(sizeof(*change));
	change->inputs = memory_zalloc(sizeof(*change->inputs));
	arena_init(&change->inputs->arena);
	change->inputs->map = map_ref(rules->inputs->map);
	change->inputs->policy = rules->inputs->policy;
	bool ok = flags_file_parse(text, file, &change->inputs->arena, &change->inputs->flags, error_out) &&
		  build(rules, change->inputs, rules->facts, change, error_out);
	if (ok)
		swap_in(rules, change);
	rules_abandon(change);
	return ok;
}

bool rules_set_facts(struct rules *rules, struct facts *facts, struct error *error_out)
{
	struct rules_change change = { 0 };
	bool same = rules->current && !rules->expects && facts_same(rules->facts, facts);
	if (same) {
		publish_current(rules);
	} else if (rules->inputs) {
		bool ok = build(rules, rules->inputs, facts, &change, error_out);
		if (ok)
			swap_in(rules, &change);
		change_free(&change);
		if (!ok)
			return false;
	}
	facts_ref(facts);
	facts_unref(rules->facts);
	rules->facts = facts;
	return true;
}

const struct facts *rules_facts(const struct rules *rules)
{
	return rules->facts;
}

const char *rules_database(const struct rules *rules)
{
	return rules->database;
}

const struct ruleset *rules_current(const struct rules *rules)
{
	return rules->current;
}

struct map *rules_map(const struct rules *rules)
{
	return rules->inputs ? rules->inputs->map : NULL;
}
