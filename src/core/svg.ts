import { SaxesParser } from 'saxes';
import { limits } from '../contract/limits.ts';

/*
 * A copy of an SVG document that can do nothing but be seen: parsed as XML, and written anew from what is on
 * these lists. Whatever is not named here is left out, with what is in it: scripts, handlers of events,
 * foreign content, links, anything that is fetched from elsewhere.
 */

const svgSpace = 'http://www.w3.org/2000/svg';
const linkSpace = 'http://www.w3.org/1999/xlink';
const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

const elements = words(`
  svg g defs symbol use title desc metadata style switch path rect circle ellipse line polyline polygon text tspan textPath image
  marker mask clipPath pattern linearGradient radialGradient stop filter feBlend feColorMatrix feComponentTransfer feComposite
  feConvolveMatrix feDiffuseLighting feDisplacementMap feDistantLight feDropShadow feFlood feFuncA feFuncB feFuncG feFuncR
  feGaussianBlur feImage feMerge feMergeNode feMorphology feOffset fePointLight feSpecularLighting feSpotLight feTile feTurbulence
  animate animateMotion animateTransform mpath`);

/** Attributes that say how something looks; these alone can be animated. */
const looks = words(`
  alignment-baseline baseline-shift clip-path clip-rule color color-interpolation color-interpolation-filters cursor cx cy d direction
  display dominant-baseline dx dy fill fill-opacity fill-rule filter flood-color flood-opacity font-family font-size font-style
  font-variant font-weight fx fy height image-rendering letter-spacing lighting-color marker-end marker-mid marker-start mask offset
  opacity overflow paint-order points r rotate rx ry shape-rendering stop-color stop-opacity stroke stroke-dasharray
  stroke-dashoffset stroke-linecap stroke-linejoin stroke-miterlimit stroke-opacity stroke-width text-anchor text-decoration
  text-rendering transform transform-origin unicode-bidi vector-effect viewBox visibility width word-spacing writing-mode x x1 x2 y
  y1 y2`);

const others = words(`
  accumulate additive amplitude attributeName attributeType azimuth baseFrequency baseProfile begin bias by calcMode class
  clipPathUnits diffuseConstant divisor dur edgeMode elevation end exponent fill filterUnits from fr gradientTransform gradientUnits
  id in in2 intercept k1 k2 k3 k4 kernelMatrix kernelUnitLength keyPoints keySplines keyTimes lang lengthAdjust
  limitingConeAngle markerHeight markerUnits markerWidth maskContentUnits maskUnits max method min mode numOctaves operator order
  orient origin path pathLength patternContentUnits patternTransform patternUnits pointsAtX pointsAtY pointsAtZ preserveAlpha
  preserveAspectRatio primitiveUnits radius refX refY repeatCount repeatDur restart result scale seed slope spacing specularConstant
  specularExponent spreadMethod startOffset stdDeviation stitchTiles style surfaceScale systemLanguage tableValues targetX targetY
  textLength to type values version xChannelSelector yChannelSelector z`);

const fragment = /^#[\w:.-]+$/;
const picture = /^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+$/;

/** A value, or CSS, that names nothing outside of the document. */
function isHarmless(value: string): boolean {
  // Escapes and comments could spell any of what follows in another way.
  if (/[\\<]|\/\*|@|expression\s*\(|image-set|javascript:|data:/i.test(value)) return false;
  return !/url\s*\(/i.test(value.replaceAll(/url\(\s*(["']?)#[\w:.-]+\1\s*\)/gi, ''));
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

interface Attribute {
  readonly local: string;
  readonly uri: string;
  readonly value: string;
}

/** The attribute as it is written, or nothing. */
function attribute(element: string, { local, uri, value }: Attribute): string {
  if (local === 'href' && (uri === '' || uri === linkSpace)) {
    const mayShow = element === 'image' || element === 'feImage';
    return fragment.test(value) || (mayShow && picture.test(value)) ? ` href="${escaped(value)}"` : '';
  }
  if (uri !== '' || !(looks.has(local) || others.has(local)) || !isHarmless(value)) return '';
  if (local === 'attributeName' && !looks.has(value)) return '';
  return ` ${local}="${escaped(value)}"`;
}

/** The harmless copy; null for what is not one well-formed SVG document. */
export function cleanSvg(source: string): string | null {
  const out: string[] = [];
  const path: string[] = [];
  /** How deep we are within something that is left out. */
  let hidden = 0;
  let style: string[] | null = null;
  const parser = new SaxesParser({ xmlns: true });
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ local, uri, attributes }) => {
    if (path.length === 0 && (local !== 'svg' || uri !== svgSpace)) throw new Error('no SVG');
    path.push(local);
    if (path.length > limits.asset.svgDepth) throw new Error('too deep');
    if (hidden > 0 || uri !== svgSpace || !elements.has(local) || style) {
      hidden += 1;
      return;
    }
    const written = Object.values(attributes).map((one) => attribute(local, one as Attribute));
    // What animates nothing that it may, animates nothing.
    if (
      /^animate/.test(local) &&
      local !== 'animateMotion' &&
      !written.some((one) => one.startsWith(' attributeName='))
    )
      hidden += 1;
    else {
      out.push(`<${local}${path.length === 1 ? ` xmlns="${svgSpace}"` : ''}${written.join('')}>`);
      if (local === 'style') style = [];
    }
  });
  parser.on('closetag', () => {
    const local = path.pop();
    if (hidden > 0) {
      hidden -= 1;
      return;
    }
    if (style) {
      const css = style.join('');
      if (isHarmless(css)) out.push(escaped(css));
      style = null;
    }
    out.push(`</${local}>`);
  });
  const text = (value: string): void => {
    if (hidden === 0 && path.length > 0) (style ?? out).push(style ? value : escaped(value));
  };
  parser.on('text', text);
  parser.on('cdata', text);
  try {
    parser.write(source).close();
  } catch {
    return null;
  }
  return out.length > 0 ? out.join('') : null;
}
