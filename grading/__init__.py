"""For the course: the handout, and the private half of the grading."""
