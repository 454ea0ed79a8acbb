"""Connections, the schema, and moving many rows at once."""
