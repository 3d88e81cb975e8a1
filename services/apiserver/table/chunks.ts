const CHUNK_BYTES = 128 * 1024;

/** Collects text and bytes into a few large parts, so that a transport writes seldom. */
export class Chunks {
  private readonly parts: Buffer[] = [];
  private pending: Uint8Array[] = [];
  private pendingText = "";
  private size = 0;

  text(text: string): void {
    this.pendingText += text;
    this.size += text.length;
    this.flushWhenFull();
  }

  bytes(bytes: Uint8Array): void {
    this.flushText();
    this.pending.push(bytes);
    this.size += bytes.length;
    this.flushWhenFull();
  }

  end(): Buffer[] {
    this.flush();
    return this.parts;
  }

  private flushText(): void {
    if (!this.pendingText) return;
    this.pending.push(Buffer.from(this.pendingText));
    this.pendingText = "";
  }

  private flushWhenFull(): void {
    if (this.size >= CHUNK_BYTES) this.flush();
  }

  private flush(): void {
    this.flushText();
    if (this.pending.length > 0) this.parts.push(Buffer.concat(this.pending));
    this.pending = [];
    this.size = 0;
  }
}
