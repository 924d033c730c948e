"""A part of the benchmark beside the comparison: what it found, as tables and curves for people and every sample for
programs. A study is a module with TITLE, ABOUT and `run(options, bin_dir, say)`, which answers a Result.
"""

import dataclasses

from .lab import BenchError
from .ratios import ratio, spread


@dataclasses.dataclass
class Table:
    title: str
    columns: list
    rows: list  # of texts, the first of each is what the row is about


@dataclasses.dataclass
class Curves:
    """Lines over an axis; `x_steps` is for values that grow by factors."""

    name: str
    title: str
    x: str
    y: str
    lines: dict  # label -> [(x, y)]
    x_steps: bool = False


@dataclasses.dataclass
class Result:
    tables: list
    runs: list  # every sample
    curves: list = dataclasses.field(default_factory=list)
    errors: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)
    facts: dict = dataclasses.field(default_factory=dict)  # single figures

    def as_json(self):
        tables = [dataclasses.asdict(table) for table in self.tables]
        return {"runs": self.runs, "tables": tables, "errors": self.errors, "notes": self.notes, **self.facts}


def as_text(title, result):
    lines = [title]
    for table in result.tables:
        lines += ["", *_text_table(table)]
    lines += ["", *(f"ERROR {error}" for error in result.errors), *result.notes]
    return "\n".join(lines).rstrip() + "\n"


def _text_table(table):
    rows = [[table.title, *table.columns[1:]], *table.rows]
    widths = [max(len(row[n]) for row in rows) for n in range(len(table.columns))]
    for row in rows:
        cells = [f"{cell:{'<' if n == 0 else '>'}{widths[n]}}" for n, cell in enumerate(row)]
        yield "  ".join(cells).rstrip()


class Contest:
    """Contenders of one study, built; one that fails leaves with an error and has no samples."""

    def __init__(self, scenario, contenders):
        self.scenario, self._contenders = scenario, contenders
        self.errors, self.samples = {}, {}
        self._paths = {}

    def build(self, lab, say):
        for contender in self._contenders:
            say(f"building {self.scenario}: {contender.label}")
            with self.blaming(contender):
                self._paths[contender.name] = contender.build(lab)

    def blaming(self, contender):
        return _Blame(self.errors, contender.name)

    def running(self):
        """(contender, path) of those that have not failed."""
        for contender in self._contenders:
            if contender.name not in self.errors:
                yield contender, self._paths[contender.name]

    def add(self, contender, key, sample):
        sample.update(scenario=self.scenario, contender=contender.name)
        self.samples.setdefault((contender.name, key), []).append(sample)

    def spread(self, contender, key, what):
        """None for one that failed or has no such samples."""
        samples = self.samples.get((contender.name, key))
        if contender.name in self.errors or not samples:
            return None
        return spread([sample[what] for sample in samples])

    def ratio(self, contender, other, key, what="per_second"):
        """Of samples of the same rounds: both have as many, since one that fails has none."""
        return ratio(self._series(contender, key, what), self._series(other, key, what))

    def share(self, contender, key, of_key, what="per_second"):
        """Of what the same contender had under another key in the same rounds."""
        return ratio(self._series(contender, key, what), self._series(contender, of_key, what))

    def _series(self, contender, key, what):
        return [sample[what] for sample in self.samples[contender.name, key]]

    def all_samples(self):
        return [
            sample
            for (name, _), samples in self.samples.items()
            for sample in samples
            if name not in self.errors
        ]

    def all_errors(self):
        return [f"{self.scenario}: {name}: {error}" for name, error in self.errors.items()]


class _Blame:
    """A BenchError inside is the contender's."""

    def __init__(self, errors, name):
        self._errors, self._name = errors, name

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if kind is None or not issubclass(kind, BenchError):
            return False
        self._errors[self._name] = str(error)
        return True
