"""What the first migration makes: the tables of each schema, the views and functions. Frozen, whatever comes later."""
