/*
 * MULUH and MULSH, the upper half of a product, which every ESP32 has and no processor that qemu knows. Their trap is
 * caught, and the instruction replaced by a jump to a substitute made of the instructions that there are, so that it
 * traps only once. What is counted leaves the substitutes out (muluh_stubs up to muluh_stubs_end), so that MULUH is the
 * one instruction that it is. Anything else that is illegal ends the program.
 */
#include "muluh.h"

#include "linux.h"

#include <stdint.h>

enum {
    ILLEGAL = 4,
    WITH_CONTEXT = 4,
    SIZE = 36 * 3, /* of a substitute */
    REACH = 1 << 17,
    MULUH = 0xa2,
    MULSH = 0xb2,
};

typedef struct {
    uint32_t flags, link, stack[3];
    uint32_t pc, ps, loop[3], shift, accumulator[2];
    uint32_t a[16];
} context;

static uint8_t *next = muluh_stubs;

static uint8_t *put(uint8_t *to, uint32_t instruction)
{
    to[0] = (uint8_t)instruction;
    to[1] = (uint8_t)(instruction >> 8);
    to[2] = (uint8_t)(instruction >> 16);
    return to + 3;
}

/* Instructions with three registers: the result r, s, t. */
static uint32_t add(unsigned r, unsigned s, unsigned t)
{
    return 0x800000 | r << 12 | s << 8 | t << 4;
}

static uint32_t subtract(unsigned r, unsigned s, unsigned t)
{
    return 0xc00000 | r << 12 | s << 8 | t << 4;
}

static uint32_t and(unsigned r, unsigned s, unsigned t)
{
    return 0x100000 | r << 12 | s << 8 | t << 4;
}

/* All bits are the sign. */
static uint32_t sign(unsigned r, unsigned t)
{
    return 0x310f00 | r << 12 | t << 4;
}

static uint32_t move(unsigned r, unsigned s)
{
    return 0x200000 | r << 12 | s << 8 | s << 4;
}

static uint32_t mul16u(unsigned r, unsigned s, unsigned t)
{
    return 0xc10000 | r << 12 | s << 8 | t << 4;
}

static uint32_t lower_half(unsigned r, unsigned t)
{
    return 0xf40000 | r << 12 | t << 4;
}

static uint32_t upper_half(unsigned r, unsigned t)
{
    return 0xf50000 | r << 12 | t << 4;
}

static uint32_t store(unsigned t, unsigned word)
{
    return word << 16 | 0x6102 | t << 4;
}

static uint32_t load(unsigned t, unsigned word)
{
    return word << 16 | 0x2102 | t << 4;
}

/* distance: -128 to 127 */
static uint32_t add_to_stack_pointer(int distance)
{
    return (uint32_t)(distance & 0xff) << 16 | 0xc112;
}

static uint32_t jump(const uint8_t *from, const uint8_t *to)
{
    return ((uint32_t)(to - from - 4) & 0x3ffff) << 6 | 6;
}

/*
 * d = s * t >> 32, of signed numbers for MULSH. Registers are saved below the 16 bytes under the stack pointer, which
 * are the caller's; nobody else uses them, as there are no other signals.
 */
static uint8_t *write_stub(uint8_t *p, unsigned kind, unsigned d, unsigned s, unsigned t, const uint8_t *back)
{
    unsigned free[4], count = 0;
    for (unsigned i = 0; count < 4; i++) {
        if (i != 1 && i != d && i != s && i != t) {
            free[count++] = i;
        }
    }
    unsigned w = free[0], x = free[1], y = free[2], z = free[3];
    p = put(p, add_to_stack_pointer(-64));
    for (unsigned i = 0; i < 4; i++) {
        p = put(p, store(free[i], i));
    }
    p = put(p, upper_half(x, s));
    p = put(p, upper_half(y, t));
    p = put(p, mul16u(z, s, t));
    p = put(p, upper_half(z, z));
    p = put(p, mul16u(w, x, t));
    p = put(p, add(z, z, w)); /* cannot overflow: 65535 * 65535 + 65535 */
    p = put(p, mul16u(w, s, y));
    p = put(p, mul16u(x, x, y));
    p = put(p, lower_half(y, z));
    p = put(p, add(w, w, y));
    p = put(p, upper_half(z, z));
    p = put(p, add(x, x, z));
    p = put(p, upper_half(w, w));
    p = put(p, add(x, x, w));
    if (kind == MULSH) {
        p = put(p, sign(w, s));
        p = put(p, and(w, w, t));
        p = put(p, subtract(x, x, w));
        p = put(p, sign(w, t));
        p = put(p, and(w, w, s));
        p = put(p, subtract(x, x, w));
    }
    p = put(p, move(d, x));
    for (unsigned i = 0; i < 4; i++) {
        p = put(p, load(free[i], i));
        p = put(p, store(1, i)); /* nothing of what may be a secret stays */
    }
    p = put(p, add_to_stack_pointer(64));
    return put(p, jump(p, back));
}

static void illegal(int number, void *info, const context *at)
{
    uint8_t *code = (uint8_t *)(uintptr_t)at->pc;
    (void)number;
    (void)info;
    int distance = next - code;
    if ((code[0] & 0xf) != 0 || (code[2] != MULUH && code[2] != MULSH) || (code[1] >> 4) == 1 ||
        next + SIZE > muluh_stubs_end || distance < -REACH || distance > REACH - SIZE) {
        linux_exit(132);
    }
    uint8_t *end = write_stub(next, code[2], code[1] >> 4, code[1] & 0xf, code[0] >> 4, code + 3);
    put(code, jump(code, next));
    next = end;
}

void muluh_install(void)
{
    struct {
        void (*handler)(int, void *, const context *);
        uint32_t flags, restorer, mask[2];
    } action = {illegal, WITH_CONTEXT, 0, {0, 0}};
    linux_sigaction(ILLEGAL, &action, 0, 8);
}
