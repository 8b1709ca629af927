"""The customer's booking page: its form, what becomes of it, and the page that tells how the request stands."""
