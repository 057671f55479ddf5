// AWS Signature Version 4 with the browser's own cryptography
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).

const bytes = (text) => new TextEncoder().encode(text);
const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
const sha256 = async (text) => hex(await crypto.subtle.digest("SHA-256", bytes(text)));

async function hmac(key, text) {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return crypto.subtle.sign("HMAC", imported, bytes(text));
}

/** The headers of a signed POST of `body` to `url`. */
export async function sign(url, body, { accessKeyId, secretAccessKey, region }, service, now = new Date()) {
  const time = now.toISOString().replace(/[-:]|\.\d{3}/g, "");
  const scope = `${time.slice(0, 8)}/${region}/${service}/aws4_request`;
  const { host, pathname } = new URL(url);
  const canonical = ["POST", pathname, "", `host:${host}`, `x-amz-date:${time}`, "", "host;x-amz-date", await sha256(body)];
  const toSign = ["AWS4-HMAC-SHA256", time, scope, await sha256(canonical.join("\n"))].join("\n");
  let key = bytes(`AWS4${secretAccessKey}`);
  for (const part of scope.split("/")) key = await hmac(key, part);
  const signature = hex(await hmac(key, toSign));
  return {
    "x-amz-date": time,
    authorization:
      `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=host;x-amz-date, Signature=${signature}`,
  };
}

/** The key in shell lines like `export AWS_ACCESS_KEY_ID=…`, undefined where a part is missing. */
export function readKey(text) {
  const value = (name) => text.match(new RegExp(`^\\s*(?:export\\s+)?${name}=['"]?([^'"\\s]+)['"]?\\s*$`, "m"))?.[1];
  const accessKeyId = value("AWS_ACCESS_KEY_ID");
  const secretAccessKey = value("AWS_SECRET_ACCESS_KEY");
  return accessKeyId && secretAccessKey && { accessKeyId, secretAccessKey, region: value("AWS_REGION") };
}
