// What the server sends: 4 bytes (little endian) length of a JSON header, the header, then the parts one behind the other.
// The header is {stamp, parts: [{name, type, bytes}], ...options}; see envelope.py.

export function open(data) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  let place = 4 + length;
  const parts = new Map();
  for (const { name, type, bytes: size } of header.parts) {
    parts.set(name, { type, bytes: bytes.slice(place, place + size) });
    place += size;
  }
  return { ...header, parts };
}

/** Object URLs of parts; `free` gives their memory back. */
export function urls() {
  const made = [];
  return {
    of(part) {
      const url = URL.createObjectURL(new Blob([part.bytes], { type: part.type }));
      made.push(url);
      return url;
    },
    free() {
      made.splice(0).forEach((url) => URL.revokeObjectURL(url));
    },
  };
}
