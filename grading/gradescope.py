"""An autograder for Gradescope: a zip file with the course's tree and the two scripts it calls.

Gradescope runs each submission in a container of its own, where bubblewrap is mostly not allowed to
make namespaces. There BUILD is run as another user, who may read nothing of the course.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from data import replacing
from grading import batch
from grading.grade import grade
from grading.gradebook import make_result
from grading.groups import Group
from grading.sandbox import Limits, OtherUser, Sandbox, SandboxError, check_sandbox
from tests.graded import submission

SETUP = """#!/usr/bin/env bash
set -euo pipefail
apt-get update -q
apt-get install -y -q python3 python3-venv bubblewrap libseccomp2
python3 -m venv /autograder/venv
/autograder/venv/bin/pip install -q -r /autograder/source/tests/requirements.txt
"""
RUN = """#!/usr/bin/env bash
cd /autograder/source
/autograder/venv/bin/python -m grading.gradescope /autograder/submission /autograder/results
"""


def write_bundle(files: Mapping[str, Path], target: Path) -> None:
    """Writes the zip file: the scripts, and files of the course by their paths in it."""
    with replacing(target) as path, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, script in (("setup.sh", SETUP), ("run_autograder", RUN)):
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o100755 << 16
            bundle.writestr(info, script)
        for name, file in sorted(files.items()):
            bundle.write(file, name)


def run(handed_in: Path, results: Path) -> None:
    """Grades the folder that Gradescope has unpacked a submission into."""
    (results / batch.ASIDE).mkdir(parents=True, exist_ok=True)
    try:
        check_sandbox(Limits())
        kind = Sandbox
    except SandboxError:
        kind = OtherUser
        for folder in (submission.ROOT, handed_in, results):
            folder.chmod(0o700)
    group = Group("submission", (), handed_in, ())
    entry, content = batch.take_in(group, results)
    if isinstance(content, submission.HandedIn):
        settings = batch.Settings(sandboxed=kind is Sandbox)
        content = grade(batch.make_task(content, settings), kind)
    with replacing(results / "results.json") as path:
        path.write_text(json.dumps(make_result(entry._replace(result=content)), indent=2))


if __name__ == "__main__":
    run(*map(Path, sys.argv[1:]))
