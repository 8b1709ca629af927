"""`gateway demo`: the main road on real parts, with simulated partners, held against the ledger at its end."""
