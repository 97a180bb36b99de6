/** A JSON Schema as the OpenAPI document has it, as far as samples are made from it. */
export interface Schema {
  readonly $ref?: string;
  readonly example?: unknown;
  readonly examples?: readonly unknown[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly type?: string | readonly string[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
}

/** Texts of every shape that the contract knows. */
const texts = [
  'x',
  'sample',
  'a sample text',
  'sample@kiln.test',
  '0192f0c1-2a3b-7c4d-8e5f-a1b2c3d4e5f6',
  'a'.repeat(64),
  '2999-01-01T00:00:00Z',
  'https://kiln.test/',
  '1.0.0',
  '1',
];

function text({ pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY }: Schema, where: string): string {
  const regex = new RegExp(pattern ?? '', 'u');
  const found = [...texts, 'x'.repeat(minLength)].find(
    (one) => one.length >= minLength && one.length <= maxLength && regex.test(one),
  );
  if (found === undefined)
    throw new Error(`No text is known for ${where} (${pattern}): give its schema an example, .meta({ example: '…' }).`);
  return found;
}

/** The smallest value that a schema takes, or its example. What a schema refines beyond JSON Schema is not seen. */
export function sampleOf(schema: Schema, components: Readonly<Record<string, Schema>>, where = 'body'): unknown {
  const inner = (next: Schema, name: string): unknown => sampleOf(next, components, `${where}.${name}`);
  if (schema.$ref !== undefined) {
    const referred = components[schema.$ref.split('/').at(-1) ?? ''];
    if (!referred) throw new Error(`${schema.$ref} is nowhere`);
    return sampleOf(referred, components, where);
  }
  if (schema.example !== undefined) return schema.example;
  if (schema.examples?.length) return schema.examples[0];
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const choice = schema.anyOf?.[0] ?? schema.oneOf?.[0];
  if (choice) return inner(choice, '0');
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((part, n) => inner(part, String(n))));
  const type = typeof schema.type === 'string' ? schema.type : schema.type?.[0];
  switch (type) {
    case 'object':
      return Object.fromEntries(
        (schema.required ?? []).map((name) => [name, inner(schema.properties?.[name] ?? {}, name)]),
      );
    case 'array':
      return Array.from({ length: schema.minItems ?? 0 }, (_, n) => inner(schema.items ?? {}, String(n)));
    case 'string':
      return text(schema, where);
    case 'integer':
    case 'number':
      return schema.minimum ?? (schema.exclusiveMinimum ?? 0) + 1;
    case 'boolean':
      return false;
    default:
      return null;
  }
}
