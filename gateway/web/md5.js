/**
 * MD5 (RFC 1321) and the password hashes of the login (protocol 6.1).
 *
 * Owns: the two hashes that `login` carries. Comes in: a password as typed. Goes out: hex text.
 * Never keeps or logs a password. MD5 is what the protocol asks for; it guards nothing else.
 */

/**
 * The hashes of one password as the `login` method expects them.
 *
 * @param {string} password as the person typed it
 * @returns {{password: string, Password: string}} `password` of the lower-cased text, `Password` of the text as typed
 */
export function passwordHashes(password) {
  return {
    password: md5Hex(passwordBytes(password.toLowerCase())),
    Password: md5Hex(passwordBytes(password)),
  };
}

/**
 * The bytes that are hashed, one rule per UTF-16 code unit (protocol 6.1). For Russian letters this is Windows-1251.
 *
 * @param {string} text
 * @returns {Uint8Array}
 */
export function passwordBytes(text) {
  const bytes = [];
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) bytes.push(unit);
    else if (unit === 0x0401)
      bytes.push(0xa8); // Ё
    else if (unit === 0x0451)
      bytes.push(0xb8); // ё
    else if (unit > 0x0400) bytes.push((unit - 848) & 0xff);
    // U+0080 to U+0400 are dropped.
  }
  return Uint8Array.from(bytes);
}

/**
 * @param {Uint8Array} bytes
 * @returns {string} 32 lower-case hex digits
 */
export function md5Hex(bytes) {
  const words = paddedWords(bytes);
  let [a, b, c, d] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
  for (let block = 0; block < words.length; block += 16) {
    const before = [a, b, c, d];
    for (let step = 0; step < 64; step += 1) {
      const [mixed, source] = mix(step, b, c, d);
      const sum = (a + mixed + SINES[step] + words[block + source]) | 0;
      const turn = TURNS[(step >> 4) * 4 + (step & 3)];
      [a, d, c, b] = [d, c, b, (b + ((sum << turn) | (sum >>> (32 - turn)))) | 0];
    }
    [a, b, c, d] = [(a + before[0]) | 0, (b + before[1]) | 0, (c + before[2]) | 0, (d + before[3]) | 0];
  }
  return [a, b, c, d].map(littleEndianHex).join("");
}

/** The round's function of b, c and d, and the index of the word that it takes. */
function mix(step, b, c, d) {
  if (step < 16) return [(b & c) | (~b & d), step];
  if (step < 32) return [(d & b) | (~d & c), (5 * step + 1) & 15];
  if (step < 48) return [b ^ c ^ d, (3 * step + 5) & 15];
  return [c ^ (b | ~d), (7 * step) & 15];
}

/** The message as little-endian words, with the one bit, the zeros and the length in bits at its end. */
function paddedWords(bytes) {
  const words = new Int32Array((((bytes.length + 8) >> 6) + 1) * 16);
  bytes.forEach((byte, index) => {
    words[index >> 2] |= byte << ((index & 3) * 8);
  });
  words[bytes.length >> 2] |= 0x80 << ((bytes.length & 3) * 8);
  words[words.length - 2] = bytes.length << 3;
  words[words.length - 1] = bytes.length >>> 29;
  return words;
}

function littleEndianHex(word) {
  return [0, 8, 16, 24].map((shift) => ((word >>> shift) & 0xff).toString(16).padStart(2, "0")).join("");
}

const TURNS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];
const SINES = Int32Array.from({ length: 64 }, (_, step) => Math.floor(Math.abs(Math.sin(step + 1)) * 2 ** 32));
