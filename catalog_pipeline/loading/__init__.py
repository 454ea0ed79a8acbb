"""The use cases: land, normalise, decide, publish. What both an asset and the command line call."""
