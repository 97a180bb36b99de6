/** A file as a download: the name in RFC 8187 form, and never a type that a browser would run. */
export function fileHeaders(path: string, mimeType: string): Headers {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return new Headers({
    'content-type': mimeType,
    'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(name)}`,
    'content-security-policy': "sandbox; default-src 'none'",
    'cache-control': 'private, no-store',
  });
}
