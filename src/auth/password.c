#include "auth/password.h"

#include "auth/scram_keys.h"

#include <openssl/evp.h>
#include <stdio.h>

enum { MD5_BYTES = 16, MD5_TEXT_BYTES = 2 * MD5_BYTES };

static bool hash(struct slice first, struct slice second, char text_out[MD5_TEXT_BYTES + 1])
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool ok = context && EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1 &&
		  EVP_DigestUpdate(context, first.data, first.len) == 1 &&
		  EVP_DigestUpdate(context, second.data, second.len) == 1 &&
		  EVP_DigestFinal_ex(context, digest, NULL) == 1;
	EVP_MD_CTX_free(context);
	for (size_t i = 0; ok && i < MD5_BYTES; i++)
		snprintf(text_out + 2 * i, 3, "%02x", digest[i]);
	return ok;
}

bool password_append_md5(struct buf *out, const char *password, struct slice user, struct slice salt)
{
	char inner[MD5_TEXT_BYTES + 1], outer[MD5_TEXT_BYTES + 1];
	bool ok = hash(slice_str(password), user, inner) && hash(slice_str(inner), salt, outer);
	if (ok) {
		buf_append_str(out, "md5");
		buf_append_str(out, outer);
	}
	secret_wipe(inner, sizeof(inner));
	return ok;
}
