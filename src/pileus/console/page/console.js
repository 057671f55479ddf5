import { readKey, sign } from "./signing.js";

const REFRESH_SECONDS = 10;
const DENIED_SHOWN = 20;
const base = new URL(".", import.meta.url).href;
const at = (id) => document.getElementById(id);

let key;
let timer;
let asking = 0;

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

/** A table; cells are texts or elements, numbers stand to the right. `columns` are [title, value of a row, is a number]. */
function table(rows, columns, empty) {
  if (!rows.length) return element("p", { className: "empty" }, empty);
  const cell = (tag, content, number) => element(tag, { className: number ? "number" : "" }, content ?? "");
  return element("div", { className: "scroll" },
    element("table", {},
      element("thead", {}, element("tr", {}, ...columns.map(([title, , number]) => cell("th", title, number)))),
      element("tbody", {}, ...rows.map((row) =>
        element("tr", {}, ...columns.map(([, value, number]) => cell("td", value(row), number)))))));
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
const status = (text) => element("span", { className: /FAILED|ROLLBACK/.test(text) ? "bad" : "good" }, text.toLowerCase().replaceAll("_", " "));

function showOverview(found) {
  const website = (bucket) => new URL(base).protocol + `//${bucket.name}.localhost:${new URL(base).port}/`;
  at("functions").replaceChildren(table(found.functions, [
    ["Name", (one) => one.name],
    ["Runtime", (one) => one.runtime],
    ["MB", (one) => count(one.memory), true],
    ["Calls, 24 h", (one) => count(one.invocations), true],
    ["Errors", (one) => element("span", { className: one.errors ? "bad" : "" }, count(one.errors)), true],
    ["Cold", (one) => count(one.cold), true],
    ["p50 ms", (one) => one.p50, true],
    ["p99 ms", (one) => one.p99, true],
  ], "No functions yet: pileus new makes an application to start from."));
  at("stacks").replaceChildren(table(found.stacks, [
    ["Name", (one) => one.name],
    ["Status", (one) => status(one.status)],
    ["Changed", (one) => moment(one.changed)],
    ["Outputs", (one) => Object.entries(one.outputs).map(([name, value]) => `${name} ${value}`).join(", ")],
  ], "No stacks: pileus deploy makes one of a template."));
  at("tables").replaceChildren(table(found.tables, [
    ["Name", (one) => one.name],
    ["Status", (one) => status(one.status)],
    ["Items", (one) => count(one.items), true],
    ["Bytes", (one) => size(one.bytes), true],
    ["Capacity", (one) => (one.write ? `${one.read} read, ${one.write} write` : "on demand")],
  ], "No tables."));
  at("buckets").replaceChildren(table(found.buckets, [
    ["Name", (one) => one.name],
    ["Created", (one) => moment(one.created)],
    ["Website", (one) => (one.website ? website(one) : "")],
  ], "No buckets."));
  at("isolation").replaceChildren(isolation(found.isolation));
  at("services").replaceChildren(table(Object.entries(found.services).filter(([, operations]) => operations), [
    ["Service", ([name]) => name],
    ["Operations", ([, operations]) => count(operations), true],
  ], ""));
}

function isolation({ barriers = {}, missing = [], runtimes = {} }) {
  const yes = (value) => element("span", { className: value ? "good" : "bad" }, value ? "kept apart" : "not kept apart");
  return element("div", {},
    table(Object.entries(barriers), [["Barrier", ([name]) => name], ["", ([, value]) => yes(value)]], "Nothing is known of it."),
    element("ul", { className: "bad" }, ...missing.map((text) => element("li", {}, text))),
    table(Object.entries(runtimes).filter(([, state]) => state === "ready"), [["Runtimes ready", ([name]) => name]], "No runtime is ready."));
}

function showBill(bill) {
  const used = bill.lines.filter((line) => line.quantity || line.month_quantity);
  at("bill").replaceChildren(
    element("p", { className: "sum" }, `${money(bill.cost)} so far this month; ${money(bill.month_cost)} a month at this rate.`),
    table(used, [
      ["Service", (line) => line.service],
      ["For", (line) => line.what],
      ["Kind", (line) => line.kind],
      ["Price", (line) => (line.unit_price ? `$${line.unit_price}/${line.label}` : "free"), true],
      ["Used", (line) => quantity(line.quantity), true],
      ["So far", (line) => money(line.cost), true],
      ["A month", (line) => money(line.month_cost), true],
    ], "Nothing was used yet."),
    element("p", { className: "empty" }, `Account ${bill.account}, ${bill.month}, by ${bill.list_title}.`));
}

function showDenied({ denied }) {
  at("denied").replaceChildren(table(denied.slice(0, DENIED_SHOWN), [
    ["When", (one) => moment(one.time * 1000)],
    ["Who", (one) => one.principal],
    ["Action", (one) => one.action],
    ["Resource", (one) => one.resource],
    ["Why", (one) => one.outcome],
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
