/** Where an answer goes, and what the clock says; a test has its own. */
export interface Output {
  write(text: string): void;
  readonly isTTY?: boolean;
  now(): number;
}

// Whoever reads only the beginning (`| head`) has what was wanted.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

export const STANDARD_OUTPUT: Output = {
  write: (text) => void process.stdout.write(text),
  isTTY: process.stdout.isTTY,
  now: () => Date.now(),
};
