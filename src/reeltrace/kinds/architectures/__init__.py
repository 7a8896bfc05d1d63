"""One kind of net in each file, see `kinds.architecture.Architecture`."""
