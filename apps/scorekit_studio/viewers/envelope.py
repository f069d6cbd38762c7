"""Options and binary parts in one message to a component.

Four bytes (little endian) give the length of a JSON header, then come the header and the parts one behind the other. The header is
{stamp, parts: [{name, type, bytes}], ...options}; a component that gets the same stamp again leaves what it has drawn.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

Part = tuple[str, bytes]  # media type, content


def pack(parts: Mapping[str, Part], **options: Any) -> bytes:
    """One message; `options` are JSON values other than "stamp" and "parts"."""
    digest = hashlib.blake2b(json.dumps(options, sort_keys=True).encode(), digest_size=16)
    for name, (kind, content) in parts.items():
        digest.update(f"\0{name}\0{kind}\0{len(content)}\0".encode())
        digest.update(content)
    listed = [{"name": name, "type": kind, "bytes": len(content)} for name, (kind, content) in parts.items()]
    header = json.dumps({"stamp": digest.hexdigest(), "parts": listed, **options}, allow_nan=False).encode()
    return b"".join([len(header).to_bytes(4, "little"), header, *(content for _, content in parts.values())])


def unpack(message: bytes) -> tuple[dict[str, Any], dict[str, Part]]:
    """The inverse of `pack`: the header, and the parts."""
    end = 4 + int.from_bytes(message[:4], "little")
    header = json.loads(message[4:end])
    parts = {}
    for part in header["parts"]:
        parts[part["name"]] = (part["type"], message[end : end + part["bytes"]])
        end += part["bytes"]
    return header, parts
