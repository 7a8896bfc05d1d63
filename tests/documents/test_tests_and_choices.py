"""The sizes of the documents' test sets, and which overridden values are theirs."""

from conftest import PROJECT
from reeltrace.analysis import assumptions, published
from reeltrace.registry.documents import keys
from reeltrace.registry.reading import load as load_registry
from reeltrace.report.ledger import said_by

DOCUMENTS = [key for key in keys(PROJECT) if (PROJECT / "documents" / key / published.FILE).exists()]


def test_the_sizes_of_test_sets_are_the_known_ones() -> None:
    """A named set has one size in all documents, which is that of the official lists."""
    sizes: dict[str, set[int]] = {}
    for document in DOCUMENTS:
        for name, test in published.load(document, PROJECT).tests.items():
            sizes.setdefault(name, set()).add(test.size)
    assert sizes["UCF-101 split 1"] == {3783} and sizes["HMDB-51 split 1"] == {1530}
    assert sizes["Moving MNIST"] == sizes["Moving MNIST-Dir"] == {3000}
    assert sizes["UCF-101 splits 1 to 3"] == {3783 + 3734 + 3696}


def test_no_choice_of_ours_is_called_the_documents() -> None:
    """Seeds, precision, loaders, digit sizes and speeds, optimisers and crops are no document's."""
    registry = load_registry(PROJECT, "smoke")
    ledgers = assumptions.load(DOCUMENTS, PROJECT)
    every = registry.overrides(
        "seeds", "device", "datasets", "backbones", "models", "protocols", "runs", "measurements"
    )
    of = {one.path: said_by(one.model_dump(), ledgers)["of"] for one in every}
    words = (
        "device",
        "seed",
        "digit_size",
        "speed",
        "momentum",
        "crop",
        "clip.size",
        "stills",
        "stem_kernel",
        "stand_in",
    )
    chosen = {path: whose for path, whose in of.items() if any(word in path for word in words)}
    assert {
        path for path, whose in chosen.items() if whose == "document" and not path.startswith("backbones.")
    } == set()
    assert of["protocols.dir-cnn4.epochs"] == "document" and of["datasets.moving-mnist.videos.test"] == "document"
    assert 40 <= list(of.values()).count("document") < list(of.values()).count("ours")
