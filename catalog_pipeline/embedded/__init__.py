"""Servers that run in the home folder when no URL is set."""
