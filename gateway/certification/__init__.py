"""`gateway certify`: a partner's webhook is tried out, item by item, with work that does not exist."""
