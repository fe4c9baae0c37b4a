"""Many claims in one file: CSV for machines that provision, a page of QR codes for people with a printer.

What is in a cell and in a code is the text of a claim file, without blanks: it becomes the device's claim.json as it is.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from typing import TextIO

import segno

COLUMNS = ("id", "expires", "claim")

_HEAD = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>microseal claims</title>
<style>
@page { size: A4; margin: 10mm }
body { font: 10pt monospace; margin: 0; display: grid; grid-template-columns: repeat(3, 1fr); gap: 4mm }
header { grid-column: 1 / -1 }
figure { margin: 0; padding: 2mm; border: 0.2mm dashed #888; text-align: center; break-inside: avoid }
svg { width: 100%; height: auto; display: block }
</style>
<header>Secret: each code enrols one device, once. Cut apart, use, destroy.</header>
"""


@dataclass(frozen=True)
class Made:
    """A claim that was made. text: its claim file; not_after: when it expires, None for never."""

    device: str
    text: str
    not_after: int | None

    @property
    def compact(self) -> str:
        return json.dumps(json.loads(self.text), separators=(",", ":"))

    @property
    def expires(self) -> str:
        """ISO 8601, UTC; empty for never."""
        return "" if self.not_after is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.not_after))


def write_csv(file: TextIO, claims: Iterable[Made]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((made.device, made.expires, made.compact) for made in claims)


def write_qr(file: TextIO, claims: Iterable[Made], step: Callable[[], object]) -> None:
    """A page of HTML that needs nothing else; step() is called after each code, which takes some 50 ms."""
    file.write(_HEAD)
    for made in claims:
        code = segno.make(made.compact, error="m", micro=False)
        expires = f"<br>until {made.expires[:10]}" if made.not_after is not None else ""
        file.write(
            f"<figure>{code.svg_inline(omitsize=True)}<figcaption>{escape(made.device)}{expires}</figcaption></figure>\n"
        )
        step()
    file.write("</html>\n")
