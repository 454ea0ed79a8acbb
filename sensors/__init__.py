"""What starts work: the night's chain and its schedule, one module for each sensor, and what some of them share."""
