/**
 * Long messages in packets (protocol 3.3).
 *
 * Owns: unfinished messages of one link, bounded in number, size and age. Comes in: the fields of `multipart`
 * messages and the time. Goes out: whole messages as text, and packets for a long text. Never touches a socket.
 */

/** Bounds of what is kept for unfinished messages. */
export const MULTIPART_LIMITS = Object.freeze({
  messages: 8,
  packets: 16_384,
  bytes: 32 * 1024 * 1024,
  ageMs: 60_000,
});

/** A `multipart` packet broke a rule; its message has been dropped, the link may go on. */
export class MultipartError extends Error {
  name = "MultipartError";
}

/** Puts packets together, whatever their order and size. */
export class MultipartReader {
  #limits;
  /** @type {Map<string, {parts: Uint8Array[], missing: number, bytes: number, startedAt: number}>} */
  #unfinished = new Map();

  /** @param {Partial<typeof MULTIPART_LIMITS>} [limits] */
  constructor(limits = {}) {
    this.#limits = { ...MULTIPART_LIMITS, ...limits };
  }

  /**
   * Takes one packet.
   *
   * @param {object} fields of the `multipart` message
   * @param {number} now in milliseconds, any steady clock
   * @returns {string | null} the whole message once its last packet has come
   * @throws {MultipartError}
   */
  accept(fields, now) {
    const id = String(fields["message-id"] ?? "");
    const count = Number(fields.packetcount);
    const number = Number(fields.packetnumber);
    this.#dropOld(now);
    if (!id || !Number.isInteger(count) || count < 1 || count > this.#limits.packets) {
      throw this.#drop(id, "bad packet count");
    }
    if (!Number.isInteger(number) || number < 0 || number >= count) throw this.#drop(id, "bad packet number");

    const message = this.#unfinished.get(id) ?? this.#begin(id, count, now);
    if (message.parts.length !== count) throw this.#drop(id, "the packet count changed");
    if (message.parts[number]) return null; // A repeated packet says nothing new.

    const part = decodeBase64(fields.content);
    if (!part) throw this.#drop(id, "not base64");
    message.bytes += part.length;
    if (message.bytes > this.#limits.bytes) throw this.#drop(id, "message too big");
    message.parts[number] = part;
    message.missing -= 1;
    if (message.missing > 0) return null;
    this.#unfinished.delete(id);
    return joinUtf8(message.parts, message.bytes);
  }

  /** Forgets everything unfinished: the link is gone. */
  clear() {
    this.#unfinished.clear();
  }

  #begin(id, count, now) {
    if (this.#unfinished.size >= this.#limits.messages) throw this.#drop(id, "too many unfinished messages");
    const message = { parts: new Array(count), missing: count, bytes: 0, startedAt: now };
    this.#unfinished.set(id, message);
    return message;
  }

  #drop(id, reason) {
    this.#unfinished.delete(id);
    return new MultipartError(reason);
  }

  #dropOld(now) {
    for (const [id, message] of this.#unfinished) {
      if (now - message.startedAt > this.#limits.ageMs) this.#unfinished.delete(id);
    }
  }
}

/**
 * Cuts a long encoded message into `multipart` messages. The text is made pure ASCII first, because receivers
 * decode each packet on its own.
 *
 * @param {string} text the encoded JSON message
 * @param {string} messageId a fresh GUID
 * @param {number} [packetLength] base64 characters per packet, a multiple of four
 * @returns {string[]} encoded messages, to be sent in this order with no other multipart in between
 */
export function splitMultipart(text, messageId, packetLength = 2048) {
  const ascii = text.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const encoded = btoa(ascii);
  const packetcount = Math.ceil(encoded.length / packetLength);
  return Array.from({ length: packetcount }, (_, packetnumber) => {
    const content = encoded.slice(packetnumber * packetLength, (packetnumber + 1) * packetLength);
    return JSON.stringify([
      "multipart",
      {
        "message-id": messageId,
        packetcount,
        packetnumber,
        "content-type": "text/json; charset=utf-8",
        "content-transfer-encoding": "base64",
        "content-length": content.length,
        content,
      },
    ]);
  });
}

function decodeBase64(content) {
  try {
    return Uint8Array.from(atob(String(content ?? "")), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

function joinUtf8(parts, bytes) {
  const whole = new Uint8Array(bytes);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return new TextDecoder().decode(whole);
}
