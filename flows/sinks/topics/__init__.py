"""Offers and rejected records into Kafka topics."""
