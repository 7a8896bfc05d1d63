"""The 1,797 handwritten digits of 8 x 8 pixels that scikit-learn ships: the pool of the scales that need no
network.
"""

import numpy as np

from reeltrace.data.pool import About, Pool, check_pin

# sha256 of the arrays' bytes
IMAGES_SHA256 = "b41ca9fd335466eee997366c2e6f6bbe0a1b4582afe091fc4eba35f4a254182f"
LABELS_SHA256 = "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0"
ABOUT = About(
    source="1,797 handwritten digits of 8 x 8 pixels that scikit-learn ships",
    licence="CC BY 4.0",
    citation="Alpaydin, Kaynak: Optical Recognition of Handwritten Digits, UCI Repository, 1998",
)


def load() -> Pool:
    """The pool, in scikit-learn's order: images (1797, 8, 8), labels (1797,).

    scikit-learn's values are the integers v = 0..16; a pixel here is v * 255 / 16, rounded half up.
    Raises CheckFailed when the arrays are not the pinned ones.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    values = np.asarray(data.images).astype(np.int64)
    pool = Pool(((values * 255 + 8) // 16).astype(np.uint8), np.asarray(data.target).astype(np.uint8), "scikit-learn")
    check_pin("scikit-learn's digits (images)", pool.images, IMAGES_SHA256)
    check_pin("scikit-learn's digits (labels)", pool.labels, LABELS_SHA256)
    return pool
