"""The two kinds of failure that a user can act on. Each message is one line: what, where, expected, remedy."""


class UserError(Exception):
    """Bad input: an unknown key, a missing file, an unreachable source. The command line exits with 2."""


class CheckFailed(Exception):
    """A check that did not hold: altered artifact, changed spec, broken chain. The command line exits with 1."""
