"""Where custom resources answer: a presigned URL of S3 for each request, in a bucket that is CloudFormation's own.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from typing import Any
from urllib.parse import quote

import msgspec

from pileus.aws.errors import AWSError
from pileus.aws.identifiers import request_id
from pileus.security import tokens
from pileus.security.principals import Session, root
from pileus.security.signature import ALGORITHM, signing_key
from pileus.services.client import Client
from pileus.services.cloudformation.documents import TemplateError
from pileus.services.cloudformation.reading import read
from pileus.services.context import Cloud
from pileus.store.interface import Transaction
from pileus.store.records import Records

ACCOUNT = "cloudformation"
"""Owns the bucket. No person's account can have the name: theirs are numbers."""
BUCKET = Records(str, "cloudformation", "response-bucket")
"""Its name, under the region: it ends by chance, so that nobody can have taken it before."""
_LARGEST = 4096
_GRACE_SECONDS = 3600


class Response:
    """One answer that is waited for, and the URL where it is put."""

    def __init__(self, client: Client, bucket: str, key: str, url: str) -> None:
        self.url = url
        self._client = client
        self._object = {"Bucket": bucket, "Key": key}

    async def arrived(self) -> dict[str, Any] | None:
        """The answer, None while there is none. Raises TemplateError for what is none."""
        try:
            found = await self._client.call("s3", "GetObject", self._object)
        except AWSError as error:
            if error.code == "NoSuchKey":
                return None
            raise
        answer: Any = None
        with contextlib.suppress(ValueError):
            answer = json.loads(await read(found["Body"], _LARGEST))
        await self._client.call("s3", "DeleteObject", self._object)
        if not isinstance(answer, dict) or answer.get("Status") not in ("SUCCESS", "FAILED"):
            raise TemplateError("Invalid response from the custom resource: it is no JSON object with a Status")
        return answer


class Responses:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._client = Client(cloud, root(ACCOUNT), cloud.settings.region)

    async def open(self, seconds: float) -> Response:
        """A place for one answer, open for `seconds` and a little longer."""
        bucket = await self._bucket()
        key = request_id()
        return Response(self._client, bucket, key, self._presigned(f"/{bucket}/{key}", int(seconds) + _GRACE_SECONDS))

    async def _bucket(self) -> str:
        region = self._cloud.settings.region
        known = BUCKET.get(self._cloud.store, region)
        if known is None:
            name = f"cloudformation-custom-resource-response-{request_id()[:18]}"
            elsewhere = {} if region == "us-east-1" else {"LocationConstraint": region}
            request: dict[str, Any] = {"Bucket": name}
            await self._client.call(
                "s3", "CreateBucket", request | ({"CreateBucketConfiguration": elsewhere} if elsewhere else {})
            )

            def change(tx: Transaction) -> str:
                first = BUCKET.get(tx, region)
                if first is None:
                    BUCKET.put(tx, region, value=name)
                return first or name

            known = await self._cloud.store.transact(change)
        return known

    def _presigned(self, path: str, seconds: int) -> str:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html"""
        now = self._cloud.clock.time()
        session = Session(name=ACCOUNT, issued=now, expires=now + seconds)
        principal = msgspec.structs.replace(root(ACCOUNT), session=session)
        key = tokens.issue(self._cloud.keyring.sealer, principal)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        region = self._cloud.settings.region
        scope = f"{stamp[:8]}/{region}/s3/aws4_request"
        host = f"127.0.0.1:{self._cloud.settings.port}"  # as functions see the cloud, in their sandboxes too
        query = "&".join(
            f"{name}={quote(value, safe='-_.~')}"
            for name, value in (
                ("X-Amz-Algorithm", ALGORITHM),
                ("X-Amz-Credential", f"{key.access_key_id}/{scope}"),
                ("X-Amz-Date", stamp),
                ("X-Amz-Expires", str(seconds)),
                ("X-Amz-Security-Token", key.session_token),
                ("X-Amz-SignedHeaders", "host"),
            )
        )
        canonical = f"PUT\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
        text = f"{ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = signing_key(key.secret_access_key, stamp[:8], region, "s3").sign(text.encode())
        return f"http://{host}{path}?{query}&X-Amz-Signature={signature}"
