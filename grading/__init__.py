"""For the course: the handout, the grader and the gradebook.

engine/       BUILD and JUDGE; they are in the handout, like the public tests
private/      the tests that are not handed out
sandbox/      where students' code can do no harm
classroom/    a class of archives
gradebook/    what comes back
similar/      whose work is alike
handout/      what goes out
"""
