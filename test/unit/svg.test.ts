import { describe, expect, it } from 'vitest';
import { cleanSvg } from '../../src/core/svg.ts';
import { hostileSvgs } from '../support/hostile-svg.ts';

const open = '<svg xmlns="http://www.w3.org/2000/svg">';

describe('The copy of an SVG document that is shown', () => {
  it.each(Object.entries(hostileSvgs))('#50 has nothing of: %s', (_name, source) => {
    const copy = cleanSvg(source);
    // A document that names what XML does not know is no document.
    if (copy === null) return expect(source).toContain('ENTITY');
    expect(copy).not.toMatch(/<(?:script|a|foreignObject|iframe|embed|handler|listener|set|\?)\b/i);
    expect(copy).not.toMatch(/ on\w+=|javascript:|evil\.example|alert|data:|@import/i);
    expect(copy).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(cleanSvg(copy)).toBe(copy);
  });

  it('has all of a drawing', () => {
    const inner =
      '<defs><linearGradient id="g" x1="0" gradientUnits="userSpaceOnUse"><stop offset="0" stop-color="#fff"></stop></linearGradient></defs>' +
      '<style>.a{fill:url(#g);stroke:red}</style>' +
      '<g transform="translate(1 2)"><path class="a" d="M0 0L1 1" style="opacity:.5"></path><use href="#g"></use>' +
      '<text x="1">1 &lt; 2 &amp; 3</text><image href="data:image/png;base64,iVBORw0KGgo=" width="1"></image></g>' +
      '<animate attributeName="opacity" values="0;1" dur="1s" repeatCount="indefinite"></animate>';
    const source = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1">${inner}</svg>`;
    expect(cleanSvg(source)).toBe(source);
    expect(cleanSvg(`<?xml version="1.0"?><!-- x -->${source}`)).toBe(source);
  });

  it('is of one well-formed SVG document, not too deep', () => {
    for (const source of ['', 'x', '<svg/>', `${open}<g>`, `${open}</svg><svg/>`, '<html/>', `${open}<g x=1/></svg>`])
      expect(cleanSvg(source), source).toBeNull();
    expect(cleanSvg(`${open}${'<g>'.repeat(100_000)}${'</g>'.repeat(100_000)}</svg>`)).toBeNull();
    expect(cleanSvg(`${open}<script><g>in</g></script><g>out</g></svg>`)).toBe(`${open}<g>out</g></svg>`);
  });
});
