"""What each frame must look like before it may reach a table: parsing to types, then pandera."""
