"""Ratios, and when a contender gets an error in place of a number."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from benchmark.lab import BenchError
from benchmark.measure import Measurement, aim_results
from benchmark.path import Contender, Path
from benchmark.ratios import ratio, spread
from benchmark.report import as_text
from benchmark.report_html import as_html
from benchmark.scenarios import Aim, Scenario

MACHINE = {
    "kernel": "6.18",
    "machine": "x",
    "cpus": 2,
    "processor": "p",
    "virtual": True,
    "load": 0,
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
