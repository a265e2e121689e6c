/**
 * A ZIP archive that is written while its files are made: neither their sizes nor their number is
 * known before. Files may be larger than 4 GB, for which the form has fields of 64 bits.
 */
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, crc32, createDeflateRaw } from "node:zlib";

const VERSION = 45; // the first one that knows 64 bits
const FLAGS = 0x0808; // sizes stand after the content; names are UTF-8
const DEFLATE = 8;
const ELSEWHERE_32 = 0xff_ff_ff_ff; // the field of 64 bits has it
const ELSEWHERE_16 = 0xff_ff;
// The day on which an archive was made says nothing of what is in it: 1 January 1980.
const NO_DATE = 0x21;

interface Entry {
  readonly name: Buffer;
  readonly crc: number;
  readonly size: bigint;
  readonly packedSize: bigint;
  readonly offset: bigint;
}

/** Writes an archive into whatever takes bytes, one file after another. */
export class ZipArchive {
  readonly #write: (bytes: Buffer) => Promise<void>;
  readonly #entries: Entry[] = [];
  #offset = 0n;

  constructor(write: (bytes: Buffer) => Promise<void>) {
    this.#write = write;
  }

  /** A file of what a source gives. */
  async add(name: string, source: NodeJS.ReadableStream | Iterable<Buffer>): Promise<void> {
    const offset = this.#offset;
    const bytes = Buffer.from(name, "utf8");
    await this.#put(localHeader(bytes));
    let crc = 0;
    let size = 0n;
    let packedSize = 0n;
    const count = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        crc = crc32(chunk, crc);
        size += BigInt(chunk.length);
        done(null, chunk);
      },
    });
    const pack = createDeflateRaw({ level: constants.Z_DEFAULT_COMPRESSION });
    await pipeline(source, count, pack, async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        packedSize += BigInt(chunk.length);
        await this.#put(chunk);
      }
    });
    const entry = { name: bytes, crc, size, packedSize, offset };
    await this.#put(descriptor(entry));
    this.#entries.push(entry);
  }

  /** The list of all files, without which it is no archive. */
  async end(): Promise<void> {
    const start = this.#offset;
    for (const entry of this.#entries) await this.#put(directoryEntry(entry));
    await this.#put(ending(this.#entries.length, start, this.#offset));
  }

  async #put(bytes: Buffer): Promise<void> {
    this.#offset += BigInt(bytes.length);
    await this.#write(bytes);
  }
}

/** Numbers of 2, 4 and 8 bytes, the least significant byte first. */
function pack(
  ...fields: readonly (readonly [length: 2 | 4 | 8, value: number | bigint])[]
): Buffer {
  return Buffer.concat(
    fields.map(([length, value]) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt(value));
      return bytes.subarray(0, length);
    }),
  );
}

/** A field of 64 bits of an entry: its number, its length, its values. */
const wide = (...values: bigint[]) =>
  pack([2, 1], [2, values.length * 8], ...values.map((value) => [8, value] as const));

function localHeader(name: Buffer): Buffer {
  const extra = wide(0n, 0n);
  const header = pack(
    [4, 0x04034b50],
    [2, VERSION],
    [2, FLAGS],
    [2, DEFLATE],
    [2, 0],
    [2, NO_DATE],
    [4, 0],
    [4, ELSEWHERE_32],
    [4, ELSEWHERE_32],
    [2, name.length],
    [2, extra.length],
  );
  return Buffer.concat([header, name, extra]);
}

const descriptor = ({ crc, packedSize, size }: Entry) =>
  pack([4, 0x08074b50], [4, crc], [8, packedSize], [8, size]);

function directoryEntry({ name, crc, size, packedSize, offset }: Entry): Buffer {
  const extra = wide(size, packedSize, offset);
  const header = pack(
    [4, 0x02014b50],
    [2, VERSION],
    [2, VERSION],
    [2, FLAGS],
    [2, DEFLATE],
    [2, 0],
    [2, NO_DATE],
    [4, crc],
    [4, ELSEWHERE_32],
    [4, ELSEWHERE_32],
    [2, name.length],
    [2, extra.length],
    [2, 0],
    [2, 0],
    [2, 0],
    [4, 0],
    [4, ELSEWHERE_32],
  );
  return Buffer.concat([header, name, extra]);
}

/** Where the list of files begins, in both widths; `end` is where this stands. */
function ending(count: number, start: bigint, end: bigint): Buffer {
  return pack(
    [4, 0x06064b50],
    [8, 44],
    [2, VERSION],
    [2, VERSION],
    [4, 0],
    [4, 0],
    [8, count],
    [8, count],
    [8, end - start],
    [8, start],
    [4, 0x07064b50],
    [4, 0],
    [8, end],
    [4, 1],
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, ELSEWHERE_16],
    [2, ELSEWHERE_16],
    [4, ELSEWHERE_32],
    [4, ELSEWHERE_32],
    [2, 0],
  );
}
