"""A website configuration: what it may say, and what its rules make of a request
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-to-page-redirect.html)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from pileus.aws.errors import AWSError

_MOST_RULES = 50
_PROTOCOLS = ("http", "https")


def checked(given: dict[str, Any]) -> dict[str, Any]:
    everything = given.get("RedirectAllRequestsTo")
    if everything is not None:
        if any(given.get(member) for member in ("IndexDocument", "ErrorDocument", "RoutingRules")):
            raise invalid(
                "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.",
                ArgumentName="RedirectAllRequestsTo",
                ArgumentValue="not null",
            )
        if not everything.get("HostName"):
            raise invalid("A value for HostName must be provided if RedirectAllRequestsTo is specified")
        _check_protocol(everything)
        _check_text(everything)
        return given
    index = given.get("IndexDocument")
    if index is None:
        raise invalid(
            "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty",
            ArgumentName="IndexDocument",
            ArgumentValue="null",
        )
    if not index.get("Suffix") or "/" in index["Suffix"]:
        raise invalid(
            "The IndexDocument Suffix is not well formed",
            ArgumentName="IndexDocument",
            ArgumentValue=index.get("Suffix", ""),
        )
    error = given.get("ErrorDocument")
    if error is not None and not error.get("Key"):
        raise invalid("The ErrorDocument Key is not well formed")
    rules = given.get("RoutingRules") or []
    if not rules and "RoutingRules" in given:
        raise AWSError(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
            status=400,
        )
    if len(rules) > _MOST_RULES:
        raise invalid(
            f"{len(rules)} routing rules provided, the number of routing rules in a website configuration is "
            f"limited to {_MOST_RULES}."
        )
    for rule in rules:
        _check_rule(rule)
    return given


def _check_rule(rule: Mapping[str, Any]) -> None:
    condition, redirect = rule.get("Condition"), rule.get("Redirect") or {}
    if condition is not None and not (condition.get("KeyPrefixEquals") or condition.get("HttpErrorCodeReturnedEquals")):
        raise _refused(
            "Condition cannot be empty. To redirect all requests without a condition, the condition element "
            "shouldn't be present."
        )
    code = (condition or {}).get("HttpErrorCodeReturnedEquals")
    if code is not None and not (code.isdecimal() and 400 <= int(code) <= 599):
        raise invalid(f"The provided HTTP error code ({code}) is not valid. Valid codes are 4XX or 5XX.")
    if not redirect:
        raise invalid("The Redirect element must contain at least one sibling element")
    if "ReplaceKeyWith" in redirect and "ReplaceKeyPrefixWith" in redirect:
        raise _refused("You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
    status = redirect.get("HttpRedirectCode")
    if status is not None and not (status.isdecimal() and 300 < int(status) < 400):
        raise invalid(f"The provided HTTP redirect code ({status}) is not valid. Valid codes are 3XX except 300.")
    _check_protocol(redirect)
    _check_text(redirect)


def _check_protocol(redirect: Mapping[str, Any]) -> None:
    protocol = redirect.get("Protocol")
    if protocol is not None and protocol not in _PROTOCOLS:
        raise _refused(
            "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected "
            "automatically."
        )


def _check_text(redirect: Mapping[str, Any]) -> None:
    """What goes into a header must not end it."""
    for value in redirect.values():
        if any(ord(character) < 32 or ord(character) == 127 for character in str(value)):
            raise invalid("The redirect contains control characters.")


def invalid(message: str, **members: Any) -> AWSError:
    return AWSError("InvalidArgument", message, status=400, **members)


def _refused(message: str) -> AWSError:
    return AWSError("InvalidRequest", message, status=400)


class Redirect(NamedTuple):
    status: int
    location: str


def everywhere(website: Mapping[str, Any], host: str, scheme: str, raw_path: str, query: str) -> Redirect | None:
    """RedirectAllRequestsTo: the same path on another host."""
    target = website.get("RedirectAllRequestsTo")
    if target is None:
        return None
    tail = f"?{query}" if query else ""
    return Redirect(301, f"{target.get('Protocol') or scheme}://{target['HostName']}{raw_path}{tail}")


def find(website: Mapping[str, Any], key: str, host: str, scheme: str, status: int | None = None) -> Redirect | None:
    """The redirect of the first rule that applies to the key, before it is looked up or (`status`) after it failed."""
    for rule in website.get("RoutingRules") or ():
        condition = rule.get("Condition") or {}
        code = condition.get("HttpErrorCodeReturnedEquals")
        if (code is None) != (status is None) or (code is not None and int(code) != status):
            continue
        prefix = condition.get("KeyPrefixEquals") or ""
        if key.startswith(prefix):
            return _apply(rule["Redirect"], key, prefix, host, scheme)
    return None


def _apply(redirect: Mapping[str, Any], key: str, prefix: str, host: str, scheme: str) -> Redirect:
    # What the configuration says is taken as it is (`#!/` of single-page applications); what the visitor says is not.
    if redirect.get("ReplaceKeyWith") is not None:
        path = redirect["ReplaceKeyWith"]
    elif redirect.get("ReplaceKeyPrefixWith") is not None:
        path = redirect["ReplaceKeyPrefixWith"] + quote(key[len(prefix) :])
    else:
        path = quote(key)
    location = f"{redirect.get('Protocol') or scheme}://{redirect.get('HostName') or host}/{path}"
    return Redirect(int(redirect.get("HttpRedirectCode") or 301), location)
