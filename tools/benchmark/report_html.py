"""The figures as one HTML page that needs nothing else: a plot of every scenario and kind of work, the aims, every
number. Drawn as SVG, readable in light and dark.
"""

import html

from .measure import aim_results
from .report import heading
from .scenarios import MODES, US

ROW, BAR, LABEL, WIDTH, PLOT = 26, 14, 190, 760, 430

STYLE = """
:root { color-scheme: light dark; --bar: #8a99ab; --us: #c4682b; --line: #888; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .1rem .8rem .1rem 0; }
th:first-child, td:first-child { text-align: left; }
svg { width: 100%; height: auto; }
svg text { font: 13px system-ui, sans-serif; fill: currentColor; }
.bar { fill: var(--bar); } .us { fill: var(--us); }
.limit, .spread { stroke: var(--line); } .limit { stroke-dasharray: 3 3; }
.missed { font-weight: bold; }
"""


def as_html(measurement, machine, settings, notes):
    parts = ["<h1>cnet-bpf beside the kernel's own</h1>"]
    parts += [f"<p>{escaped(line)}</p>" for line in heading(machine, settings)]
    parts += _aims(measurement)
    for scenario in measurement.scenarios:
        parts.append(f"<h2>{escaped(scenario.title)}</h2>")
        for mode in measurement.modes:
            parts.append(f"<h3>{mode}: {escaped(MODES[mode])}</h3>")
            parts.append(_plot(measurement, scenario, mode))
            parts.append(_table(measurement, scenario, mode))
    parts.append("<ul>" + "".join(f"<li>{escaped(note)}</li>" for note in notes) + "</ul>")
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">\n'
        f"<title>cnet-bpf: benchmark</title>\n<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</html>\n"
    )


def escaped(text):
    return html.escape(str(text))


def _row(cells, tag="td"):
    return "<tr>" + "".join(f"<{tag}>{escaped(cell)}</{tag}>" for cell in cells) + "</tr>"


def _aims(measurement):
    results = list(aim_results(measurement, US))
    if not results:
        return
    yield "<h2>What we aim for: our rate divided by theirs</h2><table>"
    yield _row(("work", "measured", "aim", ""), "th")
    for aim in results:
        what = f"{aim.scenario}, {aim.mode}, to {aim.against}"
        verdict = "met" if aim.met else "missed"
        yield f'<tr class="{verdict}">' + _row((what, f"{aim.measured:.3f}", f"{aim.at_least:.2f}", verdict))[4:]
    yield "</table>"


def _ratio(measurement, scenario, mode, contender):
    return measurement.ratio(scenario, mode, contender.name, scenario.limit)


def _plot(measurement, scenario, mode):
    """A bar for each contender's rate, of the limit's; a line from the lowest round to the highest."""
    bars = [(one, _ratio(measurement, scenario, mode, one)) for one in scenario.contenders]
    bars = [(one, ratio) for one, ratio in bars if ratio]
    if not bars:
        return "<p>nothing was measured</p>"
    scale = PLOT / max(1.0, *(ratio.high for _, ratio in bars))
    height = ROW * len(bars) + 4
    what = f"{scenario.name} {mode}, rate of {scenario.limit}'s"
    drawn = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escaped(what)}">']
    for number, (contender, ratio) in enumerate(bars):
        top = number * ROW
        kind = "us" if contender.name == US else "bar"
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


def _table(measurement, scenario, mode):
    rows = [_row(("contender", "per second", "p50 µs", "p99 µs", "p99.9 µs", "cnet-bpf : it"), "th")]
    for contender in scenario.contenders:
        if mode in contender.cannot:
            continue
        error = measurement.errors.get((scenario.name, contender.name))
        if error:
            rows.append(_row((contender.label, f"error: {error}")))
            continue
        times = [
            f"{measurement.spread(scenario, mode, contender.name, what).median:.2f}"
            for what in ("p50_us", "p99_us", "p999_us")
        ]
        rate = measurement.spread(scenario, mode, contender.name).median
        ours = measurement.ratio(scenario, mode, US, contender.name)
        rows.append(_row((contender.label, f"{rate:,.0f}", *times, f"{ours.median:.3f}" if ours else "")))
    return "<table>" + "".join(rows) + "</table>"
