"""The figures for a repository: tables in Markdown, plots in SVG files.

`--publish docs/performance` writes docs/performance/figures.md with everything, a file for each plot and every sample, and
puts the machine and the aims between the two marks of docs/performance.md and README.md, where those have them. What a
former run left in the directory goes.
"""

import gzip
import json
import os

from . import plots
from .measure import aim_results
from .report import heading
from .scenarios import MODES, US

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
SAMPLES = "samples.json.gz"


def publish(directory, measurement, machine, settings, notes, studies, samples):
    """`samples`: what --json writes."""
    directory.mkdir(parents=True, exist_ok=True)
    for old in [*directory.glob("*.svg"), *directory.glob("figures.md"), *directory.glob(SAMPLES)]:
        old.unlink()
    # Without the time in gzip's header: the same samples are the same file.
    (directory / SAMPLES).write_bytes(gzip.compress(json.dumps(samples).encode(), mtime=0))
    parts = ["# Figures", _where(machine, settings), f"Every sample of the run: [{SAMPLES}]({SAMPLES})."]
    if measurement:
        parts += [*_aims(measurement), *_comparison(directory, measurement)]
    for study, result in studies:
        parts += _study(directory, study, result)
    parts += ["## Notes", _list(notes)]
    (directory / "figures.md").write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    for text in (directory.with_suffix(".md"), directory.absolute().parent.parent / "README.md"):
        if measurement and text.is_file():
            _summarize(text, directory, measurement, machine, settings)


def _summarize(text, directory, measurement, machine, settings):
    before, begin, rest = text.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        return
    figures = os.path.relpath(directory / "figures.md", text.parent)
    link = f"Every table and plot of that run: [{figures}]({figures})."
    between = "\n\n".join([begin, _where(machine, settings), *_aims(measurement), link, end])
    text.write_text(before + between + after, encoding="utf-8")


def _where(machine, settings):
    first, *rest = heading(machine, settings)
    return "\n".join(f"{line}  " for line in [f"{machine['time'][:10]}: {first}", *rest]).rstrip()


def markdown_table(columns, rows):
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    cells = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _list(texts):
    return "\n".join(f"* {text}" for text in texts)


def _aims(measurement):
    rows = [
        [
            f"{aim.scenario}, `{aim.mode}`, to {aim.against}",
            f"{aim.at_least:.2f}",
            f"{aim.measured:.3f}",
            "met" if aim.met else f"missed by {(1 - aim.measured / aim.at_least):.1%}",
        ]
        for aim in aim_results(measurement, US)
    ]
    if rows:
        yield markdown_table(["our rate divided by theirs", "aim", "measured", ""], rows)


def _comparison(directory, measurement):
    for scenario in measurement.scenarios:
        yield f"## {scenario.name}: {scenario.title}"
        for mode in measurement.modes_of(scenario):
            yield f"### {scenario.name} `{mode}`: {MODES[mode]}"
            drawing = plots.bars(measurement, scenario, mode)
            yield _picture(directory, f"{scenario.name}-{mode}", drawing, f"{scenario.name} {mode}")
            yield _table(measurement, scenario, mode)


def _picture(directory, name, drawing, what):
    if not drawing:
        return ""
    (directory / f"{name}.svg").write_text(plots.alone(drawing), encoding="utf-8")
    return f"![{what}]({name}.svg)"


def _ratio(ratio):
    return f"{ratio.median:.3f} ({ratio.low:.3f}..{ratio.high:.3f})" if ratio else ""


def _table(measurement, scenario, mode):
    columns = ["contender", "per second", "p50 µs", "p99 µs", "p99.9 µs", f"of {scenario.limit}", "cnet-bpf : it"]
    rows = []
    for contender in scenario.contenders:
        rate = measurement.spread(scenario, mode, contender.name)
        if not rate:
            error = measurement.errors.get((scenario.name, contender.name))
            rows.append([contender.label, f"error: {error}" if error else "-", *[""] * 5])
            continue
        times = [
            f"{measurement.spread(scenario, mode, contender.name, what).median:.2f}"
            for what in ("p50_us", "p99_us", "p999_us")
        ]
        to_limit = measurement.ratio(scenario, mode, contender.name, scenario.limit)
        ours = measurement.ratio(scenario, mode, US, contender.name)
        rows.append([contender.label, f"{rate.median:,.0f}", *times, _ratio(to_limit), _ratio(ours)])
    return markdown_table(columns, rows)


def _study(directory, study, result):
    yield f"## {study.TITLE}"
    yield study.ABOUT
    for curves in result.curves:
        yield _picture(directory, curves.name, plots.lines(curves), curves.title)
    for table in result.tables:
        yield markdown_table([table.title, *table.columns[1:]], table.rows)
    yield _list([*(f"error: {error}" for error in result.errors), *result.notes])
