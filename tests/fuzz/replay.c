/*
 * Runs a fuzz target without libFuzzer: over its corpus, every shortened
 * form of each input, what long runs have found, and as many mutations as
 * asked for, always the same ones. A crash, a leak (under a sanitizer) or a
 * hang fails the test.
 * usage: fuzz_TARGET_replay MUTATIONS CORPUS-FOLDER [FOUND.tar.gz]
 */
#include "base/buf.h"
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUTS_MAX = 50000, TAR_BLOCK_BYTES = 512, TAR_SIZE_AT = 124 };

static struct buf inputs[INPUTS_MAX];
static size_t input_count;
static uint64_t state = 88172645463325252u;

static uint32_t next_number(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

static void run(const struct buf *input)
{
	/* A copy of just this size, so that reading past its end is seen. */
	uint8_t *copy = malloc(input->len ? input->len : 1);
	if (input->len)
		memcpy(copy, input->data, input->len);
	LLVMFuzzerTestOneInput(copy, input->len);
	free(copy);
}

static void read_input(const char *folder, const char *name)
{
	char path[4096], bytes[65536];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "rb");
	if (!file || input_count == INPUTS_MAX)
		return;
	size_t len = fread(bytes, 1, sizeof(bytes), file);
	buf_append(&inputs[input_count++], bytes, len);
	fclose(file);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void read_corpus(const char *folder)
{
	struct dirent **names;
	int count = scandir(folder, &names, NULL, by_name);
	for (int i = 0; i < count; i++) {
		if (names[i]->d_name[0] != '.')
			read_input(folder, names[i]->d_name);
		free(names[i]);
	}
	free(count < 0 ? NULL : names);
}

/* One file of a tar archive; false: its end. */
static bool read_member(FILE *archive)
{
	char head[TAR_BLOCK_BYTES], block[TAR_BLOCK_BYTES];
	if (fread(head, sizeof(head), 1, archive) != 1 || !head[0] || input_count == INPUTS_MAX)
		return false;
	struct buf *input = &inputs[input_count];
	for (size_t left = strtoul(head + TAR_SIZE_AT, NULL, 8); left;) {
		size_t part = left < sizeof(block) ? left : sizeof(block);
		if (fread(block, sizeof(block), 1, archive) != 1)
			return false;
		buf_append(input, block, part);
		left -= part;
	}
	input_count += input->len > 0;
	return true;
}

static bool read_archive(const char *path)
{
	char command[4200];
	snprintf(command, sizeof(command), "gzip -dc '%s'", path);
	FILE *archive = popen(command, "r");
	if (!archive)
		return false;
	while (read_member(archive))
		;
	char rest[4096];
	while (fread(rest, 1, sizeof(rest), archive))
		;
	return pclose(archive) == 0;
}

static void insert_piece(struct buf *out)
{
	const struct buf *other = &inputs[next_number() % input_count];
	size_t start = other->len ? next_number() % other->len : 0;
	size_t len = other->len > start ? next_number() % (other->len - start) : 0;
	buf_append(out, other->data + start, len > 200 ? 200 : len);
}

static void mutate(const struct buf *input, struct buf *out)
{
	size_t cut = input->len ? next_number() % input->len : 0;
	size_t skip = next_number() % 4 ? 0 : next_number() % 8;
	buf_clear(out);
	buf_append(out, input->data, cut);
	if (next_number() % 2)
		insert_piece(out);
	if (cut + skip < input->len)
		buf_append(out, input->data + cut + skip, input->len - cut - skip);
	for (uint32_t flips = next_number() % 4; flips && out->len; flips--)
		out->data[next_number() % out->len] = (char)next_number();
}

static void run_with_beginnings(const struct buf *input)
{
	struct buf shortened = *input;
	for (size_t step = shortened.len / 200 + 1; ; shortened.len -= step) {
		run(&shortened);
		if (shortened.len < step)
			break;
	}
}

static void run_mutations(long count)
{
	struct buf changed;
	buf_init(&changed);
	for (long i = 0; i < count; i++) {
		mutate(&inputs[next_number() % input_count], &changed);
		run(&changed);
	}
	buf_deinit(&changed);
}

int main(int argc, char **argv)
{
	if (argc < 3 || argc > 4)
		return 2;
	read_corpus(argv[2]);
	size_t seeds = input_count;
	if (!seeds || (argc == 4 && (!read_archive(argv[3]) || input_count == seeds))) {
		fprintf(stderr, "no inputs in %s\n", argv[seeds ? 3 : 2]);
		return 1;
	}
	for (size_t i = 0; i < input_count; i++) {
		if (i < seeds)
			run_with_beginnings(&inputs[i]);
		else
			run(&inputs[i]);
	}
	run_mutations(atol(argv[1]));
	printf("%zu inputs and their beginnings, %zu that were found, %s mutations\n", seeds, input_count - seeds, argv[1]);
	for (size_t i = 0; i < input_count; i++)
		buf_deinit(&inputs[i]);
	return 0;
}
