import { AwsV4Signer } from 'aws4fetch';
import type { S3 } from '../../core/config.ts';
import type { UploadRow } from '../../data/uploads.ts';

/**
 * Addresses at which a bucket takes the parts of an upload from whoever has them, until the upload runs out. The length of a part is
 * signed with it, so no more comes in than was promised; the key is one that nobody chose.
 */
export function presigner(
  { endpoint, bucket, accessKeyId, secretAccessKey }: S3,
  { objectKey, multipartId, expiresAt }: UploadRow,
  now: number,
): (part: { readonly number: number; readonly size: number }) => Promise<string> {
  const cache = new Map<string, ArrayBuffer>();
  const seconds = Math.max(1, Math.floor((expiresAt - now) / 1000));
  return async ({ number, size }) => {
    const url = new URL(`${endpoint}/${bucket}/${objectKey}`);
    url.searchParams.set('partNumber', String(number));
    url.searchParams.set('uploadId', multipartId ?? '');
    url.searchParams.set('X-Amz-Expires', String(seconds));
    const signer = new AwsV4Signer({
      method: 'PUT',
      url: url.href,
      headers: { 'content-length': String(size) },
      accessKeyId,
      secretAccessKey,
      service: 's3',
      region: 'auto',
      signQuery: true,
      allHeaders: true,
      cache,
    });
    return (await signer.sign()).url.href;
  };
}
