"""An autograder for Gradescope: a zip file with the course's tree and the two scripts it calls.

Gradescope runs each submission in a container of its own. Most containers do not let bubblewrap
make namespaces; BUILD then runs as another user, who may read nothing of the course.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from pathlib import Path

from grading.classroom.arrivals import take_in
from grading.classroom.batch import Settings, make_task
from grading.classroom.grade import grade
from grading.classroom.graded import Graded
from grading.classroom.groups import Group
from grading.classroom.kept import ASIDE, SALT, make_salt, read_salt
from grading.engine.manifest import GRADESCOPE, SUBMITTED_FILES
from grading.gradebook.gradebook import make_result
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


def write_bundle(target: Path) -> None:
    """Writes the zip file, with the scripts and the course's files."""
    with replacing(target) as path, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, script in (("setup.sh", SETUP), ("run_autograder", RUN)):
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o100755 << 16
            bundle.writestr(info, script)
        for name, file in find_files(*GRADESCOPE, without=SUBMITTED_FILES).items():
            bundle.write(file, name)
        with tempfile.TemporaryDirectory() as folder:
            make_salt(Path(folder, SALT))
            bundle.write(Path(folder, SALT), SALT)


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
    result = arrival.result
    if arrival.submission is not None:
        settings = Settings(sandboxed=kind is Sandbox)
        result = grade(make_task(arrival.submission, settings, read_salt(ROOT)), kind)
    group = arrival.group._replace(flags=arrival.suspects)
    graded = Graded(group, arrival.flags, arrival.aside, result)
    write_json(results / "results.json", make_result(graded))


if __name__ == "__main__":
    run(*map(Path, sys.argv[1:]))
