#include "proxy/prepared.h"

#include "base/hash.h"
#include "base/memory.h"
#include "wire/reader.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct kept_text {
	UT_hash_handle hh;
	uint32_t refs;
	size_t len;
	char data[];
};

struct texts {
	struct kept_text *kept;
};

struct texts *texts_new(void)
{
	return memory_zalloc(sizeof(struct texts));
}

void texts_free(struct texts *texts)
{
	free(texts);
}

#undef HASH_FUNCTION
#define HASH_FUNCTION(key, len, hash) ((hash) = (unsigned)hash_of_bytes((key), (len), 0))

static struct kept_text *keep(struct texts *texts, struct slice text)
{
	struct kept_text *kept = NULL;
	if (texts->kept)
		HASH_FIND(hh, texts->kept, text.data, text.len, kept);
	if (!kept) {
		kept = memory_zalloc(sizeof(*kept) + text.len + 1);
		kept->len = text.len;
		memcpy(kept->data, text.data, text.len);
		HASH_ADD_KEYPTR(hh, texts->kept, kept->data, kept->len, kept);
	}
	kept->refs++;
	return kept;
}

static void let_go(struct texts *texts, struct kept_text *kept)
{
	if (--kept->refs)
		return;
	HASH_DEL(texts->kept, kept);
	free(kept);
}

static struct slice copy_of(struct slice bytes)
{
	return bytes.len ? slice_of(memory_copy(bytes.data, bytes.len), bytes.len) : (struct slice){ 0 };
}

struct prepared *prepared_new(struct text_account *account, struct slice text, struct slice types)
{
	struct prepared *prepared = memory_zalloc(sizeof(*prepared));
	prepared->refs = 1;
	prepared->account = account;
	prepared->types = copy_of(types);
	if (text.len && account->texts && text.len <= account->most_bytes - account->bytes) {
		prepared->text = keep(account->texts, text);
		account->bytes += text.len;
	}
	return prepared;
}

struct prepared *prepared_ref(struct prepared *prepared)
{
	if (prepared)
		prepared->refs++;
	return prepared;
}

void prepared_unref(struct prepared *prepared)
{
	if (!prepared || --prepared->refs)
		return;
	if (prepared->text) {
		prepared->account->bytes -= prepared->text->len;
		let_go(prepared->account->texts, prepared->text);
	}
	rewrite_unref(prepared->sent);
	free((char *)prepared->types.data);
	free(prepared);
}

struct slice prepared_text(const struct prepared *prepared)
{
	return prepared->text ? slice_of(prepared->text->data, prepared->text->len) : (struct slice){ 0 };
}

void prepared_set_types(struct prepared *prepared, struct slice types)
{
	free((char *)prepared->types.data);
	prepared->types = copy_of(types);
	prepared->types_known = true;
}

/* A text without a '$' has no parameters, and one of PREPARE says its types itself. */
bool prepared_wants_types(const struct prepared *prepared)
{
	struct slice text = prepared_text(prepared);
	return !prepared->types_known && !prepared->in_sql && text.len && memchr(text.data, '$', text.len);
}

/* Of each column its name, type and typmod: not the table, which may be another one, nor the format. */
uint64_t prepared_hash_columns(struct slice body)
{
	struct reader reader = reader_of(body);
	uint32_t count = body.len ? reader_u16(&reader) : 0;
	uint64_t hash = hash_of_bytes(&count, sizeof(count), 0);
	for (uint32_t i = 0; i < count && !reader.failed; i++) {
		struct slice name = reader_text(&reader);
		reader_bytes(&reader, 6);
		struct slice type = reader_bytes(&reader, 4);
		reader_bytes(&reader, 2);
		struct slice typmod = reader_bytes(&reader, 4);
		reader_bytes(&reader, 2);
		hash = hash_of_bytes(name.data, name.len, hash);
		hash = hash_of_bytes(type.data, type.len, hash);
		hash = hash_of_bytes(typmod.data, typmod.len, hash);
	}
	return hash ? hash : 1;
}
