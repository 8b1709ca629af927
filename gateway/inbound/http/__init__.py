"""The inbound half of the HTTP edge: requests become records of the doors of HTTP, and end in the same `receive`."""
