"""Which course a run belongs to: the one a person set, else the one that lists it, else the one its key names."""
