/*
 * microseal's crypto core: the operations of protocol.md sections 2 to 4 for small machines.
 *
 * Byte strings in, byte strings out. Nothing allocates, nothing is kept between calls except in contexts that the
 * caller owns, nothing branches on or indexes by a secret. Integers are big-endian.
 *
 *   suite    1 = P-256 with SHA-256, 2 = curveSM2 with SM3; SM4 is the cipher of both
 *   point    33 bytes, SEC 1 compressed (02 or 03, then X); infinity has no encoding and is always an error
 *   scalar   32 bytes; "in range" means 0 < x < q, the order of the group
 *   hash     32 bytes
 *
 * Common to all functions, so not repeated at each:
 *   - A (pointer, length) pair may have a null pointer if the length is 0; any other pointer is not null.
 *   - Outputs may not overlap inputs unless the comment says so, and are written only on MS_OK.
 *   - MS_ERR_SUITE: the suite is unknown or not built in. MS_ERR_POINT: an encoding with a bad prefix, x >= p, or x
 *     of no point of the curve. MS_ERR_SCALAR: a scalar is not in range.
 *   - Every secret that a function put on the stack is overwritten before it returns, whatever it returns; where there
 *     is a context, by the function that ends it. With MS_CALLER_BURNS that is the caller's to do (secret.h).
 */
#ifndef MICROSEAL_CORE_H
#define MICROSEAL_CORE_H

#include <stddef.h>
#include <stdint.h>

#ifndef MS_API
#    define MS_API __attribute__((visibility("default")))
#endif

#define MS_SUITE_P256 1
#define MS_SUITE_SM2 2

#define MS_HASH_SIZE 32
#define MS_SCALAR_SIZE 32
#define MS_POINT_SIZE 33
#define MS_SIGNATURE_SIZE 64
#define MS_PAIR_SIZE 65  /* a scalar and its multiple of G */
#define MS_KEY_SIZE 16   /* SM4 */
#define MS_NONCE_SIZE 12 /* SM4-GCM */
#define MS_TAG_SIZE 16   /* SM4-GCM, SM4-CMAC */

typedef enum {
    MS_OK = 0,
    MS_ERR_SUITE = -1,       /* suite unknown or not built in */
    MS_ERR_LENGTH = -2,      /* a length outside what the function's comment allows */
    MS_ERR_SCALAR = -3,      /* scalar zero or not below the order */
    MS_ERR_POINT = -4,       /* not the encoding of a point */
    MS_ERR_INFINITY = -5,    /* the result is the point at infinity */
    MS_ERR_ZERO = -6,        /* the result is the scalar 0 */
    MS_ERR_CERTIFICATE = -7, /* the private key does not fit the certificate */
    MS_ERR_SIGNATURE = -8,   /* the signature is not valid */
    MS_ERR_TAG = -9,         /* the ciphertext, its associated data or its tag was altered */
} ms_error;

/* One line of text for an error, static, never null. */
MS_API const char *ms_error_text(ms_error error);

/* Whether the suite is built in: 1 or 0. */
MS_API int ms_has_suite(uint8_t suite);

/* ---- H: SHA-256 (FIPS 180-4) and SM3 (GB/T 32905), section 2 ---- */

/* The members are nobody's business but hash.c's. A context may be copied, moved and stored as bytes. */
typedef struct {
    uint64_t length; /* bytes so far */
    uint32_t state[8];
    uint8_t block[64];
    uint8_t suite;     /* 0: not initialised, or finished */
    uint8_t unused[7]; /* for the same size everywhere */
} ms_hash;

/* MS_ERR_SUITE leaves a context that update and final refuse. */
MS_API ms_error ms_hash_init(ms_hash *ctx, uint8_t suite);

/* Any length, in any pieces. MS_ERR_SUITE: the context is not initialised. */
MS_API ms_error ms_hash_update(ms_hash *ctx, const void *data, size_t length);

/* out: 32 bytes. Erases the context. MS_ERR_SUITE: the context is not initialised. */
MS_API ms_error ms_hash_final(ms_hash *ctx, uint8_t out[MS_HASH_SIZE]);

/* ---- HMAC-H (RFC 2104) and HKDF with H (RFC 5869), section 2 ---- */

typedef struct {
    ms_hash inner, outer;
} ms_hmac;

/* key: any length. */
MS_API ms_error ms_hmac_init(ms_hmac *ctx, uint8_t suite, const void *key, size_t key_length);
MS_API ms_error ms_hmac_update(ms_hmac *ctx, const void *data, size_t length);

/* out: 32 bytes. Erases the context. */
MS_API ms_error ms_hmac_final(ms_hmac *ctx, uint8_t out[MS_HASH_SIZE]);

/*
 * HKDF(ikm, salt, info, n); an empty salt stands for 32 zero bytes. out: n bytes, may overlap ikm and salt.
 * MS_ERR_LENGTH: n is 0 or above 255 * 32.
 */
MS_API ms_error ms_hkdf(uint8_t suite, const void *ikm, size_t ikm_length, const void *salt, size_t salt_length,
                        const void *info, size_t info_length, uint8_t *out, size_t n);

/* ---- AEAD: SM4-GCM (RFC 8998), and MAC: SM4-CMAC (SP 800-38B), section 2 ---- */

/*
 * out: length + 16 bytes, ciphertext then tag; may start where data starts, may not overlap it otherwise; may overlap
 * key, nonce and aad.
 * A (key, nonce) pair must never be used for two messages. MS_ERR_LENGTH: more than 2^36 - 32 bytes of data or 2^61 - 1
 * of aad.
 */
MS_API ms_error ms_gcm_seal(const uint8_t key[MS_KEY_SIZE], const uint8_t nonce[MS_NONCE_SIZE], const void *aad,
                            size_t aad_length, const uint8_t *data, size_t length, uint8_t *out);

/*
 * data: ciphertext then tag, length bytes in all. out: length - 16 bytes; may overlap inputs as above. The tag is
 * compared, in constant time, before anything is written: MS_ERR_TAG leaves out as it was.
 * MS_ERR_LENGTH: length below 16, or too much as above.
 */
MS_API ms_error ms_gcm_open(const uint8_t key[MS_KEY_SIZE], const uint8_t nonce[MS_NONCE_SIZE], const void *aad,
                            size_t aad_length, const uint8_t *data, size_t length, uint8_t *out);

typedef struct {
    uint32_t round_keys[32];
    uint32_t chain[4]; /* the CBC value, with the bytes of the block in progress already added */
    uint8_t used;      /* bytes of that block, 0 to 16 */
} ms_cmac;

MS_API void ms_cmac_init(ms_cmac *ctx, const uint8_t key[MS_KEY_SIZE]);
MS_API void ms_cmac_update(ms_cmac *ctx, const void *data, size_t length);

/* out: 16 bytes. Erases the context. */
MS_API void ms_cmac_final(ms_cmac *ctx, uint8_t out[MS_TAG_SIZE]);

/* ---- scalars and points, section 2 ---- */

/* 1 or 0; an unknown suite gives 0. */
MS_API int ms_is_scalar(uint8_t suite, const uint8_t x[MS_SCALAR_SIZE]);
MS_API int ms_is_point(uint8_t suite, const uint8_t point[MS_POINT_SIZE]);

/*
 * out = the integer wide mod q, 0 <= out < q; out may overlap wide. Constant time. 48 random bytes give a scalar with
 * no bias that could be noticed. MS_ERR_LENGTH: length is 0 or above 64.
 */
MS_API ms_error ms_scalar_reduce(uint8_t suite, const uint8_t *wide, size_t length, uint8_t out[MS_SCALAR_SIZE]);

/* out = a*b + c mod q, 0 <= out < q; a, b, c are any 32-byte integers; out may overlap them. Constant time. */
MS_API ms_error ms_scalar_mul_add(uint8_t suite, const uint8_t a[MS_SCALAR_SIZE], const uint8_t b[MS_SCALAR_SIZE],
                                  const uint8_t c[MS_SCALAR_SIZE], uint8_t out[MS_SCALAR_SIZE]);

/* out = k*G. k in range and secret. */
MS_API ms_error ms_base_mul(uint8_t suite, const uint8_t k[MS_SCALAR_SIZE], uint8_t out[MS_POINT_SIZE]);

/*
 * out = k*P + A. k in range and secret; P and A public; P null stands for G. out may overlap P and A.
 * MS_ERR_INFINITY: the sum is infinity.
 */
MS_API ms_error ms_mul_add(uint8_t suite, const uint8_t k[MS_SCALAR_SIZE], const uint8_t *P,
                           const uint8_t A[MS_POINT_SIZE], uint8_t out[MS_POINT_SIZE]);

/* out = X(k*P), 32 bytes, secret. k in range and secret; P public. out may overlap k and P. */
MS_API ms_error ms_ecdh(uint8_t suite, const uint8_t k[MS_SCALAR_SIZE], const uint8_t P[MS_POINT_SIZE],
                        uint8_t out[32]);

/* ---- signatures, section 3 ---- */

/*
 * sig = e || sc(s) by d over (label, context, message); label is what follows "sig/" in the tag. d in range and secret,
 * Q = d*G (only that it is a point is checked: a wrong Q gives a signature that nothing accepts and tells nothing of
 * d). random: 32 bytes, fresh; the nonce is bound to d and all that is signed besides, so that repeated or known bytes
 * here do not expose d. MS_ERR_LENGTH: context above 65,535 bytes.
 */
MS_API ms_error ms_sign(uint8_t suite, const uint8_t d[MS_SCALAR_SIZE], const uint8_t Q[MS_POINT_SIZE],
                        const void *label, size_t label_length, const void *context, size_t context_length,
                        const void *message, size_t length, const uint8_t random[32], uint8_t sig[MS_SIGNATURE_SIZE]);

/*
 * As ms_sign, with a precomputed pair in place of random: pair = v || pt(v*G), 65 bytes, v in range, random and secret.
 * The pair is zeroed before there is a signature, whatever comes of it, so none is used twice. It is the caller's duty
 * that v was drawn for this signature alone. Q is only hashed, and not checked. MS_ERR_SCALAR: d or v not in range, as
 * in a pair that was used, or (once in 2^255) a pair that does not do; take another. sig may not overlap pair.
 */
MS_API ms_error ms_sign_pair(uint8_t suite, const uint8_t d[MS_SCALAR_SIZE], const uint8_t Q[MS_POINT_SIZE],
                             const void *label, size_t label_length, const void *context, size_t context_length,
                             const void *message, size_t length, uint8_t pair[MS_PAIR_SIZE],
                             uint8_t sig[MS_SIGNATURE_SIZE]);

/*
 * MS_OK: sig is valid. MS_ERR_SIGNATURE: it is not (s out of range, V' infinite, or the hash differs). Everything here
 * is public; not constant time. MS_ERR_LENGTH: context above 65,535 bytes.
 */
MS_API ms_error ms_verify(uint8_t suite, const uint8_t Q[MS_POINT_SIZE], const void *label, size_t label_length,
                          const void *context, size_t context_length, const void *message, size_t length,
                          const uint8_t sig[MS_SIGNATURE_SIZE]);

/* ---- ECQV implicit certificates (SEC 4 v1.0), section 4; e = H(cert) shifted right by one bit ---- */

/* a = e*k + d_ca mod q. k, d_ca in range and secret. MS_ERR_ZERO: a is 0; draw another k. */
MS_API ms_error ms_ecqv_issue(uint8_t suite, const void *cert, size_t length, const uint8_t k[MS_SCALAR_SIZE],
                              const uint8_t d_ca[MS_SCALAR_SIZE], uint8_t a[MS_SCALAR_SIZE]);

/* Q = e*C + q_ca, all public; not constant time. MS_ERR_INFINITY: the sum is infinity. */
MS_API ms_error ms_ecqv_public(uint8_t suite, const void *cert, size_t length, const uint8_t C[MS_POINT_SIZE],
                               const uint8_t q_ca[MS_POINT_SIZE], uint8_t Q[MS_POINT_SIZE]);

/*
 * d = e*r + a mod q and Q = e*C + q_ca; accepted only if d is not 0 and d*G = Q. r and a in range, r and d secret.
 * MS_ERR_CERTIFICATE: not accepted. MS_ERR_INFINITY as above. On any error d and Q are left as they were.
 */
MS_API ms_error ms_ecqv_accept(uint8_t suite, const void *cert, size_t length, const uint8_t C[MS_POINT_SIZE],
                               const uint8_t q_ca[MS_POINT_SIZE], const uint8_t r[MS_SCALAR_SIZE],
                               const uint8_t a[MS_SCALAR_SIZE], uint8_t d[MS_SCALAR_SIZE], uint8_t Q[MS_POINT_SIZE]);

/* ---- memory ---- */

/* 1 if the two strings have the same bytes, else 0; the time depends on length only. */
MS_API int ms_equal(const void *a, const void *b, size_t length);

/* Zeroes a buffer; no compiler drops it. */
MS_API void ms_wipe(void *buffer, size_t length);

#endif
