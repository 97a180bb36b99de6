/** The parts, one after the other. A single part is returned as it is, not copied. */
export function concat<B extends ArrayBufferLike>(parts: readonly Uint8Array<B>[]): Uint8Array<B | ArrayBuffer> {
  if (parts.length === 1 && parts[0]) return parts[0];
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** The longest beginning of a text that has at most so many bytes in UTF-8, cut between characters. */
export function cutBytes(text: string, bytes: number): string {
  // At three bytes for every UTF-16 unit there is nothing to cut.
  if (text.length * 3 <= bytes) return text;
  const target = new Uint8Array(bytes);
  return text.slice(0, new TextEncoder().encodeInto(text, target).read);
}
