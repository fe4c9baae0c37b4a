"""Run by MicroPython: a LittleFS image from a folder, or a folder from an image.

micropython littlefs_image.py pack|unpack IMAGE FOLDER SECTOR_BYTES SECTORS
"""

import os
import sys

import vfs


class Flash:
    """The block device that MicroPython's rp2.Flash is, in memory."""

    def __init__(self, data, size):
        self.data = data
        self.size = size

    def readblocks(self, block, buffer, offset=0):
        start = block * self.size + offset
        buffer[:] = self.data[start : start + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        start = block * self.size + offset
        self.data[start : start + len(buffer)] = buffer

    def ioctl(self, op, arg):
        if op == 4:
            return len(self.data) // self.size
        if op == 5:
            return self.size
        if op == 6:  # erase
            self.data[arg * self.size : (arg + 1) * self.size] = b"\xff" * self.size
        return 0


def copy(source, target):
    for name, kind, *_ in os.ilistdir(source):
        here, there = source + "/" + name, target + "/" + name
        if kind == 0x4000:
            os.mkdir(there)
            copy(here, there)
        else:
            with open(here, "rb") as file, open(there, "wb") as out:
                while chunk := file.read(4096):
                    out.write(chunk)


def main(action, image, folder, size, count):
    size, count = int(size), int(count)
    if action == "pack":
        flash = Flash(bytearray(b"\xff" * size * count), size)
        # The program size that the board's own _boot.py formats with.
        vfs.VfsLfs2.mkfs(flash, progsize=256)
    else:
        with open(image, "rb") as file:
            flash = Flash(bytearray(file.read()), size)
        os.mkdir(folder)
    vfs.mount(vfs.VfsLfs2(flash, progsize=256), "/flash")
    if action == "pack":
        copy(folder, "/flash")
    else:
        copy("/flash", folder)
    vfs.umount("/flash")
    if action == "pack":
        with open(image, "wb") as file:
            file.write(flash.data)


main(*sys.argv[1:])
