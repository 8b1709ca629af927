"""What both halves of the HTTP edge share: who calls, what a request carries, and answers that are no success."""
