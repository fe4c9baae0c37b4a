"""The crypto core interface on the host: one module a backend, all with the functions that `microseal.crypto` names.

`libcrypto` works on the system's libcrypto and on `cryptography`; `ccore` is the C core of the firmware, built as a
shared library.
"""
