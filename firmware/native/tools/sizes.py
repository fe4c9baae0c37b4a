"""How large the native modules are, and what in them: sizes.py FOLDER...

Each FOLDER is one in which natmod/Makefile built, named sizes_<arch>_<suites>. The .mpy's size is what a file system keeps; in RAM its
code and tables take a little less, as an .mpy also has names and relocations. Functions and tables are as the compiler's objects have
them; what GCC's library adds is in the .mpy's size and, where the linker reports it, in no object.
"""

import sys
from collections import Counter
from pathlib import Path

from elftools.elf.elffile import ELFFile

SHOWN = 12


def parts(folder: Path) -> Counter[str]:
    """Bytes by function or table, in all objects."""
    found: Counter[str] = Counter()
    for path in folder.glob("*.o"):
        with path.open("rb") as file:
            for symbol in ELFFile(file).get_section_by_name(".symtab").iter_symbols():
                if symbol["st_info"]["type"] in ("STT_FUNC", "STT_OBJECT") and symbol["st_shndx"] != "SHN_UNDEF":
                    found[symbol.name] += symbol["st_size"]
    return found


def main(folders: list[Path]) -> None:
    sizes: dict[str, dict[str, int]] = {}
    largest: dict[str, Counter[str]] = {}
    for folder in folders:
        _, arch, suites = folder.name.split("_", 2)
        sizes.setdefault(arch, {})[suites] = (folder / "microseal_core.mpy").stat().st_size
        if suites == "1":
            largest[arch] = parts(folder)
    print(f"{'.mpy, bytes':12}{'suite 1':>9}{'both':>9}")
    for arch, by_suites in sizes.items():
        print(f"{arch:12}" + "".join(f"{by_suites.get(suites, 0):9,}" for suites in ("1", "12")))
    print("\nlargest functions and tables of suite 1, bytes")
    for arch, found in largest.items():
        shown = found.most_common(SHOWN)
        print(f"{arch}: " + ", ".join(f"{name} {size:,}" for name, size in shown) + f"; {len(found) - len(shown)} more")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
