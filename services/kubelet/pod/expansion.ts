/**
 * Replaces `$(NAME)` by the variable's value, as in commands, arguments and environment values.
 * `$$` stands for one `$`; a name that is not known stays as it is written.
 */
export function expand(text: string, lookUp: (name: string) => string | undefined): string {
  let result = "";
  for (let index = 0; index < text.length; index++) {
    const character = text[index] as string;
    if (character !== "$" || index + 1 >= text.length) {
      result += character;
      continue;
    }
    const next = text[index + 1];
    const end = next === "(" ? text.indexOf(")", index + 2) : -1;
    if (next === "$") {
      result += "$";
      index++;
    } else if (end > 0) {
      const name = text.slice(index + 2, end);
      result += lookUp(name) ?? `$(${name})`;
      index = end;
    } else if (next === "(") {
      result += "$(";
      index++;
    } else {
      result += "$";
    }
  }
  return result;
}
