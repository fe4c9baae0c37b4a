/* Of the C library, what MicroPython and its libm use. */
#ifndef MATH_H
#define MATH_H

#include <stdint.h>

/* So they are called where that libm comes from. */
typedef int32_t __int32_t;
typedef uint32_t __uint32_t;
typedef uint8_t __uint8_t;

#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define isfinite(x) __builtin_isfinite(x)
#define isinf(x) __builtin_isinf_sign(x)
#define isnan(x) __builtin_isnan(x)
#define signbit(x) __builtin_signbit(x)
#define copysignf(x, y) __builtin_copysignf(x, y)
#define fabsf(x) __builtin_fabsf(x)
#define nanf(text) __builtin_nanf(text)

enum { FP_NAN, FP_INFINITE, FP_ZERO, FP_SUBNORMAL, FP_NORMAL };

float expf(float x);
float expm1f(float x);
float floorf(float x);
float fmodf(float x, float y);
float logf(float x);
float nearbyintf(float x);
float powf(float x, float y);
float scalbnf(float x, int exponent);
float sqrtf(float x);

#endif
