/** Documents that would do something in a browser: by row 50 of the hostile cases, and by the SVG sections of public lists. */
const svg = (inner: string, attributes = ''): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9" ${attributes}>${inner}</svg>`;

export const hostileSvgs: Readonly<Record<string, string>> = {
  script: svg('<script>alert(1)</script>'),
  'script by another prefix': '<s:svg xmlns:s="http://www.w3.org/2000/svg"><s:script>alert(1)</s:script></s:svg>',
  'script of HTML': svg('<script xmlns="http://www.w3.org/1999/xhtml">alert(1)</script>'),
  'script in a group in metadata': svg('<metadata><g><script href="data:text/javascript,alert(1)"/></g></metadata>'),
  onload: svg('<rect onload="alert(1)"/>', 'onload="alert(1)"'),
  'animate onbegin': svg('<animate attributeName="x" dur="1s" onbegin="alert(1)"/>'),
  'animated href': svg(
    '<a><text>x</text><animate attributeName="href" values="javascript:alert(1)"/><set attributeName="onload" to="alert(1)"/></a>',
  ),
  foreignObject: svg(
    '<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"><img src="x" onerror="alert(1)"/></body></foreignObject>',
  ),
  'use of data': svg(
    '<use href="data:image/svg+xml,&lt;svg id=&quot;x&quot; xmlns=&quot;http://www.w3.org/2000/svg&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;/svg&gt;#x"/>',
  ),
  'use of another file': svg('<use xlink:href="https://evil.example/x.svg#x"/>'),
  'javascript link': svg('<a xlink:href="javascript:alert(1)"><text y="9">x</text></a>'),
  'image from elsewhere': svg('<image href="https://evil.example/x.png"/><feImage href="//evil.example/x"/>'),
  'style that imports': svg('<style>@import "https://evil.example/x.css"; *{fill:url(https://evil.example/)}</style>'),
  'style with escapes': svg(
    '<style>*{fill:u\\72l(https://evil.example/)}</style><rect style="fill:url( https://evil.example/x )"/>',
  ),
  'style in CDATA': svg('<style><![CDATA[</style><script>alert(1)</script>]]></style>'),
  handler: svg('<handler type="text/javascript">alert(1)</handler><listener event="click"/>'),
  entity: `<!DOCTYPE svg [<!ENTITY x "<script>alert(1)</script>">]>${svg('&x;')}`,
  iframe: svg('<iframe xmlns="http://www.w3.org/1999/xhtml" src="javascript:alert(1)"/><embed src="x"/>'),
  stylesheet: `<?xml-stylesheet href="javascript:alert(1)"?>${svg('<g/>')}`,
};
