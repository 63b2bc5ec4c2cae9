"use strict";
(() => {
  const data = JSON.parse(document.getElementById("plot-data").textContent);
  const figures = [...document.querySelectorAll("[data-plot]")];
  const chosen = document.getElementById("curve");
  const drawn = new Set();
  const darkness = matchMedia("(prefers-color-scheme: dark)");

  // Plotly reads a little HTML in its texts: names are no HTML.
  const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const short = (text, most) => plain(text.length > most ? `${text.slice(0, most - 1)}…` : text);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const series = () =>
    darkness.matches
      ? ["#8db2ff", "#ffb070", "#6fd3a5", "#f08fb5", "#c3a6ff", "#7fd4e8", "#e6d36f", "#b0b8c4"]
      : ["#1f54c4", "#b85c00", "#14785a", "#b02a62", "#6c43c0", "#0f7590", "#7d6a00", "#586274"];

  function layout(more) {
    const axis = { gridcolor: colour("line"), zeroline: false, linecolor: colour("line"), automargin: true };
    const { xaxis, yaxis, ...rest } = more;
    return {
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("ink") },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 8, r: 16, t: 16, b: 8 },
      hoverlabel: { bgcolor: colour("panel"), bordercolor: colour("line"), font: { color: colour("ink") } },
      dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
      showlegend: false,
      ...rest,
      xaxis: { ...axis, ...xaxis },
      yaxis: { ...axis, ...yaxis },
    };
  }
  const title = (text) => ({ text: plain(text), standoff: 8 });
  const better = () => `${data.score}, ${data.direction} is better`;
  const spread = (values) => values.every((value) => value > 0) && Math.max(...values) > 20 * Math.min(...values);
  const scale = (values) => (spread(values) ? { type: "log", dtick: values.length && Math.max(...values) > 1e3 * Math.min(...values) ? 1 : "D2" } : {});

  function values() {
    const { names, values, lows, highs, bounds } = data.values;
    const places = names.map((_, place) => place);
    const ends = [...values, ...lows, ...highs, ...bounds.map((bound) => bound.value)];
    const across = scale(ends);
    const at = (value) => (across.type === "log" ? Math.log10(value) : value);
    const low = Math.min(...ends), high = Math.max(...ends);
    return {
      height: 110 + 24 * names.length,
      traces: [
        {
          x: places.flatMap((place) => [lows[place], highs[place], null]),
          y: places.flatMap((place) => [place, place, null]),
          mode: "lines+markers", marker: { size: 14, opacity: 0 }, line: { color: colour("good"), width: 5 }, opacity: 0.55, hoverinfo: "skip",
        },
        {
          x: values, y: places, mode: "markers", marker: { color: colour("mark"), size: 9 },
          text: names.map((name, place) => `${plain(name)}<br>[${lows[place]?.toPrecision(4)}, ${highs[place]?.toPrecision(4)}]`),
          hovertemplate: "%{text}<br>%{x:.4g}<extra></extra>",
        },
      ],
      layout: {
        xaxis: { title: title(better()), ...across },
        yaxis: { tickvals: places, ticktext: names.map((name) => short(name, innerWidth < 640 ? 14 : 32)), range: [names.length - 0.4, -0.6 - 0.62 * bounds.length], showgrid: false },
        shapes: bounds.map(({ value }) => ({ type: "line", x0: value, x1: value, yref: "paper", y0: 0, y1: 1, line: { color: colour("dim"), width: 1, dash: "dot" } })),
        annotations: bounds.map(({ name, value }, place) => ({
          x: at(value), y: 1, yref: "paper", text: plain(name), showarrow: false, textangle: 0, font: { size: 11, color: colour("dim") },
          xanchor: at(value) - at(low) > (at(high) - at(low)) / 2 ? "right" : "left", yanchor: "top", yshift: -15 * place,
        })),
      },
    };
  }

  function cost(figure) {
    const one = data.costs[figure.dataset.place];
    const few = one.names.length <= 12;
    return {
      height: 360,
      traces: [
        { x: one.front.map((place) => one.costs[place]), y: one.front.map((place) => one.values[place]), mode: "lines", line: { color: colour("good"), width: 2, shape: "hv" }, hoverinfo: "skip" },
        {
          x: one.costs, y: one.values, mode: few ? "markers+text" : "markers", text: one.names.map((name) => short(name, 28)), textposition: "top center", textfont: { size: 11 }, cliponaxis: false,
          marker: { size: 9, color: one.names.map((_, place) => (one.front.includes(place) ? colour("mark") : colour("dim"))) },
          hovertemplate: "%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
        },
      ],
      layout: {
        xaxis: { type: "log", title: title(`${one.cost}${one.unit ? ` (${one.unit})` : ""}, ${one.cheaper} is better`), nticks: 6 },
        yaxis: { title: title(better()), ...scale(one.values) },
      },
    };
  }

  // One line a run, one colour a model; a legend only where it is short.
  function lines(runs, value, name) {
    const models = [...new Set(runs.map((run) => run.name))];
    const colours = series();
    return {
      height: 400 + (innerWidth < 640 ? 12 * models.length : 0),
      traces: runs.map((run, place) => ({
        x: run.images, y: value(run), mode: run.images.length < 30 ? "lines+markers" : "lines",
        name: short(run.name, 24), legendgroup: run.name, showlegend: runs.findIndex((other) => other.name === run.name) === place,
        line: { color: colours[models.indexOf(run.name) % colours.length], width: 1.6, dash: ["solid", "dash", "dot"][Math.floor(models.indexOf(run.name) / colours.length) % 3] },
        hovertemplate: `${plain(run.name).replaceAll("%", "&#37;")}, seed ${run.seed}<br>%{x:,} images: %{y:.4g}<extra></extra>`,
      })),
      layout: { xaxis: { title: title("images seen") }, yaxis: { title: title(name) }, showlegend: models.length > 1, legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" } },
    };
  }
  function curves() {
    const name = chosen.value;
    return lines(data.curves.runs.filter((run) => Object.hasOwn(run.curves, name)), (run) => run.curves[name], name);
  }
  const moments = () => lines(data.moments, (run) => run.values, better());
  const kinds = { values, cost, curves, moments };

  // Four megabytes of script are read only once there is something to draw.
  function plotly() {
    if (!window.Plotly) {
      const script = document.createElement("script");
      script.textContent = document.getElementById("plotly").textContent;
      document.head.append(script);
    }
    return window.Plotly;
  }
  function draw(figure) {
    const plot = kinds[figure.dataset.plot](figure);
    const settings = { displayModeBar: false, displaylogo: false, showSendToCloud: false, plotlyServerURL: "", responsive: true };
    plotly().react(figure, plot.traces, layout({ height: plot.height, ...plot.layout }), settings);
    drawn.add(figure);
  }
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        watcher.unobserve(target);
        draw(target);
      }
    },
    { rootMargin: "300px" },
  );
  figures.forEach((figure) => watcher.observe(figure));
  darkness.addEventListener("change", () => drawn.forEach(draw));
  chosen?.addEventListener("change", () => draw(figures.find((figure) => figure.dataset.plot === "curves")));
})();
