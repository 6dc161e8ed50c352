// The study's page: what was asked for, and its views.

function accuracyView(panel) {
  const speed = measureOf("speedup_with_waiting");
  const right = data.measures.find((m) => m.key === "correct_share") ?? measureOf("agree_share");
  const place = h("div", {});
  panel.append(
    card(
      "Accuracy and speed-up",
      "What thresholds and widths cost in accuracy, and what they gain; the line joins the points that no other beats in both.",
      archLegend(),
      place,
    ),
  );
  chart(place, "Accuracy and speed-up of points", (width) => {
    const here = pointsHere().filter((i) => data.points[i].values[right.key] !== null);
    const of = (i, m) => data.points[i].values[m.key];
    const [left, end, top, bottom] = [60, width - 20, 26, 360];
    const [x, xs] = scale(here.map((i) => of(i, speed)), left + 10, end, (end - left) / 90);
    const [y, ys] = scale(here.map((i) => of(i, right)), bottom, top + 8, 6);
    const front = frontOf(here, [speed, right]).sort((i, j) => of(i, speed) - of(j, speed));
    const nodes = [
      s("text", { class: "muted", x: 0, y: 12 }, right.label),
      s("text", { class: "muted", x: end, y: bottom + 40, "text-anchor": "end" }, speed.label),
      ...xs.map((v) => s("line", { class: "grid", x1: x(v), x2: x(v), y1: top, y2: bottom })),
      ...ys.map((v) => s("line", { class: "grid", x1: left, x2: end, y1: y(v), y2: y(v) })),
      ...xs.map((v) => s("text", { class: "muted", x: x(v), y: bottom + 18, "text-anchor": "middle" }, times(v))),
      ...ys.map((v) => s("text", { class: "muted", x: left - 6, y: y(v) + 4, "text-anchor": "end" }, percent(v))),
      s("polyline", { class: "axis front", fill: "none", points: front.map((i) => `${x(of(i, speed))},${y(of(i, right))}`).join(" ") }),
    ];
    const marks = [];
    for (const i of here) {
      const [px, py] = [x(of(i, speed)), y(of(i, right))];
      const arch = data.archs[data.points[i].arch];
      nodes.push(point(arch.shape, px, py, i === state.point ? 9 : 5, arch.colour));
      marks.push({ x: px - 5, y: py - 5, w: 10, h: 10, lines: linesOf(i, [speed, right]), choose: () => choosePoint(i) });
    }
    return { nodes, marks, height: bottom + 48 };
  });
  detail(panel);
}

function studyView(panel) {
  panel.append(
    card("How to repeat this", "The command, then the versions that the numbers may depend on.", data.command ? h("pre", {}, h("code", {}, data.command)) : null, pairs(Object.entries(data.versions))),
    card("What went in", "SHA-256 of the files that were read.", data.files.length ? pairs(data.files) : missing("No files were read.")),
  );
  if (data.failed.length) panel.append(card("Failed", "Points that could not be computed, and why.", pairs(data.failed)));
}

function studyHead() {
  const title = h("h1", {}, data.title);
  const facts = h("p", { class: "facts" });
  const remarks = h("p", { class: "facts remark" });
  const update = () => {
    const here = data.points.filter((p) => p.network === state.network);
    const said = [network().name, plural(here.length, "point"), plural(data.parameters.length, "parameter")];
    if (data.failed.length) said.push(`${data.failed.length} failed`);
    facts.textContent = said.join(" · ");
    remarks.textContent = network().remark;
    remarks.hidden = !remarks.textContent;
  };
  state.listeners.push(update);
  update();
  const element = document.getElementById("head");
  element.append(h("p", { class: "eyebrow" }, "Cnvlutin2 study"), title, remarks, facts);
  if (data.networks.length > 1) {
    const select = choice(
      "Network",
      data.networks.map((n, i) => [i, n.name]),
      0,
      (value) => {
        state.network = Number(value);
        changed();
      },
    );
    element.append(h("div", { class: "controls" }, select.element));
  }
}

studyHead();
views([
  ["points", "Points", scatterView],
  ["parallel", "Parameters", parallelView],
  ...(data.measures.some((m) => m.key === "correct_share" || m.key === "agree_share") ? [["accuracy", "Accuracy", accuracyView]] : []),
  ["table", "Table", tableView],
  ["repeat", "Repeat", studyView],
]);
