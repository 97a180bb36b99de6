import { type DefaultTreeAdapterTypes, defaultTreeAdapter as tree } from 'parse5';
import { type InlineCode, linesOf } from './said.ts';

export type Element = DefaultTreeAdapterTypes.Element;

/** Every element below a node, in the order of the text. */
export function* allElements(parent: DefaultTreeAdapterTypes.ParentNode): Generator<Element> {
  for (const node of parent.childNodes) {
    if (!tree.isElementNode(node)) continue;
    yield node;
    yield* allElements(node);
    // The children of <template> live beside it.
    if (node.nodeName === 'template') yield* allElements((node as DefaultTreeAdapterTypes.Template).content);
  }
}

/** The text directly inside an element: all that a script or a style has. */
export const textOf = (element: Element): string =>
  element.childNodes.map((node) => (tree.isTextNode(node) ? node.value : '')).join('');

export const attribute = (element: Element, name: string): string | undefined =>
  element.attrs.find((one) => one.name === name)?.value;

export const isModuleScript = (element: Element): boolean =>
  element.tagName === 'script' && attribute(element, 'type') === 'module';

/** The code between the tags of a script or a style of a page, of which `text` is the whole. */
export function inlineCode(text: string, element: Element): InlineCode {
  const place = element.sourceCodeLocation;
  const lines = linesOf(text.slice(0, place?.startTag?.endOffset ?? 0));
  return { code: textOf(element), line: lines.length, before: lines.at(-1) ?? '' };
}
