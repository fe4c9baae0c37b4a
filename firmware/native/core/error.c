/* What the errors are called. */
#include "microseal_core.h"

const char *ms_error_text(ms_error error)
{
    switch (error) {
    case MS_OK:
        return "no error";
    case MS_ERR_SUITE:
        return "unknown suite";
    case MS_ERR_LENGTH:
        return "wrong length";
    case MS_ERR_SCALAR:
        return "scalar out of range";
    case MS_ERR_POINT:
        return "not a point of the curve";
    case MS_ERR_INFINITY:
        return "result is the point at infinity";
    case MS_ERR_ZERO:
        return "result is zero";
    case MS_ERR_CERTIFICATE:
        return "private key does not fit the certificate";
    case MS_ERR_SIGNATURE:
        return "signature is not valid";
    case MS_ERR_TAG:
        return "tag does not match";
    }
    return "unknown error";
}
