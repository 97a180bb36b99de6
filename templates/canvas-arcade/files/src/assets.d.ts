// Importing an image gives its final URL: the bundler emits the file with a hash in its name.
declare module '*.svg' {
  const url: string;
  export default url;
}
