"""The mail server of these tests."""

from conftest_mail import mailbox, serve, smtp, tls

__all__ = ["mailbox", "serve", "smtp", "tls"]
