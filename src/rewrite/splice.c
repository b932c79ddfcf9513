#include "rewrite/splice.h"

#include <stdlib.h>

void splice_list_init(struct splice_list *list, struct arena *arena)
{
	*list = (struct splice_list){ .arena = arena };
}

void splice_add(struct splice_list *list, size_t offset, size_t len, struct slice text)
{
	if (list->count == list->capacity) {
		list->capacity = list->capacity ? list->capacity * 2 : 8;
		struct splice *grown = ARENA_ARRAY(list->arena, list->capacity, struct splice);
		if (list->count)
			memcpy(grown, list->items, list->count * sizeof(*grown));
		list->items = grown;
	}
	list->items[list->count++] = (struct splice){ offset, len, text, list->added++ };
}

static int compare(const void *left, const void *right)
{
	const struct splice *a = left, *b = right;
	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* Is it among those kept for the same place? One place has one replacement, but may have many insertions. */
static bool is_repeated(const struct splice_list *list, size_t kept, const struct splice *next)
{
	for (size_t i = kept; i > 0; i--) {
		const struct splice *other = &list->items[i - 1];
		if (other->offset != next->offset || other->len != next->len)
			return false;
		if (next->len || slice_eq(other->text, next->text))
			return true;
	}
	return false;
}

void splice_sort(struct splice_list *list)
{
	if (list->count < 2)
		return;
	qsort(list->items, list->count, sizeof(*list->items), compare);
	size_t kept = 1;
	for (size_t i = 1; i < list->count; i++) {
		if (!is_repeated(list, kept, &list->items[i]))
			list->items[kept++] = list->items[i];
	}
	list->count = kept;
}

void splice_apply(const struct splice_list *list, struct slice original, size_t end, struct buf *out)
{
	size_t at = 0;
	for (size_t i = 0; i < list->count && list->items[i].offset + list->items[i].len <= end; i++) {
		const struct splice *splice = &list->items[i];
		buf_append(out, original.data + at, splice->offset - at);
		buf_append_slice(out, splice->text);
		at = splice->offset + splice->len;
	}
	buf_append(out, original.data + at, end - at);
}

struct slice splice_extract(struct splice_list *list, struct slice original, size_t start, size_t end)
{
	struct splice_list inner;
	struct buf text;
	size_t kept = 0;
	splice_list_init(&inner, list->arena);
	for (size_t i = 0; i < list->count; i++) {
		const struct splice *splice = &list->items[i];
		if (splice->offset >= start && splice->offset + splice->len <= end)
			splice_add(&inner, splice->offset - start, splice->len, splice->text);
		else
			list->items[kept++] = *splice;
	}
	list->count = kept;
	splice_sort(&inner);
	buf_init(&text);
	splice_apply(&inner, slice_of(original.data + start, end - start), end - start, &text);
	struct slice copy = slice_of(arena_copy(list->arena, text.data ? text.data : "", text.len), text.len);
	buf_deinit(&text);
	return copy;
}

/* ---- characters ---- */

static size_t character_bytes(const uint8_t *data, size_t left, enum encoding_class encoding)
{
	size_t want = 1;
	if (encoding == ENCODING_UTF8)
		want = *data < 0xC0 ? 1 : *data < 0xE0 ? 2 : *data < 0xF0 ? 3 : 4;
	else if (encoding != ENCODING_SINGLE_BYTE && *data >= 0x80)
		want = *data == 0x8F ? 3 : 2;
	return want < left ? want : left;
}

/* Bytes below 0x80 from the start on, eight at a time. */
static size_t plain_bytes(struct slice text)
{
	size_t at = 0;
	for (uint64_t eight; at + sizeof(eight) <= text.len; at += sizeof(eight)) {
		memcpy(&eight, text.data + at, sizeof(eight));
		if (eight & 0x8080808080808080)
			break;
	}
	while (at < text.len && (uint8_t)text.data[at] < 0x80)
		at++;
	return at;
}

size_t splice_count_characters(struct slice text, enum encoding_class encoding)
{
	size_t count = plain_bytes(text);
	for (size_t at = count; at < text.len; count++)
		at += character_bytes((const uint8_t *)text.data + at, text.len - at, encoding);
	return count;
}

void splice_positions(const struct splice_list *list, struct slice original, enum encoding_class encoding,
		      struct rewrite_splice *positions_out)
{
	size_t at = 0;
	uint32_t characters = 0, moved = 0;
	for (size_t i = 0; i < list->count; i++) {
		const struct splice *splice = &list->items[i];
		struct slice before = slice_of(original.data + at, splice->offset - at);
		struct slice replaced = slice_of(original.data + splice->offset, splice->len);
		characters += (uint32_t)splice_count_characters(before, encoding);
		struct rewrite_splice *position = &positions_out[i];
		position->original = characters;
		position->original_len = (uint32_t)splice_count_characters(replaced, encoding);
		position->rewritten = characters + moved;
		position->rewritten_len = (uint32_t)splice_count_characters(splice->text, encoding);
		moved += position->rewritten_len - position->original_len;
		characters += position->original_len;
		at = splice->offset + splice->len;
	}
}

uint32_t splice_map_position(const struct rewrite_splice *positions, size_t count, uint32_t position)
{
	if (position == 0)
		return 0;
	uint32_t at = position - 1, moved = 0;
	for (size_t i = 0; i < count && at >= positions[i].rewritten; i++) {
		if (at < positions[i].rewritten + positions[i].rewritten_len)
			return positions[i].original + 1;
		moved = positions[i].rewritten + positions[i].rewritten_len - positions[i].original -
			positions[i].original_len;
	}
	return at - moved + 1;
}

bool splice_replaced_at(const struct rewrite_splice *positions, size_t count, uint32_t position,
			uint32_t *original_len_out)
{
	for (size_t i = 0; position && i < count; i++) {
		uint32_t start = positions[i].rewritten + 1;
		if (position < start || position - start >= positions[i].rewritten_len)
			continue;
		*original_len_out = positions[i].original_len;
		return true;
	}
	return false;
}
