"""What a class gets back: the gradebook, feedback, results for Gradescope, the teacher's page.

All of it is written from the results and from what people wrote beside them, and the same of both
makes the same files.

gradebook.py                        all files: table, overview, feedback, results
overrides.py, late.py               what people decide, and what lateness costs; decisions.py: both
description.py                      what is shown of a group, wherever it is shown
feedback.py, overview.py, code.py   pages.py and *.html.j2: the pages
tables.py, edits.py                 CSV; files that somebody changed
lms/                                back to Moodle and Canvas
"""
