// Nobody logs in here, and still every call is signed: the browser asks Cognito for a guest's credentials, which may
// call one function, and calls it. There is no server in between.
import { sign } from "./sign.js";

const form = document.getElementById("form");
const text = document.getElementById("text");
const notice = document.getElementById("notice");

/** What the deployment wrote beside the page: where the cloud is, and what the stack's resources are called. */
let config;

/** A service's address: the cloud's own, or on AWS the service's. */
const at = (service) => config.endpoint ?? `https://${service}.${config.region}.amazonaws.com`;

async function answerOf(response) {
  const body = await response.json();
  if (!response.ok) throw new Error(body.message ?? body.Message ?? response.statusText);
  return body;
}

/** Operations of Cognito that everyone may call, without a signature. */
async function cognito(operation, request) {
  const headers = {
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": `AWSCognitoIdentityService.${operation}`,
  };
  return answerOf(await fetch(at("cognito-identity"), { method: "POST", headers, body: JSON.stringify(request) }));
}

let credentials;

async function guest() {
  if (!credentials || credentials.Expiration * 1000 < Date.now() + 60_000) {
    const { IdentityId } = await cognito("GetId", { IdentityPoolId: config.IdentityPoolId });
    credentials = (await cognito("GetCredentialsForIdentity", { IdentityId })).Credentials;
  }
  return credentials;
}

async function invoke(name, payload) {
  const url = new URL(`/2015-03-31/functions/${encodeURIComponent(name)}/invocations`, at("lambda"));
  const body = JSON.stringify(payload);
  const headers = sign({ url, body, service: "lambda", region: config.region, credentials: await guest() });
  const response = await fetch(url, { method: "POST", headers, body });
  const answer = await answerOf(response);
  if (response.headers.has("x-amz-function-error")) throw new Error(answer.errorMessage);
  return answer;
}

function show(notes) {
  const items = notes.map(({ text, written }) => {
    const item = document.createElement("li");
    const time = document.createElement("time");
    time.dateTime = written;
    time.textContent = new Date(written).toLocaleString();
    item.append(text, time);
    return item;
  });
  document.getElementById("notes").replaceChildren(...items);
}

async function call(payload) {
  const button = form.querySelector("button");
  button.disabled = true;
  notice.textContent = "…";
  try {
    config ??= await answerOf(await fetch("config.json", { cache: "no-cache" }));
    const notes = await invoke(config.GuestBook, payload);
    show(notes);
    notice.textContent = notes.length ? "" : "Nobody has left a note yet. Yours would be the first.";
    return true;
  } catch (error) {
    notice.textContent = `That did not work: ${error.message}`;
    return false;
  } finally {
    button.disabled = false;
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (await call({ text: text.value })) form.reset();
  text.focus();
});

await call({});
