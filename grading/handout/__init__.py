"""The handout: the students' tree, made from the solution.

`handout.py` writes and checks it, `regions.py` takes the solution regions out, `student/` holds
files that replace the solution's own.
"""
