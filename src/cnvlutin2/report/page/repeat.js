// What another needs to repeat the run.

function repeatView(panel) {
  const hashes = new Map(data.networks.flatMap((n) => Object.entries(n.hashes)));
  panel.append(
    card(
      "How to repeat this",
      data.command
        ? "The command, then the versions and settings that the numbers may depend on."
        : "The versions and settings that the numbers may depend on.",
      data.command ? h("pre", {}, h("code", {}, data.command)) : null,
      pairs(Object.entries(data.provenance)),
    ),
    card(
      "What went in",
      "SHA-256 of the files that were read.",
      hashes.size ? pairs([...hashes]) : missing("No files were read: the network and its values were made in memory."),
      inputsList(),
    ),
  );
  panel.append(
    card(
      "Organisations",
      ["Every parameter, as ", h("code", {}, "cnvlutin2 archs NAME"), " prints it."],
      configurations(),
      data.archs.map((arch) =>
        h(
          "details",
          {},
          h("summary", {}, `${arch.name} `, arch.description ? h("span", { class: "note" }, arch.description) : null),
          pairs(Object.entries(arch.config)),
        ),
      ),
    ),
  );
  const left = data.networks.flatMap((n) => n.left_out.map((item) => [`${n.name}: ${item.name} (${item.operator})`, leftOut(item)]));
  if (left.length) panel.append(card("Left out", "What the network computes besides, and why it is not simulated.", pairs(left)));
}

/** Why something is left out, and how much it is. */
const leftOut = (item) =>
  `${item.reason} (${item.macs === null ? "multiply-accumulates not counted" : `${si(item.macs)} multiply-accumulates`})`;

/** The parameters in which the organisations differ, side by side. */
function configurations() {
  const keys = Object.keys(data.archs[0].config).filter((key) => new Set(data.archs.map((arch) => arch.config[key])).size > 1);
  if (!keys.length) return null;
  return h(
    "div",
    {},
    h("h3", {}, "Where they differ"),
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "Parameters in which the organisations differ" },
      h(
        "table",
        { class: "compare" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { class: "text", scope: "col" }, "parameter"),
            data.archs.map((arch) => h("th", { class: "text", scope: "col" }, arch.name)),
          ),
        ),
        h(
          "tbody",
          {},
          keys.map((key) =>
            h(
              "tr",
              {},
              h("th", { class: "text", scope: "row" }, key),
              data.archs.map((arch) => h("td", { class: "text mono" }, arch.config[key])),
            ),
          ),
        ),
      ),
    ),
  );
}

function inputsList() {
  return h(
    "div",
    {},
    data.networks.map((n) =>
      h(
        "details",
        {},
        h("summary", {}, `Inputs of ${n.name}: ${plural(n.images.length, "image")}`),
        pairs(n.images.map((name, i) => [String(i), name])),
      ),
    ),
  );
}
