"""Decoding ahead: the next batch is decoded in a thread of its own while this one is counted.

    source's worker   count 1          count 2          count 3
    thread                    decode 2         decode 3

Only one batch a partition is ahead, and MOST_AHEAD a process, for each takes some 75 MB. The flow takes them
in their order: it decodes with `Decoder`, and waits there for one that was begun. Scanning, most of the work,
holds no interpreter lock.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from flows.ingest.decode import decode
from flows.model.batch import Batch
from flows.model.clicks import Clicks

MOST_AHEAD = 2


class Decoder:
    """Decodes batches, those that were begun in the meantime among them; see `flows.ingest.decode.decode`."""

    def __init__(self, *, mask_ip: bool = False) -> None:
        self._mask_ip = mask_ip
        self._threads = ThreadPoolExecutor(thread_name_prefix="decode")
        self._begun: dict[int, tuple[Batch, Future[Clicks]]] = {}

    def has_room(self) -> bool:
        """Whether one more batch may be begun."""
        return len(self._begun) < MOST_AHEAD

    def begin(self, batch: Batch) -> None:
        """Begin to decode a batch, which is taken next and not changed until then."""
        self._begun[id(batch)] = batch, self._threads.submit(decode, batch, mask_ip=self._mask_ip)

    def __call__(self, batch: Batch) -> Clicks:
        """Return the clicks of a batch."""
        begun = self._begun.pop(id(batch), None)
        return decode(batch, mask_ip=self._mask_ip) if begun is None else begun[1].result()
