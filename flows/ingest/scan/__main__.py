"""`python -m flows.ingest.scan` compiles ahead, as is done when an image is built."""

from __future__ import annotations

import numpy as np

from flows.ingest.scan.scan import scan

if __name__ == "__main__":
    scan(b"", np.zeros(1, np.int64), 0, np.uint64(0))
