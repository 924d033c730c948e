"""Ratios, and when a contender gets an error in place of a number."""

import gzip
import json
import re
import xml.etree.ElementTree as ElementTree

import pytest

from benchmark import plots
from benchmark.flood import kept_table
from benchmark.lab import BenchError
from benchmark.measure import Measurement, aim_results
from benchmark.path import Contender, Path
from benchmark.publish import publish
from benchmark.ratios import ratio, spread
from benchmark.report import as_json, as_text
from benchmark.report_html import as_html
from benchmark.scenarios import Aim, Scenario
from benchmark.study import Contest, Curves, Result, Table, as_text as study_text

MACHINE = {
    "kernel": "6.18",
    "machine": "x",
    "cpus": 2,
    "processor": "p",
    "virtual": True,
    "load": 0,
    "commit": "abcdef012345",
    "time": "2026-01-02T03:04:05",
}
SETTINGS = {"rounds": 3, "seconds": 1, "cpu": 1, "nice": 0, "modes": ["rr"]}


def test_ratio_is_the_median_of_each_rounds_ratio():
    """The machine slows down threefold in the middle; each round's ratio does not see it."""
    found = ratio([90, 30, 99], [100, 30, 90])
    assert (found.median, found.low, found.high) == pytest.approx((1.0, 0.9, 1.1))


def test_spread():
    found = spread([3, 1, 2])
    assert (found.median, found.low, found.high) == (2, 1, 3)


@pytest.mark.parametrize("values, reference", [([], []), ([1], [1, 2])])
def test_ratio_needs_the_same_rounds(values, reference):
    with pytest.raises(ValueError):
        ratio(values, reference)


class QuietNamespace:
    def retransmits(self):
        return 0


class Study:
    TITLE, ABOUT = "a study", "what it is"


LINES = Curves("some-lines", "lines", "across", "up", {"cnet-bpf": [(1, 10), (10, 20)]}, x_steps=True)
RESULT = Result([Table("rows", ["rows", "figure"], [["one", "1|2"]])], [], [LINES], ["it broke"], ["a note"])


class Fake(Contender):
    """Built from nothing; its packets went its way, or did not."""

    def __init__(self, name, rates, build_error=None, carried=None):
        super().__init__(name, f"the {name}")
        self.rates = list(rates)
        self._build_error, self._carried = build_error, carried

    def build(self, lab):
        if self._build_error:
            raise BenchError(self._build_error)
        return Path(QuietNamespace(), QuietNamespace(), self, 0, 0)

    def carried(self):
        return self._carried


class FakeWorker:
    """Gives each contender its next rate; None stands for a run that failed."""

    def run(self, path, mode, seconds):
        rate = path.address.rates.pop(0)
        if rate is None:
            raise BenchError("a wrong byte came back")
        return {"per_second": rate, "transactions": rate, "p50_us": 1.0, "p99_us": 2.0, "p999_us": 3.0}


def measured(*contenders, aims=()):
    scenario = Scenario("fake", "a scenario", "veth", "again", list(contenders), list(aims))
    measurement = Measurement([scenario], ["rr"])
    measurement.build(None, lambda _: None)
    measurement.run(FakeWorker(), 3, 1, lambda _: None)
    return scenario, measurement


def test_aims():
    scenario, measurement = measured(
        Fake("veth", [100, 100, 100]),
        Fake("cnet", [97, 96, 99], carried=10000),
        aims=[Aim("rr", "veth", 0.97), Aim("rr", "veth", 0.98), Aim("rr", "absent", 1)],
    )
    assert [aim.met for aim in aim_results(measurement, "cnet")] == [True, False]
    text = as_text(measurement, MACHINE, SETTINGS, [])
    assert "0.970 (0.960..0.990)" in text
    assert "1.00     2.00     3.00" in text
    assert "MISSED by 1.0 %" in text


@pytest.mark.parametrize(
    "broken, error",
    [
        (Fake("cnet", [], build_error="no such program"), "no such program"),
        (Fake("cnet", [97, None]), "rr: a wrong byte came back"),
        (Fake("cnet", [97, 97, 97], carried=581), "291 transactions, but only 581 packets"),
    ],
)
def test_an_error_takes_the_place_of_every_number(broken, error):
    scenario, measurement = measured(
        Fake("veth", [100, 100, 100]), broken, aims=[Aim("rr", "veth", 0.5)]
    )
    assert error in measurement.errors["fake", "cnet"]
    assert measurement.runs(scenario, "rr", "cnet") == []
    assert measurement.ratio(scenario, "rr", "cnet", "veth") is None
    assert list(aim_results(measurement, "cnet")) == []
    text = as_text(measurement, MACHINE, SETTINGS, [])
    assert f"ERROR {error}" in text
    assert "97" not in text
    assert "100" in text


def page_of(measurement):
    """The plots' numbers, the aims' verdicts, and the page."""
    page = as_html(measurement, MACHINE, SETTINGS, ["a note & more"])
    plots = [ElementTree.fromstring(plot) for plot in re.findall(r"<svg.*?</svg>", page)]
    texts = [text.text for plot in plots for text in plot.iter("text")]
    return texts, re.findall(r'<tr class="(\w+)">', page), page


def test_the_page_shows_what_the_table_says():
    _, measurement = measured(
        Fake("veth", [100, 100, 100]),
        Fake("cnet", [97, 96, 99]),
        aims=[Aim("rr", "veth", 0.97), Aim("rr", "veth", 0.98)],
    )
    texts, verdicts, page = page_of(measurement)
    assert texts == ["the veth", "1.000 (1.000..1.000)", "the cnet", "0.970 (0.960..0.990)"]
    assert verdicts == ["met", "missed"]
    assert "a note &amp; more" in page and "http" not in page


def test_the_page_has_no_number_of_what_failed():
    _, measurement = measured(Fake("veth", [100, 100, 100]), Fake("cnet", [97, None]))
    texts, verdicts, page = page_of(measurement)
    assert texts == ["the veth", "1.000 (1.000..1.000)"] and verdicts == []
    assert "error: rr: a wrong byte came back" in page


def test_works_only_what_the_scenario_is_for():
    scenario, measurement = measured(Fake("veth", [100, 100, 100]))
    scenario.only = ("crr",)
    assert measurement.modes_of(scenario) == []
    scenario.only = ("rr", "crr")
    assert measurement.modes_of(scenario) == ["rr"]


def test_a_study_has_no_number_of_what_failed():
    good, bad = Fake("good", []), Fake("bad", [])
    contest = Contest("fake", [good, bad])
    contest.build(None, lambda _: None)
    for rate in (2, 4):
        for contender, _ in contest.running():
            with contest.blaming(contender):
                contest.add(contender, "key", {"per_second": rate})
                if contender is bad and rate == 4:
                    raise BenchError("a wrong byte came back")
    assert contest.spread(good, "key", "per_second").median == 3
    assert contest.spread(bad, "key", "per_second") is None
    assert [sample["contender"] for sample in contest.all_samples()] == ["good", "good"]
    assert contest.all_errors() == ["fake: bad: a wrong byte came back"]


def test_what_is_kept_beside_a_flood_is_of_the_same_round():
    """The machine slows down threefold in the middle; each round's share does not see it."""
    contest, one = Contest("fake", [Fake("one", [])]), Fake("one", [])
    contest.build(None, lambda _: None)
    for alone, beside in ((100, 90), (30, 27), (110, 88)):
        contest.add(one, (None, 0), {"per_second": alone})
        contest.add(one, ("client", 100_000), {"per_second": beside})
    assert kept_table(contest, "client", [100_000]).rows == [["the one", "0.90 (0.80..0.90)"]]


def test_a_study_as_text():
    assert study_text(Study.TITLE, RESULT).splitlines() == [
        "a study", "", "rows  figure", "one      1|2", "", "ERROR it broke", "a note",
    ]


def test_lines_are_in_the_plot():
    drawing = ElementTree.fromstring(plots.lines(LINES))
    (line,) = drawing.iter("polyline")
    points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
    assert points[0][0] < points[1][0] and points[0][1] > points[1][1]
    assert "cnet-bpf" in [text.text for text in drawing.iter("text")]


def test_publishes(tmp_path):
    _, measurement = measured(
        Fake("veth", [100, 100, 100]), Fake("cnet", [97, 96, 99]), aims=[Aim("rr", "veth", 0.97)]
    )
    directory = tmp_path / "docs" / "performance"
    directory.mkdir(parents=True)
    texts = {directory.with_suffix(".md"): "performance", tmp_path / "README.md": "docs/performance"}
    for text in texts:
        text.write_text("before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n")
    (directory / "gone.svg").write_text("of another run")
    (directory / "samples.json.gz").write_text("of another run")
    samples = as_json(measurement, MACHINE, SETTINGS, ["a note"])
    publish(directory, measurement, MACHINE, SETTINGS, ["a note"], [(Study, RESULT)], samples)

    names = sorted(path.name for path in directory.iterdir())
    assert names == ["fake-rr.svg", "figures.md", "samples.json.gz", "some-lines.svg"]
    kept = (directory / "samples.json.gz").read_bytes()
    ours = json.loads(gzip.decompress(kept))["scenarios"]["fake"]["rr"]["cnet"]
    assert [run["per_second"] for run in ours["runs"]] == [97, 96, 99]
    for path in directory.glob("*.svg"):
        assert ElementTree.fromstring(path.read_text()).tag == "{http://www.w3.org/2000/svg}svg"
    figures = (directory / "figures.md").read_text()
    for part in ("![fake rr](fake-rr.svg)", "commit abcdef012345", "(samples.json.gz)", "| one | 1\\|2 |", "error: it broke", "0.970 (0.960..0.990)"):
        assert part in figures
    for text, where in texts.items():
        summary = text.read_text()
        assert summary.startswith("before\n<!-- figures -->")
        assert summary.endswith("<!-- end of figures -->\nafter\n")
        assert "| fake, `rr`, to veth | 0.97 | 0.970 | met |" in summary and "old" not in summary
        assert f"({where}/figures.md)" in summary and "commit abcdef012345" in summary
    publish(directory, measurement, MACHINE, SETTINGS, ["a note"], [(Study, RESULT)], samples)
    assert (directory / "samples.json.gz").read_bytes() == kept
