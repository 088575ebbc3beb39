"""`python -m flows.state [DIR]`."""

from __future__ import annotations

from flows.state.inspection import main

main()
