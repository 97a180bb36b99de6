interface Person {
  displayName: string;
  color: string;
}

/** First letters of the first and last word; of one word, its first two. */
export const initials = (name: string): string => {
  const words = name
    .trim()
    .split(/[\s._-]+/u)
    .filter(Boolean);
  const first = [...(words[0] ?? '?')];
  const last = words.length > 1 ? [...(words.at(-1) ?? '')][0] : first[1];
  return `${first[0] ?? '?'}${last ?? ''}`.toUpperCase();
};

export const Avatar = ({ person, size = 28, title }: { person: Person; size?: number; title?: string }) => (
  <span
    class="avatar"
    style={{
      '--person': person.color,
      width: `${size}px`,
      height: `${size}px`,
      fontSize: `${size * 0.38}px`,
    }}
    title={title}
  >
    {initials(person.displayName)}
  </span>
);
