/** What secrets look like that get into a log: by a line that a tool quotes, or a program that prints its environment. */
const secrets: readonly RegExp[] = [
  // JSON Web Tokens, the runner's own among them.
  /\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g,
  /\bkiln_[0-9A-Za-z]{40,}/g,
  // Tokens that name their kind: GitHub, npm, Slack, Stripe, Google, AWS, GitLab.
  /\bgh[oprsu]_\w{20,}|\bgithub_pat_\w{20,}|\bnpm_\w{20,}|\bxox[abprs]-[\w-]{10,}|\b[rs]k_live_\w{10,}/g,
  /\bAIza[\w-]{30,}|\bAKIA[0-9A-Z]{16}\b|\bglpat-[\w-]{16,}/g,
  /-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|$)/g,
];

/** A password in a URL, and a token after the word that says so: the rest of the text stays. */
const inside: readonly [RegExp, string][] = [
  [/\b([a-z][a-z\d+.-]{0,20}:\/\/[^\s/:@]{0,200}:)[^\s/@]{1,200}@/gi, '$1[masked]@'],
  [/\b(bearer\s{1,4})[\w.~+/-]{16,}=*/gi, '$1[masked]'],
  [/(_authToken\s{0,4}=\s{0,4})\S+/g, '$1[masked]'],
];

/** The text with secrets masked that can be told by their look. Linear in its length. */
export function maskSecrets(text: string): string {
  let masked = text;
  for (const pattern of secrets) masked = masked.replace(pattern, '[masked]');
  for (const [pattern, replacement] of inside) masked = masked.replace(pattern, replacement);
  return masked;
}
