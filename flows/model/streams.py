"""The streams of entries in Redis."""

from __future__ import annotations

from typing import Literal

StreamName = Literal["state_logs", "special_offers", "rejected"]
