// AWS Signature Version 4 (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html) for one POST. SHA-256 is
// written out (FIPS 180-4), because a browser lends its own to pages over HTTPS only.

const encoder = new TextEncoder();
const bytes = (value) => (typeof value === "string" ? encoder.encode(value) : value);
const hex = (data) => Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** The first 32 bits of the fractional parts of `root`s of the first primes, as the standard derives its constants. */
function constants(count, root) {
  const primes = [];
  for (let n = 2; primes.length < count; n++) if (primes.every((prime) => n % prime)) primes.push(n);
  return Uint32Array.from(primes, (prime) => (root(prime) % 1) * 2 ** 32);
}

const START = constants(8, Math.sqrt);
const ROUND = constants(64, Math.cbrt);

function sha256(value) {
  const data = bytes(value);
  const padded = new Uint8Array(((data.length + 72) >> 6) << 6);
  padded.set(data);
  padded[data.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(data.length / 2 ** 29));
  view.setUint32(padded.length - 4, data.length << 3);
  const state = START.slice();
  const words = new Uint32Array(64);
  const turn = (x, n) => (x >>> n) | (x << (32 - n));
  for (let block = 0; block < padded.length; block += 64) {
    for (let i = 0; i < 16; i++) words[i] = view.getUint32(block + 4 * i);
    for (let i = 16; i < 64; i++) {
      const [x, y] = [words[i - 15], words[i - 2]];
      const small = turn(x, 7) ^ turn(x, 18) ^ (x >>> 3);
      words[i] = words[i - 16] + small + words[i - 7] + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10));
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const one = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + ROUND[i] + words[i];
      const two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      [a, b, c, d, e, f, g, h] = [(one + two) | 0, a, b, c, (d + one) | 0, e, f, g];
    }
    [a, b, c, d, e, f, g, h].forEach((value, i) => (state[i] += value));
  }
  const out = new DataView(new ArrayBuffer(32));
  state.forEach((word, i) => out.setUint32(4 * i, word));
  return new Uint8Array(out.buffer);
}

function hmac(key, value) {
  const block = new Uint8Array(64);
  block.set(key.length > 64 ? sha256(key) : bytes(key));
  const join = (first, second) => Uint8Array.of(...first, ...second);
  const inner = sha256(join(block.map((byte) => byte ^ 0x36), bytes(value)));
  return sha256(join(block.map((byte) => byte ^ 0x5c), inner));
}

/** Headers that prove who sends `body` to `url`. */
export function sign({ url, body, service, region, credentials }) {
  const moment = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = `${moment.slice(0, 8)}/${region}/${service}/aws4_request`;
  const headers = { host: url.host, "x-amz-date": moment, "x-amz-security-token": credentials.SessionToken };
  const names = Object.keys(headers).join(";");
  const path = url.pathname.split("/").map(encodeURIComponent).join("/");
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  const request = ["POST", path, "", lines.join(""), names, hex(sha256(body))].join("\n");
  const text = ["AWS4-HMAC-SHA256", moment, scope, hex(sha256(request))].join("\n");
  const key = scope.split("/").reduce(hmac, `AWS4${credentials.SecretKey}`);
  const { host, ...sent } = headers; // The browser writes the host itself.
  const signature = hex(hmac(key, text));
  const who = `${credentials.AccessKeyId}/${scope}`;
  return { ...sent, authorization: `AWS4-HMAC-SHA256 Credential=${who}, SignedHeaders=${names}, Signature=${signature}` };
}
