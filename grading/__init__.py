"""For the course: points (`engine`), and all that hands out, grades and reports.

engine/       BUILD and JUDGE, which the handout takes along with the public tests
private/      the tests that are not handed out
sandbox/      where students' code can do no harm
classroom/    a class of archives
gradebook/    what comes back
handout/      what goes out
"""
