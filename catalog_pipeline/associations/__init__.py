"""Which course a run belongs to: as a person says, else as a source lists it, else as its key tells."""
