"""The aims as a picture: where each figure and its interval lie, seen from the bound."""
import math
from xml.sax.saxutils import escape

from .aims import HOLDS, MISSED

WIDTH, LEFT, RIGHT, TOP, ROW = 1160, 700, 60, 56, 22
WORST, BEST = 4.0, 0.25
COLOURS = {HOLDS: "#1a7f37", MISSED: "#cf222e"}
UNDECIDED = "#6e7781"


def draw(rows):
    height = TOP + ROW * len(rows) + 20
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
             f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>', *axis(height)]
    for i, row in enumerate(rows):
        parts += row_of(row, TOP + ROW * i + ROW / 2)
    return "\n".join(parts + ["</svg>"]) + "\n"


def place(part):
    """From the bound's share: left of 1 is better, right of it worse, on a scale of ratios."""
    part = min(max(part, BEST), WORST)
    return LEFT + (WIDTH - LEFT - RIGHT) * (math.log(part / BEST) / math.log(WORST / BEST))


def axis(height):
    yield f'<text x="12" y="20" font-size="15" fill="#1f2328">What must hold: each figure as a part of its bound</text>'
    yield (f'<rect x="{LEFT}" y="{TOP - 6}" width="{place(1) - LEFT:.1f}" height="{height - TOP - 8}" '
           'fill="#dafbe1" fill-opacity="0.6"/>')
    for part, label in ((0.25, "¼"), (0.5, "½"), (1, "the bound"), (2, "2 ×"), (4, "4 ×")):
        x, width = place(part), 1.5 if part == 1 else 0.5
        yield f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height - 14}" stroke="#8c959f" stroke-width="{width}"/>'
        yield f'<text x="{x:.1f}" y="{TOP - 12}" text-anchor="middle" fill="#57606a">{label}</text>'


def part_of(row, value):
    """How much of the bound a value uses up; above 1 is too much."""
    if row["at_least"] is not None:
        return row["at_least"] / value if value > 0 else WORST
    return value / row["at_most"] if value > 0 else BEST


def row_of(row, y):
    colour = COLOURS.get(row["verdict"], UNDECIDED)
    yield (f'<text x="12" y="{y + 4:.1f}" fill="#1f2328">{escape(row["title"])}: '
           f'<tspan fill="#57606a">{escape(row["what"])}</tspan></text>')
    if row["interval"]:
        ends = sorted(place(part_of(row, value)) for value in row["interval"])
        yield (f'<line x1="{ends[0]:.1f}" y1="{y:.1f}" x2="{ends[1]:.1f}" y2="{y:.1f}" stroke="{colour}" '
               'stroke-width="3" stroke-opacity="0.5"/>')
    yield f'<circle cx="{place(part_of(row, row["value"])):.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>'
