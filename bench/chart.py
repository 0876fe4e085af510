# SPDX-License-Identifier: MIT
"""The figures as one SVG: bars on a logarithmic scale, and the goals below them. Written by hand, no library."""
import math
from xml.sax.saxutils import escape

import report
from traffic import PLACEMENTS

WIDTH, LEFT, RIGHT = 940, 330, 170  # the longest figure stands behind the longest bar
BAR, GAP = 24, 12
INK, FAINT, PAPER, GRID = "#1b2733", "#5b6875", "#ffffff", "#dde3e9"
COLOURS = {"none": "#9aa7b3", "loop": "#6b7c8c", "held": "#0b6e4f", "file": "#4f8f2f", "remembered": "#3a9d7a", "opensnitch": "#b5542b"}
SHORT = {
    "none": "no firewall",
    "loop": "bare NFQUEUE loop in C",
    "remembered": "gatehoused, remembered answer",
    "held": "gatehoused, held and permitted",
    "file": "gatehouse.sys, held and permitted",
    "opensnitch": "OpenSnitch, default allow",
}


class Drawing:
    def __init__(self):
        self.parts = []
        self.y = 0

    def text(self, x, y, words, size=14, colour=INK, anchor="start", weight="normal"):
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(words)}</text>'
        )

    def box(self, x, y, width, height, colour, opacity=1.0):
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}" fill="{colour}" '
            f'fill-opacity="{opacity}"/>'
        )

    def line(self, x1, y1, x2, y2, colour=GRID, width=1.0):
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'
        )

    def finish(self):
        height = self.y + 24
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
            f'viewBox="0 0 {WIDTH} {height:.0f}" font-family="Helvetica, Arial, DejaVu Sans, sans-serif">\n'
            f'<rect width="100%" height="100%" fill="{PAPER}"/>\n' + "\n".join(self.parts) + "\n</svg>\n"
        )


class Scale:
    """A logarithmic axis that holds all values, with a mark at each power of ten."""

    def __init__(self, values):
        self.low = 10 ** math.floor(math.log10(min(values)))
        self.high = max(values) * 1.05

    def at(self, value):
        share = math.log10(value / self.low) / math.log10(self.high / self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def marks(self):
        mark = self.low
        while mark <= self.high:
            yield mark
            mark *= 10


def heading(drawing, title, note):
    drawing.y += 40
    drawing.text(24, drawing.y, title, 17, weight="bold")
    drawing.y += 20
    drawing.text(24, drawing.y, note, 12, FAINT)
    drawing.y += 14


def bars(drawing, entries, unit, decimals=1):
    """entries: (label, p50, p99, colour, words). The bar is p50; the thin line ends at p99."""
    scale = Scale([value for _, p50, p99, _, _ in entries for value in (p50, p99)])
    top, bottom = drawing.y + 4, drawing.y + 12 + len(entries) * (BAR + GAP)
    for mark in scale.marks():
        drawing.line(scale.at(mark), top, scale.at(mark), bottom)
        drawing.text(scale.at(mark), bottom + 16, f"{mark:,.0f} {unit}", 12, FAINT, "middle")
    y = top + 8
    for label, p50, p99, colour, words in entries:
        middle = y + BAR / 2
        drawing.text(LEFT - 12, middle + 5, label, 14, anchor="end")
        drawing.box(LEFT, y, scale.at(p50) - LEFT, BAR, colour)
        drawing.line(scale.at(p50), middle, scale.at(p99), middle, colour, 2)
        drawing.line(scale.at(p99), middle - 6, scale.at(p99), middle + 6, colour, 2)
        drawing.text(scale.at(p99) + 8, middle + 5, f"{p50:,.{decimals}f}{words}", 13, weight="bold")
        y += BAR + GAP
    drawing.y = bottom + 22


def connect_bars(drawing, figures, placement, where):
    connect = figures.get("connect", {})
    if not connect:
        return
    base = connect.get("none", {}).get(placement, {}).get("p50_us")
    heading(
        drawing,
        f"How long connect() takes, {where}",
        "TCP over veth, microseconds, logarithmic; bar: median, line: to the 99th percentile; × against no firewall",
    )
    entries = []
    for key in SHORT:
        if key in connect:
            p50, p99 = connect[key][placement]["p50_us"], connect[key][placement]["p99_us"]
            entries.append((SHORT[key], p50, p99, COLOURS[key], f" = {p50 / base:.1f}×" if base else ""))
    bars(drawing, entries, "µs")


def decided_bars(drawing, figures):
    names = {"none": "no firewall", "again": "no firewall, again", "decided": "gatehoused, by a rule", "opensnitch": "OpenSnitch, default allow"}
    colours = {**COLOURS, "again": COLOURS["none"], "decided": COLOURS["held"]}
    for peer, placements in figures.get("decided", {}).items():
        for placement, found in placements.items():
            where = PLACEMENTS[placement]
            heading(drawing, f"connect() that was decided before, to a peer {peer} it, {where}", "as above")
            entries = [
                (names[key], entry["p50_us"], entry["p99_us"], colours[key], f" = {entry['ratio']:.2f}×")
                for key, entry in found.items()
            ]
            bars(drawing, entries, "µs", 2)


def verifier_bars(drawing, figures):
    verified = figures.get("verified", {})
    names = {"held": "gatehoused", "unverified": "wfplab live, verifier off", "verified": "wfplab live, verifier on"}
    colours = {"held": COLOURS["held"], "unverified": "#6b7c8c", "verified": "#8a5a00"}
    for placement, where in PLACEMENTS.items():
        if not verified:
            return
        base = verified["unverified"][placement]["p50_us"]
        heading(drawing, f"What the verifier costs a held connect(), {where}", "as above; × against the verifier off")
        entries = [
            (names[key], entry[placement]["p50_us"], entry[placement]["p99_us"], colours[key],
             f" = {entry[placement]['p50_us'] / base:.1f}×")
            for key, entry in verified.items()
        ]
        bars(drawing, entries, "µs")


def inside_bars(drawing, figures):
    entries = []
    kinds = {"warm": "random", "ordered": "in order", "cold": "cold caches"}
    for kind, sizes in sorted(figures.get("submit", {}).items(), reverse=True):
        for entry in sizes:
            label = f"submit, {entry['held']:,} held, {kinds[kind]}"
            entries.append((label, entry["p50_ns"], entry["p99_ns"], "#35618f", ""))
    for entry in figures.get("classify", []):
        label = f"classify, {entry['filters']:,} filters, {report.MIXES[entry['mix']]}"
        entries.append((label, entry["p50_ns"], entry["p99_ns"], "#7a5195", ""))
    if entries:
        heading(drawing, "Inside the process", "nanoseconds, logarithmic; bar: median, line: to the 99th percentile")
        bars(drawing, entries, "ns", 0)


def goal_lines(drawing, rows):
    heading(drawing, "Goals", "what was measured against its limit")
    for row in rows:
        drawing.y += 22
        colour = {True: "#0b6e4f", False: "#b5542b", None: FAINT}[row.met]
        measured = "not measured" if row.measured is None else f"{row.measured:g}{row.unit}"
        verdict = {True: "met", False: "not met", None: ""}[row.met]
        drawing.text(24, drawing.y, row.goal, 13)
        drawing.text(690, drawing.y, measured, 13, colour, "end", "bold")
        drawing.text(790, drawing.y, f"limit {row.limit:g}{row.unit}", 13, FAINT, "end")
        drawing.text(WIDTH - 24, drawing.y, verdict, 13, colour, "end", "bold")


def draw(figures, rows):
    drawing = Drawing()
    machine = figures["machine"]
    drawing.y = 40
    drawing.text(24, drawing.y, "Gatehouse, measured", 22, weight="bold")
    drawing.y += 20
    words = f"{machine['processor']}, {machine['processors']} processors, Linux {machine['kernel']}, {machine['time']}"
    drawing.text(24, drawing.y, words, 12, FAINT)
    for placement, where in PLACEMENTS.items():
        connect_bars(drawing, figures, placement, where)
    decided_bars(drawing, figures)
    verifier_bars(drawing, figures)
    inside_bars(drawing, figures)
    goal_lines(drawing, rows)
    return drawing.finish()
