/*
 * The module microseal_core as a native .mpy, for firmware as it is.
 *
 * One translation unit: mpy_ld takes no static data of a second one on every architecture.
 */
#include "py/dynruntime.h"
#include "py/objstr.h"

#ifdef __riscv
/*
 * GCC calls in two instructions, which reach everything, and leaves it to the linker to make one of them where that is
 * enough; MicroPython's linker does not. Here it always is: JAL reaches 1 MB. What is defined below is called by @plt.
 */
__asm__(".macro call to, to_2\n"
        ".ifnb \\to_2\n  jal \\to, \\to_2\n"
        ".else\n.ifc \\to, memcpy@plt\n  jal memcpy\n"
        ".else\n.ifc \\to, memset@plt\n  jal memset\n"
        ".else\n  jal \\to\n"
        ".endif\n.endif\n.endif\n.endm\n"
        ".macro tail to\n  j \\to\n.endm\n");
#endif

/* Compilers call these whether or not anybody wrote a call. */
void *memmove(void *to, const void *from, size_t n)
{
    return mp_fun_table.memmove_(to, from, n);
}
void *memcpy(void *to, const void *from, size_t n) __attribute__((alias("memmove")));

void *memset(void *to, int value, size_t n)
{
    return mp_fun_table.memset_(to, value, n);
}

#include "binding.h"

/* Names as places in the linker's table of them; hash is not there, since MicroPython has it. */
#define NAME(qstr) (&qstr - mp_native_qstr_table)
static const uint8_t names[] = {
    NAME(MP_QSTR_hash_new),    NAME(MP_QSTR_hash_update),   NAME(MP_QSTR_hash_digest),    NAME(MP_QSTR_hmac),
    NAME(MP_QSTR_hkdf),        NAME(MP_QSTR_gcm_seal),      NAME(MP_QSTR_gcm_open),       NAME(MP_QSTR_cmac),
    NAME(MP_QSTR_is_scalar),   NAME(MP_QSTR_scalar_reduce), NAME(MP_QSTR_scalar_mul_add), NAME(MP_QSTR_sign_pair),
    NAME(MP_QSTR_ecqv_issue),  NAME(MP_QSTR_base_mul),      NAME(MP_QSTR_mul_add),        NAME(MP_QSTR_ecdh),
    NAME(MP_QSTR_sign),        NAME(MP_QSTR_ecqv_accept),   NAME(MP_QSTR_is_point),       NAME(MP_QSTR_verify),
    NAME(MP_QSTR_ecqv_public), NAME(MP_QSTR_equal),         NAME(MP_QSTR_wipe),
};
_Static_assert(1 + sizeof names == FUNCTION_COUNT, "a name for each function");

#define FORM_OF(name, form) form "\0"
static const char forms[] = FUNCTIONS(FORM_OF);

/* In RAM all the same, and written here it takes no room in the file. Not static: mpy_ld finds only what has a name. */
mp_obj_full_type_t function_type;
function functions[FUNCTION_COUNT];

mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args)
{
    MP_DYNRUNTIME_INIT_ENTRY
    mp_obj_t suites[] = {MP_OBJ_NEW_SMALL_INT(MS_SUITE1 ? 1 : 2), MP_OBJ_NEW_SMALL_INT(2)};
    mp_store_global(MP_QSTR_SUITES, mp_obj_new_tuple(MS_SUITE1 + MS_SUITE2, suites));
    function_type.base.type = &mp_type_type;
    function_type.name = MP_QSTR_callable;
    MP_OBJ_TYPE_SET_SLOT(&function_type, call, call_function, 0);
    const uint8_t *form = (const uint8_t *)forms;
    for (unsigned i = 0; i < FUNCTION_COUNT; i++) {
        function *it = &functions[i];
        it->base.type = (const mp_obj_type_t *)&function_type;
        it->form = form;
        it->number = i;
        while (*form++) {
        }
        mp_store_global(i ? mp_native_qstr_table[names[i - 1]] : MP_QSTR_hash, MP_OBJ_FROM_PTR(it));
    }
    MP_DYNRUNTIME_INIT_EXIT
}
