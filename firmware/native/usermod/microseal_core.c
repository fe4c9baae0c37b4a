/* The module microseal_core as a part of the firmware, where it takes no RAM: see docs/native.md. */
#include "py/objstr.h"
#include "py/runtime.h"

#include "../natmod/binding.h"

#if MS_SUITE1 && MS_SUITE2
static const mp_rom_obj_tuple_t suite_numbers = {{&mp_type_tuple}, 2, {MP_ROM_INT(1), MP_ROM_INT(2)}};
#else
static const mp_rom_obj_tuple_t suite_numbers = {{&mp_type_tuple}, 1, {MP_ROM_INT(MS_SUITE1 ? 1 : 2)}};
#endif

static const mp_rom_map_elem_t names[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_microseal_core)},
    {MP_ROM_QSTR(MP_QSTR_SUITES), MP_ROM_PTR(&suite_numbers)},
    {MP_ROM_QSTR(MP_QSTR_hash), MP_ROM_PTR(&hash_obj)},
    {MP_ROM_QSTR(MP_QSTR_hash_new), MP_ROM_PTR(&hash_new_obj)},
    {MP_ROM_QSTR(MP_QSTR_hash_update), MP_ROM_PTR(&hash_update_obj)},
    {MP_ROM_QSTR(MP_QSTR_hash_digest), MP_ROM_PTR(&hash_digest_obj)},
    {MP_ROM_QSTR(MP_QSTR_hmac), MP_ROM_PTR(&hmac_obj)},
    {MP_ROM_QSTR(MP_QSTR_hkdf), MP_ROM_PTR(&hkdf_obj)},
    {MP_ROM_QSTR(MP_QSTR_gcm_seal), MP_ROM_PTR(&gcm_seal_obj)},
    {MP_ROM_QSTR(MP_QSTR_gcm_open), MP_ROM_PTR(&gcm_open_obj)},
    {MP_ROM_QSTR(MP_QSTR_cmac), MP_ROM_PTR(&cmac_obj)},
    {MP_ROM_QSTR(MP_QSTR_base_mul), MP_ROM_PTR(&base_mul_obj)},
    {MP_ROM_QSTR(MP_QSTR_mul_add), MP_ROM_PTR(&mul_add_obj)},
    {MP_ROM_QSTR(MP_QSTR_ecdh), MP_ROM_PTR(&ecdh_obj)},
    {MP_ROM_QSTR(MP_QSTR_is_point), MP_ROM_PTR(&is_point_obj)},
    {MP_ROM_QSTR(MP_QSTR_is_scalar), MP_ROM_PTR(&is_scalar_obj)},
    {MP_ROM_QSTR(MP_QSTR_scalar_reduce), MP_ROM_PTR(&scalar_reduce_obj)},
    {MP_ROM_QSTR(MP_QSTR_scalar_mul_add), MP_ROM_PTR(&scalar_mul_add_obj)},
    {MP_ROM_QSTR(MP_QSTR_sign), MP_ROM_PTR(&sign_obj)},
    {MP_ROM_QSTR(MP_QSTR_sign_pair), MP_ROM_PTR(&sign_pair_obj)},
    {MP_ROM_QSTR(MP_QSTR_verify), MP_ROM_PTR(&verify_obj)},
    {MP_ROM_QSTR(MP_QSTR_ecqv_issue), MP_ROM_PTR(&ecqv_issue_obj)},
    {MP_ROM_QSTR(MP_QSTR_ecqv_public), MP_ROM_PTR(&ecqv_public_obj)},
    {MP_ROM_QSTR(MP_QSTR_ecqv_accept), MP_ROM_PTR(&ecqv_accept_obj)},
    {MP_ROM_QSTR(MP_QSTR_equal), MP_ROM_PTR(&equal_obj)},
    {MP_ROM_QSTR(MP_QSTR_wipe), MP_ROM_PTR(&wipe_obj)},
};
static MP_DEFINE_CONST_DICT(globals, names);

const mp_obj_module_t microseal_core_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&globals,
};
MP_REGISTER_MODULE(MP_QSTR_microseal_core, microseal_core_module);
