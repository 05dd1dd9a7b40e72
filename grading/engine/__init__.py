"""BUILD and JUDGE: how points are found. The handout takes this folder along with the public tests.

Two programs keep apart what must not meet. BUILD (`builder.py`, run by `build.py`) runs the Python
that is graded, in a process of its own, and leaves graphs: plain data. JUDGE (the tests in
`tests/graded`, and those that are not handed out) reads the graphs with `graphs.py`, sets the
weights, feeds inputs and compares; it never imports what it grades.

    course.toml, course.py   what a course may change
    parts.py                 the table of points
    submission.py            what is handed in
    builder.py, build.py     BUILD, from inside and from outside
    process.py               processes that are watched
    graphs.py                JUDGE's eye
    memory_truth.py          what part h should return
    points.py                the part of pytest that adds up the points
    verdict.py               what JUDGE is asked, and what it answers
    manifest.py              which files are needed where

Nothing in here imports anything else of `grading`.
"""
