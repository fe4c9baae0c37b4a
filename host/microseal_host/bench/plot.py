"""The counts on the Cortex-M0+ beside the published ones, as bars in an SVG: the same bytes for the same counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

from ..failure import NOT_READY, Failure
from .published import OTHERS, PUBLISHED
from .rows import Row

OURS, THEIRS = "#1f6f8b", "#b8b8b8"
WIDTH, BAR, FRAME = 900, 30, 110  # pixels; FRAME: title, axis and margins of a chart
_SVG = "http://www.w3.org/2000/svg"

Bar = tuple[str, float, bool]  # label, value, whether it is ours


def draw(rows: Iterable[Row]) -> bytes:
    """rows: among others those of m0."""
    counted = {row.name: row.value for row in rows if row.where == "Cortex-M0+"}
    points: list[Bar] = []
    for name in ("X(k*P)", "k*G", "verify"):
        points.append((f"{name}: microseal", counted[name] / 1e6, True))
        points += [(f"{name}: {source}", cycles / 1e6, False) for source, cycles in _others(name)]
    points.append(("sign, from a pair: microseal", counted["sign, from a pair"] / 1e6, True))
    symmetric: list[Bar] = []
    for name in ("SM4 within GCM", "GHASH", "SHA-256", "SM3"):
        symmetric.append((f"{name}: microseal", counted[name], True))
        if name in PUBLISHED:
            symmetric.append((f"{name}: {PUBLISHED[name].source}", PUBLISHED[name].cycles, False))
    return _stacked(
        [
            _chart("P-256 on a Cortex-M0+, million cycles", points, 2),
            _chart("Symmetric functions on a Cortex-M0+, cycles a byte", symmetric, 0),
        ]
    )


def _others(name: str) -> list[tuple[str, float]]:
    found = [(PUBLISHED[name].source, PUBLISHED[name].cycles)] if name in PUBLISHED else []
    found = [(source.split(";")[0], cycles) for source, cycles in found]
    return sorted(found + (list(OTHERS.items()) if name == "X(k*P)" else []), key=lambda other: other[1])


def _chart(title: str, bars: Sequence[Bar], digits: int) -> tuple[ElementTree.Element, int]:
    """The element and its height."""
    try:
        import pygal
        from pygal.style import Style
    except ImportError:
        raise Failure("pygal, which draws, is not installed", "run scripts/setup.sh --test", NOT_READY) from None
    height = FRAME + BAR * len(bars)
    style = Style(
        background="white",
        plot_background="white",
        font_family="sans-serif",
        title_font_size=18,
        label_font_size=13,
        value_font_size=12,
    )
    chart = pygal.HorizontalBar(
        width=WIDTH,
        height=height,
        explicit_size=True,
        js=(),
        no_prefix=True,
        show_legend=False,
        print_values=True,
        print_values_position="top",
        truncate_label=-1,
        style=style,
        title=title,
        formatter=lambda value: f"{value:,.{digits}f}",
    )
    upwards = list(reversed(bars))
    chart.x_labels = [label for label, _, _ in upwards]
    chart.add("", [{"value": value, "color": OURS if ours else THEIRS} for _, value, ours in upwards])
    # Parsed again without comments, as there is a date in one, and without the script for a mouse over it.
    image = ElementTree.fromstring(chart.render())
    for parent in list(image.iter()):
        for script in parent.findall(f"{{{_SVG}}}script"):
            parent.remove(script)
    return image, height


def _stacked(charts: Sequence[tuple[ElementTree.Element, int]]) -> bytes:
    ElementTree.register_namespace("", _SVG)
    total = sum(height for _, height in charts)
    root = ElementTree.Element(
        f"{{{_SVG}}}svg", {"viewBox": f"0 0 {WIDTH} {total}", "width": str(WIDTH), "height": str(total)}
    )
    top = 0
    for chart, height in charts:
        chart.set("y", str(top))
        chart.set("width", str(WIDTH))
        chart.set("height", str(height))
        root.append(chart)
        top += height
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"
