"""Groups whose work is suspiciously alike: a list for people to look at. It accuses nobody.

vocabulary.py  the operations and their other names
values.py      symbolic values
features.py    what a program computes, without its names, comments, order and layout
pairs.py       which two groups share what hardly anybody else has
page.py        both texts, side by side
"""
