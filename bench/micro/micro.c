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

static int list(void)
{
	for (unsigned i = 0; i < micro_case_count; i++)
		printf("%s\t%s\n", micro_cases[i].name, micro_cases[i].title);
	return 0;
}

static const struct micro_case *find(const char *name)
{
	for (unsigned i = 0; i < micro_case_count; i++)
		if (strcmp(micro_cases[i].name, name) == 0)
			return &micro_cases[i];
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
