/** What people choose and how it is kept: names, passwords, and the passwords' hashes. */
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

const derive = promisify(scrypt);
const COST = { N: 2 ** 15, r: 8, p: 3, maxmem: 64 * 2 ** 20 };
const BYTES = 32;

/** The hash of a password that nobody has. A login with an unknown name is checked against it, so that it takes as long
 * as one with a wrong password and does not tell which names exist. */
export const DECOY = `${randomBytes(16).toString("base64")}.${randomBytes(BYTES).toString("base64")}`;

/** What the caller is told instead of an answer. */
export class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }

  answer() {
    return { error: { code: this.code, message: this.message } };
  }
}

export function parseUsername(event) {
  const username = text(event, "username").trim().toLowerCase();
  if (!/^[a-z0-9][a-z0-9._-]{1,30}[a-z0-9]$/.test(username))
    throw new Refused("InvalidUsername", "A name has 3 to 32 letters (a to z), digits, dots, hyphens or underscores.");
  return username;
}

export function parsePassword(event) {
  // The same password typed on another keyboard may arrive in other code points.
  const password = text(event, "password").normalize("NFKC");
  const length = [...password].length;
  if (length < 8 || length > 128) throw new Refused("InvalidPassword", "A password has 8 to 128 characters.");
  return password;
}

/** Salt and key, as text. */
export async function hash(password) {
  const salt = randomBytes(16);
  return `${salt.toString("base64")}.${(await derive(password, salt, BYTES, COST)).toString("base64")}`;
}

export async function matches(passwordHash, password) {
  const [salt, key] = passwordHash.split(".").map((part) => Buffer.from(part, "base64"));
  return timingSafeEqual(key, await derive(password, salt, BYTES, COST));
}

function text(event, name) {
  const value = event?.[name];
  return typeof value === "string" ? value : "";
}
