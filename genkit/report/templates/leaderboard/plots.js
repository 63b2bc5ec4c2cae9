"use strict";
(() => {
  const data = JSON.parse(document.getElementById("plot-data").textContent);
  const figures = [...document.querySelectorAll("[data-plot]")];
  const chosen = document.getElementById("curve");
  const drawn = new Set();
  const darkness = matchMedia("(prefers-color-scheme: dark)");

  // Plotly interprets some HTML in its texts, so names are escaped.
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
  const known = (values) => values.filter((value) => value !== null);
  const scale = (values) => (spread(values) ? { type: "log", dtick: values.length && Math.max(...values) > 1e3 * Math.min(...values) ? 1 : "D2" } : {});

  function values() {
    const { names, values, lows, highs, references } = data.values;
    const places = names.map((_, place) => place);
    const ends = known([...values, ...lows, ...highs, ...references.filter(({ wide }) => wide).map(({ value }) => value)]);
    const across = scale(ends);
    const at = (value) => (across.type === "log" ? (value > 0 ? Math.log10(value) : -Infinity) : value);
    const room = 0.04 * (at(Math.max(...ends)) - at(Math.min(...ends)) || 1);
    const low = at(Math.min(...ends)) - room, high = at(Math.max(...ends)) + room;
    const within = ({ value }) => at(value) >= low && at(value) <= high;
    const place = ({ value }) => Math.min(Math.max(at(value), low), high);
    const name = (reference) => {
      const text = plain(reference.name);
      if (within(reference)) return text;
      return at(reference.value) < low ? `← ${text} ${reference.value.toPrecision(4)}` : `${text} ${reference.value.toPrecision(4)} →`;
    };
    return {
      height: 110 + 24 * names.length + 15 * references.length,
      traces: [
        {
          x: places.flatMap((place) => [lows[place], highs[place], null]),
          y: places.flatMap((place) => [place, place, null]),
          mode: "lines+markers", marker: { size: 14, opacity: 0 }, line: { color: colour("good"), width: 5 }, opacity: 0.55, hoverinfo: "skip",
        },
        {
          x: values, y: places, mode: "markers", marker: { color: colour("mark"), size: innerWidth < 640 ? 5 : 8 },
          text: names.map((name, place) => `${plain(name)}<br>[${lows[place]?.toPrecision(4)}, ${highs[place]?.toPrecision(4)}]`),
          hovertemplate: "%{text}<br>%{x:.4g}<extra></extra>",
        },
      ],
      layout: {
        xaxis: { title: title(better()), ...across, range: [low, high] },
        yaxis: { tickvals: places, ticktext: names.map((name) => short(name, innerWidth < 640 ? 14 : 32)), range: [names.length - 0.4, -0.6 - 0.62 * references.length], showgrid: false },
        shapes: references.filter(within).map(({ value }) => ({ type: "line", x0: value, x1: value, yref: "paper", y0: 0, y1: 1, line: { color: colour("dim"), width: 1, dash: "dot" } })),
        annotations: references.map((reference, line) => ({
          x: place(reference), y: 1, yref: "paper", text: name(reference), showarrow: false, textangle: 0, font: { size: 11, color: colour("dim") }, bgcolor: colour("paper"), borderpad: 0,
          xanchor: place(reference) > (low + high) / 2 ? "right" : "left", yanchor: "top", yshift: -15 * line,
        })),
      },
    };
  }

  const SIDES = ["middle right", "middle left", "top center", "bottom center"];
  const CORNERS = ["top right", "bottom right", "top left", "bottom left"];
  // Texts are placed where they overlap no point and no other text, and no line of those to keep off, or of those to
  // keep off if there is room; texts without room show on hover only.
  function labelPositions(xs, ys, texts, ways, keepOff, ifRoom, width, height) {
    const taken = [...xs.map((x, place) => [x - 6, ys[place] - 6, x + 6, ys[place] + 6]), ...keepOff];
    const clear = (box, others) => others.every((other) => box[2] < other[0] || box[0] > other[2] || box[3] < other[1] || box[1] > other[3]);
    return texts.map((text, place) => {
      const long = 6.4 * text.length, x = xs[place], y = ys[place];
      const across = { left: [x - 8 - long, x - 8], center: [x - long / 2, x + long / 2], right: [x + 8, x + 8 + long] };
      const down = { top: [y - 21, y - 7], middle: [y - 7, y + 7], bottom: [y + 7, y + 21] };
      const boxes = ways.map((way) => {
        const [vertical, horizontal] = way.split(" ");
        return [way, [across[horizontal][0], down[vertical][0], across[horizontal][1], down[vertical][1]]];
      });
      const within = boxes.filter(([, box]) => box[0] >= 0 && box[2] <= width && box[1] >= 0 && box[3] <= height && clear(box, taken));
      const found = within.find(([, box]) => clear(box, ifRoom)) ?? within[0];
      if (found) taken.push(found[1]);
      return found?.[0];
    });
  }
  const padded = (values, share) => {
    const low = Math.min(...values), high = Math.max(...values), room = share * (high - low || Math.abs(high) || 1);
    return [low - room, high + room];
  };
  function cost(figure) {
    const one = data.costs[figure.dataset.place];
    const height = 380;
    const down = scale(known([...one.values, ...one.lows, ...one.highs]));
    const at = (value) => (down.type === "log" ? Math.log10(value) : value);
    const across = padded(one.costs.map(Math.log10), 0.08);
    const upward = padded(known([...one.values, ...one.lows, ...one.highs]).map(at), 0.06);
    const width = Math.max(120, figure.clientWidth - 75), tall = height - 70;
    const names = one.names.map((name) => (name.length > 28 ? `${name.slice(0, 27)}…` : name));
    const xs = one.costs.map((value) => (width * (Math.log10(value) - across[0])) / (across[1] - across[0]));
    const ys = one.values.map((value) => tall * (1 - (at(value) - upward[0]) / (upward[1] - upward[0])));
    const steps = one.front.slice(1).flatMap((to, place) => {
      const from = one.front[place], [left, right] = [xs[from], xs[to]].sort((a, b) => a - b);
      const [top, bottom] = [ys[from], ys[to]].sort((a, b) => a - b);
      return [[left, ys[from], right, ys[from]], [xs[to], top, xs[to], bottom]];
    });
    const positions = labelPositions(xs, ys, names, SIDES, steps, [], width, tall);
    const ends = (way) => one.values.map((value, place) => Math.max(0, way * ((way > 0 ? one.highs : one.lows)[place] - value)));
    const paint = one.names.map((_, place) => (one.front.includes(place) ? colour("mark") : colour("dim")));
    return {
      height,
      traces: [
        { x: one.front.map((place) => one.costs[place]), y: one.front.map((place) => one.values[place]), mode: "lines", line: { color: colour("good"), width: 2, shape: "hv" }, hoverinfo: "skip" },
        {
          x: one.costs, y: one.values, mode: "markers+text", text: names.map((name, place) => (positions[place] ? plain(name) : "")), textposition: positions.map((each) => each ?? "top center"), textfont: { size: 11 }, cliponaxis: false,
          error_y: { type: "data", symmetric: false, array: ends(1), arrayminus: ends(-1), color: colour("dim"), thickness: 1.5, width: 0 },
          marker: { size: 6, opacity: 1, color: one.names.map((_, place) => (one.unsure.includes(place) ? colour("paper") : paint[place])), line: { width: 1.5, color: paint } },
          hovertext: one.names.map((name, place) => `${plain(name)}<br>[${one.lows[place]?.toPrecision(4)}, ${one.highs[place]?.toPrecision(4)}]`),
          hovertemplate: "%{hovertext}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
        },
      ],
      layout: {
        xaxis: { type: "log", title: title(`${one.cost}${one.unit ? ` (${one.unit})` : ""}, ${one.cheaper} is better`), nticks: 6, range: across },
        yaxis: { title: title(better()), ...down, range: upward },
      },
    };
  }

  // A line joins the points of a run; the run's own point is filled.
  function sweep(figure) {
    const { axes, curves } = data.sweeps[figure.dataset.place];
    const models = [...new Set(curves.map((curve) => curve.name))], colours = series();
    const height = 380 + 24 * Math.ceil(models.length / 2);
    const size = [Math.max(120, figure.clientWidth - 75), 310];
    const scales = [0, 1].map((axis) => {
      const all = curves.flatMap(({ ends }) => [...ends[axis].values, ...ends[axis].lows, ...ends[axis].highs]);
      const kind = scale(all), at = (value) => (kind.type === "log" ? Math.log10(value) : value);
      const range = padded(all.map(at), 0.08);
      const share = (value) => (at(value) - range[0]) / (range[1] - range[0]);
      return { kind, range, pixel: (value) => size[axis] * (axis ? 1 - share(value) : share(value)) };
    });
    const placed = (axis, key) => curves.flatMap(({ ends }) => ends[axis][key].map(scales[axis].pixel));
    const xs = placed(0, "values"), ys = placed(1, "values");
    const lefts = placed(0, "lows"), rights = placed(0, "highs"), lows = placed(1, "lows"), highs = placed(1, "highs");
    const lines = xs.flatMap((x, place) => [[lefts[place], ys[place], rights[place], ys[place]], [x, highs[place], x, lows[place]]]);
    const starts = curves.map((_, place) => curves.slice(0, place).reduce((sum, curve) => sum + curve.own.length, 0));
    curves.forEach((curve, line) => {
      for (let place = starts[line]; place < starts[line] + curve.own.length - 1; place++) {
        for (let part = 0; part <= 1; part += 0.05) {
          const x = xs[place] + part * (xs[place + 1] - xs[place]), y = ys[place] + part * (ys[place + 1] - ys[place]);
          lines.push([x, y, x, y]);
        }
      }
    });
    const positions = labelPositions(xs, ys, curves.flatMap((curve) => curve.texts), [...CORNERS, ...SIDES], [], lines, ...size);
    const said = (axis, { values, lows, highs }, place) =>
      `${plain(axes[axis].name)} ${values[place].toPrecision(4)} [${lows[place].toPrecision(4)}, ${highs[place].toPrecision(4)}]`;
    const bars = ({ values, lows, highs }, paint) => ({
      type: "data", symmetric: false, array: values.map((value, place) => highs[place] - value), arrayminus: values.map((value, place) => value - lows[place]),
      color: `${paint}80`, thickness: 1.5, width: 0,
    });
    return {
      height,
      traces: curves.map((curve, line) => {
        const paint = colours[models.indexOf(curve.name) % colours.length], [across, upward] = curve.ends;
        const mine = positions.slice(starts[line], starts[line] + curve.own.length);
        return {
          x: across.values, y: upward.values, mode: "lines+markers+text", cliponaxis: false,
          text: curve.texts.map((text, place) => (mine[place] ? plain(text) : "")), textposition: mine.map((each) => each ?? "top right"), textfont: { size: 11, color: paint },
          name: short(curve.name, 40), legendgroup: curve.name, showlegend: curves.findIndex((other) => other.name === curve.name) === line,
          line: { color: paint, width: 1.6, dash: ["solid", "dash", "dot"][Math.floor(models.indexOf(curve.name) / colours.length) % 3] },
          error_x: bars(across, paint), error_y: bars(upward, paint),
          marker: { size: curve.own.map((own) => (own ? 11 : 7)), opacity: 1, color: curve.own.map((own) => (own ? paint : colour("paper"))), line: { width: 1.5, color: paint } },
          hovertext: curve.drawn.map((drawn, place) => `${plain(curve.name)}, ${plain(curve.run)}<br>${plain(drawn)}${curve.own[place] ? ", the run's own" : ""}<br>${said(1, upward, place)}<br>${said(0, across, place)}`),
          hovertemplate: "%{hovertext}<extra></extra>",
        };
      }),
      layout: {
        xaxis: { title: title(`${axes[0].name}, ${axes[0].direction} is better`), nticks: 6, ...scales[0].kind, range: scales[0].range },
        yaxis: { title: title(`${axes[1].name}, ${axes[1].direction} is better`), ...scales[1].kind, range: scales[1].range },
        showlegend: true, legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" },
      },
    };
  }

  // One line per run, one colour per model; a legend if there are several models.
  function lines(runs, value, name, yaxis = {}) {
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
      layout: { xaxis: { title: title("images seen") }, yaxis: { title: title(name), ...yaxis }, showlegend: models.length > 1, legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" } },
    };
  }
  function curves() {
    const name = chosen.value;
    return lines(data.curves.runs.filter((run) => Object.hasOwn(run.curves, name)), (run) => run.curves[name], name);
  }
  const milestones = () => lines(data.milestones, (run) => run.values, better(), scale(data.milestones.flatMap((run) => run.values)));
  const kinds = { values, cost, sweep, curves, milestones };

  // Plotly's four megabytes are evaluated only once there is something to draw.
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
  window.addEventListener("beforeprint", () => figures.filter((figure) => !drawn.has(figure)).forEach(draw));
  darkness.addEventListener("change", () => drawn.forEach(draw));
  chosen?.addEventListener("change", () => draw(figures.find((figure) => figure.dataset.plot === "curves")));
})();
