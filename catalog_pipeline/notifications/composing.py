"""Composes messages from two templates, one for text and one for HTML, and CSV attachments."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from catalog_pipeline.addresses import parse_address
from catalog_pipeline.errors import UsageError
from catalog_pipeline.notifications.text import one_line
from catalog_pipeline.spreadsheets import write_csv

ZIPPED_FROM = 1_000_000
"""Bytes from which an attachment is zipped: mail servers refuse what is too large."""
LARGEST = 5_000_000
"""Most bytes of an attachment; the encoding of mail adds a third."""


@dataclass(frozen=True)
class Attachment:
    """A table that goes with a message, as `<name>.csv`."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]

    @cached_property
    def content(self) -> bytes:
        """The table as CSV, in UTF-8. Without the byte order mark, spreadsheets would read it as Windows-1252."""
        file = io.StringIO()
        write_csv(file, self.columns, ([row[name] for name in self.columns] for row in self.rows))
        return file.getvalue().encode("utf-8-sig")

    @cached_property
    def file(self) -> tuple[str, bytes]:
        """The name and bytes of the file as it is sent: zipped, if it is large."""
        name = f"{self.name}.csv"
        if len(self.content) < ZIPPED_FROM:
            return name, self.content
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(name, self.content)
        return f"{name}.zip", archive.getvalue()

    @property
    def fits(self) -> bool:
        """Whether mail servers take it."""
        return len(self.file[1]) <= LARGEST


def compose(
    template: Path,
    content: object,
    *,
    subject: str,
    sender: str,
    recipients: Sequence[str],
    at: datetime,
    attachments: Sequence[Attachment] = (),
) -> EmailMessage:
    """A message whose bodies are `<template>.txt` and `<template>.html`, rendered with `content`.

    `template` is a path without its suffix, beside the module that composes. Raises UsageError for bad addresses.
    """
    message = EmailMessage(policy=SMTP)
    message["Subject"] = one_line(subject, 200)
    message["From"] = _address(sender)
    message["To"] = [_address(recipient) for recipient in recipients]
    message["Date"] = format_datetime(at)
    message["Message-ID"] = make_msgid(domain=_address(sender).domain)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(render(template, content, "txt"), cte="quoted-printable")
    message.add_alternative(render(template, content, "html"), subtype="html", cte="quoted-printable")
    for attachment in attachments:
        _attach(message, attachment)
    return message


def render(template: Path, content: object, kind: Literal["txt", "html"]) -> str:
    """A body of a message: `<template>.<kind>`, rendered with `content`."""
    return _templates(template.parent).get_template(f"{template.name}.{kind}").render(content=content)


@cache
def _templates(folder: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _attach(message: EmailMessage, attachment: Attachment) -> None:
    name, content = attachment.file
    if name.endswith(".zip"):
        message.add_attachment(content, maintype="application", subtype="zip", filename=name)
    else:
        message.add_attachment(content, maintype="text", subtype="csv", filename=name, params={"charset": "utf-8"})


def _address(value: str) -> Address:
    try:
        return parse_address(value)
    except ValueError as error:
        raise UsageError(f"{value!r} is no mail address: {error}.") from None
