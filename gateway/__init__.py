"""Enterprise integration gateway: job offers come in over Kafka, are decided once, and every consequence goes out."""
