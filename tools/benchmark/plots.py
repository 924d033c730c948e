"""Plots as SVG: bars of ratios and lines over an axis. They follow the page's colours, light or dark."""

import html
import math

from .scenarios import US

ROW, BAR, LABEL, WIDTH, PLOT = 26, 14, 210, 780, 410
LEFT, RIGHT, TOP, HEIGHT, LEGEND = 60, 44, 24, 300, 20
COLOURS = ("#8a99ab", "#5b7fa6", "#3f8f7f", "#8e6bb0", "#b08a2e", "#a65b6f", "#5a5f66")
OURS = "#c4682b"

STYLE = """
svg { color-scheme: light dark; }
svg text { font: 13px system-ui, sans-serif; fill: currentColor; }
.bar { fill: #8a99ab; } .us { fill: #c4682b; }
.limit, .spread, .axis { stroke: #888; } .limit { stroke-dasharray: 3 3; }
.grid { stroke: #888; stroke-opacity: .25; } .line { fill: none; stroke-width: 2; }
"""
# A picture in a file of its own does not inherit the page's colour.
ALONE = STYLE + "svg { color: #333; } @media (prefers-color-scheme: dark) { svg { color: #ddd; } }"


def escaped(text):
    return html.escape(str(text))


def alone(drawing):
    """The same for a file of its own."""
    opened = drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return opened.replace(">", f"><style>{ALONE}</style>", 1) + "\n"


def bars(measurement, scenario, mode):
    """A bar for each contender's rate, of the limit's; a line from the lowest round to the highest. None without any."""
    ratios = [
        (one, measurement.ratio(scenario, mode, one.name, scenario.limit)) for one in scenario.contenders
    ]
    ratios = [(one, ratio) for one, ratio in ratios if ratio]
    if not ratios:
        return None
    scale = PLOT / max(1.0, *(ratio.high for _, ratio in ratios))
    height = ROW * len(ratios) + 4
    what = f"{scenario.name} {mode}, rate of {scenario.limit}'s"
    drawn = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escaped(what)}">']
    for number, (contender, ratio) in enumerate(ratios):
        top = number * ROW
        kind = "us" if contender.name.startswith(US) else "bar"
        middle, base = top + ROW / 2, top + ROW / 2 + 4.5
        low, high = LABEL + ratio.low * scale, LABEL + ratio.high * scale
        drawn.append(
            f'<text x="{LABEL - 8}" y="{base}" text-anchor="end">{escaped(contender.label)}</text>'
            f'<rect class="{kind}" x="{LABEL}" y="{middle - BAR / 2}" width="{ratio.median * scale:.1f}" height="{BAR}"/>'
            f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>'
            f'<text x="{high + 8:.1f}" y="{base}">{ratio.median:.3f} ({ratio.low:.3f}..{ratio.high:.3f})</text>'
        )
    limit = LABEL + scale
    drawn.append(f'<line class="limit" x1="{limit:.1f}" x2="{limit:.1f}" y1="0" y2="{height}"/></svg>')
    return "".join(drawn)


def lines(curves):
    """A line for each label, with a legend below. None without any."""
    points = [point for line in curves.lines.values() for point in line]
    if not points:
        return None
    place = math.log10 if curves.x_steps else float
    xs = sorted({x for x, _ in points})
    first, last = place(xs[0]), place(xs[-1])
    top = max(y for _, y in points) or 1.0
    height = TOP + HEIGHT + 44 + LEGEND * len(curves.lines)

    def at(x, y):
        share = (place(x) - first) / ((last - first) or 1)
        return LEFT + share * (WIDTH - LEFT - RIGHT), TOP + HEIGHT * (1 - y / top)

    drawn = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escaped(curves.title)}">']
    drawn += _axes(curves, xs, top, at)
    for number, (label, line) in enumerate(curves.lines.items()):
        colour = OURS if label == "cnet-bpf" else COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in line))
        below = TOP + HEIGHT + 50 + LEGEND * number
        drawn.append(
            f'<polyline class="line" stroke="{colour}" points="{path}"/>'
            f'<line class="line" stroke="{colour}" x1="{LEFT}" x2="{LEFT + 24}" y1="{below}" y2="{below}"/>'
            f'<text x="{LEFT + 32}" y="{below + 4}">{escaped(label)}</text>'
        )
    return "".join(drawn) + "</svg>"


def _step(top):
    """1, 2 or 5 and zeroes: four to ten of them reach the top."""
    ten = 10 ** math.floor(math.log10(top))
    return next(ten * part for part in (0.1, 0.2, 0.5, 1, 2) if top / (ten * part) <= 10)


def _axes(curves, xs, top, at):
    right = WIDTH - RIGHT
    step = _step(top)
    for number in range(int(top / step) + 1):
        _, y = at(xs[0], step * number)
        yield f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{step * number:,.4g}</text>'
    for x in xs[:: 1 + len(xs) // 12]:
        across, bottom = at(x, 0)
        yield f'<text x="{across:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{x:,.0f}</text>'
    middle = (LEFT + right) / 2
    yield f'<text x="{middle}" y="{TOP + HEIGHT + 32}" text-anchor="middle">{escaped(curves.x)}</text>'
    yield f'<text x="{LEFT}" y="{TOP - 9}">{escaped(curves.y)}</text>'
