/** @file
 * Tests only: a folder with an authority and certificates of every kind.
 */
#ifndef LM_NET_TEST_CERTS_H
#define LM_NET_TEST_CERTS_H

#include <stdbool.h>

/** Make the folder; fails the test when it cannot. Certificates are NAME.pem, keys NAME.key: ca,
 * server (mail.example), other (other.example), wild (*.wild.example), rsa (mail.example), expired,
 * client (me@mail.example), stranger (signed by nobody we know), locked (key under a password). */
void test_certs_make(void);
/** "FOLDER/name"; lives until the next 16 calls. */
const char *test_certs_path(const char *name);
void test_certs_remove(void);

#endif
