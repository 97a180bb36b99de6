/** Words that begin nothing that could be a value or be replaced. `this`, `null` and the like are values, and names of no constant. */
const reserved =
  /^(?:break|case|catch|class|const|continue|debugger|default|delete|do|else|enum|export|extends|false|finally|for|function|if|import|in|instanceof|new|null|return|super|switch|throw|true|try|typeof|var|void|while|with)$/;

/** `NAME`, `Config.debug`, `import.meta.env.KEY`. */
const isDotted = (text: string): boolean =>
  /^[\p{ID_Start}$_][\p{ID_Continue}$]*(?:\.[\p{ID_Start}$_][\p{ID_Continue}$]*)*$/u.test(text) &&
  (!reserved.test(text.split('.', 1)[0] ?? '') || /^import\.meta(?:\.|$)/.test(text));

/** Whether a build can put a constant in place of this name. */
export const isDefineName = isDotted;

/** Whether this can stand for a constant: JSON, a text in single quotes, a bigint, or the name of what the game has. Calls and sums cannot. */
export function isDefineValue(text: string): boolean {
  if (isDotted(text) || /^\d+n$/.test(text) || /^'[^'\\\n\r]*'$/.test(text)) return true;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
