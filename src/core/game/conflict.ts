/** What Git leaves in a file where two versions of it do not fit together. */
const mark = /^(?:<{7}|\|{7}|={7}|>{7})(?:\s|$)/;

/** Whether a line is such a mark. */
export const isConflictMark = (line: string | undefined): boolean => mark.test(line ?? '');

export const conflict =
  'Two versions of this file were merged here and did not fit together. Keep what you want of the lines between "<<<<<<<" and ">>>>>>>", and take out these marks.';
