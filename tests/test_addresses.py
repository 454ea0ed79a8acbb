"""The address of an upstream: which URLs reach the same system."""

import pytest

from catalog_pipeline.addresses import upstream_address


@pytest.mark.parametrize(
    "url",
    [
        "https://discovery.example.org",
        "https://discovery.example.org/",
        "https://discovery.example.org//",
        "http://discovery.example.org",
        "https://discovery.example.org:443",
        "http://discovery.example.org:80/",
        "HTTPS://Discovery.Example.ORG",
        " https://discovery.example.org ",
    ],
)
def test_slashes_scheme_default_port_and_case_of_the_host_do_not_change_an_address(url: str) -> None:
    assert upstream_address(url) == "discovery.example.org"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://discovery-alias.example.org", "discovery-alias.example.org"),
        ("https://discovery.example.org:8443", "discovery.example.org:8443"),
        ("http://discovery.example.org:443", "discovery.example.org:443"),
        ("https://discovery.example.org/stage", "discovery.example.org/stage"),
        ("https://discovery.example.org/Stage/", "discovery.example.org/Stage"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://127.0.0.1", "127.0.0.1"),
    ],
)
def test_another_name_port_or_path_is_another_address(url: str, address: str) -> None:
    assert upstream_address(url) == address
