"""Makes the archive that you hand in: `python -m handin 11111 22222 33333`.

It takes a last look at the four files that are graded, and packs them. Nothing else is in the
archive but what you name with `--with`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path

from grading.engine.course import COURSE
from grading.engine.manifest import PUBLIC_TESTS, SUBMITTED_FILES
from grading.engine.parts import PARTS, TOTAL
from grading.engine.submission import read_folder
from grading.engine.text import printable
from support.errors import ExplainedError
from support.files import ROOT, replacing
from support.terminal import Parser, name_python

LAID_ASIDE = (".pdf", ".png", ".jpg", ".jpeg", ".heic")
"""How the names of files end that the archive may also hold."""
LONGEST_REASON = 400
"""Characters of a reason that are shown."""


class HandinError(ExplainedError):
    """There is something to fix before this can be handed in."""


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m handin",
        description="Makes the archive that you hand in: looks for the four files, runs the tests"
        " on a copy (ten seconds), shows the points, and packs the files. It is called after your"
        " matriculation numbers.",
    )
    parser.add_argument("numbers", nargs="*", metavar="NUMBER", help="the group's numbers")
    parser.add_argument(
        "--with",
        dest="extra",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="answers to put in, too: PDF or pictures (after the numbers)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Makes the archive and returns the exit status."""
    args = build_parser().parse_args(argv)
    try:
        target = ROOT / f"{'_'.join(check_numbers(args.numbers))}.zip"
        missing = pack(target, args.extra)
    except ExplainedError as error:
        print(f"handin: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("handin: interrupted: no archive was written", file=sys.stderr)
        return 130
    print(
        f"wrote {os.path.relpath(target)}: hand in this file"
        + (f", or go on: points are missing ({missing:g})" if missing else "")
    )
    return 0


def check_numbers(numbers: Sequence[str]) -> list[str]:
    """The group's numbers, in order.

    Raises:
        HandinError: If one is no matriculation number, is there twice, or there are too many.
    """
    if not numbers:
        raise HandinError(
            "give the group's numbers first: python -m handin 11111 22222 33333 --with answers.pdf"
        )
    fewest, most = COURSE.digits
    for number in numbers:
        if not (number.isascii() and number.isdigit() and fewest <= len(number) <= most):
            raise HandinError(
                f"{number} is no matriculation number: it has {fewest} to {most} digits, and a"
                " blank stands between two numbers"
            )
    if len(set(numbers)) < len(numbers):
        raise HandinError("a number is there twice")
    smallest, largest = COURSE.members
    if not smallest <= len(numbers) <= largest:
        raise HandinError(
            f"a group has {smallest} to {largest} members, and {len(numbers)} of them"
            f" {'is' if len(numbers) == 1 else 'are'} given"
        )
    return sorted(numbers)


def pack(target: Path, extra: Sequence[Path]) -> float:
    """Writes the archive, shows what its files earn, and returns how many points are missing.

    Raises:
        HandinError: If a file is not there, is not Python, or is of another kind.
    """
    submission = read_folder(ROOT)
    for why in submission.missing.values():
        raise HandinError(why)
    for name, content in submission.files.items():
        try:
            compile(content, name, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            where = f"{name}:{getattr(error, 'lineno', None) or 1}"
            raise HandinError(f"{where}: {getattr(error, 'msg', error)}") from None
    named = name_files(extra)
    check_nothing_is_lost(target, {*submission.files, *named})
    with replacing(target) as path, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in submission.files.items():
            archive.writestr(name, content)
        for name, file in named.items():
            archive.write(file, name)
        archive.close()
        missing = show_points(path)
    print(f"packed: {', '.join([*submission.files, *named])}")
    return missing


def check_nothing_is_lost(target: Path, names: Collection[str]) -> None:
    """Makes sure that an archive that is there already holds nothing but what is packed again.

    Raises:
        HandinError: If it has another file.
    """
    lost: list[str] = []
    with contextlib.suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(target) as archive:
        lost = sorted(set(archive.namelist()) - set(names))
    if lost:
        raise HandinError(
            f"{target.name} is there already, with {', '.join(lost)}: name this again after --with,"
            " or remove the archive"
        )


def name_files(extra: Sequence[Path]) -> dict[str, Path]:
    """The further files by their names in the archive; the pictures of two runs are told apart.

    Raises:
        HandinError: If a file is not there, is of another kind, or two cannot be told apart.
    """
    named: dict[str, Path] = {}
    for path in extra:
        if path.suffix.lower() not in LAID_ASIDE:
            raise HandinError(f"{path} is no file of these kinds: {', '.join(LAID_ASIDE)}")
        if not path.is_file():
            raise HandinError(f"there is no file {path}")
        is_unique = sum(other.name == path.name for other in extra) == 1
        name = path.name if is_unique else f"{path.resolve().parent.name}-{path.name}"
        if name in named:
            raise HandinError(f"{named[name]} and {path} have the same name: rename one of them")
        named[name] = path
    return named


def show_points(archive: Path) -> float:
    """Runs the public tests on what is in the archive; prints the points, returns the rest."""
    print("running the tests on a copy: ten seconds, or more on a busy machine …", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(folder, members=SUBMITTED_FILES)
        report = Path(folder, "points.json")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", PUBLIC_TESTS]
        command += [f"--submission={folder}", f"--gradescope={report}"]
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if not report.exists():
            lines = (process.stderr or process.stdout).strip().splitlines() or ["no message"]
            raise HandinError(
                f"the tests gave no points ({lines[-1]}): `{name_python()} -m pytest` says more"
            )
        result = json.loads(report.read_text())
    for letter, part in PARTS.items():
        tests = [test for test in result["tests"] if test["number"].startswith(f"{letter}.")]
        points = sum(test["score"] for test in tests)
        reasons = "\n".join(test["output"] for test in tests if test["status"] == "failed")
        why = reasons.strip().partition("\n")[0]
        shown = f": {printable(why, LONGEST_REASON)}" if points < part.points else ""
        print(f"({letter}) {points:g}/{part.points:g}  {part.title}{shown}")
    print(f"    {result['score']:g}/{TOTAL:g}  by the public tests")
    return TOTAL - result["score"]


if __name__ == "__main__":
    sys.exit(main())
