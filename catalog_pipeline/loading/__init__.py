"""What all loads share: landing, the transaction, what is pending, and who owns which field."""
