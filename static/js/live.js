// What htmx does not do by itself for a page that follows what happens. No eval, no inline handlers: the CSP allows neither.
(() => {
  "use strict";
  const stream = () => document.getElementById("stream");
  const part = () => document.getElementById("live");
  const ended = () => document.getElementById("run")?.dataset.ended === "true";
  const hangUp = (element) => {
    const reader = element._htmx?.sse?.reader;
    element.remove(); // first: the loop that reads does not connect again for an element that is gone
    reader?.cancel();
  };
  const show = (on) => {
    const sign = document.getElementById("live-sign");
    if (!sign) return;
    sign.dataset.state = on ? "on" : "off";
    sign.textContent = on ? "Live" : "Looks again every 15 s";
  };

  // The stream says *that* something happened; what happened is asked for as a page part. Its text is never put into the page:
  // htmx would swap it as HTML, and it quotes logs.
  document.addEventListener("htmx:before:sse:message", (event) => { event.detail.message.data = ""; });
  document.addEventListener("htmx:after:sse:connection", () => show(true));
  document.addEventListener("htmx:sse:error", () => show(false));
  document.addEventListener("htmx:sse:close", () => show(false));
  document.addEventListener("visibilitychange", () => { if (document.hidden) show(false); });

  // Polling is the fallback: not while the stream is up, not in a hidden tab, not once the run has ended.
  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    if (ctx.sourceElement !== part() || ctx.sourceEvent?.type !== "every") return;
    const streaming = document.getElementById("live-sign")?.dataset.state === "on";
    if (document.hidden || streaming || ended()) event.preventDefault();
  });

  // More pages are open than the service streams to: this one waits its turn as long as it is told, and polls meanwhile. Only the first
  // connection comes here; later ones htmx tries again by itself, ever more seldom.
  let turn = 0;
  const connect = () => {
    turn = 0;
    const element = stream();
    if (!element || element._htmx?.sse || ended()) return;
    if (document.hidden) document.addEventListener("visibilitychange", connect, { once: true });
    else htmx.ajax("GET", element.getAttribute("hx-sse:connect"), { source: element });
  };
  const wait = (seconds) => { turn ||= setTimeout(connect, 1000 * seconds * (1 + Math.random())); };
  document.addEventListener("htmx:response:error", (event) => {
    const { ctx } = event.detail;
    if (ctx.sourceElement === stream() && ctx.response.status === 503) wait(Number(ctx.response.headers.get("Retry-After")) || 60);
  });

  // A refresh keeps what the reader opened, and unticks a confirmation of something that has changed meanwhile.
  let opened = [];
  let seen = "";
  document.addEventListener("htmx:before:swap", () => {
    opened = [...document.querySelectorAll("#live details[open][id]")].map((d) => d.id);
    seen = document.getElementById("actions")?.dataset.patch ?? "";
  });
  document.addEventListener("htmx:after:swap", () => {
    opened.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    const now = document.getElementById("actions");
    if (now && now.dataset.patch !== seen) now.querySelectorAll("input[type=checkbox]").forEach((box) => { box.checked = false; });
    if (ended() && stream()) hangUp(stream());
  });
})();
