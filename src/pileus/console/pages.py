"""The page's files, read once, with headers that keep it apart.

The same port serves buckets, and what a bucket's owner puts there must not reach the console: the page is sandboxed
into an origin of its own (https://www.w3.org/TR/CSP3/#directive-sandbox), holds the pasted key in memory only, and
runs no script but its own. Links to websites open beside it, without an opener and outside its sandbox.
"""

from __future__ import annotations

import importlib.resources

from pileus.services.admin import PAGES, Page

_POLICY = (
    "sandbox allow-scripts allow-forms allow-popups allow-popups-to-escape-sandbox; default-src 'none';"
    " script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; form-action 'none'; base-uri 'none';"
    " frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",
    # The sandboxed page's origin is opaque, to its own script and style too.
    "access-control-allow-origin": "*",
}
_FILES = {
    "": ("index.html", "text/html; charset=utf-8"),
    "console.js": ("console.js", "text/javascript; charset=utf-8"),
    "signing.js": ("signing.js", "text/javascript; charset=utf-8"),
    "console.css": ("console.css", "text/css; charset=utf-8"),
}

for _name, (_file, _type) in _FILES.items():
    _body = (importlib.resources.files("pileus.console") / "page" / _file).read_bytes()
    PAGES[_name] = Page({"content-type": _type, **_HEADERS}, _body)
