#include "fleet/digest.h"

#include "base/buf.h"
#include "base/hash.h"

/* Each text with its length before it: no two lists of texts are the same bytes. */
static void add_text(struct buf *bytes, const char *text)
{
	size_t len = text ? strlen(text) : 0;
	buf_append_byte(bytes, text != NULL);
	buf_append_u32(bytes, (uint32_t)len);
	buf_append(bytes, text ? text : "", len);
}

static void add_name(struct buf *bytes, struct rel_name name)
{
	add_text(bytes, name.schema);
	add_text(bytes, name.name);
}

static void add_pairs(struct buf *bytes, const struct map_pairs *pairs)
{
	buf_append_u32(bytes, (uint32_t)pairs->count);
	for (size_t i = 0; i < pairs->count; i++) {
		add_text(bytes, pairs->items[i].key);
		add_text(bytes, pairs->items[i].value);
	}
}

static void add_names(struct buf *bytes, const struct name_list *names)
{
	buf_append_u32(bytes, (uint32_t)names->count);
	for (size_t i = 0; i < names->count; i++)
		add_text(bytes, names->names[i]);
}

static uint64_t number_of(const struct map_entry *entry, struct rel_name old_name, struct rel_name new_name)
{
	struct buf bytes;
	buf_init(&bytes);
	buf_append_u32(&bytes, (uint32_t)entry->kind);
	add_name(&bytes, old_name);
	add_name(&bytes, new_name);
	add_pairs(&bytes, &entry->columns);
	add_pairs(&bytes, &entry->shape);
	add_pairs(&bytes, &entry->new_shape);
	add_pairs(&bytes, &entry->read);
	add_pairs(&bytes, &entry->write);
	add_names(&bytes, &entry->lossy);
	uint64_t number = hash_of_bytes(bytes.data, bytes.len, 0);
	buf_deinit(&bytes);
	return number;
}

static void print(uint64_t number, char digest_out[DIGEST_BYTES])
{
	snprintf(digest_out, DIGEST_BYTES, "%016llx", (unsigned long long)number);
}

void digest_entry(const struct ruleset_entry *entry, char digest_out[DIGEST_BYTES])
{
	print(number_of(entry->map, entry->names[SIDE_OLD], entry->names[SIDE_NEW]), digest_out);
}

/* A sum: in whatever order. */
void digest_map(const struct map *map, char digest_out[DIGEST_BYTES])
{
	uint64_t sum = map->entry_count;
	for (size_t i = 0; i < map->entry_count; i++) {
		const struct map_entry *entry = &map->entries[i];
		uint64_t group = entry->group < 0 ? 0 : hash_of_bytes(map->groups[entry->group].name,
								      strlen(map->groups[entry->group].name), 1);
		sum += number_of(entry, entry->old_name, entry->new_name) + group;
	}
	print(sum, digest_out);
}
