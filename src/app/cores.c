/*
 * A container often sees all cores of its machine while a quota gives it the
 * time of one or two; more busy threads than that are throttled together.
 */
#include "app/cores.h"

#include "base/slice.h"

#include <sched.h>
#include <stdio.h>

static uint32_t by_affinity(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	int count = CPU_COUNT(&set);
	return count > 0 ? (uint32_t)count : 1;
}

/* The process's own group in the unified hierarchy, below /sys/fs/cgroup. */
static bool own_group(char *path, size_t size)
{
	char line[512];
	bool found = false;
	FILE *file = fopen("/proc/self/cgroup", "re");
	while (file && !found && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		found = strncmp(line, "0::/", 4) == 0;
	}
	if (file)
		fclose(file);
	int len = found ? snprintf(path, size, "/sys/fs/cgroup%s/cpu.max", line + 3) : -1;
	return len > 0 && (size_t)len < size;
}

/* Whole cores of a quota, rounded up; 0: none. */
static uint32_t read_quota(const char *path)
{
	unsigned long quota = 0, period = 0;
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	int got = fscanf(file, "%lu %lu", &quota, &period);
	fclose(file);
	return got == 2 && period ? (uint32_t)((quota + period - 1) / period) : 0;
}

uint32_t cores_usable(void)
{
	char path[600];
	uint32_t cores = by_affinity();
	uint32_t quota = own_group(path, sizeof(path)) ? read_quota(path) : 0;
	if (!quota)
		quota = read_quota("/sys/fs/cgroup/cpu.max"); /* a container's own view */
	return quota && quota < cores ? quota : cores;
}
