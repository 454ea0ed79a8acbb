"""What people are told by mail: how a message is composed, kept in the outbox, and sent."""
