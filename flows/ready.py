"""Whether this process takes part in publishing: `python -m flows.ready`, for a readiness probe.

Its web server answers from early on, also while the process waits for others and while it catches up. It
takes part once its shards have reported to a board. Ends with status 0 if so, else with 1 and a line.
"""

from __future__ import annotations

import os
import re
import sys
import urllib.request

_PATIENCE_S = 4.0
_REPORTS = re.compile(r"^clicks_reports_total ([0-9.e+]+)$", re.MULTILINE)


def reports(metrics: str) -> float:
    """Return how many reports a process has made, by what it serves to Prometheus."""
    found = _REPORTS.search(metrics)
    return float(found[1]) if found else 0.0


def main() -> str | None:
    """Return why this process is not ready, None if it is."""
    address = f"http://127.0.0.1:{os.environ.get('BYTEWAX_DATAFLOW_API_PORT', '3030')}/metrics"
    try:
        with urllib.request.urlopen(address, timeout=_PATIENCE_S) as answer:
            made = reports(answer.read().decode())
    except OSError as error:
        return f"{address} does not answer ({error})"
    return None if made else "no shard of this process has reported to a board yet"


if __name__ == "__main__":
    sys.exit(main())
