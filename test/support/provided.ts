declare module 'vitest' {
  interface ProvidedContext {
    /** Where the system under test answers. */
    origin: string;
    /** Connection string of the administrator of the tests' PostgreSQL. */
    postgres: string;
  }
}

export {};
