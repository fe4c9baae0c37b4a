/* A module that does what microseal_core must not: reads half-words and words wherever it is told to. */
#include "py/dynruntime.h"

/* buffer, offset, size (2 or 4): the number that lies there */
static mp_obj_t read(mp_obj_t buffer, mp_obj_t offset, mp_obj_t size)
{
    mp_buffer_info_t info;
    mp_get_buffer_raise(buffer, &info, MP_BUFFER_READ);
    const char *from = (const char *)info.buf + mp_obj_get_int(offset);
    uint32_t found = mp_obj_get_int(size) == 2 ? *(const volatile uint16_t *)from : *(const volatile uint32_t *)from;
    return mp_obj_new_int_from_uint(found);
}
static MP_DEFINE_CONST_FUN_OBJ_3(read_obj, read);

mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args)
{
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_read, MP_OBJ_FROM_PTR(&read_obj));
    MP_DYNRUNTIME_INIT_EXIT
}
