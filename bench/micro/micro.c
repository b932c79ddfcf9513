/*
 * micro CASE COUNT: runs one small piece of crossfade COUNT times.
 * bench/run.sh --micro counts its instructions under callgrind with two counts
 * and subtracts, so that preparing cancels out; instructions do not depend on
 * the machine's mood, so that they can be a gate.
 */
#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(void)
{
	fprintf(stderr, "usage: micro CASE COUNT | micro --list\n");
	return 2;
}

static const struct micro_case *const groups[] = {
	micro_names_cases,
	micro_rewrite_cases,
	micro_usage_cases,
	micro_conversation_cases,
	NULL,
};

static int list(void)
{
	for (const struct micro_case *const *group = groups; *group; group++)
		for (const struct micro_case *at = *group; at->name; at++)
			printf("%s\t%s\n", at->name, at->title);
	return 0;
}

static const struct micro_case *find(const char *name)
{
	for (const struct micro_case *const *group = groups; *group; group++)
		for (const struct micro_case *at = *group; at->name; at++)
			if (strcmp(at->name, name) == 0)
				return at;
	return NULL;
}

static int run(const struct micro_case *chosen, uint64_t count)
{
	void *context = chosen->prepare();
	bool right = context != NULL;
	for (uint64_t i = 0; i < count && right; i++)
		right = chosen->once(context, i);
	if (context)
		chosen->finish(context);
	if (!right)
		fprintf(stderr, "micro: %s: wrong result\n", chosen->name);
	return right ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--list") == 0)
		return list();
	if (argc != 3)
		return usage();
	const struct micro_case *chosen = find(argv[1]);
	char *end;
	unsigned long long count = strtoull(argv[2], &end, 10);
	return chosen && *argv[2] && !*end ? run(chosen, count) : usage();
}
