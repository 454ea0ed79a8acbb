"""The tables, as SQLAlchemy 2 typed classes, one module per family; `tables` has them all."""
