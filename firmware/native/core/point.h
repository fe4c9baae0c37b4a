/* The group: points in Jacobian coordinates, (X / Z^2, Y / Z^3), in Montgomery form; Z = 0 is infinity. */
#ifndef MS_POINT_H
#define MS_POINT_H

#include "curve.h"

typedef struct {
    fe x, y, z;
} point;

/* r = the point encoded in bytes, Z = 1. MS_ERR_POINT: bad prefix, x >= p, or x of no point. */
MS_INTERNAL ms_error point_decode(point *r, const uint8_t bytes[MS_POINT_SIZE], const curve *c);

/* bytes = a, compressed; the result is public from here on. MS_ERR_INFINITY. */
MS_INTERNAL ms_error point_encode(uint8_t bytes[MS_POINT_SIZE], const point *a, const curve *c);

/* bytes = X(a), 32 bytes, as secret as a is. MS_ERR_INFINITY. */
MS_INTERNAL ms_error point_encode_x(uint8_t bytes[32], const point *a, const curve *c);

/* r = a + b, any points. Constant time. r may alias a and b. */
MS_INTERNAL void point_add(point *r, const point *a, const point *b, const curve *c);

/* r = r + the point encoded in bytes, as point_decode has it. Constant time in r. */
MS_INTERNAL ms_error point_add_encoded(point *r, const uint8_t bytes[MS_POINT_SIZE], const curve *c);

/* r = k*G. in: 0 < k < q. Constant time. */
MS_INTERNAL void point_mul_base(point *r, const fe k, const curve *c);

/* r = k*a. in: 0 < k < q, a not infinity, a->z = 1. Constant time in k. r may alias a. */
MS_INTERNAL void point_mul(point *r, const fe k, const point *a, const curve *c);

/* r = s*G + e*a. in: 0 < s < q, 0 <= e < q, a not infinity, a->z = 1. Not constant time. r may alias a. */
MS_INTERNAL void point_mul_public(point *r, const fe s, const fe e, const point *a, const curve *c);

#endif
