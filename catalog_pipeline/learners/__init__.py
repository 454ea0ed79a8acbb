"""Who is who: finding learners by their names and keys, linking both, and retiring them."""
