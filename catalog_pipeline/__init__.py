"""What an Open edX course catalog is, and how it is kept. Nothing here but `definitions.py` knows Dagster."""
