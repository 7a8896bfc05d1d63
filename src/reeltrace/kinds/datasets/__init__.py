"""One kind of dataset in each file, see `kinds.dataset.DatasetKind`."""
