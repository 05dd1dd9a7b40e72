"""The sheet's 15 points, part by part: the tests that are handed out.

    pytest tests/graded                  the points of this tree
    pytest --submission=DIR              the points of another

How a submission is built and judged stands in `grading/engine`. No test here holds an equation of
the cells: `expected.json` has outputs for the case that all weights are equal.
"""
