"""What is asked across all wings: status, doctor, show, history, explain. Reads only."""
