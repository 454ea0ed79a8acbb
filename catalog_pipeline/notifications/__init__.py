"""Mail: how a message is composed, kept in the outbox, and sent."""
