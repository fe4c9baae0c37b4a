"""The cryptographic core in use, and the domain tags of section 2.

`core` has the functions of the native module `microseal_core` (see firmware/native/core/microseal_core.h for sizes, ranges and
sources). A device imports the native module, or the one built into its firmware; a host installs a back end by `use`.
"""

try:
    import microseal_core as core
except ImportError:
    core = None


def use(backend):
    """Makes `backend` (an object with the functions of `microseal_core`) the one that all of microseal computes with."""
    global core
    core = backend


def require():
    """The core, or an ImportError that says what to do."""
    if core is None:
        import sys

        arch = getattr(sys.implementation, "_mpy", None)
        raise ImportError(
            "microseal needs its native module microseal_core.mpy for this board"
            + (f" (sys.implementation._mpy = {arch})" if arch is not None else "")
            + ": copy the one from dist/<arch>_<abi>/ to /lib, or build it into the firmware"
        )
    return core


def tag(name, suite):
    """T(name): the domain tag of every hash and KDF. name: bytes of ASCII."""
    return b"microseal/1/" + name + bytes((0, suite))


def check_point(suite, point):
    """`point` if it is the compressed form of a point on the suite's curve; Refused("point") otherwise."""
    if not core.is_point(suite, point):
        from . import errors

        raise errors.Refused(errors.POINT)
    return point
