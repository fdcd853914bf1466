"""Tells exports of Label Studio from other JSON files."""

import mmap
from typing import Final

_HEAD: Final = 1 << 12
_KEYS: Final = (b'"annotations"', b'"predictions"', b'"annotation_id"', b'"annotator"', b'"completed_by"')


def has_label_studio_tasks(content: mmap.mmap) -> bool:
    """Whether a file is a JSON list of tasks: COCO annotations are an object, and COCO results have none of the keys."""
    head = content[:_HEAD].removeprefix(b"\xef\xbb\xbf").lstrip()
    return head.startswith(b"[") and any(content.find(key) >= 0 for key in _KEYS)
