"""What the flow says of itself: one line an event on standard error, as text or as a JSON object."""

from __future__ import annotations

import json
import logging
import time

from flows.runtime.exits import one_line

# What every record has; all else was given with `extra`.
_OWN = {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"}


def set_up(log_format: str) -> None:
    """Say the flow's events from INFO on, others' from WARNING on; `log_format` is `text` or `json`."""
    handler = logging.StreamHandler()
    handler.setFormatter(Json() if log_format == "json" else Text())
    logging.getLogger().addHandler(handler)
    logging.getLogger("clicks").setLevel(logging.INFO)


class Text(logging.Formatter):
    """Time, level and message; of what ends the flow the message alone."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        message = one_line(record.getMessage())
        if record.levelno == logging.CRITICAL:
            return message
        return f"{_time(record)} {record.levelname} {message}"


class Json(logging.Formatter):
    """Time, level, logger, message, and the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        fields = {name: value for name, value in record.__dict__.items() if name not in _OWN}
        return json.dumps(line | fields, default=str, ensure_ascii=False)


def _time(record: logging.LogRecord) -> str:
    """Return the wall clock in UTC, ISO 8601 with milliseconds."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"
