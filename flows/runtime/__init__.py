"""The process: how it ends, its signals, log lines, clocks' ticks, idling, ports, and what Prometheus sees."""
