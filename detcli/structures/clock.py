"""The time that outputs carry."""

import os
from datetime import UTC, datetime


def now() -> str:
    """The time in UTC; SOURCE_DATE_EPOCH sets it, for outputs that are to be the same to the byte."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdecimal() else datetime.now(UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
