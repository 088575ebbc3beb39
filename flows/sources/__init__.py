"""Where clicks come from: a file, the built-in demo, Kafka."""
