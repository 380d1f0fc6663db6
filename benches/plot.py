#!/usr/bin/env python3
"""Draws the results of the benchmark as SVG, readable on light and dark backgrounds.

    plot.py DIRECTORY RESULTS.json [CURVES.json] [PEERS.json]

speed.svg has a panel for each row: one line for each contender, the fastest first. A row that PEERS.json has, the
results of benches/peers, is taken from there, so that all contenders of a panel were measured in the same run.
curves.svg has a panel for each curve. Every scale of times is logarithmic.
"""

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

MARGIN, GAP, PANEL_WIDTH = 24, 36, 470
COLUMNS = 2
WIDTH = 2 * MARGIN + COLUMNS * PANEL_WIDTH + (COLUMNS - 1) * GAP
HEADER_HEIGHT = 80
# Of each class: its colour on a light and on a dark background.
COLOURS = {"back": ("#ffffff", "#0d1117"), "text": ("#1f2328", "#e6edf3"), "faint": ("#59636e", "#9198a1"),
           "grid": ("#d8dee4", "#30363d"), "ours": ("#0a58ca", "#58a6ff"), "bare": ("#57606a", "#b1bac4"),
           "others": ("#bc4c00", "#f0883e"), "third": ("#1a7f37", "#3fb950")}


def colours(is_dark: bool) -> str:
    return "".join(f".{name} {{ fill: {pair[is_dark]}; stroke: {pair[is_dark]}; }}\n"
                   for name, pair in COLOURS.items())


STYLE = f"""
{colours(False)}@media (prefers-color-scheme: dark) {{
{colours(True)}}}
text {{ font-family: system-ui, sans-serif; font-size: 12px; stroke: none !important; }}
.head {{ font-size: 17px; font-weight: 600; }}
.title {{ font-size: 13px; font-weight: 600; }}
text.faint {{ font-size: 11px; }}
text.ours {{ font-weight: 600; }}
.stem {{ stroke-width: 2; stroke-opacity: 0.45; }}
path {{ fill: none !important; stroke-width: 2; }}
"""


@dataclass
class Drawing:
    """Elements of a picture; its height is known at the end."""
    elements: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, text: str, kind: str = "text", anchor: str = "start") -> None:
        place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
        self.elements.append(f'<text {place} class="{kind}"\n>{escape(text)}</text>')

    def line(self, start: tuple[float, float], end: tuple[float, float], kind: str) -> None:
        self.elements.append(f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" '
                             f'class="{kind}"/>')

    def dot(self, x: float, y: float, kind: str, radius: float = 4) -> None:
        self.elements.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" class="{kind}"/>')

    def path(self, points: list[tuple[float, float]], kind: str) -> None:
        steps = "\nL".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self.elements.append(f'<path d="M{steps}" class="{kind}"/>')

    def save(self, path: Path, height: float, title: str) -> None:
        body = "\n".join(self.elements)
        path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
                        f'viewBox="0 0 {WIDTH} {height:.0f}" role="img">\n<title>{escape(title)}</title>\n'
                        f'<style>{STYLE}</style>\n<rect width="100%" height="100%" class="back"/>\n{body}\n</svg>\n')
        print(path)


@dataclass
class Scale:
    """A logarithmic scale from `low` to `high`, drawn from pixel `start` to pixel `end`."""
    low: float
    high: float
    start: float
    end: float

    @classmethod
    def around(cls, values: list[float], start: float, end: float) -> "Scale":
        """From a power of ten to a power of ten."""
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)) + 1e-9)
        return cls(10.0 ** low, 10.0 ** max(high, low + 1), start, end)

    def at(self, value: float) -> float:
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self) -> Iterator[float]:
        """Powers of ten, eight of them at most; where there are few, also their doubles and fives."""
        low, high = round(math.log10(self.low)), round(math.log10(self.high))
        powers = [10.0 ** exponent for exponent in range(low, high + 1, math.ceil((high - low) / 8))]
        factors = (1, 2, 5) if high - low == 1 else (1, 3) if high - low == 2 else (1,)
        return (power * factor for power in powers for factor in factors if power * factor <= self.high * 1.01)


def time(ns: float) -> str:
    """With three digits."""
    for factor, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if ns >= factor * 0.9995:  # what is rounded up to the unit
            return f"{ns / factor:.3g} {unit}"
    return f"{ns:.3g} ns"


def amount(value: float) -> str:
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g} {unit}"
    return f"{value:g}"


def size(value: float) -> str:
    for exponent, unit in ((20, "MiB"), (10, "KiB")):
        if value >= 2 ** exponent:
            return f"{value / 2 ** exponent:g} {unit}"
    return f"{value:g} B"


def header(drawing: Drawing, title: str, results: dict, remark: str) -> None:
    machine = results["machine"]
    drawing.text(MARGIN, MARGIN + 12, title, "text head")
    place = [machine["cpu"], f"{machine['cores']} cores", f"Linux {machine['kernel']}", machine["file_system"]]
    drawing.text(MARGIN, MARGIN + 30, remark, "faint")
    drawing.text(MARGIN, MARGIN + 46, ", ".join([*place, machine["date"]]), "faint")


class Panels:
    """Places panels side by side, each into the shorter column."""

    def __init__(self):
        self.bottoms = [float(MARGIN + HEADER_HEIGHT)] * COLUMNS

    def place(self, height: float) -> tuple[float, float]:
        column = self.bottoms.index(min(self.bottoms))
        y = self.bottoms[column]
        self.bottoms[column] += height + GAP
        return MARGIN + column * (PANEL_WIDTH + GAP), y

    def height(self) -> float:
        return max(self.bottoms) - GAP + MARGIN


# ---- The table of comparisons ----------------------------------------------------------------------------------------

LINE_HEIGHT, NAME_WIDTH, VALUE_WIDTH = 17, 150, 62


def rows_to_draw(results: dict, peers: dict | None) -> list[dict]:
    """Rows of times for a record, in which another contender did the same work."""
    of_peers = {row["row"]: row for row in (peers or {"rows": []})["rows"]}
    rows = [of_peers.pop(row["row"], row) for row in results["rows"]] + list(of_peers.values())
    return [row for row in rows if row["unit"] == "ns/record" and "compared_with" not in row]


def draw_speed(path: Path, results: dict, peers: dict | None) -> None:
    drawing, panels = Drawing(), Panels()
    version = results["versions"]["libimmuta"]
    others = "bare C loops and other logs" if peers else "bare C loops"
    title = f"libimmuta {version} beside {others}"
    remark = "Time for a record, the median of all rounds, on logarithmic scales; less is better."
    header(drawing, title, peers or results, remark)
    for row in rows_to_draw(results, peers):
        draw_row(drawing, panels, row)
    drawing.save(path, panels.height(), title)


def draw_row(drawing: Drawing, panels: Panels, row: dict) -> None:
    results = {name: figures["median"] for name, figures in row["results"].items()}
    if "bare mapping" in results:
        del results["bare"]  # the better one of the bare loops, which are both here
    skipped = [f"{name}: {why}" for name, why in row.get("skipped", {}).items()]
    x, y = panels.place(24 + LINE_HEIGHT * (len(results) + len(skipped)) + 20)
    drawing.text(x, y, row["row"], "text title")
    scale = Scale.around(list(results.values()), x + NAME_WIDTH, x + PANEL_WIDTH - VALUE_WIDTH)
    top, bottom = y + 10, y + 16 + LINE_HEIGHT * len(results)
    for tick in scale.ticks():
        drawing.line((scale.at(tick), top), (scale.at(tick), bottom), "grid")
        drawing.text(scale.at(tick), bottom + 13, time(tick), "faint", "middle")
    for place, (name, value) in enumerate(sorted(results.items(), key=lambda item: item[1])):
        kind = "ours" if name == "libimmuta" else "bare" if name.startswith("bare") else "others"
        middle = top + 8 + LINE_HEIGHT * (place + 0.2)
        drawing.text(x + NAME_WIDTH - 10, middle + 4, name, "ours" if kind == "ours" else "text", "end")
        drawing.line((scale.start, middle), (scale.at(value), middle), f"{kind} stem")
        drawing.dot(scale.at(value), middle, kind)
        drawing.text(x + PANEL_WIDTH, middle + 4, time(value), "ours" if kind == "ours" else "text", "end")
    for place, text in enumerate(skipped):
        drawing.text(x, bottom + 30 + LINE_HEIGHT * place, text if len(text) < 80 else f"{text[:79]}…", "faint")


# ---- The curves ------------------------------------------------------------------------------------------------------

PLOT_HEIGHT, AXIS_WIDTH = 210, 52
KINDS = ["ours", "third", "others"]


def draw_curves(path: Path, results: dict) -> None:
    drawing, panels = Drawing(), Panels()
    title = f"libimmuta {results['versions']['libimmuta']}: how times change with the work"
    header(drawing, title, results, "Medians, on logarithmic scales; less is better.")
    for curve in results["curves"]:
        draw_curve(drawing, panels, curve)
    drawing.save(path, panels.height(), title)


def draw_curve(drawing: Drawing, panels: Panels, curve: dict) -> None:
    x, y = panels.place(PLOT_HEIGHT + 84)
    drawing.text(x, y, f"{curve['curve']}: time for a {curve['unit'].removeprefix('ns/')}", "text title")
    points = [point for series in curve["series"].values() for point in series]
    xs = sorted({point["x"] for point in points})
    across = Scale(xs[0], xs[-1], x + AXIS_WIDTH, x + PANEL_WIDTH - 14)
    up = Scale.around([point["median"] for point in points], y + 34 + PLOT_HEIGHT, y + 34)
    draw_axes(drawing, curve["x"], across, up, xs)
    place, ours = across.start, iter(KINDS)
    for name, series in sorted(curve["series"].items(), key=lambda item: item[0].startswith("bare")):
        kind = "bare" if name.startswith("bare") else next(ours)
        places = [(across.at(point["x"]), up.at(point["median"])) for point in series]
        drawing.path(places, kind)
        for dot in places:
            drawing.dot(*dot, kind, 3)
        drawing.dot(place + 4, y + 18, kind)
        drawing.text(place + 13, y + 22, name)
        place += 32 + 6.6 * len(name)


def draw_axes(drawing: Drawing, label: str, across: Scale, up: Scale, xs: list[float]) -> None:
    is_size = label == "bytes/record"
    for tick in up.ticks():
        drawing.line((across.start, up.at(tick)), (across.end, up.at(tick)), "grid")
        drawing.text(across.start - 6, up.at(tick) + 4, time(tick), "faint", "end")
    for tick in xs[:: 1 if len(xs) < 9 else 2]:
        drawing.line((across.at(tick), up.end), (across.at(tick), up.start), "grid")
        drawing.text(across.at(tick), up.start + 15, size(tick) if is_size else amount(tick), "faint", "middle")
    drawing.text((across.start + across.end) / 2, up.start + 32, "record size" if is_size else label, "faint", "middle")


def main(arguments: list[str]) -> int:
    if not 2 <= len(arguments) <= 4:
        print(__doc__, file=sys.stderr)
        return 2
    directory, files = Path(arguments[0]), [json.loads(Path(name).read_text()) for name in arguments[1:]]
    with_rows = [found for found in files if "rows" in found]
    if with_rows:
        draw_speed(directory / "speed.svg", with_rows[0], with_rows[1] if len(with_rows) > 1 else None)
    for found in files:
        if "curves" in found:
            draw_curves(directory / "curves.svg", found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
