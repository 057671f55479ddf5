import { readKey, sign } from "./signing.js";

const REFRESH_SECONDS = 10;
const DENIED_SHOWN = 20;
const base = new URL(".", import.meta.url).href;
const at = (id) => document.getElementById(id);

let key;
let timer;
let asking = 0;
/** The stacks whose outputs are unfolded: they stay so when the page is made anew. */
const opened = new Set();

async function ask(name, request = {}) {
  const url = `${base}${name}`;
  const body = JSON.stringify(request);
  let response;
  try {
    response = await fetch(url, { method: "POST", body, headers: await sign(url, body, key, "pileus"), credentials: "omit" });
  } catch {
    throw new Error("The cloud does not answer. Is it running?");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const error = new Error(answer.Message ?? `The cloud answered ${response.status}.`);
  error.refused = response.status === 403;
  throw error;
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

/** A table; cells are texts or elements. `columns` are [title, value of a row, kind]: `number` stands to the right,
 *  `long` may take several lines, all else keeps to one. */
function table(rows, columns, empty) {
  if (!rows.length) return element("p", { className: "empty" }, empty);
  const cell = (tag, content, kind = "") => element(tag, { className: kind }, content ?? "");
  // On a narrow screen a row stands upright, and each value beside its column's title.
  const titled = (title, made) => { made.dataset.title = title; return made; };
  return element("div", { className: "scroll" },
    element("table", {},
      element("thead", {}, element("tr", {}, ...columns.map(([title, , kind]) => cell("th", title, kind)))),
      element("tbody", {}, ...rows.map((row) =>
        element("tr", {}, ...columns.map(([title, value, kind]) => titled(title, cell("td", value(row), kind))))))));
}

const count = (value) => Number(value).toLocaleString("en");
const quantity = (value) => (value === 0 ? "0" : value < 0.0001 ? "<0.0001" : Number(value.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 4 }));
const money = (value) => (value === 0 || value >= 0.995 ? `$${value.toFixed(2)}` : value < 1e-6 ? "<$0.000001" : `$${value.toFixed(Math.min(6, 1 - Math.floor(Math.log10(value))))}`);
const size = (value) => {
  const steps = ["B", "KB", "MB", "GB", "TB"];
  const step = Math.min(steps.length - 1, value > 0 ? Math.floor(Math.log(value) / Math.log(1024)) : 0);
  return `${(value / 1024 ** step).toFixed(step ? 1 : 0)} ${steps[step]}`;
};
const moment = (value) => new Date(value).toLocaleString();
/** Milliseconds of calls; there are none where nothing was called. */
const latency = (one, value) => (one.invocations ? value : "–");
const link = (address) => element("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, address);
const pairs = (found) => element("dl", {}, ...Object.entries(found).flatMap(([name, value]) => [
  element("dt", {}, name), element("dd", {}, /^https?:/.test(value) ? link(value) : value)]));
const status = (text) => element("span", { className: /FAILED|ROLLBACK/.test(text) ? "bad" : "good" }, text.toLowerCase().replaceAll("_", " "));

function showOverview(found) {
  const website = (bucket) => new URL(base).protocol + `//${bucket.name}.localhost:${new URL(base).port}/`;
  at("functions").replaceChildren(table(found.functions, [
    ["Name", (one) => one.name],
    ["Runtime", (one) => one.runtime],
    ["MB", (one) => count(one.memory), "number"],
    ["Calls, 24 h", (one) => count(one.invocations), "number"],
    ["Errors", (one) => element("span", { className: one.errors ? "bad" : "" }, count(one.errors)), "number"],
    ["Cold", (one) => count(one.cold), "number"],
    ["p50 ms", (one) => latency(one, one.p50), "number"],
    ["p99 ms", (one) => latency(one, one.p99), "number"],
  ], "No functions yet: pileus new makes an application to start from."));
  at("stacks").replaceChildren(table(found.stacks, [
    ["Name", (one) => one.name],
    ["Status", (one) => status(one.status)],
    ["Changed", (one) => moment(one.changed)],
    ["Outputs", (one) => outputs(one.name, one.outputs), "long"],
  ], "No stacks: pileus deploy makes one of a template."));
  at("tables").replaceChildren(table(found.tables, [
    ["Name", (one) => one.name],
    ["Status", (one) => status(one.status)],
    ["Items", (one) => count(one.items), "number"],
    ["Bytes", (one) => size(one.bytes), "number"],
    ["Capacity", (one) => (one.write ? `${one.read} read, ${one.write} write` : "on demand")],
  ], "No tables."));
  at("buckets").replaceChildren(table(found.buckets, [
    ["Name", (one) => one.name],
    ["Created", (one) => moment(one.created)],
    ["Website", (one) => (one.website ? link(website(one)) : "")],
  ], "No buckets."));
  at("isolation").replaceChildren(isolation(found.isolation));
  const services = Object.entries(found.services).filter(([, operations]) => operations);
  at("services").replaceChildren(words(services.map(([name, operations]) => `${name} ${count(operations)}`)));
}

const words = (texts, className = "") => element("ul", { className: `words ${className}` }, ...texts.map((text) => element("li", {}, text)));

/** An address is worth seeing; the rest of a stack's outputs is looked up now and then. */
function outputs(name, found) {
  const addresses = Object.values(found).filter((value) => /^https?:/.test(value));
  const names = Object.keys(found);
  if (!names.length) return "";
  return element("div", {}, ...addresses.map(link),
    element("details", { open: opened.has(name), ontoggle: (event) => opened[event.target.open ? "add" : "delete"](name) },
      element("summary", {}, `${names.length} ${names.length === 1 ? "output" : "outputs"}`), pairs(found)));
}

function isolation({ barriers = {}, missing = [], runtimes = {} }) {
  const [up, down] = [true, false].map((wanted) => Object.keys(barriers).filter((name) => barriers[name] === wanted));
  return element("div", {},
    element("p", { className: "sum" }, missing.length ? "Functions are kept apart in part" : "Functions are kept apart"),
    words(up, "good"), words(down, "bad"),
    element("ul", { className: "bad" }, ...missing.map((text) => element("li", {}, text))),
    element("h3", {}, "Runtimes that are ready"),
    words(Object.keys(runtimes).filter((name) => runtimes[name] === "ready")));
}

function showBill(bill) {
  const used = bill.lines.filter((line) => line.quantity || line.month_quantity);
  at("bill").replaceChildren(
    element("p", { className: "sum" }, `${money(bill.cost)} so far this month; ${money(bill.month_cost)} a month at this rate.`),
    table(used, [
      ["Service", (line) => line.service],
      ["For", (line) => line.what],
      ["Kind", (line) => line.kind],
      ["Price", (line) => (line.unit_price ? `$${line.unit_price}/${line.label}` : "free"), "number"],
      ["Used", (line) => quantity(line.quantity), "number"],
      ["So far", (line) => money(line.cost), "number"],
      ["A month", (line) => money(line.month_cost), "number"],
    ], "Nothing was used yet."),
    element("p", { className: "empty" }, `Account ${bill.account}, ${bill.month}, by ${bill.list_title}.`));
}

function showDenied({ denied }) {
  at("denied").replaceChildren(table(denied.slice(0, DENIED_SHOWN), [
    ["When", (one) => moment(one.time * 1000)],
    ["Who", (one) => one.principal, "long"],
    ["Action", (one) => one.action],
    ["Resource", (one) => one.resource, "long"],
    ["Why", (one) => one.outcome, "long"],
  ], "None."));
}

async function refresh() {
  const turn = ++asking;
  clearTimeout(timer);
  const bill = { prices: at("prices").value, free_tier: at("free-tier").checked };
  const sections = [["overview", {}, showOverview], ["cost", bill, showBill], ["denied", {}, showDenied]];
  const failures = [];
  let refused = false;
  await Promise.all(sections.map(async ([name, request, show]) => {
    try {
      const found = await ask(name, request);
      if (turn === asking && key) show(found);
    } catch (error) {
      failures.push(error.message);
      refused ||= Boolean(error.refused);
    }
  }));
  if (turn !== asking) return;
  if (refused) return leave(failures[0]);
  fail([...new Set(failures)].join(" "));
  at("sections").hidden = false;
  timer = setTimeout(refresh, REFRESH_SECONDS * 1000);
}

function fail(text) {
  at("failure").textContent = text;
  at("failure").hidden = !text;
}

function leave(text = "") {
  key = undefined;
  asking++;
  clearTimeout(timer);
  at("sections").hidden = at("actions").hidden = true;
  for (const id of ["bill", "functions", "stacks", "tables", "buckets", "denied", "isolation", "services"]) at(id).replaceChildren();
  at("enter").hidden = false;
  fail(text);
  at("key").focus();
}

async function health() {
  try {
    const found = await (await fetch(`${base}health`, { credentials: "omit" })).json();
    at("health").textContent = `${found.version}, ${found.region}, ${found.workers} ${found.workers === 1 ? "worker" : "workers"}, durability ${found.durability}`;
    return found.region;
  } catch {
    at("health").textContent = "the cloud does not answer";
    return "us-east-1";
  }
}

at("enter").addEventListener("submit", async (event) => {
  event.preventDefault();
  const found = readKey(at("key").value);
  if (!found) return fail("These lines have no AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.");
  if (!globalThis.crypto?.subtle) return fail("Browsers sign only on localhost or over HTTPS: open the console there.");
  key = { ...found, region: found.region ?? (await health()) };
  at("key").value = "";
  at("enter").hidden = true;
  at("actions").hidden = false;
  fail("");
  await refresh();
});
at("refresh").addEventListener("click", refresh);
at("leave").addEventListener("click", () => leave());
at("prices").addEventListener("change", refresh);
at("free-tier").addEventListener("change", refresh);
health();
at("key").focus();
