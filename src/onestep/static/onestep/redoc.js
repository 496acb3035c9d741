// Draws the reference. Nothing of it may come from elsewhere: Redoc's menu would show its maker's logo from a CDN.
"use strict";

const setAttribute = HTMLImageElement.prototype.setAttribute;
HTMLImageElement.prototype.setAttribute = function (name, value) {
  if (name === "src" && String(value).startsWith("https://cdn.redoc.ly/")) {
    this.hidden = true;
    return;
  }
  setAttribute.call(this, name, value);
};

const place = document.getElementById("redoc");
const sans = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';
Redoc.init(
  place.dataset.schema,
  {
    scrollYOffset: ".docs-header",
    theme: {
      colors: { primary: { main: "#0f766e" } },
      typography: { fontFamily: sans, headings: { fontFamily: sans } },
    },
  },
  place,
);
