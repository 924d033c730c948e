"""The figures as a table for people and as JSON for programs."""

import dataclasses

from .measure import aim_results
from .scenarios import MODES, US

LABEL_WIDTH = 30


def spread_json(spread):
    return dataclasses.asdict(spread) if spread else None


def as_json(measurement, machine, settings, notes):
    figures = {}
    for scenario in measurement.scenarios:
        figures[scenario.name] = {
            mode: {
                one.name: _contender_json(measurement, scenario, mode, one)
                for one in scenario.contenders
                if mode not in one.cannot
            }
            for mode in measurement.modes_of(scenario)
        }
    return {
        "machine": machine,
        "settings": settings,
        "scenarios": figures,
        "aims": [
            {**dataclasses.asdict(aim), "met": aim.met} for aim in aim_results(measurement, US)
        ],
        "errors": [
            {"scenario": scenario, "contender": name, "error": error}
            for (scenario, name), error in measurement.errors.items()
        ],
        "notes": notes,
    }


def _contender_json(measurement, scenario, mode, contender):
    name = contender.name
    return {
        "label": contender.label,
        "error": measurement.errors.get((scenario.name, name)),
        "per_second": spread_json(measurement.spread(scenario, mode, name)),
        "p50_us": spread_json(measurement.spread(scenario, mode, name, "p50_us")),
        "p99_us": spread_json(measurement.spread(scenario, mode, name, "p99_us")),
        "p999_us": spread_json(measurement.spread(scenario, mode, name, "p999_us")),
        "ratio_to": {
            other.name: spread_json(measurement.ratio(scenario, mode, name, other.name))
            for other in scenario.contenders
            if other.name != name
        },
        "runs": measurement.runs(scenario, mode, name),
    }


def as_text(measurement, machine, settings, notes):
    lines = [*heading(machine, settings), ""]
    for scenario in measurement.scenarios:
        lines += [scenario.title]
        for mode in measurement.modes_of(scenario):
            lines += [*_table(measurement, scenario, mode), ""]
    lines += [*_aims(measurement), *notes]
    return "\n".join(lines) + "\n"


def heading(machine, settings):
    kind = ", virtual" if machine["virtual"] else ""
    yield (
        f"Linux {machine['kernel']} {machine['machine']}, {machine['cpus']} CPUs,"
        f" {machine['processor']}{kind}; "
        f"load {machine['load']}; commit {machine['commit'] or 'unknown'}"
    )
    yield (
        f"medians (lowest..highest) of {settings['rounds']} interleaved rounds of"
        f" {settings['seconds']} s; "
        f"client and server on CPU {settings['cpu']}, nice {settings['nice']}"
    )
    for mode in settings["modes"]:
        yield f"{mode}: {MODES[mode]}"


def _table(measurement, scenario, mode):
    yield (
        f"  {mode:{LABEL_WIDTH}} {'per second':>10} {'p50 us':>8} {'p99 us':>8} {'p99.9':>8}   "
        f"{'of ' + scenario.limit:24} {'cnet-bpf : it':24}"
    )
    for contender in scenario.contenders:
        figures = _figures(measurement, scenario, mode, contender)
        yield f"  {contender.label:{LABEL_WIDTH}} {figures}".rstrip()


def _figures(measurement, scenario, mode, contender):
    error = measurement.errors.get((scenario.name, contender.name))
    if error:
        return f"ERROR {error}"
    if mode in contender.cannot:
        return f"{'-':>10}"
    rate = measurement.spread(scenario, mode, contender.name)
    latencies = [
        measurement.spread(scenario, mode, contender.name, what).median
        for what in ("p50_us", "p99_us", "p999_us")
    ]
    to_limit = to_us = None
    if contender.name != scenario.limit:
        to_limit = measurement.ratio(scenario, mode, contender.name, scenario.limit)
    if contender.name != US:
        to_us = measurement.ratio(scenario, mode, US, contender.name)
    return (
        f"{rate.median:10,.0f} {latencies[0]:8.2f} {latencies[1]:8.2f} {latencies[2]:8.2f}   "
        f"{_ratio(to_limit):24} {_ratio(to_us):24}"
    )


def _ratio(ratio):
    return f"{ratio.median:.3f} ({ratio.low:.3f}..{ratio.high:.3f})" if ratio else ""


def _aims(measurement):
    results = list(aim_results(measurement, US))
    if not results:
        return
    yield "what we aim for: our rate divided by theirs"
    for aim in results:
        verdict = "met" if aim.met else f"MISSED by {(1 - aim.measured / aim.at_least) * 100:.1f} %"
        what = f"{aim.scenario}, {aim.mode}, to {aim.against}"
        yield f"  {what:32} {aim.measured:6.3f}  aim {aim.at_least:.2f}  {verdict}"
    yield ""


def noise_notes(measurement):
    """What two builds of the same contender differ by: how far to trust the rest."""
    for scenario in measurement.scenarios:
        for mode in measurement.modes_of(scenario):
            ratio = measurement.ratio(scenario, mode, scenario.again, scenario.limit)
            if ratio:
                worst = max(abs(ratio.low - 1), abs(ratio.high - 1))
                yield (
                    f"noise floor of {scenario.name} {mode}: the limit against itself"
                    f" {abs(ratio.median - 1):.1%}"
                    f" in the median, {worst:.1%} in the worst round"
                )


def retransmit_notes(measurement):
    for scenario in measurement.scenarios:
        for mode in measurement.modes_of(scenario):
            for contender in scenario.contenders:
                again = sum(measurement.series(scenario, mode, contender.name, "retransmits"))
                if again:
                    yield f"{scenario.name} {mode}: {contender.label}: {again} segments sent again"
