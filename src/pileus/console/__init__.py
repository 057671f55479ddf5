"""The web page at `/_pileus/`: what is running, for the cloud's owner.

Importing `pileus.console` puts its page and its admin function into the registries of `services.admin`; the gateway
serves what is there.
"""

from __future__ import annotations

from pileus.console import overview, pages

__all__ = ["overview", "pages"]
