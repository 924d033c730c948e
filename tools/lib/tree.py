"""The project's source files, for the checks in tools/lint."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SKIPPED = {".git", "__pycache__", ".pytest_cache"}


def files(*suffixes):
    """Every file below the root with one of these suffixes (every file when none), sorted, as relative paths."""
    found = []
    for path in ROOT.rglob("*"):
        relative = path.relative_to(ROOT)
        top = relative.parts[0]
        if top.startswith("build") or SKIPPED.intersection(relative.parts) or not path.is_file():
            continue
        if not suffixes or path.suffix in suffixes:
            found.append(relative)
    return sorted(found)


def scripts():
    """(path, interpreter line) of every executable script."""
    for path in files():
        if path.suffix == "" and (ROOT / path).stat().st_mode & 0o111:
            first = (ROOT / path).read_bytes().split(b"\n", 1)[0]
            if first.startswith(b"#!"):
                yield path, first.decode()


def text(path):
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def finish(problems):
    """Prints the problems and exits: 0 when there is none."""
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems")
    sys.exit(1 if problems else 0)
