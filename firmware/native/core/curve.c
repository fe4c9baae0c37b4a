/* The constants of the curves, by suite. */
#include "curve.h"

#if MS_SUITE1
#    include "curve_p256.h"
#endif
#if MS_SUITE2
#    include "curve_sm2.h"
#endif

const curve *curve_of(uint8_t suite)
{
#if MS_SUITE1
    if (suite == MS_SUITE_P256) {
        return &curve_p256;
    }
#endif
#if MS_SUITE2
    if (suite == MS_SUITE_SM2) {
        return &curve_sm2;
    }
#endif
    return NULL;
}
