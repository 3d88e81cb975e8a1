import * as packet from "dns-packet";
import type { Answer, DnsRecord, Question } from "./answer.ts";

/** Response codes of RFC 1035. */
export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
} as const;

export type ResponseCode = keyof typeof RCODE;

/** Largest UDP answer for clients that do not say what they take. */
const PLAIN_UDP_BYTES = 512;
/** What passes every network unsplit (DNS flag day 2020); also what we say that we take. */
export const EDNS_UDP_BYTES = 1232;

/** A request as far as it could be understood. */
export interface Request {
  readonly id: number;
  readonly question: Question | undefined;
  readonly recursionDesired: boolean;
  /** Undefined: without EDNS0. */
  readonly edns: { readonly udpBytes: number } | undefined;
  /** Anything but NOERROR is the answer already. */
  readonly verdict: ResponseCode;
}

/** @returns undefined for what must not be answered at all: no header, a response. */
export function readRequest(bytes: Buffer): Request | undefined {
  if (bytes.length < 12 || (bytes[2]! & 0x80) !== 0) return undefined;
  const broken = { id: bytes.readUInt16BE(0), question: undefined, edns: undefined };
  const recursionDesired = (bytes[2]! & 0x01) !== 0;
  const opcode = (bytes[2]! >> 3) & 0x0f;
  if (opcode !== 0) return { ...broken, recursionDesired, verdict: "NOTIMP" };
  let decoded: packet.DecodedPacket;
  try {
    decoded = packet.decode(bytes);
  } catch {
    return { ...broken, recursionDesired, verdict: "FORMERR" };
  }
  const [question, ...more] = decoded.questions ?? [];
  if (question === undefined || more.length > 0) {
    return { ...broken, recursionDesired, verdict: "FORMERR" };
  }
  const option = decoded.additionals?.find((record) => record.type === "OPT");
  const edns = option?.type === "OPT" ? { udpBytes: option.udpPayloadSize } : undefined;
  return {
    id: broken.id,
    question: { name: question.name, type: question.type },
    recursionDesired,
    edns,
    verdict: verdictOf(question),
  };
}

function verdictOf(question: packet.Question): ResponseCode {
  if (question.class !== undefined && question.class !== "IN") return "REFUSED";
  return question.type === "AXFR" || question.type === "IXFR" ? "REFUSED" : "NOERROR";
}

/** How many bytes a UDP answer to the request may have. */
export function udpLimit(request: Request): number {
  const asked = request.edns?.udpBytes ?? PLAIN_UDP_BYTES;
  return Math.min(Math.max(asked, PLAIN_UDP_BYTES), EDNS_UDP_BYTES);
}

/** Writes an answer; when it is longer than `limit` bytes, an empty one that says so. */
export function writeAnswer(
  request: Request,
  answer: Answer,
  options: { readonly limit: number; readonly authoritative: boolean },
): Buffer {
  const flags = options.authoritative ? packet.AUTHORITATIVE_ANSWER : 0;
  const whole = encode(request, flags | RCODE[answer.code], answer);
  if (whole.length <= options.limit) return whole;
  const bare = { ...answer, additionals: [] };
  const shorter = encode(request, flags | RCODE[answer.code], bare);
  if (shorter.length <= options.limit) return shorter;
  const nothing = { answers: [], authorities: [], additionals: [] };
  return encode(request, flags | packet.TRUNCATED_RESPONSE | RCODE[answer.code], nothing);
}

/** An answer that is only a code. */
export function writeCode(request: Request, code: ResponseCode): Buffer {
  return encode(request, RCODE[code], { answers: [], authorities: [], additionals: [] });
}

function encode(
  request: Request,
  flags: number,
  { answers, authorities, additionals }: Pick<Answer, "answers" | "authorities" | "additionals">,
): Buffer {
  const echoed = request.recursionDesired ? packet.RECURSION_DESIRED : 0;
  const { question } = request;
  return packet.encode({
    type: "response",
    id: request.id,
    flags: flags | echoed | packet.RECURSION_AVAILABLE,
    questions:
      question === undefined
        ? []
        : [{ name: question.name, type: question.type as packet.RecordType, class: "IN" }],
    answers: answers.map(wire),
    authorities: authorities.map(wire),
    additionals: [...additionals.map(wire), ...(request.edns === undefined ? [] : [ednsRecord()])],
  });
}

/** A query of our own. */
export function writeQuery(id: number, question: Question): Buffer {
  return packet.encode({
    type: "query",
    id,
    flags: packet.RECURSION_DESIRED,
    questions: [{ name: question.name, type: question.type as packet.RecordType, class: "IN" }],
    additionals: [ednsRecord()],
  });
}

/** The answer section of an upstream's response, ready to be added to ours. */
export function answersOf(response: Buffer): DnsRecord[] {
  const answers = packet.decode(response).answers ?? [];
  // Only what our own encoder writes; everything else is of no use behind an alias.
  return answers.filter((record) =>
    ["A", "AAAA", "CNAME", "SRV"].includes(record.type),
  ) as DnsRecord[];
}

function wire(record: DnsRecord): packet.Answer {
  return { ...record, class: "IN" } as packet.Answer;
}

function ednsRecord(): packet.Answer {
  return {
    type: "OPT",
    name: ".",
    udpPayloadSize: EDNS_UDP_BYTES,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
}
