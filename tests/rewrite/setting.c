/* From the directives of a setting to a ruleset and a session's state. */
#include "config/map_file.h"
#include "config/sql_name.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void suite_broken(const struct suite *suite, unsigned line, const char *what)
{
	fprintf(stderr, "%s:%u: %s\n", suite->file, line, what);
	exit(2);
}

/* ---- catalog: one fact a line ---- */

static struct rel_name parse_name(struct arena *arena, char *text)
{
	struct sql_name name;
	const char *why;
	if (!sql_name_parse(arena, text, &name, &why)) {
		fprintf(stderr, "the name %s %s\n", text, why);
		exit(2);
	}
	return name.name;
}

/* "name type [not null] [identity] [generated] [key] [default …]" */
static void parse_column(struct arena *arena, char *text, struct fact_column *column_out)
{
	while (*text == ' ')
		text++;
	char *type = strchr(text, ' ');
	if (!type)
		return;
	*type++ = '\0';
	*column_out = (struct fact_column){ .name = text };
	char *value = strstr(type, " default ");
	if (value) {
		*value = '\0';
		column_out->has_default = true;
		column_out->default_text = value + strlen(" default ");
	}
	static const char *const words[] = { " key", " not null", " identity", " generated" };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char *word = strstr(type, words[i]);
		if (!word)
			continue;
		*word = '\0';
		column_out->not_null = column_out->not_null || i == 1;
		column_out->identity = i == 2 ? 'a' : column_out->identity;
		column_out->generated = i == 3 ? 's' : column_out->generated;
		column_out->in_key = column_out->in_key || i == 0;
	}
	column_out->type = type;
}

/* Separated by commas outside of parentheses. */
static void set_columns(struct facts *facts, struct fact_relation *relation, struct arena *arena, char *text)
{
	struct fact_column columns[64] = { 0 };
	size_t count = 0;
	int depth = 0;
	char *start = text;
	for (char *c = text; count < 64; c++) {
		depth += *c == '(' ? 1 : *c == ')' ? -1 : 0;
		if (*c && (*c != ',' || depth))
			continue;
		bool last = !*c;
		*c = '\0';
		parse_column(arena, start, &columns[count++]);
		start = c + 1;
		if (last)
			break;
	}
	facts_set_columns(facts, relation, columns, count);
}

/* "code f session ddl"; session where nothing is said. */
static void add_code(struct facts *facts, const char *function, const char *words)
{
	unsigned flags = strstr(words, "ddl") ? FACT_CODE_CATALOG : FACT_CODE_SESSION;
	facts_add_code(facts, function, strstr(words, "session") ? flags | FACT_CODE_SESSION : flags);
}

/* "constraint c of s.t" */
static void add_constraint(const struct suite *suite, unsigned line, struct facts *facts, struct arena *arena,
			   const char *name, char *rest)
{
	if (strncmp(rest, "of ", 3) != 0)
		suite_broken(suite, line, "a constraint is of a table");
	char *open = strchr(rest, '(');
	const char *columns[16];
	size_t count = 0;
	struct rel_name table = parse_name(arena, arena_copy(arena, rest + 3, strcspn(rest + 3, " ")));
	for (char *at = open ? open + 1 : NULL, *column; (column = strsep(&at, ", )")) && count < 16;) {
		if (*column)
			columns[count++] = column;
	}
	if (count)
		facts_add_key(facts, table, name, columns, count);
	else
		facts_add_constraint(facts, table, name);
}

static void add_fact(const struct suite *suite, unsigned line, struct facts *facts, struct arena *arena, char *text)
{
	static const struct {
		const char *word;
		enum fact_kind kind;
	} kinds[] = { { "table", FACT_TABLE },	 { "view", FACT_VIEW },	    { "sequence", FACT_SEQUENCE },
		      { "index", FACT_INDEX },	 { "matview", FACT_MATVIEW }, { "partitioned", FACT_PARTITIONED },
		      { "foreign", FACT_FOREIGN } };
	char *save, *word = strtok_r(text, " ", &save), *name = strtok_r(NULL, " ", &save);
	if (!word)
		return;
	if (!name)
		suite_broken(suite, line, "a catalog line needs a name");
	if (strcmp(word, "schema") == 0) {
		facts_add_schema(facts, name);
		return;
	}
	if (strcmp(word, "code") == 0) {
		add_code(facts, name, save);
		return;
	}
	if (strcmp(word, "constraint") == 0) {
		add_constraint(suite, line, facts, arena, name, save);
		return;
	}
	if (strcmp(word, "version") == 0) {
		facts->server_version = atoi(name);
		return;
	}
	if (strcmp(word, "denied") == 0) {
		facts_add_denied(facts, name, strtok_r(NULL, " ", &save));
		return;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].word, word) != 0)
			continue;
		struct fact_relation *relation = facts_add_relation(facts, parse_name(arena, name), kinds[i].kind, 0);
		char *of = strtok_r(NULL, " ", &save);
		if (of && strcmp(of, "has") == 0) {
			set_columns(facts, relation, arena, save);
			return;
		}
		char *table = strtok_r(NULL, " ", &save);
		if (of && table)
			facts_set_owner(facts, relation, parse_name(arena, table));
		return;
	}
	suite_broken(suite, line, "unknown kind of catalog line");
}

static struct facts *build_facts(struct suite *suite, struct arena *arena, unsigned line)
{
	if (!suite->setting.catalog_text)
		return NULL;
	struct facts *facts = facts_new();
	char *copy = arena_strdup(arena, suite->setting.catalog_text), *save;
	for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		add_fact(suite, line, facts, arena, l);
	facts_seal(facts);
	return facts;
}

/* ---- ruleset and state ---- */

static struct policy build_policy(const struct suite *suite, unsigned line)
{
	struct policy policy = { 0 };
	const char *text = suite->setting.policy;
	if (!text)
		return policy;
	if (strstr(text, "ddl=allow"))
		policy.ddl = DDL_ALLOW;
	if (strstr(text, "opaque=refuse"))
		policy.opaque = OPAQUE_REFUSE;
	if (strstr(text, "opaque=notice"))
		policy.opaque = OPAQUE_NOTICE;
	if (strstr(text, "introspection=map"))
		policy.introspection = INTROSPECTION_MAP;
	if (strstr(text, "newer_syntax=pass"))
		policy.newer_syntax = NEWER_SYNTAX_PASS;
	if (!strchr(text, '='))
		suite_broken(suite, line, "a policy is key=value");
	return policy;
}

static struct flags build_flags(struct suite *suite, struct arena *arena, unsigned line)
{
	struct flags flags = { 0 };
	if (!suite->setting.stages)
		return flags;
	flags.items = ARENA_ARRAY(arena, strlen(suite->setting.stages), struct flag);
	char *copy = arena_strdup(arena, suite->setting.stages), *save;
	for (char *item = strtok_r(copy, " ", &save); item; item = strtok_r(NULL, " ", &save)) {
		char *equals = strchr(item, '=');
		if (!equals)
			suite_broken(suite, line, "a stage is table=stage");
		*equals = '\0';
		struct flag *flag = &flags.items[flags.count++];
		flag->table = parse_name(arena, item);
		if (!stage_parse(equals + 1, &flag->stage))
			suite_broken(suite, line, "no such stage");
	}
	return flags;
}

struct ruleset *suite_build_ruleset(struct suite *suite, unsigned line)
{
	static uint64_t version;
	struct arena arena;
	struct map *map;
	struct error error;
	struct ruleset *ruleset;
	arena_init(&arena);
	const char *map_text = suite->setting.map_text ? suite->setting.map_text : "";
	if (!map_file_parse(slice_str(map_text), suite->file, &map, &error)) {
		error_print(&error, stderr);
		suite_broken(suite, line, "the map above is wrong");
	}
	struct flags flags = build_flags(suite, &arena, line);
	struct facts *facts = build_facts(suite, &arena, line);
	if (!ruleset_build(map, &flags, facts, build_policy(suite, line), ++version, NULL, NULL, &ruleset, &error)) {
		error_print(&error, stderr);
		suite_broken(suite, line, "the map, stages and catalog do not go together");
	}
	map_unref(map);
	facts_unref(facts);
	arena_deinit(&arena);
	return ruleset;
}

struct session_state *suite_build_state(struct suite *suite)
{
	struct setting *s = &suite->setting;
	struct session_state *state = session_state_new(s->database ? s->database : "aegis", s->user ? s->user : "app",
							s->path_unknown ? NULL : s->path ? s->path : "\"$user\", public");
	session_state_reported(state, "client_encoding", s->encoding ? s->encoding : "UTF8");
	session_state_reported(state, "standard_conforming_strings", s->strings_off ? "off" : "on");
	char *copy = s->temps ? strdup(s->temps) : NULL, *save;
	for (char *name = copy ? strtok_r(copy, " ", &save) : NULL; name; name = strtok_r(NULL, " ", &save))
		session_state_apply(state, &(struct effect){ .kind = EFFECT_TEMP_CREATE, .name = name });
	free(copy);
	return state;
}
