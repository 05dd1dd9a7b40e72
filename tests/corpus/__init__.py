"""Submissions of all kinds, each a small change to the reference, and how they are graded.

    python -m tests.corpus               grades all of them and prints a table

`wrong.py` has mistakes: each loses points in its own parts and nowhere else. `right.py` has other
styles: each earns all points. `hostile.py` has tricks: none earns anything by it. `entries.py` says
what an entry is, `grade.py` grades many in few processes.
`hostile_class.py`, `killed_class.py` and `large_class.py` grade whole classes of archives.
"""
