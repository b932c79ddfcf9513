#include "usage/identity.h"

#include "base/memory.h"
#include "usage/text.h"

enum { IDLE_MAX = 1024 };

struct identity_key {
	size_t len;
	size_t starts[USAGE_FIELD_COUNT];
	char text[USAGE_FIELD_COUNT * USAGE_FIELD_MAX_BYTES];
};

static void build_key(const struct usage_who *who, struct identity_key *key_out)
{
	const char *fields[USAGE_FIELD_COUNT] = { who->database,   who->user,  who->application, who->address,
						  who->controller, who->route, who->action };
	key_out->len = 0;
	for (int i = 0; i < USAGE_FIELD_COUNT; i++) {
		key_out->starts[i] = key_out->len;
		key_out->len += usage_text_clean(slice_str(fields[i]), key_out->text + key_out->len,
						 USAGE_FIELD_MAX_BYTES) + 1;
	}
}

size_t usage_identity_bytes(const struct usage_identity *identity)
{
	return sizeof(*identity) + identity->key_len;
}

struct usage_identity *usage_identity_ref(struct usage_identity *identity)
{
	ref_take(&identity->ref);
	return identity;
}

void usage_identity_unref(struct usage_identity *identity)
{
	if (identity && ref_drop(&identity->ref))
		free(identity);
}

static struct usage_identity *identity_new(const struct identity_key *key)
{
	struct usage_identity *identity = memory_zalloc(sizeof(*identity) + key->len);
	ref_init(&identity->ref);
	identity->key_len = key->len;
	memcpy(identity->key, key->text, key->len);
	for (int i = 0; i < USAGE_FIELD_COUNT; i++)
		identity->fields[i] = identity->key + key->starts[i];
	return identity;
}

static struct usage_identity *intern(struct usage_identities *identities, const struct identity_key *key,
				     size_t limit_bytes)
{
	if (identities->idle && identities->bytes + sizeof(struct usage_identity) + key->len > limit_bytes)
		usage_identities_sweep(identities);
	if (identities->bytes + sizeof(struct usage_identity) + key->len > limit_bytes)
		return NULL;
	struct usage_identity *identity = identity_new(key);
	HASH_ADD_KEYPTR(hh, identities->table, identity->key, identity->key_len, identity);
	identities->bytes += usage_identity_bytes(identity);
	identities->idle++;
	return identity;
}

struct usage_identity *usage_identities_take(struct usage_identities *identities, const struct usage_who *who,
					     size_t limit_bytes)
{
	struct identity_key key;
	struct usage_identity *identity;
	build_key(who, &key);
	HASH_FIND(hh, identities->table, key.text, key.len, identity);
	if (!identity)
		identity = intern(identities, &key, limit_bytes);
	if (identity && identity->sessions++ == 0)
		identities->idle--;
	return identity;
}

void usage_identities_release(struct usage_identities *identities, struct usage_identity *identity)
{
	if (--identity->sessions == 0 && ++identities->idle > IDLE_MAX)
		usage_identities_sweep(identities);
}

static void forget(struct usage_identities *identities, struct usage_identity *identity)
{
	HASH_DEL(identities->table, identity);
	identities->bytes -= usage_identity_bytes(identity);
	usage_identity_unref(identity);
}

void usage_identities_sweep(struct usage_identities *identities)
{
	struct usage_identity *identity, *next;
	HASH_ITER(hh, identities->table, identity, next) {
		if (!identity->sessions)
			forget(identities, identity);
	}
	identities->idle = 0;
}

void usage_identities_deinit(struct usage_identities *identities)
{
	struct usage_identity *identity, *next;
	HASH_ITER(hh, identities->table, identity, next)
		forget(identities, identity);
	identities->idle = 0;
}
