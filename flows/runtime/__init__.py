"""The process: how it ends, signals, log lines, ticks, idling, ports, and what Prometheus sees."""
