/*
 * The functions of the module microseal_core: the C core under the names and rules of microseal.crypto. For the .mpy
 * (natmod/) and for a firmware that has it built in (usermod/); each includes this once, after MicroPython's headers,
 * and makes an object for each of FUNCTIONS.
 *
 * Bytes-like arguments (not str) are read where they lie. Wrong types raise TypeError; wrong lengths and what the core
 * refuses raise ValueError. Arguments are checked and results allocated before the core computes with secrets: after
 * that, what the core refuses is all that raises, so that no exception leaves secrets on the stack.
 *
 * What a function takes and gives is a text, its form, which one piece of code reads for all of them: an .mpy lies in
 * RAM, and two dozen functions with checks of their own would be twice as large.
 */
#ifndef MS_BINDING_H
#define MS_BINDING_H

/* Each with a frame of its own: inlined, all of them would have one that is as large as all. */
#define MS_API static __attribute__((noinline))
#define MS_CALLER_BURNS 1 /* in call_function */
#include "../core/core.c"

/* A message that is not compressed, which a firmware's own are. */
#define TEXT(message) ((mp_rom_error_text_t)(message))

/*
 * The first character of a form is the result, each that follows an argument: a length, of bytes, or one of these. The
 * last argument may be PARTS, any number of them. With WRITTEN set an argument is a writable buffer.
 */
#define NONE "\x7f"      /* None */
#define BOOL "\x7e"      /* whether there was no error; some errors raise nevertheless */
#define PAIR "\x7d"      /* (scalar, point) */
#define ANY "\x7c"       /* bytes of any length */
#define PARTS "\x7b"     /* as many of those as there are */
#define SUITE "\x7a"     /* the number of a suite that is built in */
#define COUNT "\x79"     /* 1 to 8160; as a result, so many bytes */
#define OR_NONE "\x78"   /* a point, or None */
#define SIGNATURE "\x40" /* 64 bytes and so on */
#define POINT "\x21"
#define SCALAR "\x20"
#define TAG "\x10"
#define KEY "\x10"
#define NONCE "\x0c"
#define WRITTEN 0x80
#define KIND(text) ((unsigned char)*(text))
#define BUFFER "\xfc"   /* of any length */
#define STATE "\xf0"    /* what hash_new gives; a result or an argument */
#define ONE_TIME "\xc1" /* a pair of sign_pair */

_Static_assert(sizeof(ms_hash) == 0x70 && MS_PAIR_SIZE == 0x41, "STATE, ONE_TIME");

/*
 * Of the stack that they took, the first are followed by erase_stack_shallow, those from base_mul on by erase_stack,
 * those from is_point on, which have no secrets or keep none, by nothing.
 */
#define FUNCTIONS(F)                                                                                                   \
    F(hash, SCALAR SUITE PARTS)                                                                                        \
    F(hash_new, STATE SUITE)                                                                                           \
    F(hash_update, NONE STATE ANY)                                                                                     \
    F(hash_digest, SCALAR STATE)                                                                                       \
    F(hmac, SCALAR SUITE ANY PARTS)            /* suite, key, parts */                                                 \
    F(hkdf, COUNT SUITE ANY ANY ANY COUNT)     /* suite, ikm, salt, info, n */                                         \
    F(gcm_seal, NONE KEY NONCE ANY ANY BUFFER) /* key, nonce, aad, data, out */                                        \
    F(gcm_open, BOOL KEY NONCE ANY ANY BUFFER)                                                                         \
    F(cmac, TAG KEY PARTS)                                                                                             \
    F(is_scalar, BOOL SUITE ANY)                                                                                       \
    F(scalar_reduce, SCALAR SUITE ANY)                                                                                 \
    F(scalar_mul_add, SCALAR SUITE SCALAR SCALAR SCALAR)                                                               \
    F(sign_pair, SIGNATURE SUITE SCALAR POINT ANY ANY ANY ONE_TIME)                                                    \
    F(ecqv_issue, SCALAR SUITE ANY SCALAR SCALAR) /* suite, cert, k, d_ca */                                           \
    F(base_mul, POINT SUITE SCALAR)                                                                                    \
    F(mul_add, POINT SUITE SCALAR OR_NONE POINT) /* suite, k, P, A */                                                  \
    F(ecdh, SCALAR SUITE SCALAR POINT)                                                                                 \
    F(sign, SIGNATURE SUITE SCALAR POINT ANY ANY ANY SCALAR) /* suite, d, Q, label, ctx, msg, rand */                  \
    F(ecqv_accept, PAIR SUITE ANY POINT POINT SCALAR SCALAR) /* suite, cert, C, q_ca, r, a */                          \
    F(is_point, BOOL SUITE ANY)                                                                                        \
    F(verify, BOOL SUITE POINT ANY ANY ANY SIGNATURE) /* suite, Q, label, ctx, msg, sig */                             \
    F(ecqv_public, POINT SUITE ANY POINT POINT)       /* suite, cert, C, q_ca */                                       \
    F(equal, BOOL ANY ANY)                                                                                             \
    F(wipe, NONE BUFFER)

#define NUMBER_OF(name, form) NUMBER_##name,
enum { FUNCTIONS(NUMBER_OF) FUNCTION_COUNT };

/* A function as Python has it. */
typedef struct {
    mp_obj_base_t base;
    const uint8_t *form;
    uint8_t number;
} function;

typedef struct {
    uint8_t *bytes;
    size_t length;
} view;

typedef struct {
    uint8_t suite; /* in front, where code to read it is short */
    mp_int_t count;
    uint8_t *out, *point; /* the bytes of the result; of the second one */
    view in[7];           /* by the number of the argument, from 0 */
    mp_obj_t result;
} call;

/* ---- arguments ---- */

static MS_NOINLINE _Noreturn void refuse(const char *text)
{
    mp_raise_ValueError(TEXT(text));
    for (;;) {
    }
}

static MS_NOINLINE void check(ms_error error)
{
    if (error) {
        refuse(ms_error_text(error));
    }
}

static const char not_a_state[] = "state: ended or not from hash_new";

static MS_NOINLINE view view_of(mp_obj_t object, mp_uint_t access)
{
    mp_buffer_info_t info;
    /* MicroPython would take a str for its UTF-8 bytes. */
    if (mp_obj_get_type(object) == &mp_type_str || !mp_get_buffer(object, &info, access)) {
        mp_raise_TypeError(access == MP_BUFFER_READ ? TEXT("bytes-like object required")
                                                    : TEXT("writable buffer required"));
    }
    return (view){info.buf, info.len};
}

/* Raises ValueError "argument <number>: <length> bytes expected". number < 10, length < 100 or that of a state */
static MS_NOINLINE _Noreturn void raise_length(unsigned number, unsigned length)
{
    char text[] = "argument 0: 00 bytes expected";
    if (length == sizeof(ms_hash)) {
        refuse(not_a_state);
    }
    const unsigned tens = length * 205 >> 11; /* a division would bring in 740 bytes of GCC's library on ARMv6-M */
    text[9] += number;
    text[12] += tens;
    text[13] += length - tens * 10;
    mp_raise_type_arg(&mp_type_ValueError, mp_obj_new_str(text, sizeof text - 1));
    for (;;) {
    }
}

static void take_number(call *it, unsigned kind, mp_obj_t object)
{
    mp_int_t number = mp_obj_get_int_truncated(object); /* raises TypeError, but never OverflowError */
    if (!mp_obj_is_small_int(object) || (mp_uint_t)number > 255 * MS_HASH_SIZE) {
        number = 0; /* too large, as what is too large for MicroPython's small numbers; or no int, but like one */
    }
    it->count = number;
    if (kind == KIND(SUITE)) {
        it->suite = number;
        check(number == it->suite && ms_has_suite(number) ? MS_OK : MS_ERR_SUITE);
    } else {
        check(number ? MS_OK : MS_ERR_LENGTH);
    }
}

/* Reads argument i of a call, which is of that kind. */
static void take(call *it, unsigned i, unsigned kind, mp_obj_t object)
{
    const unsigned access = kind & WRITTEN ? MP_BUFFER_RW : MP_BUFFER_READ;
    kind &= ~WRITTEN;
    if (kind == KIND(SUITE) || kind == KIND(COUNT)) {
        take_number(it, kind, object);
        return;
    }
    view v = {NULL, MS_POINT_SIZE};
    if (kind != KIND(OR_NONE) || object != mp_const_none) {
        v = view_of(object, access);
    }
    if (kind == KIND(OR_NONE)) {
        kind = MS_POINT_SIZE;
    }
    if (kind < KIND(OR_NONE) && v.length != kind) {
        raise_length(i + 1, kind);
    }
    if (kind != KIND(PARTS)) { /* of which there may be more than the call has room for */
        it->in[i] = v;
    }
}

/* ---- results ---- */

/* New bytes, and where they lie: they are the caller's to write until they are returned to Python. */
static MS_NOINLINE mp_obj_t new_bytes(size_t length, uint8_t **data)
{
    mp_obj_t object = mp_obj_new_bytes(NULL, length); /* without data, which mp_obj_str_t has to be given */
    mp_obj_str_t *bytes = MP_OBJ_TO_PTR(object);
    *data = m_malloc(length + 1);
    (*data)[length] = 0;
    bytes->data = *data;
    bytes->hash = 0; /* none yet */
    return object;
}

/* The result of a kind, to be written. */
static void make_result(call *it, unsigned kind)
{
    size_t length = kind & ~WRITTEN;
    it->result = mp_const_none;
    if (kind == KIND(COUNT)) {
        length = it->count;
    } else if (kind == KIND(PAIR)) {
        length = MS_SCALAR_SIZE;
    } else if (length > KIND(COUNT)) {
        return;
    }
    it->result = new_bytes(length, &it->out);
    if (kind == KIND(PAIR)) {
        mp_obj_t pair[2] = {it->result, new_bytes(MS_POINT_SIZE, &it->point)};
        it->result = mp_obj_new_tuple(2, pair);
    } else if (kind & WRITTEN) {
        it->result = mp_obj_new_bytearray_by_ref(length, it->out);
    }
}

/* ---- what is more than a call of the core ---- */

static MS_NOINLINE void hash_parts(const call *it, int keyed, size_t count, const mp_obj_t *parts)
{
    ms_hmac ctx;
    if (keyed) {
        parts++;
        count--;
        ms_hmac_init(&ctx, it->suite, it->in[1].bytes, it->in[1].length);
    } else {
        ms_hash_init(&ctx.inner, it->suite);
    }
    for (; count; count--, parts++) {
        const view part = view_of(*parts, MP_BUFFER_READ);
        ms_hash_update(&ctx.inner, part.bytes, part.length);
    }
    if (keyed) {
        ms_hmac_final(&ctx, it->out);
    } else {
        ms_hash_final(&ctx.inner, it->out);
    }
}

static MS_NOINLINE void cmac_parts(const call *it, size_t count, const mp_obj_t *parts)
{
    ms_cmac ctx;
    ms_cmac_init(&ctx, it->in[0].bytes);
    for (; count; count--, parts++) {
        const view part = view_of(*parts, MP_BUFFER_READ);
        ms_cmac_update(&ctx, part.bytes, part.length);
    }
    ms_cmac_final(&ctx, it->out);
}

/* Works on a state in a copy, as a memoryview may start at any address. */
static MS_NOINLINE void use_state(const call *it, int end)
{
    ms_hash ctx;
    memcpy(&ctx, it->in[0].bytes, sizeof ctx);
    if (end ? ms_hash_final(&ctx, it->out) : ms_hash_update(&ctx, it->in[1].bytes, it->in[1].length)) {
        refuse(not_a_state);
    }
    memcpy(it->in[0].bytes, &ctx, sizeof ctx);
}

/* Where out may lie, and that it is so much longer than data. */
static void check_out(const call *it, size_t longer)
{
    const view data = it->in[3], out = it->in[4];
    if (out.bytes != data.bytes && out.bytes < data.bytes + data.length && data.bytes < out.bytes + out.length) {
        refuse("out: overlaps data");
    }
    check(out.length == data.length + longer ? MS_OK : MS_ERR_LENGTH);
}

#define IN(i) it->in[i].bytes
#define IN_LENGTH(i) it->in[i].bytes, it->in[i].length

static MS_NOINLINE ms_error compute(call *it, unsigned number, size_t n_args, const mp_obj_t *args)
{
    const ms_error no = MS_ERR_TAG;
    switch (number) {
    case NUMBER_hash:
    case NUMBER_hmac:
        hash_parts(it, number == NUMBER_hmac, n_args - 1, args + 1);
        break;
    case NUMBER_hash_new:
        return ms_hash_init((ms_hash *)it->out, it->suite);
    case NUMBER_hash_update:
    case NUMBER_hash_digest:
        use_state(it, number == NUMBER_hash_digest);
        break;
    case NUMBER_hkdf:
        return ms_hkdf(it->suite, IN_LENGTH(1), IN_LENGTH(2), IN_LENGTH(3), it->out, it->count);
    case NUMBER_gcm_seal:
    case NUMBER_gcm_open:
        check_out(it, number == NUMBER_gcm_seal ? MS_TAG_SIZE : -MS_TAG_SIZE);
        return (number == NUMBER_gcm_seal ? ms_gcm_seal : ms_gcm_open)(IN(0), IN(1), IN_LENGTH(2), IN_LENGTH(3), IN(4));
    case NUMBER_cmac:
        cmac_parts(it, n_args - 1, args + 1);
        break;
    case NUMBER_base_mul:
        return ms_base_mul(it->suite, IN(1), it->out);
    case NUMBER_mul_add:
        return ms_mul_add(it->suite, IN(1), IN(2), IN(3), it->out);
    case NUMBER_ecdh:
        return ms_ecdh(it->suite, IN(1), IN(2), it->out);
    case NUMBER_is_point:
        return it->in[1].length == MS_POINT_SIZE && ms_is_point(it->suite, IN(1)) ? MS_OK : no;
    case NUMBER_is_scalar:
        return it->in[1].length == MS_SCALAR_SIZE && ms_is_scalar(it->suite, IN(1)) ? MS_OK : no;
    case NUMBER_scalar_reduce:
        return ms_scalar_reduce(it->suite, IN_LENGTH(1), it->out);
    case NUMBER_scalar_mul_add:
        return ms_scalar_mul_add(it->suite, IN(1), IN(2), IN(3), it->out);
    case NUMBER_sign:
        return ms_sign(it->suite, IN(1), IN(2), IN_LENGTH(3), IN_LENGTH(4), IN_LENGTH(5), IN(6), it->out);
    case NUMBER_sign_pair:
        return ms_sign_pair(it->suite, IN(1), IN(2), IN_LENGTH(3), IN_LENGTH(4), IN_LENGTH(5), IN(6), it->out);
    case NUMBER_verify:
        return ms_verify(it->suite, IN(1), IN_LENGTH(2), IN_LENGTH(3), IN_LENGTH(4), IN(5));
    case NUMBER_ecqv_issue:
        return ms_ecqv_issue(it->suite, IN_LENGTH(1), IN(2), IN(3), it->out);
    case NUMBER_ecqv_public:
        return ms_ecqv_public(it->suite, IN_LENGTH(1), IN(2), IN(3), it->out);
    case NUMBER_ecqv_accept:
        return ms_ecqv_accept(it->suite, IN_LENGTH(1), IN(2), IN(3), IN(4), IN(5), it->out, it->point);
    case NUMBER_equal:
        return it->in[0].length == it->in[1].length && ms_equal(IN(0), IN_LENGTH(1)) ? MS_OK : no;
    default: /* wipe */
        ms_wipe(IN_LENGTH(0));
    }
    return MS_OK;
}

/* ---- all functions ---- */

static mp_obj_t call_function(mp_obj_t self, size_t n_args, size_t n_kw, const mp_obj_t *args)
{
    const function *it = MP_OBJ_TO_PTR(self);
    const uint8_t *is = it->form + 1;
    size_t least = 0;
    call arguments;
    while (is[least] && is[least] != KIND(PARTS)) {
        least++;
    }
    mp_arg_check_num(n_args, n_kw, least, is[least] ? MP_OBJ_FUN_ARGS_MAX : least, false);
    for (size_t i = 0; i < n_args; i++) {
        take(&arguments, i, *is, args[i]);
        is += *is != KIND(PARTS);
    }
    is = it->form;
    make_result(&arguments, *is);
    const ms_error error = compute(&arguments, it->number, n_args, args);
    if (it->number < NUMBER_base_mul) {
        erase_stack_shallow();
    } else if (it->number < NUMBER_is_point) {
        erase_stack();
    }
    if (*is == KIND(BOOL) && (!error || error == MS_ERR_SIGNATURE || error == MS_ERR_TAG)) {
        return mp_obj_new_bool(!error);
    }
    check(error);
    return arguments.result;
}

#endif
