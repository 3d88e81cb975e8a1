/** Where a process touches the world outside its memory, and may die on purpose. */
export const EFFECTS = ["send", "receive", "commit", "timer", "version"] as const;
