"""Which course a run belongs to: a person says it, else discovery, else a feed, else the run's key."""
