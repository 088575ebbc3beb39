"""Of `flows.kafka`."""
