"""What a class gets back: the gradebook, feedback, results for Gradescope, the teacher's page.

All of it is written from the results alone, and the same results make the same files.
"""
