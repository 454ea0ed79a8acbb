"""Assignments of content to learners: import, allocation, expiration, mails, privacy."""
