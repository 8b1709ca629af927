"""The outbound half of the HTTP edge: what partners fetch, and their word that they have it."""
