"""BUILD and JUDGE: how points are found. The handout has this folder and the public tests.

Two programs keep the graded code away from the verdict. BUILD (`builder.py`, run by `build.py`)
runs the graded Python in a process of its own. It leaves graphs, which are plain data. JUDGE (the
tests in `tests/graded`, and the private ones) reads the graphs with `graphs.py`, sets the weights,
feeds inputs and compares. It never imports what it grades.

    course.toml, course.py   what a course may change
    parts.py                 the table of points
    submission.py            what is handed in
    builder.py, build.py     BUILD, from inside and from outside
    process.py               processes that are watched
    graphs.py                how JUDGE reads graphs
    operations.py            which operations are run, and
    bounds.py                for how long
    layout.py                where a cell keeps the weights of each input
    losing.py, text.py       how a test gives a reason
    memory_truth.py          what part h should return
    points.py                the part of pytest that adds up the points
    verdict.py               what JUDGE is asked, and what it answers
    manifest.py              which files are needed where

Nothing in here imports anything else of `grading`.
"""
