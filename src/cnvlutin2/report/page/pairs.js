// Names and values below each other.

const pairs = (entries) =>
  h(
    "div",
    { class: "scroll" },
    h(
      "table",
      { class: "pairs" },
      h(
        "tbody",
        {},
        entries.map(([key, value]) => h("tr", {}, h("th", { scope: "row" }, key), h("td", { class: "mono" }, value))),
      ),
    ),
  );
