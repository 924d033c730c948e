"""What the guests reported: their JUnit files and what the host has to add, as one; a table of the verifier's work."""

import re
import xml.etree.ElementTree as ElementTree

SHOWN_LINES = 30
# How the loader's errors, which end with libbpf's log, name the program.
REFUSED = re.compile(r"prog '(\w+)': failed to load: (-?\d+)")
INSTRUCTIONS = "verified_instructions:"


class Report:
    def __init__(self, series):
        self.series = series
        self.seconds = 0.0
        self.suite = ElementTree.Element("testsuite", name=f"linux-{series}")

    def _case(self, name):
        return ElementTree.SubElement(self.suite, "testcase", classname=f"linux-{self.series}", name=name,
                                      time=f"{self.seconds:.3f}")

    def passed(self, name):
        """Unless it failed before."""
        if not self.suite.findall(f"testcase[@name='{name}']"):
            self._case(name)

    def fail(self, name, text):
        ElementTree.SubElement(self._case(name), "failure", message=text.splitlines()[0]).text = text
        return self

    def skip(self, reason):
        ElementTree.SubElement(self._case("boot"), "skipped", message=reason)
        return self

    def take(self, xml, status):
        """The guest's JUnit file; an exit status that it does not explain is a failure."""
        try:
            self.suite.extend(ElementTree.parse(xml).iter("testcase"))
        except (OSError, ElementTree.ParseError) as error:
            self.fail("results", f"pytest ended with status {status} and left no readable results: {error}")
        if status != 0 and not self.failed:
            self.fail("results", f"pytest ended with status {status}, though no test failed")

    def failures(self):
        """(test, text)"""
        for case in self.suite.iter("testcase"):
            for element in (*case.findall("failure"), *case.findall("error")):
                yield case.get("name"), element.text or element.get("message")

    @property
    def failed(self):
        return any(True for _ in self.failures())

    def refused_programs(self):
        """{program: errno} of those that the kernel did not load."""
        return {name: int(error) for _, text in self.failures() for name, error in REFUSED.findall(text)}

    def verifier(self):
        """{program: instructions that the verifier walked}"""
        return {element.get("name").removeprefix(INSTRUCTIONS): int(element.get("value"))
                for element in self.suite.iter("property") if element.get("name").startswith(INSTRUCTIONS)}

    def show(self):
        shown = set()
        for name, text in self.failures():
            print(f"vmtest: {self.series}: FAILED {name}")
            # A fixture that fails is the failure of all its tests.
            for line in text.splitlines()[-SHOWN_LINES:] if text not in shown else ["as above"]:
                print(f"    {line}")
            shown.add(text)
        for program, error in self.refused_programs().items():
            print(f"vmtest: {self.series}: the kernel does not load {program} (errno {-error})")
        cases = list(self.suite.iter("testcase"))
        skipped = [case for case in cases if case.find("skipped") is not None]
        for case in skipped:
            print(f"vmtest: {self.series}: skipped {case.get('name')}: {case.find('skipped').get('message')}")
        failed = len({name for name, _ in self.failures()})
        print(f"vmtest: {self.series}: {len(cases) - failed - len(skipped)} passed, {failed} failed,"
              f" {len(skipped)} skipped, {self.seconds:.0f} s", flush=True)


def show_verifier(reports):
    columns = {one.series: one.verifier() for one in reports if one.verifier()}
    if not columns:
        return
    print("\ninstructions that the verifier walked")
    print(f"{'program':18}" + "".join(f"{series:>10}" for series in columns))
    for program in sorted(set().union(*columns.values())):
        print(f"{program:18}" + "".join(f"{column.get(program, '-'):>10}" for column in columns.values()))


def write(path, reports):
    top = ElementTree.Element("testsuites")
    for one in reports:
        cases = one.suite.findall("testcase")
        one.suite.set("tests", str(len(cases)))
        one.suite.set("failures", str(len({name for name, _ in one.failures()})))
        one.suite.set("time", f"{one.seconds:.3f}")
        top.append(one.suite)
    ElementTree.ElementTree(top).write(path, encoding="utf-8", xml_declaration=True)
