import { z } from "zod";

const size = z.object({ Width: z.number().int().min(0), Height: z.number().int().min(0) });

/** A terminal's new size as clients send it; undefined when it is none. */
export function readResize(chunk: Uint8Array): { width: number; height: number } | undefined {
  try {
    const { Width, Height } = size.parse(JSON.parse(Buffer.from(chunk).toString("utf8")));
    return { width: Width, height: Height };
  } catch {
    return undefined;
  }
}
