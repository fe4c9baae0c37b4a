/* What the errors are called. */
#include "microseal_core.h"

/* One after the other, from MS_OK on; then that of all other numbers. */
static const char texts[] = "no error\0"
                            "unknown suite\0"
                            "wrong length\0"
                            "scalar out of range\0"
                            "not a point of the curve\0"
                            "result is the point at infinity\0"
                            "result is zero\0"
                            "key does not fit the certificate\0"
                            "signature is not valid\0"
                            "tag does not match\0"
                            "unknown error";

const char *ms_error_text(ms_error error)
{
    const char *text = texts;
    unsigned before = error <= MS_OK && error >= MS_ERR_TAG ? (unsigned)(MS_OK - error) : 10;
    while (before) {
        before -= *text++ == 0;
    }
    return text;
}
