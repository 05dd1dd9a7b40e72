"""An autograder for Gradescope: a zip file with the course's tree and the two scripts it calls.

Gradescope runs each submission in a container of its own. Most containers do not let bubblewrap
make namespaces; BUILD then runs as another user, who may read nothing of the course.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from grading.classroom.arrivals import take_in
from grading.classroom.batch import Settings, make_task
from grading.classroom.grade import grade
from grading.classroom.graded import ASIDE, CODE, Graded
from grading.classroom.groups import Group
from grading.classroom.kept import SALT, make_salt, read_salt
from grading.engine.manifest import GRADESCOPE, SUBMITTED_FILES
from grading.engine.submission import Submission, read_folder
from grading.gradebook.decisions import decide
from grading.gradebook.gradebook import make_result, read_class
from grading.sandbox.check import check_sandbox
from grading.sandbox.limits import Limits, SandboxError
from grading.sandbox.runners import OtherUser, Sandbox
from support.files import ROOT, find_files, replacing, write_json

SETUP = """#!/usr/bin/env bash
set -euo pipefail
apt-get update -q
apt-get install -y -q python3 python3-venv bubblewrap libseccomp2
python3 -m venv /autograder/venv
/autograder/venv/bin/pip install -q -r /autograder/source/grading/requirements.txt
"""
"""Installs all that is needed."""
RUN = """#!/usr/bin/env bash
cd /autograder/source
/autograder/venv/bin/python -m grading.gradescope /autograder/submission /autograder/results
"""
"""Grades a submission."""


RESULTS = "results-of-the-class.json"
"""The results of a class in the bundle, by a hash of the four files."""


def write_bundle(target: Path, gradebook: Path | None = None) -> None:
    """Writes the zip file, with the scripts and the course's files.

    Args:
        target: The zip file.
        gradebook: A class that is graded already, with what people decided on it.

    Raises:
        GradebookError: If there is no gradebook.
    """
    results = {} if gradebook is None else list_results(gradebook)
    with replacing(target) as path, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, script in (("setup.sh", SETUP), ("run_autograder", RUN)):
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o100755 << 16
            bundle.writestr(info, script)
        if results:
            bundle.writestr(RESULTS, json.dumps(results))
        for name, file in find_files(*GRADESCOPE, without=SUBMITTED_FILES).items():
            bundle.write(file, name)
        with tempfile.TemporaryDirectory() as folder:
            make_salt(Path(folder, SALT))
            bundle.write(Path(folder, SALT), SALT)


def list_results(gradebook: Path) -> dict[str, Any]:
    """The results of a class, by a hash of what a group handed in, if no other has the same."""
    results: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in decide(read_class(gradebook), gradebook):
        submission = read_folder(gradebook / CODE / entry.group.name)
        if submission.files and entry.get_points():
            results[hash_files(submission)].append(make_result(entry))
    return {digest: alike[0] for digest, alike in results.items() if len(alike) == 1}


def hash_files(submission: Submission) -> str:
    """A hash of the four files that are graded."""
    return hashlib.sha256(repr(sorted(submission.files.items())).encode()).hexdigest()


def find_result(submission: Submission) -> dict[str, Any] | None:
    """The result of a class that the bundle brought along, if it has one for these files."""
    path = ROOT / RESULTS
    results = json.loads(path.read_text()) if path.exists() else {}
    return results.get(hash_files(submission))


def run(handed_in: Path, results: Path) -> None:
    """Grades a submission that Gradescope has unpacked into a folder."""
    aside = results / ASIDE
    aside.mkdir(parents=True, exist_ok=True)
    try:
        check_sandbox(Limits())
        kind = Sandbox
    except SandboxError:
        kind = OtherUser
        for folder in (ROOT, handed_in, results):
            folder.chmod(0o700)
    arrival = take_in(Group("submission", (), handed_in, ()), aside)
    known = find_result(arrival.submission) if arrival.submission else None
    if known is not None:
        write_json(results / "results.json", known)
        return
    result = arrival.result
    if arrival.submission is not None:
        settings = Settings(sandboxed=kind is Sandbox)
        result = grade(make_task(arrival.submission, settings, read_salt(ROOT)), kind)
    group = arrival.group._replace(flags=arrival.suspects)
    graded = Graded(group, arrival.flags, arrival.aside, result)
    write_json(results / "results.json", make_result(graded))


if __name__ == "__main__":
    run(*map(Path, sys.argv[1:]))
