// Extras of the desk: keyboard, the drawer, quick lists, charts and maps that can be explored. Every task works without them.
(() => {
  "use strict";
  const wide = matchMedia("(min-width: 1200px)");
  const drawer = document.getElementById("drawer");
  let opener = null;

  const closeDrawer = () => {
    if (!drawer || drawer.hidden) return;
    drawer.hidden = true;
    opener?.closest("tr")?.classList.remove("is-open");
    opener?.focus();
  };
  const openDrawer = async (link) => {
    const body = drawer.querySelector("[data-drawer-body]");
    opener?.closest("tr")?.classList.remove("is-open");
    opener = link;
    link.closest("tr")?.classList.add("is-open");
    drawer.querySelector("[data-drawer-open]").href = link.href;
    const waiting = document.createElement("div");
    waiting.className = "desk-waiting";
    waiting.append(...Array.from({ length: 4 }, () => document.createElement("span")));
    body.replaceChildren(waiting);
    body.setAttribute("aria-busy", "true");
    drawer.hidden = false;
    drawer.focus();
    try {
      const answer = await fetch(link.href, { headers: { "X-Requested-With": "drawer" }, credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const record = page.getElementById("record");
      if (!answer.ok || !record || opener !== link) { if (opener === link) location.href = link.href; return; }
      record.removeAttribute("id");
      for (const heading of record.querySelectorAll("h1")) heading.id = "drawer-heading";
      body.replaceChildren(record);
      window.htmx?.process(record);
      body.removeAttribute("aria-busy");
      body.scrollTop = 0;
      enhance(body);
    } catch { location.href = link.href; }
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-drawer]");
    if (!link || !drawer || !wide.matches || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    openDrawer(link);
  });
  drawer?.querySelector("[data-drawer-close]").addEventListener("click", closeDrawer);

  // Keys: Ctrl+K to the search box, arrows from row to row, Escape closes the drawer.
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
      const box = document.querySelector("[data-search]");
      if (box) { event.preventDefault(); box.focus(); box.select(); }
    } else if (event.key === "Escape") closeDrawer();
    else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && event.target.matches("tbody a")) {
      const row = event.target.closest("tr");
      const next = event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
      const link = next?.querySelector("a");
      if (link) { event.preventDefault(); link.focus(); }
    }
  });

  // Lists: what the server refuses is shown as its own page; what changed is said to screen readers.
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.requestConfig.verb === "get") location.href = event.detail.pathInfo.finalRequestPath;
  });
  document.addEventListener("htmx:sendError", (event) => {
    if (event.detail.requestConfig.verb === "get") location.href = event.detail.pathInfo.finalRequestPath;
  });
  document.addEventListener("htmx:afterSettle", () => {
    const said = document.querySelector("[data-announce]");
    if (said) document.getElementById("announce").textContent = said.firstChild.textContent.trim();
  });

  // Charts and maps: libraries are fetched only where a page has something for them.
  const loaded = {};
  const load = (source) => (loaded[source] ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = source;
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  }));
  const colors = (items, property) => {
    const probe = document.createElement("span");
    document.body.append(probe);
    const found = items.map((item) => {
      probe.className = item.hue ? `hue-${item.hue.replaceAll("_", "-")}` : "hue-plain";
      return getComputedStyle(probe).getPropertyValue(property).trim();
    });
    probe.remove();
    return found;
  };
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

  const chart = async (figure) => {
    const data = JSON.parse(figure.querySelector("[data-chart-data]").textContent);
    const place = figure.querySelector(".w-chart-draw");
    await load(figure.dataset.chart);
    const ink = getComputedStyle(document.body);
    const text = { fontFamily: ink.fontFamily, fontSize: parseFloat(ink.fontSize), color: ink.color };
    const box = document.createElement("div");
    const fill = colors(data.items, "--hue");
    box.style.height = `${Math.max(place.clientHeight, 220)}px`;
    box.setAttribute("aria-hidden", "true");
    place.replaceChildren(box);
    const view = echarts.init(box, null, { renderer: "canvas" });
    const tooltip = { renderMode: "richText", textStyle: text };
    if (data.kind === "ring") {
      view.setOption({ animation: false, textStyle: text, tooltip, series: [{ type: "pie", radius: ["58%", "90%"], label: { show: false },
        itemStyle: { borderColor: "#fff", borderWidth: 2 },
        data: data.items.map((item, i) => ({ name: item.label, value: item.value ?? 0, href: item.href, itemStyle: { color: fill[i] } })) }] });
    } else {
      view.setOption({ animation: false, textStyle: text, tooltip: { ...tooltip, trigger: "axis" }, grid: { left: 8, right: 16, top: 16, bottom: 8, containLabel: true },
        dataZoom: data.items.length > 24 ? [{ type: "inside" }, { type: "slider", height: 20 }] : [],
        xAxis: { type: "category", data: data.items.map((item) => item.label) }, yAxis: { type: "value" },
        series: [{ type: "line", name: data.unit, connectNulls: false, color: "#b8501e", data: data.items.map((item) => ({ value: item.value, href: item.href })) }] });
    }
    view.on("click", (what) => { if (what.data?.href) location.href = what.data.href; });
    new ResizeObserver(() => view.resize()).observe(box);
  };

  const map = async (figure) => {
    const data = JSON.parse(figure.querySelector("[data-map-data]").textContent);
    const sheet = document.createElement("link");
    sheet.rel = "stylesheet";
    sheet.href = figure.dataset.mapCss;
    document.head.append(sheet);
    await Promise.all([load(figure.dataset.map), new Promise((resolve) => { sheet.onload = sheet.onerror = resolve; })]);
    const place = figure.querySelector(".w-map-draw");
    const inks = colors(data.points, "--hue-ink");
    place.classList.add("is-live");
    place.replaceChildren();
    const view = L.map(place, { attributionControl: false, zoomAnimation: !still, fadeAnimation: !still, zoomSnap: 0.5, maxZoom: 18 });
    L.control.scale({ imperial: false }).addTo(view);
    const marks = data.points.map((point, i) => {
      const mark = L.circleMarker([point.lat, point.lon], { radius: 9, weight: 2, color: "#fff", fillColor: inks[i], fillOpacity: 1 }).addTo(view);
      mark.bindTooltip(point.label, { direction: "top", offset: [0, -8] });
      if (point.href) mark.on("click", () => { location.href = point.href; });
      return mark;
    });
    view.fitBounds(L.featureGroup(marks).getBounds().pad(0.15), { maxZoom: 15 });
    figure.querySelectorAll(".w-map-list li").forEach((line, i) => {
      line.addEventListener("mouseenter", () => marks[i]?.openTooltip());
      line.addEventListener("mouseleave", () => marks[i]?.closeTooltip());
    });
  };

  const enhance = (root) => {
    if (matchMedia("print").matches) return;
    for (const figure of root.querySelectorAll("figure[data-chart]")) chart(figure).catch((error) => console.warn(error));
    for (const figure of root.querySelectorAll("figure[data-map]")) map(figure).catch((error) => console.warn(error));
  };
  enhance(document);
})();
