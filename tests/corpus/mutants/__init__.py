"""The grader's error rate, measured on submissions that nobody chose: mutants of right solutions.

    python -m tests.corpus.mutants               makes, judges and grades them; prints a table

A program changes one thing at a time in the reference and in other solutions of the corpus
(`operators.py`, `originals.py`, `choose.py`). Whether a mutant is right is decided apart from the
grader, against equations in NumPy (`truth/`). Then it is graded, and each disagreement is listed
(`report.py`). Finished mutants are kept (`examination.py`), so that a run can be continued.
"""
