"""Whether a policy may assign content to learners: the checks, in their order. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Reason = Literal[
    "not_assignable",
    "price_unknown",
    "price_out_of_range",
    "policy_expired",
    "content_not_in_catalog",
    "subsidy_expired",
    "not_enough_value_in_subsidy",
    "policy_spend_limit_reached",
]


@dataclass(frozen=True)
class Policy:
    """The policy that is to assign, and its subsidy. Amounts are US cents, without sign."""

    has_configuration: bool
    is_active: bool
    subsidy_is_active: bool
    balance: int
    """What the subsidy has left; what was spent is not in it."""
    allocated: int
    """What the policy's allocated assignments cost."""
    spent: int
    spend_limit: int | None
    """None: there is no limit."""


@dataclass(frozen=True)
class Content:
    """The content that is to be assigned, where the policy's catalog has it."""

    canonical_cents: Decimal | None
    """Its price; None where nobody says one."""


@dataclass(frozen=True)
class Offer:
    """What is asked for: so many learners, at this price each, in US cents."""

    learners: int
    price_cents: int
    lower: Decimal
    upper: Decimal
    """The price may lie between these shares of the canonical price, both included."""


@dataclass(frozen=True)
class Refusal:
    """Why nothing is allocated."""

    reason: Reason
    message: str


def refusal(policy: Policy, content: Content | None, offer: Offer) -> Refusal | None:
    """The first check that fails, or None where all pass. `content` is None where the catalog does not have it."""
    if not policy.has_configuration:
        return Refusal("not_assignable", "The policy has no assignment configuration: it assigns nothing.")
    return (
        (content and _wrong_price(content, offer))
        or _not_offered(policy, content)
        or _too_expensive(policy, offer.learners * offer.price_cents)
    )


def _wrong_price(content: Content, offer: Offer) -> Refusal | None:
    if content.canonical_cents is None:
        return Refusal("price_unknown", "Nobody says a price of the content: neither its catalog nor the subsidy.")
    lowest, highest = (share * content.canonical_cents for share in (offer.lower, offer.upper))
    if lowest <= offer.price_cents <= highest:
        return None
    return Refusal(
        "price_out_of_range",
        f"The content costs {_dollars(content.canonical_cents)}: the price must lie between {_dollars(lowest)} and"
        f" {_dollars(highest)}, and {_dollars(offer.price_cents)} does not.",
    )


def _not_offered(policy: Policy, content: Content | None) -> Refusal | None:
    if not policy.is_active:
        return Refusal("policy_expired", "The policy is not active, or was retired.")
    if content is None:
        return Refusal("content_not_in_catalog", "The policy's catalog does not have the content.")
    if not policy.subsidy_is_active:
        return Refusal("subsidy_expired", "The policy's subsidy is not active.")
    return None


def _too_expensive(policy: Policy, total: int) -> Refusal | None:
    if policy.allocated + total > policy.balance:
        return Refusal(
            "not_enough_value_in_subsidy",
            f"The subsidy has {_dollars(policy.balance)} left, of which {_dollars(policy.allocated)} is allocated;"
            f" {_dollars(total)} is needed.",
        )
    if policy.spend_limit is not None and policy.allocated + policy.spent + total > policy.spend_limit:
        return Refusal(
            "policy_spend_limit_reached",
            f"The policy may spend {_dollars(policy.spend_limit)}; {_dollars(policy.spent)} is spent and"
            f" {_dollars(policy.allocated)} allocated, and {_dollars(total)} is needed.",
        )
    return None


def _dollars(cents: int | Decimal) -> str:
    return f"${Decimal(cents) / 100:,.2f}"
