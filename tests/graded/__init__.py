"""The sheet's 15 points, part by part.

    pytest tests/graded                  the points of this tree
    pytest --submission DIR              the points of another

Two programs keep apart what must not meet. BUILD (`builder.py`, run by `submission.py`) runs the
Python that is graded, in a process of its own, and leaves graphs: plain data. JUDGE (these tests)
reads the graphs with `graphs.py`, sets the weights, feeds inputs and compares; it never imports
what it grades. `parts.py` is the table of points, `points.py` the part of pytest that adds them up.
"""
