import { describe, expect, it } from 'vitest';
import { configOf, developmentKeyPrefix, parseConfig } from '../../src/core/config.ts';

const key = (kid: string) => ({ kty: 'OKP', crv: 'Ed25519', kid, x: 'public-part', d: 'very-secret-part' });
const keys = (...kids: string[]): string => JSON.stringify(kids.map(key));

const production = {
  KILN_ENV: 'production',
  APP_ORIGIN: 'https://kiln.example',
  CONTENT_HOST: 'kiln-content.example',
  AUTH_KEYS: keys('2026-01'),
};
const development = {
  KILN_ENV: 'development',
  APP_ORIGIN: 'http://localhost:8787',
  CONTENT_HOST: 'play.localhost:8787',
  RUNNER_URL: 'http://127.0.0.1:8788',
  AUTH_KEYS: keys(`${developmentKeyPrefix}1`),
};

function refusal(env: Readonly<Record<string, unknown>>): string {
  try {
    parseConfig(env);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}

describe('parseConfig', () => {
  it('reads a production environment', () => {
    const config = parseConfig({ ...production, ALLOWED_ORIGINS: 'https://a.example, https://b.example,' });
    expect(config).toMatchObject({
      environment: 'production',
      appOrigin: 'https://kiln.example',
      contentHost: 'kiln-content.example',
      contentScheme: 'https',
      runnerUrls: [],
    });
    expect([...config.allowedOrigins]).toEqual(['https://kiln.example', 'https://a.example', 'https://b.example']);
  });

  it('reads a development environment: http, a development key and one site are fine there', () => {
    expect(parseConfig(development)).toMatchObject({
      environment: 'development',
      contentScheme: 'http',
      runnerUrls: ['http://127.0.0.1:8788'],
    });
  });

  it('takes several runners', () => {
    const RUNNER_URL = 'https://one.example, https://two.example:8788,';
    expect(parseConfig({ ...production, RUNNER_URL }).runnerUrls).toEqual([
      'https://one.example',
      'https://two.example:8788',
    ]);
    expect(refusal({ ...production, RUNNER_URL: 'https://one.example two' })).toContain('RUNNER_URL');
  });

  it('sends jobs to runners unless they are to be pulled', () => {
    expect(parseConfig(production).buildDelivery).toBe('push');
    expect(parseConfig({ ...production, BUILD_DELIVERY: 'pull' }).buildDelivery).toBe('pull');
    expect(refusal({ ...production, BUILD_DELIVERY: 'both' })).toContain('BUILD_DELIVERY');
  });

  it.each(['staging', 'production'])('refuses development keys in %s [hostile 36]', (KILN_ENV) => {
    expect(refusal({ ...production, KILN_ENV, AUTH_KEYS: keys('dev-1') })).toContain('AUTH_KEYS is a development key');
    // Also when it only verifies.
    expect(refusal({ ...production, KILN_ENV, AUTH_KEYS: keys('2026-01', 'dev-1') })).toContain('AUTH_KEYS');
  });

  it.each(['staging', 'production'])('refuses http in %s', (KILN_ENV) => {
    expect(refusal({ ...production, KILN_ENV, APP_ORIGIN: 'http://kiln.example' })).toContain(
      'APP_ORIGIN must be https',
    );
  });

  it.each([
    ['the same host', 'https://kiln.example', 'kiln.example'],
    ['a sub-domain of the app', 'https://kiln.example', 'play.kiln.example'],
    ['a domain that the app is below', 'https://app.kiln.example', 'kiln.example'],
    ['the same host on another port', 'https://kiln.example:8443', 'kiln.example'],
    ['a sub-domain on another port', 'https://kiln.example', 'play.kiln.example:8443'],
    ['a sibling below one registrable domain', 'https://app.kiln.example', 'play.kiln.example'],
  ])('refuses a content host that shares the site of the app in production: %s [hostile 52]', (_name, app, content) => {
    expect(refusal({ ...production, APP_ORIGIN: app, CONTENT_HOST: content })).toContain('CONTENT_HOST');
  });

  it.each([
    ['no environment', { KILN_ENV: undefined }, 'KILN_ENV'],
    ['an unknown environment', { KILN_ENV: 'test' }, 'KILN_ENV'],
    ['an origin with a path', { APP_ORIGIN: 'https://kiln.example/app' }, 'APP_ORIGIN'],
    ['an origin with a trailing slash', { APP_ORIGIN: 'https://kiln.example/' }, 'APP_ORIGIN'],
    ['an origin of another scheme', { APP_ORIGIN: 'ftp://kiln.example' }, 'APP_ORIGIN'],
    ['a content host with a scheme', { CONTENT_HOST: 'https://x.example' }, 'CONTENT_HOST'],
    ['a runner that is no URL', { RUNNER_URL: 'runner' }, 'RUNNER_URL'],
    ['no keys', { AUTH_KEYS: undefined }, 'AUTH_KEYS'],
    ['an empty list of keys', { AUTH_KEYS: '[]' }, 'AUTH_KEYS'],
    ['keys that are no JSON', { AUTH_KEYS: 'secret-but-broken' }, 'AUTH_KEYS is not valid JSON'],
    ['a key without its private part', { AUTH_KEYS: JSON.stringify([{ ...key('a'), d: undefined }]) }, 'AUTH_KEYS'],
    ['a symmetric key', { AUTH_KEYS: JSON.stringify([{ kty: 'oct', kid: 'a', k: 'secret' }]) }, 'AUTH_KEYS'],
    ['a key without a name', { AUTH_KEYS: JSON.stringify([key('')]) }, 'AUTH_KEYS'],
  ])('refuses %s', (_name, change, named) => {
    expect(refusal({ ...production, ...change })).toContain(named);
  });

  it('names every wrong variable at once', () => {
    const message = refusal({ KILN_ENV: 'x', APP_ORIGIN: 'y', CONTENT_HOST: 'Z z', RUNNER_URL: 'r', AUTH_KEYS: '{' });
    for (const name of ['KILN_ENV', 'APP_ORIGIN', 'CONTENT_HOST', 'RUNNER_URL', 'AUTH_KEYS'])
      expect(message).toContain(name);
    const unsafe = refusal({
      ...production,
      APP_ORIGIN: 'http://kiln.example',
      CONTENT_HOST: 'kiln.example',
      AUTH_KEYS: keys('dev-1'),
    });
    for (const name of ['APP_ORIGIN', 'CONTENT_HOST', 'AUTH_KEYS']) expect(unsafe).toContain(name);
  });

  it('names no value: the message may be logged', () => {
    const messages = [
      refusal({ ...production, AUTH_KEYS: keys('dev-1') }),
      refusal({ ...production, AUTH_KEYS: 'very-secret-part' }),
      refusal({ ...production, AUTH_KEYS: JSON.stringify([{ ...key('k'), crv: 'very-secret-part' }]) }),
      refusal({ ...production, APP_ORIGIN: 'http://very-secret-part.example' }),
      refusal({ ...production, KILN_ENV: 'very-secret-part' }),
    ];
    for (const message of messages) {
      expect(message).toMatch(/^Kiln cannot start: /);
      expect(message).not.toContain('very-secret-part');
      expect(message).not.toContain('public-part');
    }
  });
});

describe('configOf', () => {
  it('parses an environment once', () => {
    const env = { ...production };
    expect(configOf(env)).toBe(configOf(env));
  });

  it('refuses again and again: a failure is not remembered as a success', () => {
    const env = { ...production, AUTH_KEYS: undefined };
    expect(() => configOf(env)).toThrow(/AUTH_KEYS/);
    expect(() => configOf(env)).toThrow(/AUTH_KEYS/);
  });
});
