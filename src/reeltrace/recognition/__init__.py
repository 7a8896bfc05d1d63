"""Networks put to use: public weights taken over, videos recognised, and what was found drawn on their frames.

Never a part of how a table of the documents is made, but for the measurement of a set with weights that the user has.
"""
