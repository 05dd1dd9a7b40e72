"""A class: what groups hand in, graded unattended, several at a time.

groups.py, archives.py    who handed in, and what
arrivals.py, sources.py   what is graded, what is put aside, what a person should look at
opening.py                archives, each opened in a process of its own
grade.py, result.py       one submission: BUILD and JUDGE in sandboxes, and how it ended
remote.py                 the same on a cluster's workers
batch.py                  all of them
kept.py                   what the gradebook's folder keeps meanwhile
graded.py                 a group and its result, for the gradebook
"""
