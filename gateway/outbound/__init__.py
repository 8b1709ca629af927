"""What leaves: claims what is owed, renders it, hands it to publishers and records what became of it."""
