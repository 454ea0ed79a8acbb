"""Servers that run in the home folder where no URL is set."""
