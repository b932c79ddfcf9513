#include "certificates.h"

#include <criterion/criterion.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void add_extension(X509 *certificate, int kind, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
	cr_assert_not_null(extension);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

static X509 *sign(EVP_PKEY *key, const char *host)
{
	char names[128];
	X509 *certificate = X509_new();
	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
	X509_NAME *name = X509_get_subject_name(certificate);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)host, -1, -1, 0);
	X509_set_issuer_name(certificate, name);
	X509_set_pubkey(certificate, key);
	add_extension(certificate, NID_basic_constraints, "CA:TRUE");
	snprintf(names, sizeof(names), "DNS:%s,IP:127.0.0.1", host);
	add_extension(certificate, NID_subject_alt_name, names);
	cr_assert_gt(X509_sign(certificate, key, EVP_sha256()), 0);
	return certificate;
}

static FILE *create(const char *folder, const char *name, const char *suffix)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s.%s", folder, name, suffix);
	FILE *file = fopen(path, "w");
	cr_assert_not_null(file);
	chmod(path, 0600);
	return file;
}

void certificates_make(const char *folder, const char *name, const char *host)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = sign(key, host);
	FILE *file = create(folder, name, "key");
	PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	fclose(file);
	file = create(folder, name, "crt");
	PEM_write_X509(file, certificate);
	fclose(file);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

void certificates_remove(const char *folder, const char *name)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s.crt", folder, name);
	unlink(path);
	snprintf(path, sizeof(path), "%s/%s.key", folder, name);
	unlink(path);
}
