"""What starts work: the night's chain and its schedule, and one module for each sensor."""
