import { describe, expect, it } from 'vitest';
import { newSigningKey } from '../../scripts/lib/keys.ts';
import { parseConfig } from '../../src/core/config.ts';

const base = async (more: Record<string, string> = {}) => ({
  KILN_ENV: 'production',
  APP_ORIGIN: 'https://kiln.example',
  CONTENT_HOST: 'kiln-play.example',
  AUTH_KEYS: JSON.stringify([await newSigningKey('')]),
  ...more,
});
const s3 = {
  S3_ENDPOINT: 'https://account.r2.cloudflarestorage.com',
  S3_BUCKET: 'kiln-assets',
  S3_ACCESS_KEY_ID: 'id',
  S3_SECRET_ACCESS_KEY: 'secret',
};

describe('the S3 API of the bucket', () => {
  it('is set whole, or not at all', async () => {
    expect(parseConfig(await base()).s3).toBeNull();
    expect(parseConfig(await base(s3)).s3).toEqual({
      endpoint: s3.S3_ENDPOINT,
      bucket: 'kiln-assets',
      accessKeyId: 'id',
      secretAccessKey: 'secret',
    });
    for (const name of Object.keys(s3)) {
      const env = await base({ ...s3, [name]: '' });
      expect(() => parseConfig(env), name).toThrow(/S3_ENDPOINT and S3_BUCKET.* are set together/);
    }
  });

  it('is https outside development, and its secret is in no message', async () => {
    const plain = await base({ ...s3, S3_ENDPOINT: 'http://account.example' });
    expect(() => parseConfig(plain)).toThrow(/S3_ENDPOINT must be https outside development/);
    const part = await base({ ...s3, S3_BUCKET: '', S3_SECRET_ACCESS_KEY: 'do-not-say' });
    expect(() => parseConfig(part)).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('do-not-say') }),
    );
  });
});
