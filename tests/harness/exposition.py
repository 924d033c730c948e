"""Prometheus' text format, version 0.0.4, read as strictly as its document has it: what it does not allow, or what
Prometheus would take for something else, is an AssertionError.
"""

import re

METRIC = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"'
SAMPLE = re.compile(rf"({METRIC})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


class Family:
    def __init__(self, name, help_text):
        self.name, self.help, self.type = name, help_text, None
        self.samples = {}  # (suffix, sorted labels) -> value

    def value(self, suffix="", **labels):
        """Summed over every sample that has these labels."""
        found = [value for (tail, have), value in self.samples.items()
                 if tail == suffix and labels.items() <= dict(have).items()]
        assert found, f"{self.name}{suffix} has no sample with {labels}: {list(self.samples)}"
        return sum(found)


def number(text):
    assert re.fullmatch(r"[-+]?(?:\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|Inf)|NaN", text), f"no number: {text!r}"
    return float(text)


def take_sample(line, family):
    match = SAMPLE.fullmatch(line)
    assert match, f"no sample: {line!r}"
    name = match.group(1)
    assert name.startswith(family.name), f"{name} stands below {family.name}"
    suffix = name[len(family.name):]
    assert suffix in SUFFIXES[family.type], f"{name} of a {family.type}"
    pairs = re.findall(LABEL, match.group(2) or "")
    labels = dict(pairs)
    assert len(labels) == len(pairs), f"a label twice: {line!r}"
    key = suffix, tuple(sorted(labels.items()))
    assert key not in family.samples, f"twice: {line!r}"
    family.samples[key] = number(line.rsplit(" ", 1)[1])
    if family.type == "counter":
        assert family.samples[key] >= 0, line


def check_histogram(family):
    by_labels = {}
    for (suffix, labels), value in family.samples.items():
        plain = tuple(pair for pair in labels if pair[0] != "le")
        one = by_labels.setdefault(plain, {"buckets": []})
        if suffix == "_bucket":
            one["buckets"].append((number(dict(labels)["le"]), value))
        else:
            one[suffix] = value
    for labels, one in by_labels.items():
        bounds = [bound for bound, _ in one["buckets"]]
        counts = [count for _, count in one["buckets"]]
        assert bounds == sorted(set(bounds)) and bounds[-1] == float("inf"), (family.name, labels, bounds)
        assert counts == sorted(counts) and counts[-1] == one["_count"], (family.name, labels, counts)
        assert one["_sum"] >= 0


def parse(text):
    """Families by name."""
    assert text.endswith("\n")
    families, family = {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, _, help_text = line[7:].partition(" ")
            assert re.fullmatch(METRIC, name) and name not in families, line
            assert help_text and not re.search(r"\\(?![\\n])", help_text), line
            family = families[name] = Family(name, help_text)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert family and name == family.name and family.type is None and kind in SUFFIXES, line
            family.type = kind
        else:
            assert family and family.type, f"before its HELP and TYPE: {line!r}"
            take_sample(line, family)
    for family in families.values():
        assert family.samples, f"{family.name} has no samples"
        assert family.name.endswith("_total") == (family.type == "counter"), family.name
        if family.type == "histogram":
            check_histogram(family)
    return families


def read(host):
    """What `cnet-bpf metrics` prints."""
    argv, done = host.cli_raw("metrics", json_output=False)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return parse(done.stdout)


def link_lists(host):
    """How often its daemon has read all links anew, because it started, a round was due or news were lost."""
    return read(host)["cnet_link_lists_total"].value()
