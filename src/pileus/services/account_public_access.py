"""An account's block of public access: set through the service s3control, obeyed by s3."""

from __future__ import annotations

from pileus.store import watch
from pileus.store.keys import pack
from pileus.store.records import Records

ACCOUNT_PUBLIC_ACCESS_BLOCK = Records(dict[str, bool], "s3", "account-public-access-block")
"""(account,)"""

watch.declare(pack("s3", "account-public-access-block"))
