"""What the Kafka source and the sink of topics share, and the consumer: settings, errors, reader."""
