/*
 * Arithmetic with floating point numbers of single precision, for which not every ESP32 has instructions, under the
 * names by which LLVM calls it: rounded to the nearest, to even where two are as near. A NaN is a NaN, without anything
 * to be told from it.
 *
 * While it is worked with, a number is m * 2^exponent, with m < 2^31 of which the last bit is set if anything was cut
 * off.
 */
#include <stdint.h>

#define INFINITE 0x7f800000u
#define NOT_A_NUMBER 0x7fc00000u
#define SIGN 0x80000000u

typedef struct {
    uint32_t sign, m; /* m: 24 bits, or 0 */
    int exponent;
} number;

static uint32_t bits_of(float x)
{
    uint32_t bits;
    __builtin_memcpy(&bits, &x, 4);
    return bits;
}

static float float_of(uint32_t bits)
{
    float x;
    __builtin_memcpy(&x, &bits, 4);
    return x;
}

static int is_nan(uint32_t bits)
{
    return (bits & ~SIGN) > INFINITE;
}

static number unpacked(uint32_t bits)
{
    number it = {bits & SIGN, bits & 0x7fffff, (int)(bits >> 23 & 0xff) - 150};
    if (it.exponent > -150) {
        it.m |= 0x800000;
    } else {
        for (it.exponent++; it.m && it.m < 0x800000; it.exponent--) {
            it.m <<= 1;
        }
    }
    return it;
}

static uint32_t shifted(uint32_t m, int count)
{
    if (count > 31) {
        return m != 0;
    }
    return m >> count | ((m & ((1u << count) - 1)) != 0);
}

static float packed(uint32_t sign, uint32_t m, int exponent)
{
    if (!m) {
        return float_of(sign);
    }
    if (m >> 31) {
        m = shifted(m, 1);
        exponent++;
    }
    for (; !(m >> 30); exponent--) {
        m <<= 1;
    }
    exponent += 157;
    if (exponent >= 255) {
        return float_of(sign | INFINITE);
    }
    if (exponent <= 0) {
        m = shifted(m, 1 - exponent);
        exponent = 1;
    }
    m = (m + 63 + (m >> 7 & 1)) >> 7;
    /* What carries out of the 24 bits, or is not there, makes the exponent what it has to be. */
    return float_of(sign | (((uint32_t)(exponent - 1) << 23) + m));
}

float __addsf3(float a, float b);
float __subsf3(float a, float b);
float __mulsf3(float a, float b);
float __divsf3(float a, float b);
int __unordsf2(float a, float b);
int __eqsf2(float a, float b);
int __nesf2(float a, float b);
int __ltsf2(float a, float b);
int __lesf2(float a, float b);
int __gtsf2(float a, float b);
int __gesf2(float a, float b);
int __fixsfsi(float a);
float __floatsisf(int a);
float __floatunsisf(unsigned a);
double __extendsfdf2(float a);
double __floatsidf(int a);
float __truncdfsf2(double a);

float __addsf3(float a, float b)
{
    uint32_t x = bits_of(a), y = bits_of(b);
    if ((x & ~SIGN) < (y & ~SIGN)) {
        uint32_t z = x;
        x = y;
        y = z;
    }
    if (is_nan(x) || (x & ~SIGN) == INFINITE) {
        return float_of(x == (y ^ SIGN) ? NOT_A_NUMBER : x);
    }
    number p = unpacked(x), q = unpacked(y);
    uint32_t m = q.m ? shifted(q.m << 7, p.exponent - q.exponent) : 0;
    m = p.sign == q.sign ? (p.m << 7) + m : (p.m << 7) - m;
    return packed(m ? p.sign : p.sign & q.sign, m, p.exponent - 7);
}

float __subsf3(float a, float b)
{
    return __addsf3(a, float_of(bits_of(b) ^ SIGN));
}

float __mulsf3(float a, float b)
{
    uint32_t x = bits_of(a), y = bits_of(b), sign = (x ^ y) & SIGN;
    number p = unpacked(x), q = unpacked(y);
    if (is_nan(x) || is_nan(y)) {
        return float_of(NOT_A_NUMBER);
    }
    if ((x & ~SIGN) == INFINITE || (y & ~SIGN) == INFINITE) {
        return float_of(p.m && q.m ? sign | INFINITE : NOT_A_NUMBER);
    }
    /* 48 bits, by products of 12 */
    uint32_t middle = (p.m >> 12) * (q.m & 0xfff) + (p.m & 0xfff) * (q.m >> 12);
    uint32_t low = (p.m & 0xfff) * (q.m & 0xfff) + ((middle & 0xfff) << 12);
    uint32_t high = (p.m >> 12) * (q.m >> 12) + (middle >> 12) + (low >> 24);
    low &= 0xffffff;
    return packed(sign, high << 7 | shifted(low, 17), p.exponent + q.exponent + 17);
}

float __divsf3(float a, float b)
{
    uint32_t x = bits_of(a), y = bits_of(b), sign = (x ^ y) & SIGN, quotient = 0;
    number p = unpacked(x), q = unpacked(y);
    int infinite_x = (x & ~SIGN) == INFINITE, infinite_y = (y & ~SIGN) == INFINITE;
    if (is_nan(x) || is_nan(y) || (infinite_x && infinite_y) || (!p.m && !q.m)) {
        return float_of(NOT_A_NUMBER);
    }
    if (infinite_x || !q.m) {
        return float_of(sign | INFINITE);
    }
    if (infinite_y || !p.m) {
        return float_of(sign);
    }
    for (int i = 0; i < 31; i++) {
        quotient <<= 1;
        if (p.m >= q.m) {
            p.m -= q.m;
            quotient |= 1;
        }
        p.m <<= 1;
    }
    return packed(sign, quotient | (p.m != 0), p.exponent - q.exponent - 30);
}

/* In their order as integers; 0 and -0 are the same. */
static int place_of(float x)
{
    uint32_t bits = bits_of(x);
    return bits & SIGN ? -(int)(bits & ~SIGN) : (int)bits;
}

/* Below, at, or above 0; what is said where one is a NaN */
static int compared(float a, float b, int unordered)
{
    int x = place_of(a), y = place_of(b);
    return __unordsf2(a, b) ? unordered : (x > y) - (x < y);
}

int __unordsf2(float a, float b)
{
    return is_nan(bits_of(a)) || is_nan(bits_of(b));
}

int __eqsf2(float a, float b)
{
    return compared(a, b, 1);
}

int __nesf2(float a, float b)
{
    return compared(a, b, 1);
}

int __ltsf2(float a, float b)
{
    return compared(a, b, 1);
}

int __lesf2(float a, float b)
{
    return compared(a, b, 1);
}

int __gtsf2(float a, float b)
{
    return compared(a, b, -1);
}

int __gesf2(float a, float b)
{
    return compared(a, b, -1);
}

/* Towards 0; what is out of range, the integer at that end. */
int __fixsfsi(float a)
{
    number it = unpacked(bits_of(a));
    if (it.exponent >= 8) {
        return it.sign ? INT32_MIN : INT32_MAX;
    }
    uint32_t m = it.exponent >= 0 ? it.m << it.exponent : it.exponent > -24 ? it.m >> -it.exponent : 0;
    return it.sign ? -(int)m : (int)m;
}

float __floatunsisf(unsigned a)
{
    return packed(0, a, 0);
}

float __floatsisf(int a)
{
    return a < 0 ? packed(SIGN, -(uint32_t)a, 0) : packed(0, (uint32_t)a, 0);
}

/* Of double precision only what it takes to read and write such numbers. */
static double double_of(uint32_t high, uint32_t low)
{
    uint64_t bits = (uint64_t)high << 32 | low;
    double x;
    __builtin_memcpy(&x, &bits, 8);
    return x;
}

double __extendsfdf2(float a)
{
    uint32_t bits = bits_of(a);
    if ((bits & INFINITE) == INFINITE) {
        return double_of((bits & SIGN) | 0x7ff00000 | (bits & 0x7fffff) >> 3, bits << 29);
    }
    number it = unpacked(bits);
    if (!it.m) {
        return double_of(it.sign, 0);
    }
    return double_of((it.sign | (uint32_t)(it.exponent + 1045) << 20) + (it.m >> 3), it.m << 29);
}

double __floatsidf(int a)
{
    uint32_t m = a < 0 ? -(uint32_t)a : (uint32_t)a;
    int exponent = 1054;
    if (!m) {
        return double_of(0, 0);
    }
    for (; !(m >> 31); exponent--) {
        m <<= 1;
    }
    return double_of((((uint32_t)a & SIGN) | (uint32_t)(exponent - 1) << 20) + (m >> 11), m << 21);
}

float __truncdfsf2(double a)
{
    uint64_t bits;
    __builtin_memcpy(&bits, &a, 8);
    uint32_t high = (uint32_t)(bits >> 32), low = (uint32_t)bits;
    int exponent = (int)(high >> 20 & 0x7ff);
    uint32_t m = (high & 0xfffff) << 10 | low >> 22 | ((low & 0x3fffff) != 0);
    if (exponent == 0x7ff) {
        return float_of((high & SIGN) | (m ? NOT_A_NUMBER : INFINITE));
    }
    return exponent ? packed(high & SIGN, m | 1u << 30, exponent - 1053) : float_of(high & SIGN);
}
