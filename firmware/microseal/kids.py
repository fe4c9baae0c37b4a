"""Sorted lists of kids, 8 bytes each, ascending, in one bytes-like object: rosters as kept on a device, and the revoked list."""


def contains(kids, kid):
    """Whether kid (8 bytes) is one of `kids`; a binary search over public data."""
    low, high = 0, len(kids) // 8
    while low < high:
        middle = (low + high) // 2
        found = bytes(kids[middle * 8 : middle * 8 + 8])
        if found == kid:
            return True
        if found < kid:
            low = middle + 1
        else:
            high = middle
    return False
