declare module 'vitest' {
  interface ProvidedContext {
    /** Where the system under test answers. */
    origin: string;
  }
}

export {};
