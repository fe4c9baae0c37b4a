/* MicroPython as qemu's port has it, as far as the tests need it, for the windowed ABI of ESP32, S2 and S3. */
#include <alloca.h>
#include <stddef.h>
#include <stdint.h>

#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)

/* What loads and runs a native .mpy of xtensawin, as ESP32's port has it. */
#define MICROPY_PERSISTENT_CODE_LOAD (1)
#define MICROPY_EMIT_XTENSAWIN (1)
#define MICROPY_NLR_SETJMP (1)
void *commit_code(void *code, size_t length, void *relocation);
#define MP_PLAT_COMMIT_EXEC(code, length, relocation) commit_code(code, length, relocation)

#define MICROPY_ENABLE_GC (1)
#define MICROPY_STACK_CHECK_MARGIN (1024)
#define MICROPY_MALLOC_USES_ALLOCATED_SIZE (1)
#define MICROPY_LONGINT_IMPL (MICROPY_LONGINT_IMPL_MPZ)
#define MICROPY_READER_VFS (1)
#define MICROPY_VFS (1)
#define MICROPY_USE_INTERNAL_ERRNO (1)
#define MICROPY_HAL_HAS_VT100 (0)
#define MICROPY_PY_SYS_PLATFORM "qemu"
#define MICROPY_BANNER_MACHINE "qemu-xtensa"
#define MICROPY_PY_SYS_STDFILES (0)
#define MICROPY_PY_SYS_STDIO_BUFFER (0)
#define MICROPY_PY_BINASCII_CRC32 (0)
#define MICROPY_PY_MATH (0)
#define MICROPY_PY_CMATH (0)
#define MICROPY_FLOAT_IMPL (MICROPY_FLOAT_IMPL_FLOAT)
#define MICROPY_PY_BUILTINS_COMPLEX (0)
/* LLVM's computed jumps are untried. */
#define MICROPY_OPT_COMPUTED_GOTO (0)

#define MP_SSIZE_MAX (0x7fffffff)
#define UINT_FMT "%u"
#define INT_FMT "%d"
typedef int32_t mp_int_t;
typedef uint32_t mp_uint_t;
typedef long mp_off_t;

#define MP_STATE_PORT MP_STATE_VM
