/* SPDX-License-Identifier: MIT */
/*
 * sha256_test.c - core/sha256 against the examples of FIPS 180-4 (NIST "SHA256.pdf", SHA256ShortMsg.rsp of SHAVS), and
 * against itself given in pieces.
 */
#include "core_test.h"

#include <stdio.h>

#include "core/sha256.h"

static void assert_digest(const void *bytes, size_t size, const char *expected)
{
    uint8_t digest[SHA256_SIZE];
    char text[2 * SHA256_SIZE + 1];

    sha256_of(bytes, size, digest);
    for (unsigned i = 0; i < SHA256_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(text, expected);
}

static void the_vectors_of_nist(void **state)
{
    static const uint8_t four[] = {0xc9, 0x8c, 0x8e, 0x55};
    static uint8_t million[1000000];

    (void)state;
    assert_digest("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_digest("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_digest("\xbd", 1, "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b");
    assert_digest(four, sizeof(four), "7abc22c0ae5af26ce93dbb94433a0e0b2e119d014f8e7f65bd56c61ccccd9504");
    for (size_t i = 0; i < sizeof(million); i++)
        million[i] = 'a';
    assert_digest(million, sizeof(million), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    /* 55, 56, 57, 63 and 64 bytes: where the padding needs another block. */
    for (size_t i = 0; i < 64; i++)
        million[i] = 0;
    assert_digest(million, 55, "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7");
    assert_digest(million, 56, "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb");
    assert_digest(million, 57, "65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785");
    assert_digest(million, 64, "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
}

static void pieces_give_the_same(void **state)
{
    uint8_t bytes[300], whole[SHA256_SIZE], pieces[SHA256_SIZE];
    struct sha256 sha;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        sha256_of(bytes, size, whole);
        sha256_init(&sha);
        for (size_t at = 0; at < size; at += 1 + at % 67)
            sha256_add(&sha, bytes + at, size - at < 1 + at % 67 ? size - at : 1 + at % 67);
        sha256_finish(&sha, pieces);
        assert_memory_equal(whole, pieces, sizeof(whole));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_nist),
        cmocka_unit_test(pieces_give_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
