/* The module microseal_core as a part of the firmware, where it takes no RAM: see docs/native.md. */
#include "py/objstr.h"
#include "py/runtime.h"

#include "../natmod/binding.h"

#if MS_SUITE1 && MS_SUITE2
static const mp_rom_obj_tuple_t suite_numbers = {{&mp_type_tuple}, 2, {MP_ROM_INT(1), MP_ROM_INT(2)}};
#else
static const mp_rom_obj_tuple_t suite_numbers = {{&mp_type_tuple}, 1, {MP_ROM_INT(MS_SUITE1 ? 1 : 2)}};
#endif

static MP_DEFINE_CONST_OBJ_TYPE(function_type, MP_QSTR_callable, MP_TYPE_FLAG_NONE, call, call_function);

#define OBJECT(name, form) {{&function_type}, (const uint8_t *)form, NUMBER_##name},
static const function functions[] = {FUNCTIONS(OBJECT)};

#define ENTRY(name, form) {MP_ROM_QSTR(MP_QSTR_##name), MP_ROM_PTR(&functions[NUMBER_##name])},
static const mp_rom_map_elem_t names[] = {{MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_microseal_core)},
                                          {MP_ROM_QSTR(MP_QSTR_SUITES), MP_ROM_PTR(&suite_numbers)},
                                          FUNCTIONS(ENTRY)};
static MP_DEFINE_CONST_DICT(globals, names);

const mp_obj_module_t microseal_core_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&globals,
};
MP_REGISTER_MODULE(MP_QSTR_microseal_core, microseal_core_module);
