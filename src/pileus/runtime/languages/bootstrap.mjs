// Node.js functions: from the Runtime API to the handler and back.
// https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html and …/runtimes-api.html

import fs from "node:fs";
import http from "node:http";
import Module, { createRequire } from "node:module";
import net from "node:net";
import path from "node:path";
import { Writable } from "node:stream";
import { pathToFileURL } from "node:url";
import { format } from "node:util";
import v8 from "node:v8";

const environment = process.env;
if (process.argv[2] === "--wait") {
  await warm();
  takeFunction();
}
const [host, port] = environment.AWS_LAMBDA_RUNTIME_API.split(":");
const json = environment.AWS_LAMBDA_LOG_FORMAT === "JSON";
const STREAMING = Symbol("aws.lambda.streaming");
const HTTP_INTEGRATION = "application/vnd.awslambda.http-integration-response";
const RUNTIME = "/2018-06-01/runtime";
let requestId = "";
let onEmpty = null;
process.on("beforeExit", () => {
  const settle = onEmpty;
  onEmpty = null;
  settle?.();
});

// Started ahead, this process waits in its sandbox for the function that it will be.

/** What Node.js loads and compiles only when it is first used: modules, requests, requires. */
async function warm() {
  await import("data:text/javascript,export default 1");
  createRequire("/var/task/index.js")("node:util").format("%s", {});
  await new Promise((resolve) => http.request({ host: "127.0.0.1", port: 1 }).on("error", resolve).end());
}

function takeFunction() {
  const message = Buffer.alloc(1 << 18);
  const length = fs.readSync(3, message);
  if (!length) process.exit(0);
  fs.closeSync(3);
  const assignment = JSON.parse(message.subarray(0, length).toString());
  for (const name of Object.keys(environment)) delete environment[name];
  Object.assign(environment, assignment.environment);
  process.chdir(environment.LAMBDA_TASK_ROOT);
  for (const flag of assignment.program) if (flag.startsWith("--")) v8.setFlagsFromString(flag);
  Module._initPaths(); // NODE_PATH
}

// The Runtime API, whose answers always have a length.

/** One request after the other, without the layers of node:http: they cost several times what the rest of an invocation
 *  does. It keeps the process alive only while an answer is awaited. */
class Connection {
  constructor() {
    this.socket = net.connect({ host, port: Number(port), noDelay: true });
    this.socket.unref();
    this.socket.on("data", (piece) => this.take(piece));
    this.socket.on("error", (error) => this.reject?.(error));
    this.socket.on("close", () => this.reject?.(new Error("The Runtime API closed the connection")));
    this.pieces = [];
    this.size = 0;
    this.head = null;
  }

  send(request) {
    this.socket.ref();
    this.socket.write(request);
    return new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  take(piece) {
    this.pieces.push(piece);
    this.size += piece.length;
    if (this.head === null) {
      const data = this.whole();
      const end = data.indexOf("\r\n\r\n");
      if (end < 0) return;
      this.head = parseHead(data.latin1Slice(0, end));
      this.pieces = [data.subarray(end + 4)];
      this.size = data.length - end - 4;
    }
    if (this.size < this.head["content-length"]) return;
    const answer = { headers: this.head, body: this.whole() };
    this.head = null;
    this.pieces = [];
    this.size = 0;
    this.socket.unref();
    this.resolve(answer);
  }

  whole() {
    if (this.pieces.length > 1) this.pieces = [Buffer.concat(this.pieces)];
    return this.pieces[0];
  }
}

function parseHead(text) {
  const headers = {};
  for (const line of text.split("\r\n").slice(1)) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trimStart();
  }
  return headers;
}

const NEXT = `GET ${RUNTIME}/invocation/next HTTP/1.1\r\n\r\n`;
/** Asks, with an answer, for the next invocation too: one packet instead of two, and one reply. */
const THEN_NEXT = "Pileus-Then-Next: 1\r\n";

function post(url, text, more) {
  return `POST ${RUNTIME}${url} HTTP/1.1\r\n${more}Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
}

function postError(url, error, more = "") {
  const document = describe(error);
  const type = `Lambda-Runtime-Function-Error-Type: ${header(document.errorType)}\r\n`;
  return post(url, JSON.stringify(document), type + more);
}

// Errors, as Lambda shows them.

class RuntimeError extends Error {
  constructor(type, message) {
    super(message);
    this.name = type;
  }
}

function describe(error) {
  if (error instanceof Error || (error !== null && typeof error === "object" && "message" in error)) {
    return {
      errorType: error.name || "Error",
      errorMessage: error.message,
      trace: typeof error.stack === "string" ? error.stack.split("\n") : [],
    };
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

function serialise(error) {
  const plain = { ...describe(error) };
  if (error instanceof Error) {
    // What the error carries of its own (code, cause) belongs to the log.
    for (const name of Object.getOwnPropertyNames(error)) {
      if (!["name", "message", "stack"].includes(name)) plain[name] = error[name];
    }
    plain.stack = plain.trace;
    delete plain.trace;
  }
  try {
    return JSON.stringify(plain);
  } catch {
    return JSON.stringify(describe(error));
  }
}

// The log: one frame a record, so that its lines stay together.

const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const least = json ? Math.max(0, LEVELS.indexOf((environment.AWS_LAMBDA_LOG_LEVEL || "INFO").toUpperCase())) : 0;

function write(text) {
  const message = Buffer.from(text);
  const frame = Buffer.allocUnsafe(16 + message.length);
  frame.writeUInt32BE(json ? 0xa55a0002 : 0xa55a0003, 0);
  frame.writeUInt32BE(message.length, 4);
  frame.writeBigUInt64BE(BigInt(Date.now()) * 1000n, 8);
  message.copy(frame, 16);
  for (let sent = 0; sent < frame.length; ) {
    try {
      sent += fs.writeSync(1, frame, sent);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error; // the pipe is full: Pileus is reading
    }
  }
}

function log(level, values) {
  if (LEVELS.indexOf(level) < least) return;
  const timestamp = new Date().toISOString();
  if (!json) {
    write(`${timestamp}\t${requestId || "undefined"}\t${level}\t${format(...values)}\n`);
    return;
  }
  const record = { timestamp, level, requestId: requestId || undefined };
  const error = values.find((value) => value instanceof Error);
  if (error) {
    const { errorType, errorMessage, trace } = describe(error);
    Object.assign(record, { errorType, errorMessage, stackTrace: trace });
  }
  record.message = values.length === 1 && !error ? values[0] : format(...values);
  try {
    write(JSON.stringify(record) + "\n");
  } catch {
    write(JSON.stringify({ ...record, message: format(...values) }) + "\n");
  }
}

for (const [method, level] of Object.entries({
  trace: "TRACE", debug: "DEBUG", log: "INFO", info: "INFO", warn: "WARN", error: "ERROR", fatal: "FATAL",
})) {
  console[method] = (...values) => log(level, values);
}

function logError(what, error) {
  if (json) log("ERROR", [error]);
  else log("ERROR", [`${what}\t${serialise(error)}`]);
}

// Response streaming: https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html

const streams = new http.Agent({ keepAlive: true, maxSockets: 1 });

class ResponseStream extends Writable {
  constructor(id) {
    super({ highWaterMark: 65536 });
    this.id = id;
    this.contentType = "application/octet-stream";
    this.request = null;
    this.prelude = null;
    this.answered = new Promise((resolve) => (this.resolveAnswer = resolve));
  }

  setContentType(type) {
    if (this.request) throw new RuntimeError("InvalidStreamingOperation", "Cannot set content-type, too late.");
    this.contentType = type;
  }

  begin() {
    if (this.request) return;
    this.request = http.request(
      {
        host, port, agent: streams, method: "POST", path: `${RUNTIME}/invocation/${this.id}/response`,
        headers: {
          "Content-Type": this.contentType,
          "Lambda-Runtime-Function-Response-Mode": "streaming",
          "Transfer-Encoding": "chunked",
          Trailer: "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
        },
      },
      (response) => response.resume().on("end", this.resolveAnswer),
    );
    this.request.on("error", this.resolveAnswer);
    this.request.flushHeaders();
    if (this.prelude) this.request.write(this.prelude);
  }

  _write(piece, encoding, done) {
    this.begin();
    this.request.write(piece, done);
  }

  _final(done) {
    this.begin();
    this.request.end(done);
  }

  breakOff(error) {
    const document = JSON.stringify(describe(error));
    this.request.addTrailers({
      "Lambda-Runtime-Function-Error-Type": header(describe(error).errorType),
      "Lambda-Runtime-Function-Error-Body": Buffer.from(document).toString("base64"),
    });
    this.request.end();
  }
}

globalThis.awslambda = {
  streamifyResponse(handler) {
    handler[STREAMING] = true;
    return handler;
  },
  HttpResponseStream: {
    from(stream, prelude) {
      stream.setContentType(HTTP_INTEGRATION);
      stream.prelude = Buffer.concat([Buffer.from(JSON.stringify(prelude ?? {})), Buffer.alloc(8)]);
      return stream;
    },
  },
};

function header(text) {
  return String(text).replace(/[^\x20-\x7e]/g, " ");
}

// Finding the handler.

/** The AWS SDK for JavaScript, version 2, is older than AWS_ENDPOINT_URL and would call Amazon: it is told when it is
 *  loaded from a package, as `aws-sdk`, where it finds AWS. What a function sets itself counts all the same. */
function leadOldSdk() {
  const load = Module._extensions[".js"];
  Module._extensions[".js"] = (module, file) => {
    load(module, file);
    if (file.endsWith("/aws-sdk/lib/node_loader.js")) {
      module.exports.config?.update({ endpoint: environment.AWS_ENDPOINT_URL, s3ForcePathStyle: true });
    }
  };
}

function isModule(file) {
  if (file.endsWith(".mjs")) return true;
  if (file.endsWith(".cjs")) return false;
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    const manifest = path.join(folder, "package.json");
    if (fs.existsSync(manifest)) return JSON.parse(fs.readFileSync(manifest, "utf8")).type === "module";
    if (folder === path.dirname(folder)) return false;
  }
}

async function load(root, name) {
  const base = path.resolve(root, name);
  const require = createRequire(path.join(root, "index.js"));
  const file = ["", ".js", ".mjs", ".cjs"].map((end) => base + end).find((one) => fs.statSync(one, { throwIfNoEntry: false })?.isFile());
  try {
    if (file) return isModule(file) ? await import(pathToFileURL(file).href) : require(file);
    return require(require.resolve(name, { paths: [root] }));
  } catch (error) {
    if (error instanceof SyntaxError) throw Object.assign(new RuntimeError("Runtime.UserCodeSyntaxError", `SyntaxError: ${error.message}`), { stack: error.stack });
    if (error?.code === "MODULE_NOT_FOUND" || error?.code === "ERR_MODULE_NOT_FOUND") {
      throw new RuntimeError("Runtime.ImportModuleError", `Error: ${error.message.replace(`${root}/index.js`, "/var/runtime/index.mjs")}`);
    }
    throw error;
  }
}

async function findHandler(root, text) {
  if (text.includes("..")) throw new RuntimeError("Runtime.MalformedHandlerName", `'${text}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  const match = path.basename(text).match(/^([^.]*)\.(.+)$/);
  if (!match) throw new RuntimeError("Runtime.MalformedHandlerName", "Bad handler");
  const module = await load(root, path.join(path.dirname(text), match[1]));
  const handler = match[2].split(".").reduce((value, name) => value?.[name], module) ?? match[2].split(".").reduce((value, name) => value?.[name], module?.default);
  if (handler === undefined) throw new RuntimeError("Runtime.HandlerNotFound", `${text} is undefined or not exported`);
  if (typeof handler !== "function") throw new RuntimeError("Runtime.HandlerNotFound", `${text} is not a function`);
  return handler;
}

// One invocation.

function makeContext(headers, finish) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const parse = (name) => (headers[name] ? JSON.parse(Buffer.from(headers[name], "latin1").toString()) : undefined);
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: environment.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: environment.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: environment.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: environment.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: environment.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parse("lambda-runtime-client-context"),
    identity: parse("lambda-runtime-cognito-identity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    getRemainingTimeInMillis: () => deadline - Date.now(),
    succeed: (result) => finish(null, result),
    fail: (error) => finish(error ?? new Error("handled")),
    done: (error, result) => finish(error, result),
  };
}

/** Resolves when the handler has said its last word: by its promise, its callback, or an empty event loop. */
function run(handler, event, headers) {
  return new Promise((resolve, reject) => {
    let context;
    const settle = (error, result) => {
      onEmpty = null;
      if (error !== null && error !== undefined) reject(error);
      else resolve(result);
    };
    const finish = (error, result) => {
      // https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html#nodejs-handler-callback
      if (!context.callbackWaitsForEmptyEventLoop || error) settle(error, result);
      else onEmpty = () => settle(null, result);
    };
    context = makeContext(headers, finish);
    onEmpty = () => settle(null, null);
    try {
      const returned = handler(event, context, finish);
      if (typeof returned?.then === "function") {
        onEmpty = null;
        returned.then((result) => settle(null, result), (error) => settle(error ?? new Error("undefined")));
      }
    } catch (error) {
      settle(error ?? new Error("undefined"));
    }
  });
}

async function stream(handler, event, headers) {
  const output = new ResponseStream(requestId);
  const ended = new Promise((resolve) => output.once("finish", resolve));
  try {
    await handler(event, output, makeContext(headers, () => {}));
  } catch (error) {
    if (!output.request) throw error;
    logError("Invoke Error ", error);
    output.breakOff(error);
    await output.answered;
    return;
  }
  if (!output.writableEnded && !output.request) output.end();
  await ended;
  await output.answered;
}

/** The request that tells how it went, and asks for the next one. */
async function invoke(handler, headers, body) {
  requestId = headers["lambda-runtime-aws-request-id"];
  if (headers["lambda-runtime-trace-id"]) environment._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"];
  try {
    const event = JSON.parse(body.toString());
    if (handler[STREAMING]) {
      await stream(handler, event, headers);
      return NEXT;
    }
    const result = await run(handler, event, headers);
    let text;
    try {
      text = JSON.stringify(result === undefined ? null : result) ?? "null";
    } catch {
      throw new RuntimeError("Runtime.MarshalError", "Unable to stringify response body");
    }
    return post(`/invocation/${requestId}/response`, text, THEN_NEXT);
  } catch (error) {
    logError("Invoke Error ", error);
    return postError(`/invocation/${requestId}/error`, error, THEN_NEXT);
  }
}

async function dieOf(what, error, code) {
  logError(what, error);
  try {
    await new Connection().send(postError(requestId ? `/invocation/${requestId}/error` : "/init/error", error));
  } finally {
    process.exit(code);
  }
}

process.on("uncaughtException", (error) => dieOf("Uncaught Exception ", error, 129));
process.on("unhandledRejection", (reason) => {
  const error = new RuntimeError("Runtime.UnhandledPromiseRejection", String(reason));
  error.reason = reason instanceof Error ? describe(reason) : reason;
  dieOf("Unhandled Promise Rejection ", error, 128);
});

leadOldSdk();
let handler;
try {
  handler = await findHandler(environment.LAMBDA_TASK_ROOT, environment._HANDLER);
} catch (error) {
  logError("Uncaught Exception ", error);
  await new Connection().send(postError("/init/error", error));
  process.exit(1);
}
const connection = new Connection();
for (let request = NEXT; ; ) {
  const { headers, body } = await connection.send(request);
  request = await invoke(handler, headers, body);
}
