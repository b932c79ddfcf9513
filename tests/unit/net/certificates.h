/* Keys and certificates made for a test. */
#ifndef CROSSFADE_TESTS_NET_CERTIFICATES_H
#define CROSSFADE_TESTS_NET_CERTIFICATES_H

/* Writes FOLDER/NAME.crt, self-signed for host, and FOLDER/NAME.key (mode 0600). */
void certificates_make(const char *folder, const char *name, const char *host);
void certificates_remove(const char *folder, const char *name);

#endif
