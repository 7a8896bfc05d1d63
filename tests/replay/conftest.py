"""The tiny datasets and runs of the tests of training."""

from training.conftest import _one_thread, datasets, spec_of  # noqa: F401
