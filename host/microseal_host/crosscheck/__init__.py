"""The same cases through every implementation, and the bytes compared.

operations.py, on the protocol package, runs in CPython and in MicroPython; reference_operations.py does the same with the reference.
"""
