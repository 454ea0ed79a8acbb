"""Whether a policy may assign: the first check that fails, against an oracle, and the limits themselves."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_pipeline.rules.allocation import Content, Offer, Policy, refusal

ENOUGH = Policy(
    has_configuration=True,
    is_active=True,
    subsidy_is_active=True,
    balance=10_000,
    allocated=1_000,
    spent=2_000,
    spend_limit=13_000,
)
RATIOS = (Decimal("0.95"), Decimal("1.05"))
CENTS = st.integers(0, 3_000)


def reason(policy: Policy, content: Content | None, offer: Offer) -> str | None:
    found = refusal(policy, content, offer)
    return found and found.reason


def oracle(policy: Policy, content: Content | None, offer: Offer) -> str | None:
    """The checks, one after the other."""
    total = policy.allocated + offer.learners * offer.price_cents
    price = content.canonical_cents if content else None
    checks = {
        "not_assignable": not policy.has_configuration,
        "price_unknown": content is not None and price is None,
        "price_out_of_range": price is not None
        and not (offer.lower * price <= offer.price_cents <= offer.upper * price),
        "policy_expired": not policy.is_active,
        "content_not_in_catalog": content is None,
        "subsidy_expired": not policy.subsidy_is_active,
        "not_enough_value_in_subsidy": total > policy.balance,
        "policy_spend_limit_reached": policy.spend_limit is not None and total + policy.spent > policy.spend_limit,
    }
    return next((name for name, failed in checks.items() if failed), None)


@given(
    st.builds(
        Policy,
        has_configuration=st.booleans(),
        is_active=st.booleans(),
        subsidy_is_active=st.booleans(),
        balance=CENTS,
        allocated=CENTS,
        spent=CENTS,
        spend_limit=st.none() | CENTS,
    ),
    st.none() | st.builds(Content, st.none() | CENTS.map(Decimal)),
    st.builds(Offer, st.integers(0, 3), CENTS, st.just(RATIOS[0]), st.just(RATIOS[1])),
)
def test_the_first_check_that_fails_decides(policy: Policy, content: Content | None, offer: Offer) -> None:
    assert reason(policy, content, offer) == oracle(policy, content, offer)


@pytest.mark.parametrize(
    ("price", "wanted"),
    [(94, "price_out_of_range"), (95, None), (100, None), (105, None), (106, "price_out_of_range")],
)
def test_the_price_may_lie_on_either_bound(price: int, wanted: str | None) -> None:
    assert reason(ENOUGH, Content(Decimal(100)), Offer(1, price, *RATIOS)) == wanted


def test_bounds_of_odd_prices_are_exact() -> None:
    assert reason(ENOUGH, Content(Decimal("199.99")), Offer(1, 209, *RATIOS)) is None  # 209.9895
    assert reason(ENOUGH, Content(Decimal("199.99")), Offer(1, 210, *RATIOS)) == "price_out_of_range"


@pytest.mark.parametrize(
    ("learners", "wanted"), [(9, None), (10, "not_enough_value_in_subsidy")], ids=["all that is left", "one more"]
)
def test_all_that_the_subsidy_has_left_may_be_allocated(learners: int, wanted: str | None) -> None:
    assert reason(ENOUGH, Content(Decimal(1_000)), Offer(learners, 1_000, *RATIOS)) == wanted


def test_what_was_spent_counts_against_the_policy_and_not_against_the_subsidy() -> None:
    policy = Policy(**{**vars(ENOUGH), "balance": 100_000, "spend_limit": 4_000})
    assert reason(policy, Content(Decimal(1_000)), Offer(1, 1_000, *RATIOS)) is None
    assert reason(policy, Content(Decimal(1_000)), Offer(2, 1_000, *RATIOS)) == "policy_spend_limit_reached"


def test_a_refusal_says_the_amounts() -> None:
    found = refusal(ENOUGH, Content(Decimal(260_000)), Offer(1, 2_600, *RATIOS))
    assert found is not None
    assert "$2,600.00" in found.message
    assert "$26.00" in found.message
