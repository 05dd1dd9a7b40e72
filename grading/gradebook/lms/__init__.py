"""Back to the LMS: points and feedback in the forms that Moodle and Canvas import.

students.py   whose row is whose
moodle.py     the grading worksheet, filled in; the zip of feedback files; a table for the gradebook
canvas.py     the gradebook, filled in
"""
