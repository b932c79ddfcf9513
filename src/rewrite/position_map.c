#include "rewrite/position_map.h"

static size_t character_bytes(const uint8_t *data, size_t left, enum encoding_class encoding)
{
	size_t want = 1;
	if (encoding == ENCODING_UTF8)
		want = *data < 0xC0 ? 1 : *data < 0xE0 ? 2 : *data < 0xF0 ? 3 : 4;
	else if (encoding != ENCODING_SINGLE_BYTE && encoding != ENCODING_AS_STORED && *data >= 0x80)
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

size_t position_count_characters(struct slice text, enum encoding_class encoding)
{
	size_t count = plain_bytes(text);
	for (size_t at = count; at < text.len; count++)
		at += character_bytes((const uint8_t *)text.data + at, text.len - at, encoding);
	return count;
}

/* ---- making it ---- */

struct making {
	const struct splice_list *list;
	struct slice original;
	enum encoding_class encoding;
	struct rewrite_splice *items;
	size_t count, capacity;
	uint32_t original_at, rewritten_at; /* characters; of what stands in its place */
	size_t counted;			    /* bytes of the original until original_at */
	size_t asked_offset;		    /* what character_of was asked last */
	uint32_t asked_character;
};

static uint32_t characters(const struct making *making, size_t start, size_t end)
{
	return (uint32_t)position_count_characters(slice_of(making->original.data + start, end - start), making->encoding);
}

/* Moved pieces are asked for from their start to their end: mostly there is little to count. */
static uint32_t character_of(struct making *making, size_t offset)
{
	if (offset < making->asked_offset) {
		making->asked_offset = 0;
		making->asked_character = 0;
	}
	making->asked_character += characters(making, making->asked_offset, offset);
	making->asked_offset = offset;
	return making->asked_character;
}

static void add(struct making *making, struct rewrite_splice item)
{
	if (making->count == making->capacity) {
		making->capacity = making->capacity ? making->capacity * 2 : making->list->count + 1;
		struct rewrite_splice *grown = ARENA_ARRAY(making->list->arena, making->capacity, struct rewrite_splice);
		if (making->count)
			memcpy(grown, making->items, making->count * sizeof(*grown));
		making->items = grown;
	}
	item.rewritten = making->rewritten_at;
	making->rewritten_at += item.rewritten_len;
	making->items[making->count++] = item;
}

static void on_copied(void *context, size_t start, size_t end, bool moved)
{
	struct making *making = context;
	uint32_t len = characters(making, start, end);
	if (moved) {
		if (len)
			add(making, (struct rewrite_splice){ .original = character_of(making, start), .original_len = len,
							     .rewritten_len = len, .moved = true });
		return;
	}
	making->original_at += len;
	making->rewritten_at += len;
	making->counted = end;
}

static void on_replaced(void *context, const struct splice *splice, struct slice text)
{
	struct making *making = context;
	bool in_place = splice->offset == making->counted;
	add(making, (struct rewrite_splice){
			    .original = in_place ? making->original_at : character_of(making, splice->offset),
			    .original_len = characters(making, splice->offset, splice->offset + splice->len),
			    .rewritten_len = (uint32_t)position_count_characters(text, making->encoding) });
}

static void on_done(void *context, const struct splice *splice)
{
	struct making *making = context;
	making->original_at += characters(making, splice->offset, splice->offset + splice->len);
	making->counted = splice->offset + splice->len;
	making->items[making->count - 1].resume = making->original_at;
}

size_t position_map_make(const struct splice_list *list, struct slice original, size_t end, enum encoding_class encoding,
			 struct rewrite_splice **positions_out)
{
	struct making making = { .list = list, .original = original, .encoding = encoding };
	*positions_out = NULL;
	if (!list->count)
		return 0;
	splice_visit(list, end, &(struct splice_visitor){ on_copied, on_replaced, on_done, &making });
	*positions_out = making.items;
	return making.count;
}

/* ---- asking it ---- */

uint32_t position_map_original(const struct rewrite_splice *positions, size_t count, uint32_t position)
{
	if (position == 0)
		return 0;
	uint32_t at = position - 1, moved = 0;
	for (size_t i = 0; i < count && at >= positions[i].rewritten; i++) {
		const struct rewrite_splice *piece = &positions[i];
		if (at < piece->rewritten + piece->rewritten_len)
			return piece->original + (piece->moved ? at - piece->rewritten : 0) + 1;
		moved = piece->rewritten + piece->rewritten_len - piece->resume;
	}
	return at - moved + 1;
}

bool position_map_replaced_at(const struct rewrite_splice *positions, size_t count, uint32_t position,
			      uint32_t *original_len_out)
{
	for (size_t i = 0; position && i < count; i++) {
		uint32_t start = positions[i].rewritten + 1;
		if (position < start || position - start >= positions[i].rewritten_len || positions[i].moved)
			continue;
		*original_len_out = positions[i].original_len;
		return true;
	}
	return false;
}
