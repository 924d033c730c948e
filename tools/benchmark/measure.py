"""Builds the contenders and runs the work on them, A B C A B C, so that slow drifts of the machine
meet all alike.
"""

import dataclasses

from .lab import BenchError
from .ratios import ratio, spread

# A transaction is a request and an answer at least.
PACKETS_PER_TRANSACTION = 2


class Measurement:
    """Runs of every (scenario, mode, contender), and which contenders failed and why."""

    def __init__(self, scenarios, modes):
        self.scenarios, self.modes = scenarios, modes
        self.errors = {}  # (scenario, contender) -> one sentence
        self._paths = {}
        self._runs = {}  # (scenario, mode, contender) -> list of what the client measured

    # ---- doing ----

    def build(self, lab, say):
        for scenario, contender in self._pairs():
            say(f"building {scenario.name}: {contender.label}")
            try:
                self._paths[scenario.name, contender.name] = contender.build(lab)
            except BenchError as error:
                self._fail(scenario, contender, error)

    def run(self, worker, rounds, seconds, say):
        for number in range(rounds):
            for scenario in self.scenarios:
                for mode in self.modes_of(scenario):
                    say(f"round {number + 1} of {rounds}: {scenario.name} {mode}")
                    self._run_each(worker, scenario, mode, seconds)
        for scenario, contender in self._pairs():
            self._check_way(scenario, contender)

    def _run_each(self, worker, scenario, mode, seconds):
        for contender in scenario.contenders:
            key = scenario.name, contender.name
            if key in self.errors or mode in contender.cannot:
                continue
            path = self._paths[key]
            before = path.retransmits()
            try:
                done = worker.run(path, mode, seconds)
            except BenchError as error:
                self._fail(scenario, contender, f"{mode}: {error}")
                continue
            done["retransmits"] = path.retransmits() - before
            self._runs.setdefault((scenario.name, mode, contender.name), []).append(done)

    def _check_way(self, scenario, contender):
        """The bytes arrived; did they go the way that the contender's name claims?"""
        if (scenario.name, contender.name) in self.errors:
            return
        done = sum(
            run["transactions"]
            for mode in self.modes_of(scenario)
            for run in self.runs(scenario, mode, contender.name)
        )
        carried = contender.carried()
        if carried is not None and carried < PACKETS_PER_TRANSACTION * done:
            self._fail(
                scenario, contender, f"{done} transactions, but only {carried} packets went its way"
            )

    def _fail(self, scenario, contender, error):
        self.errors[scenario.name, contender.name] = str(error)

    def _pairs(self):
        return [
            (scenario, contender)
            for scenario in self.scenarios
            for contender in scenario.contenders
        ]

    # ---- asking ----

    def modes_of(self, scenario):
        return [mode for mode in self.modes if not scenario.only or mode in scenario.only]

    def runs(self, scenario, mode, name):
        """Empty for a contender that failed, whatever it measured before."""
        if (scenario.name, name) in self.errors:
            return []
        return self._runs.get((scenario.name, mode, name), [])

    def series(self, scenario, mode, name, what="per_second"):
        return [run[what] for run in self.runs(scenario, mode, name)]

    def spread(self, scenario, mode, name, what="per_second"):
        values = self.series(scenario, mode, name, what)
        return spread(values) if values else None

    def ratio(self, scenario, mode, name, reference):
        """One contender's rate divided by another's; None when one of them has none."""
        values = self.series(scenario, mode, name)
        others = self.series(scenario, mode, reference)
        return ratio(values, others) if values and others else None


@dataclasses.dataclass
class AimResult:
    scenario: str
    mode: str
    against: str
    at_least: float
    measured: float

    @property
    def met(self):
        return self.measured >= self.at_least


def aim_results(measurement, us):
    """Every aim whose two contenders were measured."""
    for scenario in measurement.scenarios:
        for aim in scenario.aims:
            measured = measurement.ratio(scenario, aim.mode, us, aim.against)
            if measured:
                yield AimResult(scenario.name, aim.mode, aim.against, aim.at_least, measured.median)
