"""Runs device-side tests (device_*.py) on MicroPython, or on whatever runs this file.

    micropython run.py DIRECTORY MODULE...

DIRECTORY is an empty one for the files that the tests make. One line a test; exit code 1 if any failed.
"""

import sys

import device_support


def run(name):
    """How many tests of a module failed."""
    module = __import__(name)
    failed = 0
    for test in sorted(dir(module)):
        if test.startswith("test_"):
            try:
                getattr(module, test)()
            except Exception as error:
                failed += 1
                print("FAILED", name, test)
                if hasattr(sys, "print_exception"):
                    sys.print_exception(error)
                else:
                    print(repr(error))
            else:
                print("passed", name, test)
    return failed


def main(directory, modules):
    device_support.base = directory
    if sum([run(name) for name in modules]):
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
