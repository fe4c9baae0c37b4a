/*
 * The functions of the module microseal_core: the C core under the names and rules of microseal.crypto. For the .mpy
 * (natmod/) and for a firmware that has it built in (usermod/); each includes this once, after MicroPython's headers.
 *
 * Bytes-like arguments (not str) are read where they lie. Wrong types raise TypeError; wrong lengths and what the core
 * refuses raise ValueError. Arguments are checked and results allocated before the core computes with secrets: after
 * that, what the core refuses is all that raises, so that no exception leaves secrets on the stack.
 */
#ifndef MS_BINDING_H
#define MS_BINDING_H

#define MS_API static
#include "../core/core.c"

/* A message that is not compressed, which a firmware's own are. */
#define TEXT(message) ((mp_rom_error_text_t)(message))

/* ---- arguments ---- */

typedef struct {
    uint8_t *bytes;
    size_t length;
} view;

static view view_of(mp_obj_t object, mp_uint_t access)
{
    mp_buffer_info_t info;
    /* MicroPython would take a str for its UTF-8 bytes. */
    if (mp_obj_get_type(object) == &mp_type_str || !mp_get_buffer(object, &info, access)) {
        mp_raise_TypeError(access == MP_BUFFER_READ ? TEXT("bytes-like object required")
                                                    : TEXT("writable buffer required"));
    }
    return (view){info.buf, info.len};
}

static view readable(mp_obj_t object)
{
    return view_of(object, MP_BUFFER_READ);
}

/* Raises ValueError "<name>: <length> bytes expected". length < 100 */
static _Noreturn void raise_length(const char *name, unsigned length)
{
    char text[48], *p = text;
    while (*name) {
        *p++ = *name++;
    }
    *p++ = ':';
    *p++ = ' ';
    unsigned tens = length * 205 >> 11; /* a division would bring in 740 bytes of GCC's library on ARMv6-M */
    *p++ = '0' + tens;
    *p++ = '0' + length - tens * 10;
    const char *rest = " bytes expected";
    while ((*p++ = *rest++)) {
    }
    mp_raise_type_arg(&mp_type_ValueError, mp_obj_new_str(text, p - 1 - text));
}

static uint8_t *sized(mp_obj_t object, unsigned length, const char *name)
{
    view v = readable(object);
    if (v.length != length) {
        raise_length(name, length);
    }
    return v.bytes;
}

/* 0 for a number that is too large for MicroPython's small ones, of which no argument is. */
static mp_int_t small_int(mp_obj_t object)
{
    mp_int_t number = mp_obj_get_int_truncated(object); /* raises TypeError, but never OverflowError */
    return mp_obj_is_small_int(object) ? number : 0;
}

/* The number of a suite that is built in. */
static uint8_t suite_of(mp_obj_t object)
{
    mp_int_t number = small_int(object);
    if (number != (uint8_t)number || !ms_has_suite(number)) {
        mp_raise_ValueError(TEXT(ms_error_text(MS_ERR_SUITE)));
    }
    return number;
}

static void check(ms_error error)
{
    if (error) {
        mp_raise_ValueError(TEXT(ms_error_text(error)));
    }
}

/* Raises unless all of them are bytes-like. */
static void check_parts(size_t count, const mp_obj_t *parts)
{
    for (size_t i = 0; i < count; i++) {
        readable(parts[i]);
    }
}

/* ---- results ---- */

/* New bytes, and where they lie: they are the caller's to write until they are returned to Python. */
static mp_obj_t new_bytes(size_t length, uint8_t **data)
{
    mp_obj_t object = mp_obj_new_bytes(NULL, length); /* without data, which mp_obj_str_t has to be given */
    mp_obj_str_t *bytes = MP_OBJ_TO_PTR(object);
    *data = m_malloc(length + 1);
    (*data)[length] = 0;
    bytes->data = *data;
    bytes->hash = 0; /* none yet */
    return object;
}

/* ---- hashes, HMAC, HKDF ---- */

static mp_obj_t hash_(size_t n_args, const mp_obj_t *args)
{
    ms_hash ctx;
    uint8_t *out;
    uint8_t suite = suite_of(args[0]);
    check_parts(n_args - 1, args + 1);
    mp_obj_t result = new_bytes(MS_HASH_SIZE, &out);
    ms_hash_init(&ctx, suite);
    for (size_t i = 1; i < n_args; i++) {
        view part = readable(args[i]);
        ms_hash_update(&ctx, part.bytes, part.length);
    }
    ms_hash_final(&ctx, out);
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR(hash_obj, 1, hash_);

static mp_obj_t hash_new(mp_obj_t suite)
{
    uint8_t number = suite_of(suite);
    ms_hash *ctx = m_malloc(sizeof *ctx);
    ms_hash_init(ctx, number);
    return mp_obj_new_bytearray_by_ref(sizeof *ctx, ctx);
}
static MP_DEFINE_CONST_FUN_OBJ_1(hash_new_obj, hash_new);

/* The state's bytes. It is worked on in a copy, as a memoryview may start at any address. */
static uint8_t *open_state(mp_obj_t state, ms_hash *ctx)
{
    view v = view_of(state, MP_BUFFER_RW);
    if (v.length != sizeof *ctx) {
        mp_raise_ValueError(TEXT("state: not from hash_new"));
    }
    memcpy(ctx, v.bytes, sizeof *ctx);
    if (!ms_has_suite(ctx->suite)) {
        mp_raise_ValueError(TEXT("state: ended or not from hash_new"));
    }
    return v.bytes;
}

static mp_obj_t hash_update(mp_obj_t state, mp_obj_t data)
{
    ms_hash ctx;
    view v = readable(data);
    uint8_t *bytes = open_state(state, &ctx);
    ms_hash_update(&ctx, v.bytes, v.length);
    memcpy(bytes, &ctx, sizeof ctx);
    ms_wipe(&ctx, sizeof ctx);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(hash_update_obj, hash_update);

static mp_obj_t hash_digest(mp_obj_t state)
{
    ms_hash ctx;
    uint8_t *out;
    mp_obj_t result = new_bytes(MS_HASH_SIZE, &out);
    uint8_t *bytes = open_state(state, &ctx);
    ms_hash_final(&ctx, out);
    ms_wipe(bytes, sizeof ctx);
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_1(hash_digest_obj, hash_digest);

static mp_obj_t hmac(size_t n_args, const mp_obj_t *args)
{
    ms_hmac ctx;
    uint8_t *out;
    uint8_t suite = suite_of(args[0]);
    view key = readable(args[1]);
    check_parts(n_args - 2, args + 2);
    mp_obj_t result = new_bytes(MS_HASH_SIZE, &out);
    ms_hmac_init(&ctx, suite, key.bytes, key.length);
    for (size_t i = 2; i < n_args; i++) {
        view part = readable(args[i]);
        ms_hmac_update(&ctx, part.bytes, part.length);
    }
    ms_hmac_final(&ctx, out);
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR(hmac_obj, 2, hmac);

static mp_obj_t hkdf(size_t n_args, const mp_obj_t *args)
{
    uint8_t *out;
    uint8_t suite = suite_of(args[0]);
    view ikm = readable(args[1]), salt = readable(args[2]), info = readable(args[3]);
    mp_int_t n = small_int(args[4]);
    if (n < 1 || n > 255 * MS_HASH_SIZE) {
        mp_raise_ValueError(TEXT("n: 1 to 8160 expected"));
    }
    mp_obj_t result = new_bytes(n, &out);
    ms_hkdf(suite, ikm.bytes, ikm.length, salt.bytes, salt.length, info.bytes, info.length, out, n);
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(hkdf_obj, 5, 5, hkdf);

/* ---- SM4 ---- */

typedef struct {
    uint8_t *key, *nonce;
    view aad, data, out;
} gcm_arguments;

static void get_gcm_arguments(gcm_arguments *it, const mp_obj_t *args)
{
    it->key = sized(args[0], MS_KEY_SIZE, "key");
    it->nonce = sized(args[1], MS_NONCE_SIZE, "nonce");
    it->aad = readable(args[2]);
    it->data = readable(args[3]);
    it->out = view_of(args[4], MP_BUFFER_RW);
    if (it->out.bytes != it->data.bytes && it->out.bytes < it->data.bytes + it->data.length &&
        it->data.bytes < it->out.bytes + it->out.length) {
        mp_raise_ValueError(TEXT("out: overlaps data, but does not start with it"));
    }
}

static mp_obj_t gcm_seal(size_t n_args, const mp_obj_t *args)
{
    gcm_arguments it;
    get_gcm_arguments(&it, args);
    if (it.out.length != it.data.length + MS_TAG_SIZE) {
        mp_raise_ValueError(TEXT("out: 16 bytes more than data expected"));
    }
    check(ms_gcm_seal(it.key, it.nonce, it.aad.bytes, it.aad.length, it.data.bytes, it.data.length, it.out.bytes));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(gcm_seal_obj, 5, 5, gcm_seal);

static mp_obj_t gcm_open(size_t n_args, const mp_obj_t *args)
{
    gcm_arguments it;
    get_gcm_arguments(&it, args);
    if (it.data.length < MS_TAG_SIZE || it.out.length != it.data.length - MS_TAG_SIZE) {
        mp_raise_ValueError(TEXT("data: at least 16 bytes, out: 16 bytes less than data expected"));
    }
    ms_error error =
        ms_gcm_open(it.key, it.nonce, it.aad.bytes, it.aad.length, it.data.bytes, it.data.length, it.out.bytes);
    if (error == MS_ERR_TAG) {
        return mp_const_false;
    }
    check(error);
    return mp_const_true;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(gcm_open_obj, 5, 5, gcm_open);

static mp_obj_t cmac(size_t n_args, const mp_obj_t *args)
{
    ms_cmac ctx;
    uint8_t *out;
    const uint8_t *key = sized(args[0], MS_KEY_SIZE, "key");
    check_parts(n_args - 1, args + 1);
    mp_obj_t result = new_bytes(MS_TAG_SIZE, &out);
    ms_cmac_init(&ctx, key);
    for (size_t i = 1; i < n_args; i++) {
        view part = readable(args[i]);
        ms_cmac_update(&ctx, part.bytes, part.length);
    }
    ms_cmac_final(&ctx, out);
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR(cmac_obj, 1, cmac);

/* ---- scalars and points ---- */

static mp_obj_t base_mul(mp_obj_t suite, mp_obj_t k)
{
    uint8_t *out;
    mp_obj_t result = new_bytes(MS_POINT_SIZE, &out);
    check(ms_base_mul(suite_of(suite), sized(k, MS_SCALAR_SIZE, "k"), out));
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_2(base_mul_obj, base_mul);

static mp_obj_t mul_add(size_t n_args, const mp_obj_t *args)
{
    uint8_t *out;
    mp_obj_t result = new_bytes(MS_POINT_SIZE, &out);
    const uint8_t *P = args[2] == mp_const_none ? NULL : sized(args[2], MS_POINT_SIZE, "P");
    check(
        ms_mul_add(suite_of(args[0]), sized(args[1], MS_SCALAR_SIZE, "k"), P, sized(args[3], MS_POINT_SIZE, "A"), out));
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(mul_add_obj, 4, 4, mul_add);

static mp_obj_t ecdh(mp_obj_t suite, mp_obj_t k, mp_obj_t P)
{
    uint8_t *out;
    mp_obj_t result = new_bytes(32, &out);
    check(ms_ecdh(suite_of(suite), sized(k, MS_SCALAR_SIZE, "k"), sized(P, MS_POINT_SIZE, "P"), out));
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_3(ecdh_obj, ecdh);

static mp_obj_t is_point(mp_obj_t suite, mp_obj_t P)
{
    uint8_t number = suite_of(suite);
    view v = readable(P);
    return mp_obj_new_bool(v.length == MS_POINT_SIZE && ms_is_point(number, v.bytes));
}
static MP_DEFINE_CONST_FUN_OBJ_2(is_point_obj, is_point);

static mp_obj_t is_scalar(mp_obj_t suite, mp_obj_t x)
{
    uint8_t number = suite_of(suite);
    view v = readable(x);
    return mp_obj_new_bool(v.length == MS_SCALAR_SIZE && ms_is_scalar(number, v.bytes));
}
static MP_DEFINE_CONST_FUN_OBJ_2(is_scalar_obj, is_scalar);

static mp_obj_t scalar_reduce(mp_obj_t suite, mp_obj_t number)
{
    uint8_t *out;
    mp_obj_t result = new_bytes(MS_SCALAR_SIZE, &out);
    view v = readable(number);
    if (v.length == 0 || v.length > 64) {
        mp_raise_ValueError(TEXT("wide: 1 to 64 bytes expected"));
    }
    ms_scalar_reduce(suite_of(suite), v.bytes, v.length, out);
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_2(scalar_reduce_obj, scalar_reduce);

static mp_obj_t scalar_mul_add_(size_t n_args, const mp_obj_t *args)
{
    uint8_t *out;
    mp_obj_t result = new_bytes(MS_SCALAR_SIZE, &out);
    ms_scalar_mul_add(suite_of(args[0]), sized(args[1], MS_SCALAR_SIZE, "a"), sized(args[2], MS_SCALAR_SIZE, "b"),
                      sized(args[3], MS_SCALAR_SIZE, "c"), out);
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(scalar_mul_add_obj, 4, 4, scalar_mul_add_);

/* ---- signatures ---- */

/* suite, d, Q, label, ctx, msg, rand */
static mp_obj_t sign(size_t n_args, const mp_obj_t *args)
{
    uint8_t *sig;
    mp_obj_t result = new_bytes(MS_SIGNATURE_SIZE, &sig);
    view label = readable(args[3]), context = readable(args[4]), message = readable(args[5]);
    check(ms_sign(suite_of(args[0]), sized(args[1], MS_SCALAR_SIZE, "d"), sized(args[2], MS_POINT_SIZE, "Q"),
                  label.bytes, label.length, context.bytes, context.length, message.bytes, message.length,
                  sized(args[6], 32, "rand"), sig));
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(sign_obj, 7, 7, sign);

/* suite, d, Q, label, ctx, msg, pair */
static mp_obj_t sign_pair(size_t n_args, const mp_obj_t *args)
{
    uint8_t *sig;
    mp_obj_t result = new_bytes(MS_SIGNATURE_SIZE, &sig);
    view label = readable(args[3]), context = readable(args[4]), message = readable(args[5]);
    view_of(args[6], MP_BUFFER_WRITE);
    check(ms_sign_pair(suite_of(args[0]), sized(args[1], MS_SCALAR_SIZE, "d"), sized(args[2], MS_POINT_SIZE, "Q"),
                       label.bytes, label.length, context.bytes, context.length, message.bytes, message.length,
                       sized(args[6], MS_PAIR_SIZE, "pair"), sig));
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(sign_pair_obj, 7, 7, sign_pair);

/* suite, Q, label, ctx, msg, sig */
static mp_obj_t verify(size_t n_args, const mp_obj_t *args)
{
    view label = readable(args[2]), context = readable(args[3]), message = readable(args[4]);
    ms_error error =
        ms_verify(suite_of(args[0]), sized(args[1], MS_POINT_SIZE, "Q"), label.bytes, label.length, context.bytes,
                  context.length, message.bytes, message.length, sized(args[5], MS_SIGNATURE_SIZE, "sig"));
    if (error == MS_ERR_SIGNATURE) {
        return mp_const_false;
    }
    check(error);
    return mp_const_true;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(verify_obj, 6, 6, verify);

/* ---- implicit certificates ---- */

/* suite, cert, k, d_ca */
static mp_obj_t ecqv_issue(size_t n_args, const mp_obj_t *args)
{
    uint8_t *a;
    mp_obj_t result = new_bytes(MS_SCALAR_SIZE, &a);
    view cert = readable(args[1]);
    check(ms_ecqv_issue(suite_of(args[0]), cert.bytes, cert.length, sized(args[2], MS_SCALAR_SIZE, "k"),
                        sized(args[3], MS_SCALAR_SIZE, "d_ca"), a));
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(ecqv_issue_obj, 4, 4, ecqv_issue);

/* suite, cert, C, q_ca */
static mp_obj_t ecqv_public(size_t n_args, const mp_obj_t *args)
{
    uint8_t *Q;
    mp_obj_t result = new_bytes(MS_POINT_SIZE, &Q);
    view cert = readable(args[1]);
    check(ms_ecqv_public(suite_of(args[0]), cert.bytes, cert.length, sized(args[2], MS_POINT_SIZE, "C"),
                         sized(args[3], MS_POINT_SIZE, "q_ca"), Q));
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(ecqv_public_obj, 4, 4, ecqv_public);

/* suite, cert, C, q_ca, r, a */
static mp_obj_t ecqv_accept(size_t n_args, const mp_obj_t *args)
{
    uint8_t *d, *Q;
    mp_obj_t pair[2] = {new_bytes(MS_SCALAR_SIZE, &d), new_bytes(MS_POINT_SIZE, &Q)};
    mp_obj_t result = mp_obj_new_tuple(2, pair);
    view cert = readable(args[1]);
    check(ms_ecqv_accept(suite_of(args[0]), cert.bytes, cert.length, sized(args[2], MS_POINT_SIZE, "C"),
                         sized(args[3], MS_POINT_SIZE, "q_ca"), sized(args[4], MS_SCALAR_SIZE, "r"),
                         sized(args[5], MS_SCALAR_SIZE, "a"), d, Q));
    return result;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(ecqv_accept_obj, 6, 6, ecqv_accept);

/* ---- memory ---- */

static mp_obj_t equal(mp_obj_t a, mp_obj_t b)
{
    view x = readable(a), y = readable(b);
    return mp_obj_new_bool(x.length == y.length && ms_equal(x.bytes, y.bytes, x.length));
}
static MP_DEFINE_CONST_FUN_OBJ_2(equal_obj, equal);

static mp_obj_t wipe(mp_obj_t buffer)
{
    view v = view_of(buffer, MP_BUFFER_RW);
    ms_wipe(v.bytes, v.length);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(wipe_obj, wipe);

#endif
