// The study's page: asks for the state once a second, shows it, and sends what the buttons ask for.
"use strict";
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#8b6f47", "#7f3fbf"];
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [], [8, 4], [2, 3], [10, 3, 2, 3]];
const KEYS = ["offered_rps", "answered_rps", "p50_ms", "p99_ms", "failed_ratio", "mean_batch", "queue_ms", "compute_ms", "cpu_cores", "rss_mib"];
const by = (id) => document.getElementById(id);
const form = by("form");
const field = (name) => form.elements[name];
let state = null;
let unticked = new Set();
let charts = null;
let shownCharts = "";

const number = (value, key) => {
  if (value === null || value === undefined) return "–";
  if (key === "failed_ratio") return value === 0 ? "0 %" : `${(100 * value).toPrecision(2)} %`;
  if (key === "rss_mib") return value.toFixed(0);
  return Math.abs(value) >= 100 ? value.toFixed(0) : value === 0 ? "0" : value.toPrecision(3);
};

const text = (node, value) => { if (node.textContent !== value) node.textContent = value; };

function option(select, values) {
  if (select.options.length) return;
  for (const value of values) select.add(new Option(value, value));
}

function swatch(k) {
  const mark = document.createElement("span");
  mark.className = "swatch";
  mark.style.background = COLOURS[k % COLOURS.length];
  return mark;
}

function rowOf(row, k, labels) {
  const tr = document.createElement("tr");
  tr.dataset.name = row.name;
  for (let column = 0; column < labels.length; column++) {
    const td = tr.insertCell();
    td.dataset.label = labels[column];
  }
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = !unticked.has(row.name);
  box.addEventListener("change", () => {
    if (box.checked) unticked.delete(row.name); else unticked.add(row.name);
    show();
  });
  label.append(box, swatch(k), row.name);
  label.title = row.summary;
  tr.cells[0].append(label);
  return tr;
}

function showRows() {
  const body = by("rows").tBodies[0];
  const labels = [...by("rows").tHead.rows[0].cells].map((cell) => cell.textContent);
  state.rows.forEach((row, k) => {
    let tr = body.rows[k];
    if (!tr || tr.dataset.name !== row.name) {
      tr = rowOf(row, k, labels);
      body.insertBefore(tr, body.rows[k] || null);
    }
    text(tr.cells[1], row.why ? `${row.state}: ${row.why}` : row.state);
    tr.cells[1].className = row.state === "down" ? "down" : "";
    KEYS.forEach((key, i) => text(tr.cells[i + 2], number(row[key], key)));
    tr.cells[5].title = `of ${row.n_answered} answers`;
    tr.cells[5].className = row.p99_ms !== null && row.n_answered < 100 ? "few" : "";
  });
  while (body.rows.length > state.rows.length) body.deleteRow(-1);
}

function showTable() {
  const table = state.work.table;
  by("result").hidden = !table;
  if (!table) return;
  const title = state.work.running ? table.title : table.title.replace("So far", "Result");
  text(by("result-title"), title);
  const known = JSON.stringify(table);
  if (by("table").dataset.known === known) return;
  by("table").dataset.known = known;
  const head = by("table").tHead;
  const body = by("table").tBodies[0];
  head.replaceChildren();
  body.replaceChildren();
  const tr = head.insertRow();
  for (const column of table.columns) {
    const th = document.createElement("th");
    th.scope = "col";
    th.textContent = column;
    tr.append(th);
  }
  for (const cells of table.rows) {
    const line = body.insertRow();
    cells.forEach((cell, i) => {
      const td = line.insertCell();
      td.dataset.label = table.columns[i];
      td.textContent = cell;
    });
  }
}

function chosen() {
  return state.rows.map((row) => row.name).filter((name) => !unticked.has(name));
}

function makeCharts(names) {
  for (const chart of charts || []) chart.destroy();
  const style = getComputedStyle(document.documentElement);
  const axis = { stroke: style.getPropertyValue("--quiet"), grid: { stroke: style.getPropertyValue("--line"), width: 1 }, ticks: { show: false } };
  const all = state.rows.map((row) => row.name);
  const times = { ...axis, values: (u, at) => at.map((s) => new Date(1000 * s).toLocaleTimeString([], { hour12: false })), space: 70 };
  const series = names.map((name) => {
    const k = all.indexOf(name);
    return { label: name, stroke: COLOURS[k % COLOURS.length], width: 2, dash: DASHES[k % DASHES.length], points: { show: false }, spanGaps: false };
  });
  charts = [0, 1, 2, 3].map((k) => {
    const box = by(`chart${k}`);
    box.replaceChildren();
    return new uPlot({
      width: box.clientWidth, height: box.clientHeight, legend: { show: false },
      cursor: { drag: { x: false, y: false } },
      scales: { y: { range: (u, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
      axes: [times, { ...axis, size: 54 }], series: [{}, ...series],
    }, [[], ...names.map(() => [])], box);
  });
  by("legend").replaceChildren(...names.map((name) => {
    const entry = document.createElement("span");
    entry.append(swatch(all.indexOf(name)), name);
    return entry;
  }));
}

function showCharts() {
  const names = chosen();
  const wanted = JSON.stringify([names, document.documentElement.dataset.theme, by("chart0").clientWidth]);
  if (wanted !== shownCharts) {
    makeCharts(names);
    shownCharts = wanted;
  }
  const at = state.history.map((point) => point.at_s);
  charts.forEach((chart, k) => {
    chart.setData([at, ...names.map((name) => state.history.map((point) => (point.rows[name] ? point.rows[name][k] : null)))]);
  });
}

function clock(left) {
  const whole = Math.round(left);
  return `about ${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")} left`;
}

function showSaid() {
  const work = state.work;
  const parts = [];
  if (work.running) parts.push(`${work.running}:`);
  if (state.said_here) parts.push(state.said_here);
  else if (work.said) parts.push(work.said);
  if (work.running && work.left_s !== null) parts.push(`(${clock(work.left_s)})`);
  by("said").hidden = !parts.length;
  text(by("said"), parts.join(" "));
}

function showChoices() {
  const about = state.about;
  option(field("arrivals"), about.arrivals);
  option(field("lengths"), about.lengths);
  text(by("about"), [about.cores, state.gpu].filter(Boolean).join(" "));
  option(field("texts"), about.texts);
  const open = field("load").value === "open";
  for (const label of form.querySelectorAll("[data-of]")) label.hidden = (label.dataset.of === "open") !== open;
  const busy = Boolean(state.work.running) || state.live.running;
  const up = state.rows.filter((row) => row.state === "ready" && !unticked.has(row.name)).length;
  by("compare").disabled = by("capacity").disabled = busy || !open || up < 2;
  by("live").disabled = busy || up < 1;
  by("stop").disabled = !busy;
  by("save").disabled = !state.work.kept || Boolean(state.work.running);
}

function show() {
  if (!state || !state.rows) return;
  text(by("source"), `– ${state.source}`);
  showChoices();
  showSaid();
  showRows();
  showTable();
  showCharts();
}

function tell(sentence, bad) {
  by("said").hidden = !sentence;
  by("said").classList.toggle("bad", Boolean(bad));
  text(by("said"), sentence);
}

async function ask(what) {
  const given = { contenders: chosen() };
  for (const name of ["rate_rps", "arrivals", "texts", "lengths", "seconds", "slo_ms"]) given[name] = field(name).value;
  const reply = await fetch(`do/${what}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(given) });
  const answer = await reply.json();
  await look();
  if (answer.said) tell(answer.said, !answer.ok);
}

async function loadAll() {
  const open = field("load").value === "open";
  const up = state.rows.filter((row) => row.state === "ready" && !unticked.has(row.name));
  const body = new URLSearchParams();
  for (const row of up) body.append("user_classes", state.about.user_classes[row.name]);
  const users = open ? up.length : field("users").value;
  body.set("user_count", users);
  body.set("spawn_rate", users);
  body.set("load", state.about.loads[open ? 0 : 1]);
  body.set("requests_per_second", field("rate_rps").value);
  body.set("arrivals", field("arrivals").value);
  body.set("texts", field("texts").value);
  body.set("text_lengths", field("lengths").value);
  const answer = await (await fetch("../swarm", { method: "POST", body })).json();
  await look();
  if (!answer.success) tell(answer.message, true);
}

async function look() {
  try {
    const reply = await fetch("state", { cache: "no-store" });
    if (reply.redirected) { location.reload(); return; }
    const found = await reply.json();
    by("lost").hidden = true;
    if (found.rows) { state = found; show(); }
  } catch (error) {
    by("lost").hidden = false;
  }
}

async function keepLooking() {
  if (!document.hidden) await look();
  // Drawing takes a core that the load generator may need while a comparison runs.
  setTimeout(keepLooking, state && state.work && state.work.running ? 2000 : 1000);
}

form.addEventListener("submit", (event) => { event.preventDefault(); ask("compare"); });
by("capacity").addEventListener("click", () => { if (form.reportValidity()) ask("capacity"); });
by("save").addEventListener("click", () => ask("save"));
by("live").addEventListener("click", () => { if (form.reportValidity()) loadAll(); });
by("stop").addEventListener("click", async () => {
  if (state.live.running) await fetch("../stop", { method: "POST" });
  if (state.work.running) await ask("stop");
  await look();
});
field("load").addEventListener("change", show);
addEventListener("resize", show);
by("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme !== "dark";
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  try { localStorage.theme = dark ? "dark" : "light"; } catch (error) { /* kept nowhere */ }
  show();
});
keepLooking();
