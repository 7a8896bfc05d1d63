"""Who does what, where and when: boxes of persons, the actions of each, and how well they are found (mahler2020, 6.2).

`ava` reads and writes AVA's files, `average_precision` is its measure, `persons` finds the boxes, `clips` cuts what the
net sees around a key frame, `detect` does all of it for one video, and `stage` for a dataset.
"""
