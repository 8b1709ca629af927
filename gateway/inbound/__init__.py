"""Inbound: records come in, are read, translated, decided and settled; the doors of Kafka and HTTP."""
