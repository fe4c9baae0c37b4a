"""fuzz.py on CPython, with libcrypto."""

from __future__ import annotations

import sys

import fuzz
from microseal import crypto
from microseal_host.backends import libcrypto

if __name__ == "__main__":
    crypto.use(libcrypto)
    try:
        fuzz.main(sys.argv[1:])
    except fuzz.Failure as failure:
        sys.exit(f"FAILED {failure}")
