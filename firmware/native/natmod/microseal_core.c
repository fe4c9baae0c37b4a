/*
 * The module microseal_core as a native .mpy, for firmware as it is.
 *
 * One translation unit: mpy_ld takes no static data of a second one on every architecture.
 */
#include "py/dynruntime.h"
#include "py/objstr.h"

/* GCC calls these whether or not anybody wrote a call. */
void *memmove(void *to, const void *from, size_t n)
{
    return mp_fun_table.memmove_(to, from, n);
}

/* Not the same body as memmove: GCC would fold the two into one and put its inline memcpy in the place of both. */
void *memcpy(void *to, const void *from, size_t n)
{
    mp_fun_table.memmove_(to, from, n);
    return to;
}

void *memset(void *to, int value, size_t n)
{
    return mp_fun_table.memset_(to, value, n);
}

#include "binding.h"

static mp_obj_t suites(void)
{
    mp_obj_t numbers[2];
    size_t count = 0;
    for (uint8_t suite = 1; suite <= 2; suite++) {
        if (ms_has_suite(suite)) {
            numbers[count++] = MP_OBJ_NEW_SMALL_INT(suite);
        }
    }
    return mp_obj_new_tuple(count, numbers);
}

mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args)
{
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_SUITES, suites());
    mp_store_global(MP_QSTR_hash, MP_OBJ_FROM_PTR(&hash_obj));
    mp_store_global(MP_QSTR_hash_new, MP_OBJ_FROM_PTR(&hash_new_obj));
    mp_store_global(MP_QSTR_hash_update, MP_OBJ_FROM_PTR(&hash_update_obj));
    mp_store_global(MP_QSTR_hash_digest, MP_OBJ_FROM_PTR(&hash_digest_obj));
    mp_store_global(MP_QSTR_hmac, MP_OBJ_FROM_PTR(&hmac_obj));
    mp_store_global(MP_QSTR_hkdf, MP_OBJ_FROM_PTR(&hkdf_obj));
    mp_store_global(MP_QSTR_gcm_seal, MP_OBJ_FROM_PTR(&gcm_seal_obj));
    mp_store_global(MP_QSTR_gcm_open, MP_OBJ_FROM_PTR(&gcm_open_obj));
    mp_store_global(MP_QSTR_cmac, MP_OBJ_FROM_PTR(&cmac_obj));
    mp_store_global(MP_QSTR_base_mul, MP_OBJ_FROM_PTR(&base_mul_obj));
    mp_store_global(MP_QSTR_mul_add, MP_OBJ_FROM_PTR(&mul_add_obj));
    mp_store_global(MP_QSTR_ecdh, MP_OBJ_FROM_PTR(&ecdh_obj));
    mp_store_global(MP_QSTR_is_point, MP_OBJ_FROM_PTR(&is_point_obj));
    mp_store_global(MP_QSTR_is_scalar, MP_OBJ_FROM_PTR(&is_scalar_obj));
    mp_store_global(MP_QSTR_scalar_reduce, MP_OBJ_FROM_PTR(&scalar_reduce_obj));
    mp_store_global(MP_QSTR_scalar_mul_add, MP_OBJ_FROM_PTR(&scalar_mul_add_obj));
    mp_store_global(MP_QSTR_sign, MP_OBJ_FROM_PTR(&sign_obj));
    mp_store_global(MP_QSTR_sign_pair, MP_OBJ_FROM_PTR(&sign_pair_obj));
    mp_store_global(MP_QSTR_verify, MP_OBJ_FROM_PTR(&verify_obj));
    mp_store_global(MP_QSTR_ecqv_issue, MP_OBJ_FROM_PTR(&ecqv_issue_obj));
    mp_store_global(MP_QSTR_ecqv_public, MP_OBJ_FROM_PTR(&ecqv_public_obj));
    mp_store_global(MP_QSTR_ecqv_accept, MP_OBJ_FROM_PTR(&ecqv_accept_obj));
    mp_store_global(MP_QSTR_equal, MP_OBJ_FROM_PTR(&equal_obj));
    mp_store_global(MP_QSTR_wipe, MP_OBJ_FROM_PTR(&wipe_obj));
    MP_DYNRUNTIME_INIT_EXIT
}
