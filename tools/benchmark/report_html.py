"""The figures as one HTML page that needs nothing else: a plot of every scenario and kind of work, the aims, every
number. Readable in light and dark.
"""

from . import plots
from .measure import aim_results
from .plots import escaped
from .report import heading
from .scenarios import MODES, US

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .1rem .8rem .1rem 0; }
th:first-child, td:first-child { text-align: left; }
svg { width: 100%; height: auto; }
.missed { font-weight: bold; }
"""


def as_html(measurement, machine, settings, notes, studies=()):
    """`measurement` is None where only studies were run; those are (study, result)."""
    parts = ["<h1>cnet-bpf beside the kernel's own</h1>"]
    parts += [f"<p>{escaped(line)}</p>" for line in heading(machine, settings)]
    if measurement:
        parts += _comparison(measurement)
    parts.append(_list(notes))
    for study, result in studies:
        parts += _study(study, result)
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">\n'
        f"<title>cnet-bpf: benchmark</title>\n<style>{STYLE}{plots.STYLE}</style>\n"
        + "\n".join(parts)
        + "\n</html>\n"
    )


def _comparison(measurement):
    yield from _aims(measurement)
    for scenario in measurement.scenarios:
        yield f"<h2>{escaped(scenario.title)}</h2>"
        for mode in measurement.modes_of(scenario):
            yield f"<h3>{mode}: {escaped(MODES[mode])}</h3>"
            yield plots.bars(measurement, scenario, mode) or "<p>nothing was measured</p>"
            yield _table(measurement, scenario, mode)


def _study(study, result):
    yield f"<h2>{escaped(study.TITLE)}</h2><p>{escaped(study.ABOUT)}</p>"
    for curves in result.curves:
        yield f"<h3>{escaped(curves.title)}</h3>{plots.lines(curves) or ''}"
    for table in result.tables:
        rows = [_row([table.title, *table.columns[1:]], "th"), *(_row(row) for row in table.rows)]
        yield "<table>" + "".join(rows) + "</table>"
    yield _list([*(f"error: {error}" for error in result.errors), *result.notes])


def _list(texts):
    return "<ul>" + "".join(f"<li>{escaped(text)}</li>" for text in texts) + "</ul>"


def _row(cells, tag="td", css_class=""):
    begin = f'<tr class="{css_class}">' if css_class else "<tr>"
    return begin + "".join(f"<{tag}>{escaped(cell)}</{tag}>" for cell in cells) + "</tr>"


def _aims(measurement):
    results = list(aim_results(measurement, US))
    if not results:
        return
    yield "<h2>What we aim for: our rate divided by theirs</h2><table>"
    yield _row(("work", "measured", "aim", ""), "th")
    for aim in results:
        what = f"{aim.scenario}, {aim.mode}, to {aim.against}"
        verdict = "met" if aim.met else "missed"
        cells = (what, f"{aim.measured:.3f}", f"{aim.at_least:.2f}", verdict)
        yield _row(cells, css_class=verdict)
    yield "</table>"


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
