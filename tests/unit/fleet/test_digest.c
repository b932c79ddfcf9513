/* By their digests proxies find out whether they mean the same table by the same name. */
#include "fleet/digest.h"

#include "config/map_file.h"

#include <criterion/criterion.h>

static struct map *parse(const char *tables)
{
	struct buf text;
	struct map *map = NULL;
	struct error error;
	buf_init(&text);
	buf_printf(&text, "old: v10\nnew: v13\n%s", tables);
	cr_assert(map_file_parse(buf_slice(&text), "map.yaml", &map, &error), "%s", error.message);
	buf_deinit(&text);
	return map;
}

static bool same_map(const char *a, const char *b)
{
	char one[DIGEST_BYTES], two[DIGEST_BYTES];
	struct map *first = parse(a), *second = parse(b);
	digest_map(first, one);
	digest_map(second, two);
	map_unref(first);
	map_unref(second);
	cr_assert_eq(strlen(one), DIGEST_BYTES - 1);
	return strcmp(one, two) == 0;
}

Test(digest, order_comments_and_reasons_do_not_count)
{
	cr_assert(same_map("tables: {public.a: data.a, public.b: {to: null, reason: one}}\n",
			   "tables:\n  # moved on Monday\n  public.b: {to: null, reason: another}\n  public.a: data.a\n"));
}

Test(digest, what_statements_become_counts)
{
	static const char base[] = "tables: {public.a: {to: data.a, columns: {x: y}}}\n";
	cr_assert(same_map(base, base));
	cr_assert_not(same_map(base, "tables: {public.a: {to: data.b, columns: {x: y}}}\n"));
	cr_assert_not(same_map(base, "tables: {public.a: {to: data.a, columns: {x: z}}}\n"));
	cr_assert_not(same_map(base, "tables: {public.a: data.a}\n"));
	cr_assert_not(same_map(base, "tables: {public.a: {to: data.a, columns: {x: y}}, public.b: data.b}\n"));
	cr_assert_not(same_map("tables: {public.a: data.a, public.b: data.b}\n",
			       "tables: {public.a: data.a, public.b: data.b}\ngroups: {g: [public.a, public.b]}\n"));
}

static void digest_of(const char *tables, const char *key, char digest_out[DIGEST_BYTES])
{
	struct flags flags = { 0 };
	struct policy policy = { 0 };
	struct ruleset *rules;
	struct error error;
	struct map *map = parse(tables);
	cr_assert(ruleset_build(map, &flags, NULL, policy, 1, NULL, NULL, &rules, &error), "%s", error.message);
	const struct ruleset_entry *entry = ruleset_entry_by_key(rules, key);
	cr_assert_not_null(entry);
	digest_entry(entry, digest_out);
	ruleset_unref(rules);
	map_unref(map);
}

Test(digest, an_entry_is_the_same_whatever_else_the_map_has)
{
	char alone[DIGEST_BYTES], among[DIGEST_BYTES], other[DIGEST_BYTES];
	digest_of("tables: {public.a: data.a}\n", "public.a", alone);
	digest_of("tables: {public.b: data.b, public.a: data.a}\ngroups: {g: [public.a, public.b]}\n", "public.a", among);
	digest_of("tables: {public.a: data.c}\n", "public.a", other);
	cr_assert_str_eq(alone, among);
	cr_assert_str_neq(alone, other);
}
